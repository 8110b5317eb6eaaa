/* What earlier owners' programs hold in a slice that has changed hands: records of their own beside it in the
 * table. */

#include "slices/measure_left.h"

#include <string.h>

#include "base/procs.h"
#include "slices/measure.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* What the driver shows for those processes that really are the earlier owner's: a token may name any process. */
static uint64_t seen_by_driver(struct agent *agent, const struct slice *left, int64_t mono_ms)
{
    const struct gpu_state *gpu = agent_gpu(agent, left->r.gpu_uuid);
    uint64_t sum = 0, bytes;
    for (size_t i = 0; gpu && i < left->track_count; i++) {
        if (!left->tracks[i].believed) continue;
        struct proc *proc = procs_get(&agent->procs, (pid_t)left->tracks[i].pid, mono_ms);
        bool his = proc && proc->uid_known && proc->uid == left->r.owner_uid;
        if (his && measure_gpu_bytes(gpu, left->tracks[i].pid, &bytes)) sum = measure_add(sum, bytes);
    }
    return sum;
}

/* Each earlier process has a part of what they may hold together, and the part ends with the process. After a restart
 * of the agent the parts are what they hold then; the rest goes to the process that holds most. */
static uint64_t parts_of(struct slice *left)
{
    uint64_t sum = 0, limit = left->r.memory_limit_bytes;
    struct entry_track *most = NULL;
    bool known = false;
    for (size_t i = 0; i < left->track_count; i++) {
        known |= left->tracks[i].handed_bytes != 0;
        if (!most || left->tracks[i].memory_bytes > most->memory_bytes) most = &left->tracks[i];
    }
    for (size_t i = 0; i < left->track_count; i++) {
        struct entry_track *track = &left->tracks[i];
        uint64_t room = limit - sum;
        if (!known) track->handed_bytes = track->memory_bytes < room ? track->memory_bytes : room;
        sum += track->handed_bytes < room ? track->handed_bytes : room;
    }
    if (!known && most) {
        most->handed_bytes += limit - sum;
        sum = limit;
    }
    return sum;
}

/* The limit of the old page goes down first, then what the new page sets aside: together they never allow more. */
static void settle_left(struct agent *agent, struct slice *left)
{
    uint64_t limit = parts_of(left);
    if (limit >= left->r.memory_limit_bytes) return;
    left->r.memory_limit_bytes = limit;
    policy_set_limit(left, limit);
    agent->pending_unsaved = true;
}

void measure_inherited(struct agent *agent, const char *gpu_uuid, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (slice_is_left(&slice->r) || strcmp(slice->r.gpu_uuid, gpu_uuid) != 0) continue;
        uint64_t set_aside = 0, used = 0;
        uint32_t count = 0, compute_tenths = 0;
        for (size_t k = 0; k < agent->slices.count; k++) {
            struct slice *left = agent->slices.items[k];
            if (strcmp(left->r.successor, slice->r.id) != 0) continue;
            settle_left(agent, left);
            uint64_t driver = seen_by_driver(agent, left, mono_ms), claimed = measure_used(left);
            uint64_t most = driver > left->r.memory_limit_bytes ? driver : left->r.memory_limit_bytes;
            set_aside = measure_add(set_aside, most);
            used = measure_add(used, claimed < most ? claimed : most);
            count += left->m.process_count;
            compute_tenths += left->m.rates_known ? left->m.compute_tenths : 0;
        }
        slice->inherited_used_bytes = used;
        slice->inherited_count = count;
        slice->inherited_tenths = compute_tenths;
        policy_set_inherited(slice, set_aside);
    }
}
