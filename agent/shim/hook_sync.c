/* Waits of the program for its own work: when one is over, whoever is preferred has nothing left to do, and says so. */
#include "shim.h"

struct wait {
    struct process *process;
    int slice; /* -1: nothing to say afterwards */
    uint64_t launches;
};

static uint64_t launches_of(const struct wait *wait)
{
    return atomic_load_explicit(&wait->process->entries[wait->slice]->launches, memory_order_relaxed);
}

/* stream: the one that is waited for; all: every one of the context. */
static void before(struct wait *wait, CUstream stream, bool all)
{
    wait->slice = -1;
    wait->process = shim_process_peek(); /* who has launched nothing has nothing to say */
    if (wait->process == NULL) {
        return;
    }
    int slice = shim_slice_of_current(wait->process);
    if (slice < 0 || wait->process->entries[slice] == NULL) {
        return;
    }
    const struct contest *contest = &wait->process->meters[slice].contest;
    uintptr_t used = atomic_load_explicit(&contest->stream, memory_order_relaxed);
    if (atomic_load_explicit(&contest->prefers, memory_order_relaxed) != 0 && (all || used == (uintptr_t)stream) &&
        used != CONTEST_STREAMS_MANY) {
        wait->slice = slice;
        wait->launches = launches_of(wait);
    }
}

static CUresult after(const struct wait *wait, CUresult result)
{
    if (result == CUDA_SUCCESS && wait->slice >= 0 && launches_of(wait) == wait->launches) {
        contest_done(&wait->process->meters[wait->slice].contest, &wait->process->shim->slices[wait->slice],
                     wait->process->entries[wait->slice], shim_now());
    }
    return result;
}

CUresult hook_cuStreamSynchronize(CUstream stream)
{
    cuStreamSynchronize_fn real = REAL(cuStreamSynchronize);
    struct wait wait;
    if (real == NULL) {
        return ABSENT_CU;
    }
    before(&wait, stream, false);
    return after(&wait, real(stream));
}

CUresult hook_cuStreamSynchronize_ptsz(CUstream stream)
{
    cuStreamSynchronize_ptsz_fn real = REAL(cuStreamSynchronize_ptsz);
    struct wait wait;
    if (real == NULL) {
        return ABSENT_CU;
    }
    before(&wait, stream == NULL ? CU_STREAM_PER_THREAD : stream, false);
    return after(&wait, real(stream));
}

CUresult hook_cuCtxSynchronize(void)
{
    cuCtxSynchronize_fn real = REAL(cuCtxSynchronize);
    struct wait wait;
    if (real == NULL) {
        return ABSENT_CU;
    }
    before(&wait, NULL, true);
    return after(&wait, real());
}

#define EXPORT_sync EXPORTED
#include "hooks_export.h"
