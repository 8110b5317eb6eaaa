/* Edits that give a slice other files: the same id, name, history and audit on another GPU, or for another owner.
 * Tenants open its policy page and its GPU's board by path and read the GPU's UUID once, so a move needs a slice
 * without processes. */

#include "slices/edit_move.h"

#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/now.h"
#include "journal/audit.h"
#include "region.h"
#include "slices/edit_commit.h"
#include "slices/edit_forget.h"
#include "slices/edit_rules.h"
#include "slices/measure.h"
#include "slices/measure_left.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

static int refuse_move(const struct slice *slice, struct failure *failure)
{
    unsigned count = slice->m.process_count;
    return fail(failure, "slice-in-use",
                "%u %s in %s; it was left on its GPU. Memory cannot follow a slice to another GPU: stop %s first.",
                count, count == 1 ? "process is" : "processes are", slice->r.name, count == 1 ? "it" : "them");
}

int edit_commit_move(struct agent *agent, struct slice *slice, struct slice_record *next, const struct editor *editor,
                     struct edit_reply *reply, struct failure *failure)
{
    char from[REGION_UUID_BYTES];
    memcpy(from, slice->r.gpu_uuid, sizeof from);
    if (!agent_gpu(agent, next->gpu_uuid)) {
        return fail(failure, "unknown-gpu", "There is no GPU with that UUID on %s; %s was left where it is.",
                    agent->host_name, slice->r.name);
    }
    if (edit_take_board_slot(agent, next->gpu_uuid, &next->board_slot) != 0) {
        return fail(failure, "too-many-slices", "No more slices fit on that GPU; %s was left where it is.",
                    slice->r.name);
    }
    if (slice->inherited_count > 0) {
        return fail(failure, "slice-in-use",
                    "%u %s of an earlier owner in %s; it was left on its GPU. Memory cannot follow a slice to another "
                    "GPU: wait for their end, or have them stopped.",
                    slice->inherited_count, slice->inherited_count == 1 ? "process is" : "processes are",
                    slice->r.name);
    }
    next->shrinks_from_bytes = 0; /* nothing is in use, so nothing has to shrink */
    measure_slice(agent, slice, now_mono_ms());
    if (slice->m.process_count > 0) return refuse_move(slice, failure); /* before anything is closed to them */
    /* Closed first, counted then: a program that opened the page before gets nothing through it, a later one opens the
     * new page. */
    policy_shut(slice);
    measure_slice(agent, slice, now_mono_ms());
    if (slice->m.process_count > 0) {
        policy_apply(agent, slice);
        return refuse_move(slice, failure);
    }
    int error = policy_move(agent, slice, next);
    int result = error != 0 ? fail(failure, "state-not-saved",
                                   "The slice's files for the other GPU could not be made in %s (%s), so %s was left "
                                   "where it is.",
                                   agent->places.runtime, strerror(error), slice->r.name)
                            : edit_commit(agent, slice, next, editor, reply, failure);
    if (result != 0) {
        /* The files for the GPU where it stays; if they cannot be made either, the agent tries again every second. */
        policy_close(agent, slice, false);
        policy_open(agent, slice);
        return -1;
    }
    policy_meet(agent, from);
    measure_slice(agent, slice, now_mono_ms());
    return 0;
}

int edit_move(struct agent *agent, struct slice *slice, const char *gpu_uuid, const struct editor *editor,
              struct edit_reply *reply, struct failure *failure)
{
    struct slice_record next = slice->r;
    struct gpu_state *gpu = agent_gpu(agent, gpu_uuid);
    if (!gpu) {
        return fail(failure, "unknown-gpu", "There is no GPU with that UUID on %s; %s was left where it is.",
                    agent->host_name, slice->r.name);
    }
    if (strcmp(slice->r.gpu_uuid, gpu_uuid) == 0) {
        return fail(failure, "bad-request", "%s is on GPU %u already; nothing was changed.", slice->r.name,
                    gpu->info.index);
    }
    memcpy(next.gpu_uuid, gpu->info.uuid, sizeof next.gpu_uuid);
    if (edit_check_admission(agent, &next, slice, failure) != 0) return -1;
    return edit_commit_move(agent, slice, &next, editor, reply, failure);
}

