/* What the files of the meter share: a launch, and where its slice, its meter and its entry are. */
#ifndef TRANCHE_METER_PARTS_H
#define TRANCHE_METER_PARTS_H

#include "bucket.h"
#include "shim.h"

static inline const struct shim_slice *slice_of(const struct launch *launch)
{
    return &launch->shim->slices[launch->slice];
}

static inline struct meter *meter_of(const struct launch *launch)
{
    return &launch->process->meters[launch->slice];
}

static inline struct region_entry *entry_of(const struct launch *launch)
{
    return launch->process->entries[launch->slice];
}

static inline uint32_t limit_of(const struct shim_slice *slice)
{
    return atomic_load_explicit(&slice->policy->compute_limit_bp, memory_order_relaxed);
}

static inline uint32_t share_of(const struct launch *launch)
{
    return contest_share(&meter_of(launch)->contest, slice_of(launch)->policy);
}

/* Is the work in flight to be kept short? */
static inline bool meter_is_bounded(const struct launch *launch)
{
    return share_of(launch) < BUCKET_FULL_BP ||
           atomic_load_explicit(&meter_of(launch)->contest.bounded, memory_order_relaxed) != 0;
}

/* Far from having to wait, and nobody else about who may claim his part, nor work on another GPU that this one must keep
 * step with. Then the program runs as far ahead as it likes: kept short, one that is bound by its host now and by the GPU
 * then would lose what it is allowed. */
bool meter_at_ease(const struct launch *launch);

/* A price by what was measured of late: beside others in spans, alone by the slice's settlements. */
uint64_t meter_corrected(const struct meter *meter, const struct shim_slice *slice, uint64_t ns);

/* What of a time counts. */
static inline uint64_t meter_counted(const struct shim *shim, uint64_t ns)
{
    return shim->counts_bp >= BUCKET_FULL_BP ? ns : ns * shim->counts_bp / BUCKET_FULL_BP;
}

/* marks.c. Before a launch: waits while there is more in flight than there should be. */
void marks_drain(const struct launch *launch);
/* After it: so much more was issued. */
void marks_issued(const struct launch *launch, int64_t charge);
void marks_forget_context(struct process *process, CUcontext context);

#endif
