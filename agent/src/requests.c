#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "edit.h"
#include "log.h"
#include "people.h"
#include "version.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

#define SAMPLE_INTERVAL_MIN_MS 100
#define SAMPLE_INTERVAL_MAX_MS 60000
#define SAMPLE_INTERVAL_DEFAULT_MS 500
#define HOURS_DAYS_DEFAULT 7
#define RELEASE_MS (10 * 60 * 1000)

struct request {
    struct agent *agent;
    struct peer *peer;
    int64_t id;
    struct json_object object;
    struct json_writer *out;
    struct failure failure;
};

static int bad(struct request *r, const char *key, const char *what)
{
    return fail(&r->failure, "bad-request", "The field %s of the request must be %s; nothing was done.", key, what);
}

static int need_text(struct request *r, const char *key, const char **out)
{
    return json_get_text(&r->object, key, out) == 1 ? 0 : bad(r, key, "text");
}

static int may_text(struct request *r, const char *key, const char **out)
{
    *out = NULL;
    return json_get_text(&r->object, key, out) >= 0 ? 0 : bad(r, key, "text or null");
}

/* 1 present, 0 absent, -1 refused. */
static int may_integer(struct request *r, const char *key, int64_t min, int64_t max, int64_t *out)
{
    int found = json_get_integer(&r->object, key, min, max, out);
    if (found >= 0) return found;
    char what[96];
    if (min == -JSON_INTEGER_MAX) {
        snprintf(what, sizeof what, "a whole number");
    } else {
        snprintf(what, sizeof what, "a whole number from %lld to %lld", (long long)min, (long long)max);
    }
    return bad(r, key, what);
}

static void begin_ok(struct request *r)
{
    r->out->comma = false;
    json_open(r->out, '{');
    json_put_integer(r->out, "id", r->id);
    json_put_bool(r->out, "ok", true);
}

static void end_line(struct json_writer *w)
{
    json_close(w, '}');
    json_raw(w, "\n", 1);
    w->comma = false;
}

static void put_error(struct json_writer *w, int64_t id, const struct failure *failure, bool with_versions)
{
    w->comma = false;
    json_open(w, '{');
    json_put_known(w, "id", id >= 0, id);
    json_put_bool(w, "ok", false);
    json_put_text(w, "code", failure->code);
    json_put_text(w, "message", failure->message);
    if (with_versions) {
        json_put_integer(w, "protocolMin", PROTOCOL_VERSION);
        json_put_integer(w, "protocolMax", PROTOCOL_VERSION);
    }
    end_line(w);
}

static int need_operator(struct request *r)
{
    if (r->peer->is_operator) return 0;
    return fail(
        &r->failure, "not-permitted",
        "%s manages the GPUs of %s and may change them; you are %s and may use slices that you own. Nothing was "
        "changed. Ask %s.",
        r->agent->manager_name, r->agent->host_name, r->peer->name, r->agent->manager_name);
}

/* ---- conversation --------------------------------------------------------------------------------------- */

static int op_hello(struct request *r)
{
    struct agent *agent = r->agent;
    int64_t min, max;
    if (may_integer(r, "protocolMin", 0, 1000000, &min) != 1 || may_integer(r, "protocolMax", 0, 1000000, &max) != 1) {
        return r->failure.code ? -1 : bad(r, "protocolMin", "present, and protocolMax too");
    }
    if (min > PROTOCOL_VERSION || max < PROTOCOL_VERSION) {
        return fail(&r->failure, "protocol-mismatch",
                    "The agent on %s (" TRANCHE_VERSION
                    ") speaks protocol %d and the desktop %lld to %lld. Upgrade the "
                    "older one.",
                    agent->host_name, PROTOCOL_VERSION, (long long)min, (long long)max);
    }
    struct json_writer *w = r->out;
    begin_ok(r);
    json_put_integer(w, "protocol", PROTOCOL_VERSION);
    json_put_text(w, "agentVersion", TRANCHE_VERSION);
    json_put_integer(w, "regionAbi", REGION_ABI);
    json_put_text(w, "arch", TRANCHE_ARCH);
    json_put_text(w, "hostName", agent->host_name);
    json_put_text(w, "machineId", agent->places.machine_id);
    json_put_text(w, "bootId", agent->places.boot_id);
    json_put_text(w, "scope", agent->places.scope == SCOPE_SYSTEM ? "system" : "user");
    json_put_integer(w, "managerUid", agent->places.uid);
    json_put_text(w, "managerName", agent->manager_name);
    json_put_integer(w, "yourUid", r->peer->uid);
    json_put_text(w, "yourName", r->peer->name);
    json_put_bool(w, "operator", r->peer->is_operator);
    json_put_text(w, "driver", agent->driver[0] ? agent->driver : NULL);
    json_put_text(w, "gpuNote", agent->gpu_note[0] ? agent->gpu_note : NULL);
    json_put_bool(w, "simulated", agent->simulation != NULL);
    json_put_text(w, "runtimeDir", agent->places.runtime);
    json_put_text(w, "shimPath", r->peer->shim_path[0] ? r->peer->shim_path : NULL);
    end_line(w);
    return 0;
}

