/* What operators set for the whole host, and what is asked of the agent itself. */

#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/line.h"
#include "base/now.h"
#include "base/reply.h"
#include "cards/gpus.h"
#include "cards/concurrent.h"
#include "cards/sample.h"
#include "journal/audit.h"
#include "json.h"
#include "log.h"
#include "records/doctor.h"
#include "region.h"
#include "state/agent_state.h"
#include "state/operators.h"
#include "state/quota.h"
#include "state/settings.h"
#include "state/slice.h"
#include "text.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

#define RELEASE_MS (10 * 60 * 1000)

/* ---- settings ------------------------------------------------------------------------------------------- */

int op_operators_set(struct request *r)
{
    const char *names;
    if (request_need_text(r, "names", &names) != 0) return -1;
    if (operators_set(r->agent, names, &r->failure) != 0) return -1;
    struct editor editor = request_editor(r);
    audit_setting(r->agent, &editor, names);
    return request_ok(r);
}

int op_settings_set(struct request *r)
{
    int64_t percent = 0;
    char detail[64];
    const struct json_field *given = json_get(&r->object, "memoryOvercommitMaxPercent");
    bool lifts = given && given->type == JSON_NULL;
    if (!lifts &&
        json_get_integer(&r->object, "memoryOvercommitMaxPercent", 100, OVERCOMMIT_MAX_PERCENT, &percent) != 1)
        return request_bad(r, "memoryOvercommitMaxPercent", "a whole number from 100 to 1000, or null for no guard");
    if (settings_set_overcommit(r->agent, percent, &r->failure) != 0) return -1;
    struct editor editor = request_editor(r);
    if (percent == 0)
        snprintf(detail, sizeof detail, "no overcommit guard");
    else
        snprintf(detail, sizeof detail, "overcommit guard of %lld %%", (long long)percent);
    audit_setting(r->agent, &editor, detail);
    r->agent->state_dirty = true;
    return request_ok(r);
}

int op_quota_set(struct request *r)
{
    struct quota quota = {.memory_bytes_max = QUOTA_NONE, .slices_max = QUOTA_NONE};
    const char *subject;
    bool removes = false;
    char detail[160], memory[32] = "any memory", slices[32] = "any number of slices";
    if (request_need_text(r, "subject", &subject) != 0) return -1;
    if (subject[0] == '\0' || !text_copy(quota.subject, sizeof quota.subject, subject))
        return request_bad(r, "subject", "a user, an @group or \"default\"");
    if (request_may_bool(r, "remove", &removes) < 0) return -1;
    if (request_may_integer(r, "memoryBytesMax", 0, JSON_INTEGER_MAX, &quota.memory_bytes_max) < 0 ||
        request_may_integer(r, "slicesMax", 0, SLICES_MAX, &quota.slices_max) < 0)
        return -1;
    /* Both are said, null for none: what was not meant to change is not lost by a word left out. */
    if (!removes && (!json_get(&r->object, "memoryBytesMax") || !json_get(&r->object, "slicesMax")))
        return request_bad(r, "memoryBytesMax (and slicesMax)", "given, null for no quota");
    if (quota_set(r->agent, &quota, removes, &r->failure) != 0) return -1;
    if (quota.memory_bytes_max != QUOTA_NONE) text_gib(memory, sizeof memory, (uint64_t)quota.memory_bytes_max);
    if (quota.slices_max != QUOTA_NONE)
        snprintf(slices, sizeof slices, "%lld slice%s", (long long)quota.slices_max, quota.slices_max == 1 ? "" : "s");
    if (removes)
        snprintf(detail, sizeof detail, "no quota of its own for %s", quota.subject);
    else
        snprintf(detail, sizeof detail, "quota of %s: %s, %s", quota.subject, memory, slices);
    struct editor editor = request_editor(r);
    audit_setting(r->agent, &editor, detail);
    r->agent->state_dirty = true;
    return request_ok(r);
}

int op_gpu_concurrent(struct request *r)
{
    const char *uuid;
    bool on = false;
    char detail[REGION_UUID_BYTES + 8];
    if (request_need_text(r, "gpuUuid", &uuid) != 0) return -1;
    if (json_get_bool(&r->object, "concurrent", &on) != 1) return request_bad(r, "concurrent", "true or false");
    if (on) sample_take(r->agent, now_mono_ms(), true); /* who is on the GPU now, and not seconds ago */
    if (concurrent_set(r->agent, uuid, on, &r->failure) != 0) return -1;
    struct editor editor = request_editor(r);
    snprintf(detail, sizeof detail, "%s %s", on ? "on" : "off", agent_gpu(r->agent, uuid)->info.uuid);
    audit_setting(r->agent, &editor, detail);
    return request_ok(r);
}

/* ---- the agent itself ------------------------------------------------------------------------------------ */

static void put_finding(void *context, const char *code, const char *level, const char *message)
{
    struct json_writer *w = context;
    if (w->len > AGENT_LINE_MAX_BYTES / 2) return;
    json_open(w, '{');
    json_put_text(w, "code", code);
    json_put_text(w, "level", level);
    json_put_text(w, "message", message);
    json_close(w, '}');
}

/* For somebody who has just loaded a driver, or let one go for an upgrade that is done. */
int op_gpus_look(struct request *r)
{
    gpus_look(r->agent, now_mono_ms());
    if (r->agent->gpu_note[0] == '\0') return request_ok(r);
    return fail(&r->failure, "no-gpu", "%s still has no GPU to manage: %s.", r->agent->host_name, r->agent->gpu_note);
}

int op_doctor(struct request *r)
{
    int64_t pid = 0;
    bool release = false;
    if (request_may_integer(r, "pid", 1, INT32_MAX, &pid) < 0) return -1;
    if (request_may_bool(r, "release", &release) < 0) return -1;
    if (release) {
        if (request_need(r, VERB_SET_HOST) != 0) return -1;
        gpus_close(r->agent, "the agent has let go of the driver for an upgrade; it looks again after ten minutes",
                   RELEASE_MS);
        log_line("%s had the driver released", r->peer->name);
    }
    struct json_writer findings;
    json_writer_init(&findings, AGENT_LINE_MAX_BYTES);
    struct doctor doctor = {.found = put_finding, .context = &findings};
    json_open(&findings, '[');
    doctor_agent(&doctor, r->agent, (pid_t)pid);
    json_close(&findings, ']');
    reply_begin(r->out, r->id);
    json_key(r->out, "findings");
    json_raw(r->out, findings.data, findings.len);
    json_end_line(r->out);
    bool failed = findings.failed;
    json_writer_free(&findings);
    return failed ? fail(&r->failure, "internal", "The agent is out of memory.") : 0;
}

int op_shutdown(struct request *r)
{
    const char *reason;
    if (request_may_text(r, "reason", &reason) != 0) return -1;
    char shown[TEXT_SHOWN_BYTES + 1] = "";
    if (reason) text_sanitize(shown, sizeof shown, reason, strlen(reason));
    log_line("%s asked the agent to leave: %s", r->peer->name, shown);
    r->agent->leaving = true;
    r->agent->leave_reason = "An operator asked for it.";
    return request_ok(r);
}