/* ---- another owner --------------------------------------------------------------------------------------- */

#define LEFT_MAX 8 /* earlier owners of one slice whose programs still run */

/* Lowers the limit of the earlier owner's programs to what they hold now. The limit goes down first; what the old
 * limit admitted at that very moment was published before, so that a look afterwards sees it. */
static uint64_t hold_to_use(struct agent *agent, struct slice *slice)
{
    uint64_t most = slice_granted_bytes(&slice->r);
    uint64_t held = 0;
    for (int look = 0; look < 2; look++) {
        uint64_t used = measure_used(slice) + slice->m.estimate_bytes;
        if (used > most) used = most; /* their own claim: they never had more */
        if (used > held) held = used;
        policy_set_limit(slice, held);
        measure_slice(agent, slice, now_mono_ms());
    }
    return held;
}

static struct slice *add_left(struct agent *agent, struct slice *slice, uint64_t held)
{
    struct slice_record r = slice->r;
    snprintf(r.id, sizeof r.id, "%.20s.%llu", slice->r.id, (unsigned long long)slice->r.generation);
    text_copy(r.successor, sizeof r.successor, slice->r.id);
    r.deleted = true;
    r.memory_limit_bytes = held;
    r.shrinks_from_bytes = 0;
    return slice_add(&agent->slices, &r);
}

/* true: no process is in the slice, and one that had its page open gets nothing through it any more. */
static bool empties(struct agent *agent, struct slice *slice)
{
    measure_slice(agent, slice, now_mono_ms());
    if (slice->m.process_count > 0) return false;
    policy_shut(slice);
    measure_slice(agent, slice, now_mono_ms());
    return slice->m.process_count == 0;
}

int edit_commit_hand_over(struct agent *agent, struct slice *slice, struct slice_record *next,
                          const struct editor *editor, struct edit_reply *reply, struct failure *failure)
{
    struct slice *left = NULL;
    next->generation = slice->r.generation + 1;
    if (!empties(agent, slice)) {
        if (slice_generations(&agent->slices, &slice->r) > LEFT_MAX) {
            policy_apply(agent, slice);
            return fail(
                failure, "slice-in-use",
                "Programs of %d earlier owners run in %s still; it was left as it is. Wait for some to end, or "
                "have them stopped.",
                LEFT_MAX, slice->r.name);
        }
        left = add_left(agent, slice, hold_to_use(agent, slice));
        if (!left) {
            policy_apply(agent, slice);
            return fail(failure, "internal", "The agent is out of memory; nothing was changed.");
        }
        /* If every line of the board is taken, both owners' programs share one. */
        if (edit_take_board_slot(agent, next->gpu_uuid, &next->board_slot) != 0)
            next->board_slot = slice->r.board_slot;
    }
    int error = policy_hand_over(agent, slice, next, left);
    int result = error != 0 ? fail(failure, "state-not-saved",
                                   "The slice's files for another owner could not be made in %s (%s), so %s was left "
                                   "as it is.",
                                   agent->places.runtime, strerror(error), slice->r.name)
                            : edit_commit(agent, slice, next, editor, reply, failure);
    if (result != 0) {
        policy_take_back(agent, slice, next, left);
        if (left) slice_remove(&agent->slices, left);
        slice->inherited_bytes = 0;
        policy_apply(agent, slice);
        return -1;
    }
    if (left) policy_apply(agent, left);
    measure_slice(agent, slice, now_mono_ms());
    measure_inherited(agent, slice->r.gpu_uuid, now_mono_ms());
    return 0;
}
