/* The launch family. Each: is there a meter for it, then begin, the real launch, end. */
#include "bucket.h"
#include "charge.h"

/* An event on the per-thread default stream is recorded through its own handle, so that one cuEventRecord serves. */
static CUstream event_stream(CUstream stream, bool per_thread)
{
    return stream == NULL && per_thread ? CU_STREAM_PER_THREAD : stream;
}

/* ...or somebody who may at any time have a better right to the GPU. */
static bool any_limit(const struct process *process)
{
    for (unsigned slice = 0; slice < process->shim->slice_count; slice++) {
        if (atomic_load_explicit(process->limits[slice], memory_order_relaxed) < BUCKET_FULL_BP ||
            atomic_load_explicit(&process->meters[slice].contest.neighbours, memory_order_relaxed) > 0) {
            return true;
        }
    }
    return false;
}

/* Fills what meter_begin needs; false: forward and be done. Where nothing is limited, most launches end here: of a
 * thread that launches fast, one in many is metered, for all since the one before. */
static inline bool metered(struct launch *launch, CUstream stream, bool per_thread)
{
    if (__builtin_expect(meter_skip(), 1)) {
        return false;
    }
    struct process *process = shim_process();
    if (process == NULL) {
        return false;
    }
    /* Of several slices a launch looks at the first alone, so fewer are let through between two full looks. */
    launch->weight = any_limit(process)
                         ? 1
                         : meter_skipped(process->limits[0],
                                         process->shim->slice_count == 1 ? METER_SKIP_MAX : METER_SKIP_MANY_GPUS_MAX);
    if (shim_is_captured(process, stream, per_thread)) {
        return false;
    }
    launch->process = process;
    launch->shim = process->shim;
    launch->slice = shim_slice_of_current(process);
    return launch->slice >= 0 && process->entries[launch->slice] != NULL;
}

#define METERED(name, stream_given, per_thread, shape_given, timeable, ...)                                           \
    name##_fn real = REAL(name);                                                                                      \
    if (real == NULL) {                                                                                               \
        return ABSENT_CU;                                                                                             \
    }                                                                                                                 \
    struct launch launch;                                                                                             \
    if (!metered(&launch, stream_given, per_thread)) {                                                                \
        return real(__VA_ARGS__);                                                                                     \
    }                                                                                                                 \
    CUstream stream_used = event_stream(stream_given, per_thread);                                                    \
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

/* A cooperative launch over several GPUs is one launch of the first: their slices wait together or not at all. */
CUresult hook_cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *list, unsigned int devices, unsigned int flags)
{
    if (list == NULL || devices == 0) {
        cuLaunchCooperativeKernelMultiDevice_fn judge = REAL(cuLaunchCooperativeKernelMultiDevice);
        return judge == NULL ? ABSENT_CU : judge(list, devices, flags);
    }
    const struct price_shape first = {(uintptr_t)list->function,
                                      {list->gridDimX, list->gridDimY, list->gridDimZ},
                                      {list->blockDimX, list->blockDimY, list->blockDimZ},
                                      list->sharedMemBytes};
    METERED(cuLaunchCooperativeKernelMultiDevice, list->hStream, false, first, true, list, devices, flags)
}

/* The calls of before 4.0: block and parameters were set on the function. */
CUresult hook_cuLaunch(CUfunction function)
{
    METERED(cuLaunch, NULL, false, ((struct price_shape){.code = (uintptr_t)function}), true, function)
}

CUresult hook_cuLaunchGrid(CUfunction function, int width, int height)
{
    METERED(cuLaunchGrid, NULL, false,
            ((struct price_shape){(uintptr_t)function, {(uint32_t)width, (uint32_t)height, 1}, {0}, 0}), true,
            function, width, height)
}

CUresult hook_cuLaunchGridAsync(CUfunction function, int width, int height, CUstream stream)
{
    METERED(cuLaunchGridAsync, stream, false,
            ((struct price_shape){(uintptr_t)function, {(uint32_t)width, (uint32_t)height, 1}, {0}, 0}), true,
            function, width, height, stream)
}

#define GRAPH_SHAPE ((struct price_shape){.code = (uintptr_t)exec})

static CUresult launch_graph(CUgraphExec exec, CUstream stream)
{
    METERED(cuGraphLaunch, stream, false, GRAPH_SHAPE, true, exec, stream)
}

static CUresult launch_graph_ptsz(CUgraphExec exec, CUstream stream)
{
    METERED(cuGraphLaunch_ptsz, stream, true, GRAPH_SHAPE, true, exec, stream)
}

/* Most graphs have no memory of their own; those that do are admitted first. */
static CUresult with_memory(CUresult (*launch)(CUgraphExec, CUstream), CUgraphExec exec, CUstream stream,
                            bool per_thread)
{
    struct process *process = shim_process();
    struct graph_run run;
    if (process == NULL || atomic_load_explicit(&process->graphs_with_memory, memory_order_relaxed) == 0 ||
        shim_is_captured(process, stream, per_thread)) {
        return launch(exec, stream);
    }
    switch (graphs_before(&run, process, exec)) {
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;
    case ADMIT_FORWARD: return launch(exec, stream);
    case ADMIT_GO: break;
    }
    CUresult result = launch(exec, stream);
    graphs_after(&run, result == CUDA_SUCCESS);
    return result;
}

CUresult hook_cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
    return with_memory(launch_graph, exec, stream, false);
}

CUresult hook_cuGraphLaunch_ptsz(CUgraphExec exec, CUstream stream)
{
    return with_memory(launch_graph_ptsz, exec, stream, true);
}

#define EXPORT_launch EXPORTED
#include "hooks_export.h"
