#include "slices/enforcement.h"

#include "base/procs.h"
#include "gpu/gpu.h"
#include "slices/kernel_limit.h"
#include "slices/scopes.h"

const char *enforcement_of(struct agent *agent, const struct slice_record *r)
{
    const struct slice *slice = slice_find(&agent->slices, r->id);
    if (slice && kernel_limit_holds(agent, slice)) return "kernel";
    const struct gpu_state *gpu = agent_gpu(agent, r->gpu_uuid);
    return gpu && gpu->kind->gate == GATE_PROVED && r->gate != SLICE_GATE_OFF ? "gate" : "cooperative";
}

int enforcement_holds(struct agent *agent, const struct slice *slice, const struct entry_track *track, int64_t mono_ms)
{
    if (track->memory_bytes == 0) return -1;
    struct proc *proc = procs_get(&agent->procs, (pid_t)track->pid, mono_ms);
    /* What an earlier owner's programs hold counts against the slice's limit, in its group. */
    const struct slice *present = slice_find(&agent->slices, slice_base_id(&slice->r));
    if (proc && present && kernel_limit_holds(agent, present) && scope_has(agent, slice, proc, mono_ms)) return 1;
    return track->is_held && proc && procs_is_filtered(proc, mono_ms) ? 1 : 0;
}

uint32_t enforcement_ungated(struct agent *agent, const struct slice *slice, int64_t mono_ms)
{
    uint32_t count = 0;
    for (size_t i = 0; i < slice->track_count; i++)
        if (slice->tracks[i].believed && enforcement_holds(agent, slice, &slice->tracks[i], mono_ms) == 0) count++;
    return count;
}