static int op_subscribe(struct request *r)
{
    int64_t interval = SAMPLE_INTERVAL_DEFAULT_MS;
    if (may_integer(r, "sampleIntervalMs", SAMPLE_INTERVAL_MIN_MS, SAMPLE_INTERVAL_MAX_MS, &interval) < 0) return -1;
    r->peer->subscribed = true;
    r->peer->wants_state = r->peer->wants_jobs = true;
    r->peer->interval_ms = (int32_t)interval;
    r->peer->due_at_ms = 0;
    begin_ok(r);
    end_line(r->out);
    return 0;
}

static int op_unsubscribe(struct request *r)
{
    r->peer->subscribed = r->peer->wants_state = r->peer->wants_jobs = false;
    begin_ok(r);
    end_line(r->out);
    return 0;
}

/* ---- slices --------------------------------------------------------------------------------------------- */

static int put_edit(struct request *r, int result, const struct edit_reply *reply)
{
    if (result != 0) return -1;
    begin_ok(r);
    json_put_text(r->out, "sliceId", reply->slice_id);
    json_put_integer(r->out, "revision", (int64_t)reply->revision);
    json_put_text(r->out, "undoToken", reply->undo_token);
    json_put_integer(r->out, "undoExpiresAtMs", reply->undo_expires_at_ms);
    end_line(r->out);
    return 0;
}

static int take_time(struct request *r, const char *key, bool *has, int64_t *out)
{
    const struct json_field *field = json_get(&r->object, key);
    *has = field != NULL;
    *out = NO_TIME;
    return may_integer(r, key, 0, JSON_INTEGER_MAX, out) < 0 ? -1 : 0;
}

static int take_changes(struct request *r, struct slice_changes *c)
{
    const char *priority;
    int found[3] = {
        may_integer(r, "memoryLimitBytes", -JSON_INTEGER_MAX, JSON_INTEGER_MAX, &c->memory_limit_bytes),
        may_integer(r, "computeLimitPercent", -JSON_INTEGER_MAX, JSON_INTEGER_MAX, &c->compute_limit_percent),
        may_integer(r, "computeGuaranteePercent", -JSON_INTEGER_MAX, JSON_INTEGER_MAX, &c->compute_guarantee_percent),
    };
    if (found[0] < 0 || found[1] < 0 || found[2] < 0) return -1;
    c->has_memory = found[0] == 1;
    c->has_limit = found[1] == 1;
    c->has_guarantee = found[2] == 1;
    if (may_text(r, "priority", &priority) != 0) return -1;
    c->has_priority = priority != NULL;
    if (priority && priority_parse(priority, &c->priority) != 0) {
        return bad(r, "priority", "\"idle\", \"normal\" or \"high\"");
    }
    return take_time(r, "expiresAtMs", &c->has_expires, &c->expires_at_ms);
}

static struct editor editor_of(const struct request *r)
{
    const char *op = "";
    bool over_quota = false; /* anything but true is no */
    json_get_text(&r->object, "op", &op);
    json_get_bool(&r->object, "overQuota", &over_quota);
    return (struct editor){.uid = r->peer->uid,
                           .name = r->peer->name,
                           .action = op,
                           .over_quota = over_quota,
                           .claimed_from = r->peer->claimed_from};
}

