/* What the files of the meter share: where the slice, the meter and the usage entry of a launch are, and a few
 * questions about them. */
#ifndef TRANCHE_METER_PARTS_H
#define TRANCHE_METER_PARTS_H

#include "bucket.h"
#include "core/contest.h"
#include "core/meter.h"
#include "core/shim.h"
#include "core/span_state.h"
#include "region.h"

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

/* Is the work in flight to be kept short? So wherever the share is less than the whole GPU, and where contest says
 * so. */
static inline bool meter_is_bounded(const struct launch *launch)
{
    return share_of(launch) < BUCKET_FULL_BP ||
           atomic_load_explicit(&meter_of(launch)->contest.bounded, memory_order_relaxed) != 0;
}

/* At ease: far from having to wait, alone, nobody else about that may become entitled to its part, and no work on
 * another GPU that this one must keep step with. The program may then run as far ahead of the GPU as it likes: kept
 * short, a program that is bound now by its host and now by the GPU would lose what it is allowed. */
static inline bool meter_at_ease(const struct launch *launch)
{
    const struct contest *contest = &meter_of(launch)->contest;
    return launch->shim->slice_count == 1 && atomic_load_explicit(&contest->alone, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&contest->bounded, memory_order_relaxed) == 0 &&
           (share_of(launch) >= BUCKET_FULL_BP || bucket_level(slice_of(launch)->usage) >= METER_EASE_NS);
}

/* A price, corrected by what was measured of late: beside others by spans, alone by the slice's settlements
 * (marks.c). */
static inline uint64_t meter_corrected(const struct meter *meter, const struct shim_slice *slice, uint64_t ns)
{
    uint32_t bp = span_correction(&meter->span);
    if (bp == 0) {
        bp = atomic_load_explicit(&slice->usage->price_correction_bp, memory_order_relaxed);
        if (bp == 0 || bp == BUCKET_FULL_BP) return ns;
        bp = bp < METER_CORRECTION_MIN_BP ? METER_CORRECTION_MIN_BP : bp;
        bp = bp > METER_CORRECTION_MAX_BP ? METER_CORRECTION_MAX_BP : bp;
    }
    return ns / BUCKET_FULL_BP * bp + ns % BUCKET_FULL_BP * bp / BUCKET_FULL_BP;
}

/* The part of a GPU time that counts: all of it, or in concurrent mode our part of the multiprocessors. */
static inline uint64_t meter_counted(const struct shim *shim, uint64_t ns)
{
    return shim->counts_bp >= BUCKET_FULL_BP ? ns : ns * shim->counts_bp / BUCKET_FULL_BP;
}

/* Has a slice of this process a limit, or a neighbour that may at any time have a better right to the GPU? */
static inline bool any_limit(const struct process *process)
{
    for (unsigned slice = 0; slice < process->shim->slice_count; slice++)
        if (atomic_load_explicit(process->limits[slice], memory_order_relaxed) < BUCKET_FULL_BP ||
            atomic_load_explicit(&process->meters[slice].contest.neighbours, memory_order_relaxed) > 0)
            return true;
    return false;
}

#endif
