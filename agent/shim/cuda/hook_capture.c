/* Keeps count of stream captures, so that nothing of ours gets into one. A count that is too high costs a launch a question
 * to the driver and no more: who is captured is for the driver to say. */
#include "core/shim.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

/* Counted before the driver begins: between its success and our count another thread could disturb the capture. */
static void begin(struct process *process)
{
    if (process) {
        atomic_fetch_add(&process->captures, 1);
        atomic_fetch_add(&resolve_hot.captures, 1);
    }
}

static void count_one_less(struct process *process)
{
    int before = atomic_load(&process->captures);
    while (before > 0 && !atomic_compare_exchange_weak(&process->captures, &before, before - 1)) {
    }
    if (before > 0) atomic_fetch_sub(&resolve_hot.captures, 1);
}

/* A stream's place among those in which a capture began; to and from may be NULL for "none". */
static bool replace(struct process *process, CUstream from, CUstream to)
{
    for (unsigned at = 0; at < SHIM_CAPTURES; at++) {
        backend_stream expected = from;
        if (atomic_compare_exchange_strong(&process->capturing[at], &expected, to)) return true;
    }
    return false;
}

static CUresult begun(struct process *process, CUstream stream, CUresult result)
{
    if (process && result != CUDA_SUCCESS)
        count_one_less(process);
    else if (process)
        (void)replace(process, NULL, stream); /* no room: its destruction will not be noticed as an end */
    return result;
}

#define BEGIN_CAPTURE(name, parameters, ...)                                                                          \
    CUresult hook_##name parameters                                                                                   \
    {                                                                                                                 \
        struct process *process = shim_process();                                                                     \
        name##_fn real = REAL(name);                                                                                  \
        if (!real) return ABSENT_CU;                                                                                  \
        begin(process);                                                                                               \
        return begun(process, stream, real(__VA_ARGS__));                                                             \
    }
BEGIN_CAPTURE(cuStreamBeginCapture, (CUstream stream), stream)
BEGIN_CAPTURE(cuStreamBeginCapture_ptsz, (CUstream stream), stream)
BEGIN_CAPTURE(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode), stream, mode)
BEGIN_CAPTURE(cuStreamBeginCapture_v2_ptsz, (CUstream stream, CUstreamCaptureMode mode), stream, mode)
BEGIN_CAPTURE(cuStreamBeginCaptureToGraph,
              (CUstream stream, CUgraph graph, const CUgraphNode *nodes, const void *edges, size_t count,
               CUstreamCaptureMode mode),
              stream, graph, nodes, edges, count, mode)
BEGIN_CAPTURE(cuStreamBeginCaptureToGraph_ptsz,
              (CUstream stream, CUgraph graph, const CUgraphNode *nodes, const void *edges, size_t count,
               CUstreamCaptureMode mode),
              stream, graph, nodes, edges, count, mode)

/* These say that the capture goes on or was never there; after any other answer it is over. */
static bool still_capturing(CUresult result)
{
    return result == CUDA_ERROR_ILLEGAL_STATE || result == CUDA_ERROR_INVALID_HANDLE ||
           result == CUDA_ERROR_INVALID_VALUE || result == CUDA_ERROR_NOT_INITIALIZED ||
           result == CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult ended(CUstream stream, CUresult result)
{
    struct process *process = shim_process();
    if (process && !still_capturing(result)) {
        (void)replace(process, stream, NULL);
        count_one_less(process);
    }
    return result;
}

CUresult hook_cuStreamEndCapture(CUstream stream, CUgraph *graph)
{
    cuStreamEndCapture_fn real = REAL(cuStreamEndCapture);
    return !real ? ABSENT_CU : ended(stream, real(stream, graph));
}

CUresult hook_cuStreamEndCapture_ptsz(CUstream stream, CUgraph *graph)
{
    cuStreamEndCapture_ptsz_fn real = REAL(cuStreamEndCapture_ptsz);
    return !real ? ABSENT_CU : ended(stream, real(stream, graph));
}

/* A stream that is destroyed while it captures takes its capture along. */
#define DESTROY_STREAM(name)                                                                                          \
    CUresult hook_##name(CUstream stream)                                                                             \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (!real) return ABSENT_CU;                                                                                  \
        CUresult result = real(stream);                                                                               \
        struct process *process = shim_process_peek();                                                                \
        if (result == CUDA_SUCCESS && process && atomic_load(&process->captures) > 0 && stream &&                     \
            replace(process, stream, NULL))                                                                           \
            count_one_less(process);                                                                                  \
        return result;                                                                                                \
    }
DESTROY_STREAM(cuStreamDestroy)
DESTROY_STREAM(cuStreamDestroy_v2)

#define EXPORT_capture EXPORTED
#include "cuda/hooks_export.h"