static int op_create(struct request *r)
{
    struct slice_changes c = {0};
    struct edit_reply reply;
    struct editor editor = editor_of(r);
    if (need_text(r, "gpuUuid", &c.gpu_uuid) != 0 || take_changes(r, &c) != 0) return -1;
    if (take_time(r, "startsAtMs", &c.has_starts, &c.starts_at_ms) != 0) return -1;
    if (may_text(r, "owner", &c.owner) != 0 || may_text(r, "name", &c.name) != 0) return -1;
    if (!c.has_memory) return bad(r, "memoryLimitBytes", "given");
    if (!c.has_limit) return bad(r, "computeLimitPercent", "given");
    if (need_operator(r) != 0) return -1;
    return put_edit(r, edit_create(r->agent, &c, &editor, &reply, &r->failure), &reply);
}

/* The slice of the request's sliceId and revision. The revision may be left out only where that is said. */
static int target(struct request *r, bool revision_needed, struct slice **slice)
{
    const char *id;
    int64_t revision = -1;
    if (need_text(r, "sliceId", &id) != 0) return -1;
    int found = may_integer(r, "revision", 0, JSON_INTEGER_MAX, &revision);
    if (found < 0) return -1;
    if (found == 0 && revision_needed) return bad(r, "revision", "given");
    char shown[REGION_ID_BYTES];
    text_sanitize(shown, sizeof shown, id, strlen(id));
    if (need_operator(r) != 0) return -1;
    *slice = edit_target(r->agent, shown, revision, &r->failure);
    return *slice ? 0 : -1;
}

static int op_resize(struct request *r)
{
    struct slice_changes c = {0};
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = editor_of(r);
    const char *below;
    if (take_changes(r, &c) != 0 || may_text(r, "belowUse", &below) != 0) return -1;
    if (below && strcmp(below, "refuse") != 0 && strcmp(below, "when-it-drops") != 0) {
        return bad(r, "belowUse", "\"refuse\" or \"when-it-drops\"");
    }
    c.refuse_below_use = below && strcmp(below, "refuse") == 0;
    if (!c.has_memory && !c.has_limit && !c.has_guarantee && !c.has_priority && !c.has_expires) {
        return bad(r, "memoryLimitBytes (or another to change)", "given");
    }
    if (target(r, false, &slice) != 0) return -1;
    return put_edit(r, edit_resize(r->agent, slice, &c, &editor, &reply, &r->failure), &reply);
}

static int op_assign(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = editor_of(r);
    const char *owner;
    if (need_text(r, "owner", &owner) != 0 || target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_assign(r->agent, slice, owner, &editor, &reply, &r->failure), &reply);
}

static int op_rename(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = editor_of(r);
    const char *name;
    if (need_text(r, "name", &name) != 0 || target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_rename(r->agent, slice, name, &editor, &reply, &r->failure), &reply);
}

static int op_move(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = editor_of(r);
    const char *gpu;
    if (need_text(r, "gpuUuid", &gpu) != 0 || target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_move(r->agent, slice, gpu, &editor, &reply, &r->failure), &reply);
}

static int op_delete(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = editor_of(r);
    bool with_processes = false;
    if (json_get_bool(&r->object, "withProcesses", &with_processes) < 0)
        return bad(r, "withProcesses", "true or false");
    if (target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_delete(r->agent, slice, with_processes, &editor, &reply, &r->failure), &reply);
}

static int op_undo(struct request *r)
{
    struct edit_reply reply;
    struct editor editor = editor_of(r);
    const char *token;
    if (need_text(r, "undoToken", &token) != 0 || need_operator(r) != 0) return -1;
    return put_edit(r, edit_undo(r->agent, token, &editor, &reply, &r->failure), &reply);
}

/* ---- history -------------------------------------------------------------------------------------------- */

