/* What the hooks of launches and of copies ask before work is metered; inlined into both, as they are hot. */
#ifndef TRANCHE_HOOK_METER_H
#define TRANCHE_HOOK_METER_H

#include "bucket.h"
#include "core/meter_parts.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda_min.h"

/* Fills what meter_begin needs, but for the weight; false: forward and be done. */
static inline bool launch_is_metered(struct launch *launch, struct process *process, CUstream stream, bool per_thread)
{
    if (shim_is_captured(process, stream, per_thread)) return false;
    launch->process = process;
    launch->shim = process->shim;
    launch->slice = shim_slice_of_current(process);
    return launch->slice >= 0 && process->entries[launch->slice];
}

#endif
