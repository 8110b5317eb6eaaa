/* The launch family. Each: is there a meter for it, then begin, the real launch, end. */
#include "shim.h"

/* An event on the per-thread default stream is recorded through its own handle, so that one cuEventRecord serves. */
static CUstream event_stream(CUstream stream, bool per_thread)
{
    return stream == NULL && per_thread ? CU_STREAM_PER_THREAD : stream;
}

/* true: this launch becomes part of a graph and costs nothing now. */
static bool captured(struct process *process, CUstream stream)
{
    if (atomic_load_explicit(&process->captures, memory_order_relaxed) == 0) {
        return false;
    }
    if (stream == NULL || stream == CU_STREAM_LEGACY) {
        return false; /* can not be captured, and asking about it during a capture is an error */
    }
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    cuStreamIsCapturing_fn real = REAL(cuStreamIsCapturing);
    return real != NULL && real(stream, &status) == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE;
}

/* Fills what meter_begin needs; false: forward and be done. */
static bool metered(struct launch *launch, CUstream stream)
{
    launch->shim = shim_get();
    launch->process = launch->shim == NULL ? NULL : shim_process(launch->shim);
    if (launch->process == NULL || captured(launch->process, stream)) {
        return false;
    }
    launch->slice = shim_slice_of_current(launch->shim, launch->process);
    return launch->slice >= 0 && launch->process->entries[launch->slice] != NULL;
}

#define METERED(name, stream_given, per_thread, shape_given, timeable, ...)                                           \
    name##_fn real = REAL(name);                                                                                      \
    if (real == NULL) {                                                                                               \
        return ABSENT_CU;                                                                                             \
    }                                                                                                                 \
    CUstream stream_used = event_stream(stream_given, per_thread);                                                    \
    struct launch launch;                                                                                             \
    if (!metered(&launch, stream_used)) {                                                                             \
        return real(__VA_ARGS__);                                                                                     \
    }                                                                                                                 \
    struct price_shape shape = shape_given;                                                                           \
    meter_begin(&launch, &shape, stream_used, timeable);                                                              \
    CUresult result = real(__VA_ARGS__);                                                                              \
    meter_end(&launch, result);                                                                                       \
    return result;

#define SHAPE ((struct price_shape){(uintptr_t)function, {gx, gy, gz}, {bx, by, bz}, shared})

CUresult hook_cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                             unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **parameters,
                             void **extra)
{
    METERED(cuLaunchKernel, stream, false, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared, stream, parameters,
            extra)
}

CUresult hook_cuLaunchKernel_ptsz(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
                                  unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
                                  CUstream stream, void **parameters, void **extra)
{
    METERED(cuLaunchKernel_ptsz, stream, true, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared, stream,
            parameters, extra)
}

CUresult hook_cuLaunchCooperativeKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
                                        unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
                                        CUstream stream, void **parameters)
{
    METERED(cuLaunchCooperativeKernel, stream, false, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared, stream,
            parameters)
}

CUresult hook_cuLaunchCooperativeKernel_ptsz(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
                                             unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
                                             CUstream stream, void **parameters)
{
    METERED(cuLaunchCooperativeKernel_ptsz, stream, true, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared,
            stream, parameters)
}

/* A launch that may start before its predecessor ends: an event between the two would take that away. */
static bool depends_programmatically(const CUlaunchConfig *config)
{
    for (unsigned at = 0; config->attrs != NULL && at < config->numAttrs; at++) {
        int id = config->attrs[at].id;
        if (id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION ||
            id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT) {
            return true;
        }
    }
    return false;
}

#define CONFIG_SHAPE                                                                                                  \
    ((struct price_shape){(uintptr_t)function,                                                                        \
                          {config->gridDimX, config->gridDimY, config->gridDimZ},                                     \
                          {config->blockDimX, config->blockDimY, config->blockDimZ},                                  \
                          config->sharedMemBytes})

CUresult hook_cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra)
{
    if (config == NULL) {
        cuLaunchKernelEx_fn judge = REAL(cuLaunchKernelEx);
        return judge == NULL ? ABSENT_CU : judge(config, function, parameters, extra);
    }
    METERED(cuLaunchKernelEx, config->hStream, false, CONFIG_SHAPE, !depends_programmatically(config), config,
            function, parameters, extra)
}

CUresult hook_cuLaunchKernelEx_ptsz(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra)
{
    if (config == NULL) {
        cuLaunchKernelEx_ptsz_fn judge = REAL(cuLaunchKernelEx_ptsz);
        return judge == NULL ? ABSENT_CU : judge(config, function, parameters, extra);
    }
    METERED(cuLaunchKernelEx_ptsz, config->hStream, true, CONFIG_SHAPE, !depends_programmatically(config), config,
            function, parameters, extra)
}

#define GRAPH_SHAPE ((struct price_shape){.code = (uintptr_t)exec})

CUresult hook_cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
    METERED(cuGraphLaunch, stream, false, GRAPH_SHAPE, true, exec, stream)
}

CUresult hook_cuGraphLaunch_ptsz(CUgraphExec exec, CUstream stream)
{
    METERED(cuGraphLaunch_ptsz, stream, true, GRAPH_SHAPE, true, exec, stream)
}

#include "hooks_export_launch.h"