static int op_history(struct request *r)
{
    const char *gpu, *slice_id;
    int64_t from, to, max;
    if (may_text(r, "gpuUuid", &gpu) != 0 || may_text(r, "sliceId", &slice_id) != 0) return -1;
    if (!gpu == !slice_id) return bad(r, "gpuUuid or sliceId", "given, and not both");
    if (may_integer(r, "fromMs", 0, JSON_INTEGER_MAX, &from) != 1) return bad(r, "fromMs", "a time");
    if (may_integer(r, "toMs", 0, JSON_INTEGER_MAX, &to) != 1) return bad(r, "toMs", "a time");
    if (may_integer(r, "maxPoints", 1, HISTORY_POINTS_MAX, &max) != 1) {
        return bad(r, "maxPoints", "a whole number from 1 to 2000");
    }
    if (gpu && !agent_gpu(r->agent, gpu)) {
        return fail(&r->failure, "unknown-gpu", "There is no GPU with that UUID on %s.", r->agent->host_name);
    }
    if (slice_id) {
        struct slice *slice = slice_find(&r->agent->slices, slice_id);
        if (!slice || slice->r.deleted) {
            return fail(&r->failure, "unknown-slice", "There is no such slice on %s.", r->agent->host_name);
        }
    }
    if (r->peer->job_count == HISTORY_JOBS_MAX) {
        return fail(&r->failure, "busy", "%d history requests are already waiting; ask again when they are answered.",
                    HISTORY_JOBS_MAX);
    }
    struct history_job *job = history_query(r->agent, gpu ? gpu : slice_id, gpu != NULL, from, to, (size_t)max);
    if (!job) return fail(&r->failure, "internal", "The agent is out of memory; ask for less.");
    job->request_id = r->id;
    r->peer->jobs[r->peer->job_count++] = job;
    return 0;
}

void request_history_done(struct peer *peer, const struct history_job *job)
{
    struct json_writer *w = &peer->replies;
    w->comma = false;
    json_open(w, '{');
    json_put_integer(w, "id", job->request_id);
    json_put_bool(w, "ok", true);
    json_put_integer(w, "points", (int64_t)job->count);
    end_line(w);
}

/* ---- audit ---------------------------------------------------------------------------------------------- */

static int op_audit(struct request *r)
{
    struct audit_query q = {.from_ms = 0, .to_ms = JSON_INTEGER_MAX, .before_seq = JSON_INTEGER_MAX};
    int64_t max = AUDIT_RECORDS_MAX;
    if (may_text(r, "sliceId", &q.slice_id) != 0) return -1;
    if (may_integer(r, "fromMs", 0, JSON_INTEGER_MAX, &q.from_ms) < 0 ||
        may_integer(r, "toMs", 0, JSON_INTEGER_MAX, &q.to_ms) < 0 ||
        may_integer(r, "beforeSeq", 0, JSON_INTEGER_MAX, &q.before_seq) < 0 ||
        may_integer(r, "maxRecords", 1, AUDIT_RECORDS_MAX, &max) < 0) {
        return -1;
    }
    q.max = (size_t)max;
    struct json_mark mark = json_mark(r->out);
    begin_ok(r);
    int error = audit_read(r->agent, &q, r->out);
    if (error != 0) {
        json_rewind(r->out, mark);
        return fail(&r->failure, "internal", "The audit in %s could not be read: %s.", r->agent->places.state,
                    strerror(error));
    }
    end_line(r->out);
    return 0;
}

static int op_hours(struct request *r)
{
    int64_t days = HOURS_DAYS_DEFAULT, today = now_wall_ms() / DAY_MS;
    if (may_integer(r, "days", 1, HOURS_DAYS, &days) < 0) return -1;
    begin_ok(r);
    json_put_integer(r->out, "sinceMs", (today - days + 1) * DAY_MS);
    hours_put(r->agent, today, days, r->out);
    end_line(r->out);
    return 0;
}

/* Edits that were refused for lack of rights are kept too. */
static void note_refusal(struct request *r, const char *op)
{
    const char *id;
    bool edits = strncmp(op, "slice-", 6) == 0 || strcmp(op, "undo") == 0 || strcmp(op, "operators-set") == 0 ||
                 strcmp(op, "gpu-concurrent") == 0 || strcmp(op, "quota-set") == 0;
    if (!edits || strcmp(r->failure.code, "not-permitted") != 0) return;
    struct slice *slice = json_get_text(&r->object, "sliceId", &id) == 1 ? slice_find(&r->agent->slices, id) : NULL;
    if (slice && slice->r.deleted) slice = NULL;
    struct editor editor = editor_of(r);
    audit_refused(r->agent, &editor, r->failure.code, slice);
}

/* ---- processes and the agent itself ---------------------------------------------------------------------- */

static bool on_a_gpu(const struct agent *agent, uint32_t pid)
{
    for (size_t i = 0; i < agent->gpu_count; i++) {
        for (size_t k = 0; k < agent->gpus[i].process_count; k++) {
            if (agent->gpus[i].processes[k].pid == pid) return true;
        }
    }
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        for (size_t k = 0; k < slice->track_count; k++) {
            if ((slice->tracks[k].token & 0x7fffffffu) == pid) return true;
        }
    }
    return false;
}

