/* The edits of slices: what a request says, as edit.h takes it. */

#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/reply.h"
#include "journal/audit.h"
#include "json.h"
#include "region.h"
#include "slices/edit.h"
#include "slices/edit_commit.h"
#include "slices/edit_move.h"
#include "slices/scope_enter.h"
#include "state/rights.h"
#include "state/slice.h"
#include "state/slice_settings.h"
#include "text.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

static int put_edit(struct request *r, int result, const struct edit_reply *reply)
{
    if (result != 0) return -1;
    reply_begin(r->out, r->id);
    json_put_text(r->out, "sliceId", reply->slice_id);
    json_put_integer(r->out, "revision", (int64_t)reply->revision);
    json_put_text(r->out, "undoToken", reply->undo_token);
    json_put_integer(r->out, "undoExpiresAtMs", reply->undo_expires_at_ms);
    json_end_line(r->out);
    return 0;
}

static int bad_word(struct request *r, const struct setting_info *info)
{
    char list[80] = "";
    for (const char *const *words = setting_words(info->kind); *words; words++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s\"%s\"", n == 0 ? "" : words[1] ? ", " : " or ", *words);
    }
    return request_bad(r, info->wire, list);
}

static int take_setting(struct request *r, const struct setting_info *info, bool *has, int64_t *value)
{
    const char *word;
    int found;
    switch (info->kind) {
    case SETTING_BYTES:
    case SETTING_PERCENT: /* what lies outside is refused by its own code */
        found = request_may_integer(r, info->wire, -JSON_INTEGER_MAX, JSON_INTEGER_MAX, value);
        *has = found == 1;
        return found < 0 ? -1 : 0;
    case SETTING_TIME: /* null is none, absent as it was */
        *has = json_get(&r->object, info->wire);
        *value = NO_TIME;
        return request_may_integer(r, info->wire, 0, JSON_INTEGER_MAX, value) < 0 ? -1 : 0;
    case SETTING_PRIORITY:
    case SETTING_GATE:
        if (request_may_text(r, info->wire, &word) != 0) return -1;
        *has = word;
        return !word || setting_parse_word(info->kind, word, value) ? 0 : bad_word(r, info);
    }
    return 0;
}

static int take_changes(struct request *r, struct slice_changes *c)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (take_setting(r, &slice_settings[i], &c->has[i], &c->value[i]) != 0) return -1;
    return 0;
}

static bool changes_something(const struct slice_changes *c)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (c->has[i]) return true;
    return false;
}

int op_slice_create(struct request *r)
{
    struct slice_changes c = {0};
    struct edit_reply reply;
    struct editor editor = request_editor(r);
    if (request_need_text(r, "gpuUuid", &c.gpu_uuid) != 0 || take_changes(r, &c) != 0) return -1;
    if (request_may_text(r, "owner", &c.owner) != 0 || request_may_text(r, "name", &c.name) != 0) return -1;
    if (!c.has[SETTING_memory_limit_bytes]) return request_bad(r, "memoryLimitBytes", "given");
    if (!c.has[SETTING_compute_limit_percent]) return request_bad(r, "computeLimitPercent", "given");
    return put_edit(r, edit_create(r->agent, &c, &editor, &reply, &r->failure), &reply);
}

/* The slice of the request's sliceId and revision. The revision may be left out only where that is said. */
static int target(struct request *r, bool revision_needed, struct slice **slice)
{
    const char *id;
    int64_t revision = -1;
    if (request_need_text(r, "sliceId", &id) != 0) return -1;
    int found = request_may_integer(r, "revision", 0, JSON_INTEGER_MAX, &revision);
    if (found < 0) return -1;
    if (found == 0 && revision_needed) return request_bad(r, "revision", "given");
    char shown[REGION_ID_BYTES];
    text_sanitize(shown, sizeof shown, id, strlen(id));
    *slice = edit_target(r->agent, shown, revision, &r->failure);
    return *slice ? 0 : -1;
}

int op_slice_resize(struct request *r)
{
    struct slice_changes c = {0};
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = request_editor(r);
    const char *below;
    if (take_changes(r, &c) != 0 || request_may_text(r, "belowUse", &below) != 0) return -1;
    if (below && strcmp(below, "refuse") != 0 && strcmp(below, "when-it-drops") != 0)
        return request_bad(r, "belowUse", "\"refuse\" or \"when-it-drops\"");
    c.refuse_below_use = below && strcmp(below, "refuse") == 0;
    if (!changes_something(&c)) return request_bad(r, "memoryLimitBytes (or another to change)", "given");
    if (target(r, false, &slice) != 0) return -1;
    return put_edit(r, edit_resize(r->agent, slice, &c, &editor, &reply, &r->failure), &reply);
}

int op_slice_assign(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = request_editor(r);
    const char *owner;
    if (request_need_text(r, "owner", &owner) != 0 || target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_assign(r->agent, slice, owner, &editor, &reply, &r->failure), &reply);
}

int op_slice_rename(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = request_editor(r);
    const char *name;
    if (request_need_text(r, "name", &name) != 0 || target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_rename(r->agent, slice, name, &editor, &reply, &r->failure), &reply);
}

int op_slice_move(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = request_editor(r);
    const char *gpu;
    if (request_need_text(r, "gpuUuid", &gpu) != 0 || target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_move(r->agent, slice, gpu, &editor, &reply, &r->failure), &reply);
}

int op_slice_delete(struct request *r)
{
    struct edit_reply reply;
    struct slice *slice;
    struct editor editor = request_editor(r);
    bool with_processes = false;
    if (request_may_bool(r, "withProcesses", &with_processes) < 0) return -1;
    if (target(r, true, &slice) != 0) return -1;
    return put_edit(r, edit_delete(r->agent, slice, with_processes, &editor, &reply, &r->failure), &reply);
}

/* The process that asks goes into the slice's control group. */
int op_scope_enter(struct request *r)
{
    struct slice *slice;
    if (target(r, false, &slice) != 0) return -1;
    if (!rights_may(r->agent, r->peer->uid, VERB_USE_SLICE, slice->r.owner_uid))
        return rights_refuse(r->agent, r->peer->name, VERB_USE_SLICE, &r->failure);
    if (!slice_is_open(&r->agent->slices, &slice->r, now_wall_ms())) {
        return fail(&r->failure, "scope-refused",
                    "%s is not open now, so nothing was moved into its control group. Ask who manages this host.",
                    slice->r.name);
    }
    return scope_enter(r->agent, slice, r->peer, &r->failure) == 0 ? request_ok(r) : -1;
}

int op_undo(struct request *r)
{
    struct edit_reply reply;
    struct editor editor = request_editor(r);
    const char *token;
    if (request_need_text(r, "undoToken", &token) != 0) return -1;
    return put_edit(r, edit_undo(r->agent, token, &editor, &reply, &r->failure), &reply);
}
