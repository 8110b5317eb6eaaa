/* A slice on another GPU: the same id, name, owner, history and audit, other files. Tenants have its policy page and its
 * GPU's board open by path and read the GPU's UUID once, so nobody may be in it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>

#include "edit_parts.h"
#include "measure.h"

static int refuse_move(const struct slice *slice, struct failure *failure)
{
    unsigned count = slice->m.process_count;
    return fail(failure, "slice-in-use",
                "%u %s in %s; it was left on its GPU. Memory can not follow a slice to another GPU: stop %s first.",
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
    next->shrinks_from_bytes = 0; /* nothing is in use: nothing waits */
    measure_slice(agent, slice, now_mono_ms());
    if (slice->m.process_count > 0) return refuse_move(slice, failure); /* before anything is closed to them */
    /* Closed first, counted then: who opened the page before gets nothing through it, whoever comes later opens the
     * new one. */
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
        /* The files of where it stays; where they can not be made either, the agent tries again every second. */
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