static int send_signal(const struct proc *proc, int number)
{
    if (proc->pidfd >= 0) {
        if (syscall(SYS_pidfd_send_signal, proc->pidfd, number, NULL, 0) == 0) return 0;
        if (errno != ENOSYS) return errno;
    }
    return kill(proc->pid, number) == 0 ? 0 : errno;
}

static int op_process_stop(struct request *r)
{
    const char *name, *ticks_text;
    int64_t pid, ticks;
    if (may_integer(r, "pid", 1, INT32_MAX, &pid) != 1) return bad(r, "pid", "a process id");
    if (need_text(r, "startTicks", &ticks_text) != 0 || need_text(r, "signal", &name) != 0) return -1;
    if (text_parse_integer(ticks_text, 0, INT64_MAX, &ticks) != 0) return bad(r, "startTicks", "digits");
    int number = strcmp(name, "INT") == 0    ? SIGINT
                 : strcmp(name, "TERM") == 0 ? SIGTERM
                 : strcmp(name, "KILL") == 0 ? SIGKILL
                                             : 0;
    if (number == 0) return bad(r, "signal", "\"INT\", \"TERM\" or \"KILL\"");
    struct proc *proc = procs_get(&r->agent->procs, (pid_t)pid, now_mono_ms());
    if (!proc || proc->start_ticks != (uint64_t)ticks || !on_a_gpu(r->agent, (uint32_t)pid)) {
        return fail(&r->failure, "unknown-process",
                    "Process %lld is not (or no longer) on a GPU of %s; no signal was sent.", (long long)pid,
                    r->agent->host_name);
    }
    if (!r->peer->is_operator && (!proc->uid_known || proc->uid != r->peer->uid)) {
        return fail(&r->failure, "not-permitted", "Process %lld is not yours; no signal was sent.", (long long)pid);
    }
    int error = send_signal(proc, number);
    if (error == EPERM) {
        return fail(&r->failure, "not-permitted",
                    "The agent runs as %s and may not signal process %lld of another user. Its owner can, with: kill "
                    "-%s %lld",
                    r->agent->manager_name, (long long)pid, name, (long long)pid);
    }
    if (error != 0) {
        return fail(&r->failure, "unknown-process", "Process %lld could not be signalled: %s.", (long long)pid,
                    strerror(error));
    }
    log_line("%s sent SIG%s to process %lld", r->peer->name, name, (long long)pid);
    begin_ok(r);
    end_line(r->out);
    return 0;
}

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

static int op_doctor(struct request *r)
{
    int64_t pid = 0;
    bool release = false;
    if (may_integer(r, "pid", 1, INT32_MAX, &pid) < 0) return -1;
    if (json_get_bool(&r->object, "release", &release) < 0) return bad(r, "release", "true or false");
    if (release) {
        if (need_operator(r) != 0) return -1;
        gpus_close(r->agent,
                   "the agent has let go of the NVIDIA driver for an upgrade; it looks again after ten minutes",
                   RELEASE_MS);
        log_line("%s had the driver released", r->peer->name);
    }
    struct json_writer findings;
    json_writer_init(&findings, AGENT_LINE_MAX_BYTES);
    struct doctor doctor = {.found = put_finding, .context = &findings};
    json_open(&findings, '[');
    doctor_agent(&doctor, r->agent);
    if (pid > 0) doctor_process(&doctor, (pid_t)pid);
    json_close(&findings, ']');
    begin_ok(r);
    json_key(r->out, "findings");
    json_raw(r->out, findings.data, findings.len);
    r->out->comma = true;
    end_line(r->out);
    bool failed = findings.failed;
    json_writer_free(&findings);
    return failed ? fail(&r->failure, "internal", "The agent is out of memory.") : 0;
}

static int op_operators_set(struct request *r)
{
    const char *names;
    if (need_text(r, "names", &names) != 0) return -1;
    if (r->peer->uid != r->agent->places.uid && r->peer->uid != 0) {
        return fail(&r->failure, "not-permitted", "Only %s or root names operators; nothing was changed.",
                    r->agent->manager_name);
    }
    if (operators_set(r->agent, names, &r->failure) != 0) return -1;
    struct editor editor = editor_of(r);
    audit_setting(r->agent, &editor, names);
    for (size_t i = 0; i < r->agent->peer_count; i++) {
        struct peer *peer = r->agent->peers[i];
        peer->is_operator = agent_is_operator(r->agent, peer->uid);
    }
    begin_ok(r);
    end_line(r->out);
    return 0;
}

