/* Keeps count of stream captures, so that nothing of ours gets into one. */
#include "shim.h"

/* Counted before the driver begins: between its success and our count another thread could disturb the capture. */
static void begin(struct process *process)
{
    if (process != NULL) {
        atomic_fetch_add(&process->captures, 1);
        atomic_fetch_add(&resolve_hot.captures, 1);
    }
}

static CUresult begun(struct process *process, CUresult result)
{
    if (process != NULL && result != CUDA_SUCCESS) {
        atomic_fetch_sub(&process->captures, 1);
        atomic_fetch_sub(&resolve_hot.captures, 1);
    }
    return result;
}

#define BEGIN_CAPTURE(name, parameters, ...)                                                                          \
    CUresult hook_##name parameters                                                                                   \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (real == NULL) {                                                                                           \
            return ABSENT_CU;                                                                                         \
        }                                                                                                             \
        struct process *process = shim_process();                                                                     \
        begin(process);                                                                                               \
        return begun(process, real(__VA_ARGS__));                                                                     \
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

static CUresult ended(CUresult result)
{
    struct process *process = shim_process();
    if (process != NULL && !still_capturing(result)) {
        int before = atomic_load(&process->captures);
        while (before > 0 && !atomic_compare_exchange_weak(&process->captures, &before, before - 1)) {
        }
        if (before > 0) {
            atomic_fetch_sub(&resolve_hot.captures, 1);
        }
    }
    return result;
}

CUresult hook_cuStreamEndCapture(CUstream stream, CUgraph *graph)
{
    cuStreamEndCapture_fn real = REAL(cuStreamEndCapture);
    return real == NULL ? ABSENT_CU : ended(real(stream, graph));
}

CUresult hook_cuStreamEndCapture_ptsz(CUstream stream, CUgraph *graph)
{
    cuStreamEndCapture_ptsz_fn real = REAL(cuStreamEndCapture_ptsz);
    return real == NULL ? ABSENT_CU : ended(real(stream, graph));
}

#define EXPORT_capture EXPORTED
#include "hooks_export.h"
