/* What the hooks of launches and of copies ask before work is metered; inlined into both, as they are hot. */
#ifndef TRANCHE_HOOK_METER_H
#define TRANCHE_HOOK_METER_H

#include "bucket.h"
#include "shim.h"

/* A slice of this process has a limit, or a neighbour who may at any time have a better right to the GPU. */
static inline bool any_limit(const struct process *process)
{
    for (unsigned slice = 0; slice < process->shim->slice_count; slice++) {
        if (atomic_load_explicit(process->limits[slice], memory_order_relaxed) < BUCKET_FULL_BP ||
            atomic_load_explicit(&process->meters[slice].contest.neighbours, memory_order_relaxed) > 0) {
            return true;
        }
    }
    return false;
}

/* Fills what meter_begin needs, but for the weight; false: forward and be done. */
static inline bool launch_is_metered(struct launch *launch, struct process *process, CUstream stream, bool per_thread)
{
    if (shim_is_captured(process, stream, per_thread)) {
        return false;
    }
    launch->process = process;
    launch->shim = process->shim;
    launch->slice = shim_slice_of_current(process);
    return launch->slice >= 0 && process->entries[launch->slice] != NULL;
}

#endif