static int op_settings_set(struct request *r)
{
    int64_t percent = 0;
    char detail[64];
    if (need_operator(r) != 0) return -1;
    const struct json_field *given = json_get(&r->object, "memoryOvercommitMaxPercent");
    bool lifts = given != NULL && given->type == JSON_NULL;
    if (!lifts &&
        json_get_integer(&r->object, "memoryOvercommitMaxPercent", 100, OVERCOMMIT_MAX_PERCENT, &percent) != 1) {
        return bad(r, "memoryOvercommitMaxPercent", "a whole number from 100 to 1000, or null for no guard");
    }
    if (settings_set_overcommit(r->agent, percent, &r->failure) != 0) return -1;
    struct editor editor = editor_of(r);
    if (percent == 0) {
        snprintf(detail, sizeof detail, "no overcommit guard");
    } else {
        snprintf(detail, sizeof detail, "overcommit guard of %lld %%", (long long)percent);
    }
    audit_setting(r->agent, &editor, detail);
    r->agent->state_dirty = true;
    begin_ok(r);
    end_line(r->out);
    return 0;
}

static int op_quota_set(struct request *r)
{
    struct quota quota = {.memory_bytes_max = QUOTA_NONE, .slices_max = QUOTA_NONE};
    const char *subject;
    bool removes = false;
    char detail[160], memory[32] = "any memory", slices[32] = "any number of slices";
    if (need_text(r, "subject", &subject) != 0) return -1;
    if (subject[0] == '\0' || !text_copy(quota.subject, sizeof quota.subject, subject)) {
        return bad(r, "subject", "a user, an @group or \"default\"");
    }
    if (json_get_bool(&r->object, "remove", &removes) < 0) return bad(r, "remove", "true or false");
    if (may_integer(r, "memoryBytesMax", 0, JSON_INTEGER_MAX, &quota.memory_bytes_max) < 0 ||
        may_integer(r, "slicesMax", 0, SLICES_MAX, &quota.slices_max) < 0) {
        return -1;
    }
    /* Both are said, null for none: what was not meant to change is not lost by a word left out. */
    if (!removes && (!json_get(&r->object, "memoryBytesMax") || !json_get(&r->object, "slicesMax"))) {
        return bad(r, "memoryBytesMax (and slicesMax)", "given, null for no quota");
    }
    if (need_operator(r) != 0 || quota_set(r->agent, &quota, removes, &r->failure) != 0) return -1;
    if (quota.memory_bytes_max != QUOTA_NONE) text_gib(memory, sizeof memory, (uint64_t)quota.memory_bytes_max);
    if (quota.slices_max != QUOTA_NONE) {
        snprintf(slices, sizeof slices, "%lld slice%s", (long long)quota.slices_max, quota.slices_max == 1 ? "" : "s");
    }
    if (removes) {
        snprintf(detail, sizeof detail, "no quota of its own for %s", quota.subject);
    } else {
        snprintf(detail, sizeof detail, "quota of %s: %s, %s", quota.subject, memory, slices);
    }
    struct editor editor = editor_of(r);
    audit_setting(r->agent, &editor, detail);
    r->agent->state_dirty = true;
    begin_ok(r);
    end_line(r->out);
    return 0;
}

static int op_gpu_concurrent(struct request *r)
{
    const char *uuid;
    bool on = false;
    char detail[REGION_UUID_BYTES + 8];
    if (need_text(r, "gpuUuid", &uuid) != 0) return -1;
    if (json_get_bool(&r->object, "concurrent", &on) != 1) return bad(r, "concurrent", "true or false");
    if (need_operator(r) != 0 || mps_set(r->agent, uuid, on, &r->failure) != 0) return -1;
    struct editor editor = editor_of(r);
    snprintf(detail, sizeof detail, "%s %s", on ? "on" : "off", agent_gpu(r->agent, uuid)->info.uuid);
    audit_setting(r->agent, &editor, detail);
    begin_ok(r);
    end_line(r->out);
    return 0;
}

