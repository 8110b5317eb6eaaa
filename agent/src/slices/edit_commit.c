#include "slices/edit_commit.h"

#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/now.h"
#include "journal/audit.h"
#include "log.h"
#include "slices/kernel_limit.h"
#include "slices/policy.h"
#include "slices/scope_upkeep.h"
#include "slices/scopes.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "state/slice_store.h"
#include "state/undo.h"
#include "text.h"

/* One that cannot be made now is made later: at the next look, or by the first program that wants to enter. */
static void follow_with_scope(struct agent *agent, const struct slice *slice)
{
    bool is_new;
    int fd = slice->r.deleted || scopes_why_not(agent) ? -1 : scope_make(agent, slice, &is_new);
    if (fd >= 0) close(fd);
    scopes_look_soon(agent);
}

/* Journal, disk, then the pages that tenants map. */
int edit_commit(struct agent *agent, struct slice *slice, struct slice_record *next, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure)
{
    struct slice_record before = slice->r;
    int64_t now_ms = now_wall_ms();
    next->revision = before.revision + 1;
    next->changed_at_ms = now_ms;
    text_copy(next->changed_by, sizeof next->changed_by, editor->name);
    struct undo_entry *entry = undo_push(&agent->slices, &before, next->revision, now_ms);
    if (!entry) return fail(failure, "internal", "The agent is out of memory; nothing was changed.");
    if (kernel_limit_prepare(agent, slice, next, failure) != 0) {
        undo_pop(&agent->slices);
        return -1;
    }
    slice->r = *next;
    agent->slices.revision++;
    int error = slice_store_save(&agent->slices, agent->places.state);
    if (error != 0) {
        slice->r = before;
        undo_pop(&agent->slices);
        kernel_limit_settle(agent, slice); /* up before the pages */
        policy_set_limit(slice, before.memory_limit_bytes);
        log_line("state not saved: %s", strerror(error));
        return fail(failure, "state-not-saved",
                    "The change could not be written to %s (%s), so it was not made. Free some space and try again.",
                    agent->places.state, strerror(error));
    }
    agent->pending_unsaved = false;
    agent->state_dirty = true;
    text_copy(reply->slice_id, sizeof reply->slice_id, next->id);
    text_copy(reply->undo_token, sizeof reply->undo_token, entry->token);
    reply->revision = next->revision;
    reply->undo_expires_at_ms = entry->expires_at_ms;
    policy_apply(agent, slice);
    kernel_limit_settle(agent, slice);
    if (before.deleted != next->deleted) follow_with_scope(agent, slice);
    /* After the edit is in force, so that the audit's disk delays no tenant, and before the reply. */
    audit_edit(agent, editor, before.deleted ? NULL : &before, next->deleted ? NULL : next);
    return 0;
}
