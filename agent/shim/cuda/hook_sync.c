/* Waits of the program for its own work: when one is over, whoever is preferred has nothing left to do, and says so. */
#include "core/backend.h"
#include "core/clock.h"
#include "core/contest.h"
#include "core/meter.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/resolve.h"
#include "cuda/span.h"
#include "cuda/timing.h"
#include "cuda_min.h"

struct wait {
    struct process *process;
    int slice; /* -1: nothing to say afterwards */
    uint64_t launches;
    uintptr_t stream; /* the only one in use */
};

static uint64_t launches_of(const struct wait *wait)
{
    return atomic_load_explicit(&wait->process->entries[wait->slice]->launches, memory_order_relaxed);
}

/* named: the one stream that is waited for, or SPAN_UNNAMED. */
static void before_any(struct wait *wait, CUstream named)
{
    wait->slice = -1;
    wait->stream = CONTEST_STREAMS_MANY;
    wait->process = shim_process_peek(); /* who has launched nothing has nothing to say */
    if (!wait->process) return;
    int slice = shim_slice_of_current(wait->process);
    if (slice < 0 || !wait->process->entries[slice]) return;
    span_pause(wait->process, (unsigned)slice, named, meter_pace.issued_ns);
    const struct contest *contest = &wait->process->meters[slice].contest;
    wait->stream = atomic_load_explicit(&contest->stream, memory_order_relaxed);
    if (atomic_load_explicit(&contest->prefers, memory_order_relaxed) != 0 && wait->stream != CONTEST_STREAMS_MANY) {
        wait->slice = slice;
        wait->launches = launches_of(wait);
    }
}

/* Before a wait for one stream. */
static void before(struct wait *wait, CUstream stream)
{
    before_any(wait, stream);
    wait->slice = wait->stream == (uintptr_t)stream ? wait->slice : -1;
}

/* An event may lie anywhere in the stream: what came behind it goes on. */
static bool has_more(const struct wait *wait)
{
    struct capture_pass pass;
    if (!REAL(cuStreamQuery) || !capture_pass_enter(wait->process, &pass)) return true;
    CUresult state = REAL(cuStreamQuery)((CUstream)wait->stream);
    capture_pass_leave(&pass);
    return state != CUDA_SUCCESS;
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
    if (!real) return ABSENT_CU;
    before(&wait, stream);
    return after(&wait, real(stream));
}

CUresult hook_cuStreamSynchronize_ptsz(CUstream stream)
{
    cuStreamSynchronize_ptsz_fn real = REAL(cuStreamSynchronize_ptsz);
    struct wait wait;
    if (!real) return ABSENT_CU;
    before(&wait, !stream ? CU_STREAM_PER_THREAD : stream);
    return after(&wait, real(stream));
}

CUresult hook_cuCtxSynchronize(void)
{
    cuCtxSynchronize_fn real = REAL(cuCtxSynchronize);
    struct wait wait;
    if (!real) return ABSENT_CU;
    before_any(&wait, SPAN_UNNAMED);
    return after(&wait, real());
}

/* What a runtime of CUDA 13 calls. context: NULL is the current one. Of several in a process, each has its streams. */
CUresult hook_cuCtxSynchronize_v2(CUcontext context)
{
    cuCtxSynchronize_v2_fn real = REAL(cuCtxSynchronize_v2);
    struct wait wait;
    if (!real) return ABSENT_CU;
    before_any(&wait, SPAN_UNNAMED);
    if (wait.slice >= 0 && context && context != timing_context()) wait.slice = -1;
    return after(&wait, real(context));
}

CUresult hook_cuEventSynchronize(CUevent event)
{
    cuEventSynchronize_fn real = REAL(cuEventSynchronize);
    struct wait wait;
    if (!real) return ABSENT_CU;
    before_any(&wait, SPAN_UNNAMED);
    CUresult result = real(event);
    if (result == CUDA_SUCCESS && wait.slice >= 0 && has_more(&wait)) return result;
    return after(&wait, result);
}

#define EXPORT_sync EXPORTED
#include "cuda/hooks_export.h"