static int op_shutdown(struct request *r)
{
    const char *reason;
    if (may_text(r, "reason", &reason) != 0 || need_operator(r) != 0) return -1;
    char shown[TEXT_SHOWN_BYTES + 1] = "";
    if (reason) text_sanitize(shown, sizeof shown, reason, strlen(reason));
    log_line("%s asked the agent to leave: %s", r->peer->name, shown);
    r->agent->leaving = true;
    r->agent->leave_reason = "An operator asked for it.";
    begin_ok(r);
    end_line(r->out);
    return 0;
}

static int op_job(struct request *r)
{
    const char *op = "";
    json_get_text(&r->object, "op", &op);
    struct json_mark mark = json_mark(r->out);
    begin_ok(r);
    end_line(r->out);
    if (jobs_request(r->agent, r->peer, op, &r->object, &r->failure) == 0) return 0;
    json_rewind(r->out, mark);
    return -1;
}

/* ---- dispatch -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct request *);
} ops[] = {
    {"hello", op_hello},
    {"subscribe", op_subscribe},
    {"unsubscribe", op_unsubscribe},
    {"slice-create", op_create},
    {"slice-resize", op_resize},
    {"slice-assign", op_assign},
    {"slice-rename", op_rename},
    {"slice-move", op_move},
    {"slice-delete", op_delete},
    {"undo", op_undo},
    {"history", op_history},
    {"audit", op_audit},
    {"hours", op_hours},
    {"process-stop", op_process_stop},
    {"doctor", op_doctor},
    {"operators-set", op_operators_set},
    {"settings-set", op_settings_set},
    {"gpu-concurrent", op_gpu_concurrent},
    {"quota-set", op_quota_set},
    {"job-put", op_job},
    {"job-start", op_job},
    {"job-log", op_job},
    {"job-cancel", op_job},
    {"job-hold", op_job},
    {"job-release", op_job},
    {"job-first", op_job},
    {"job-priority", op_job},
    {"job-slots", op_job},
    {"shutdown", op_shutdown},
};

/* Sent by `tranche attach` and our command line before anything else; has no id and no reply. */
static bool take_introduction(struct peer *peer, const struct json_object *object)
{
    const char *op, *path;
    if (json_get(object, "id") || json_get_text(object, "op", &op) != 1 || strcmp(op, "introduce") != 0) return false;
    if (json_get_text(object, "shimPath", &path) == 1) {
        text_sanitize(peer->shim_path, sizeof peer->shim_path, path, strlen(path));
    }
    if (json_get_text(object, "from", &path) == 1) {
        text_sanitize(peer->claimed_from, sizeof peer->claimed_from, path, strlen(path));
    }
    return true;
}

void request_line(struct agent *agent, struct peer *peer, char *line, size_t len)
{
    struct request r = {.agent = agent, .peer = peer, .id = -1, .out = &peer->replies};
    const char *why, *op;
    int result = -1;
    if (json_parse_flat(line, len, &r.object, &why) != 0) {
        fail(&r.failure, "bad-request", "The request could not be read: %s. Nothing was done.", why);
    } else if (take_introduction(peer, &r.object)) {
        return;
    } else if (json_get_integer(&r.object, "id", 0, JSON_INTEGER_MAX, &r.id) != 1) {
        r.id = -1;
        bad(&r, "id", "a whole number");
    } else if (json_get_text(&r.object, "op", &op) != 1) {
        bad(&r, "op", "text");
    } else {
        size_t i = 0;
        while (i < sizeof ops / sizeof ops[0] && strcmp(ops[i].name, op) != 0) i++;
        if (i < sizeof ops / sizeof ops[0]) {
            result = ops[i].run(&r);
            if (result != 0) note_refusal(&r, ops[i].name);
        } else if (strncmp(op, "terminal-", 9) == 0) {
            fail(&r.failure, "upgrade-needed",
                 "Terminals are held by the tranche in your own account on %s, and that one is older than the agent. "
                 "Nothing was done; install Tranche there again.",
                 agent->host_name);
        } else {
            fail(&r.failure, "unknown-op", "This agent (" TRANCHE_VERSION ") does not know that operation.");
        }
    }
    if (result == 0) return;
    put_error(r.out, r.id, &r.failure, strcmp(r.failure.code, "protocol-mismatch") == 0);
}

void request_too_long(struct agent *agent, struct peer *peer)
{
    struct failure failure;
    (void)agent;
    fail(&failure, "line-too-long", "A request is at most %u bytes long; the connection ends.",
         REQUEST_LINE_MAX_BYTES);
    put_error(&peer->replies, -1, &failure, false);
}
