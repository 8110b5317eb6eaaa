/* The launch family. Each: is there a meter for it, then begin, the real launch, end. */
#include "core/charge.h"
#include "core/meter.h"
#include "core/price.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/hook_graphs.h"
#include "cuda/hook_meter.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

/* An event on the per-thread default stream is recorded through its own handle, so that one cuEventRecord serves. */
static CUstream event_stream(CUstream stream, bool per_thread)
{
    return !stream && per_thread ? CU_STREAM_PER_THREAD : stream;
}

/* Fills what meter_begin needs; false: forward and be done. */
static bool metered(struct launch *launch, CUstream stream, bool per_thread)
{
    struct process *process = shim_process();
    if (!process) return false;
    launch->weight = meter_weight();
    launch->sets_pace = true;
    return launch_is_metered(launch, process, stream, per_thread);
}

/* A launch that is looked at in full. */
#define METERED(name, stream_given, per_thread, shape_given, timeable, ...)                                           \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct launch launch;                                                                                             \
    if (!metered(&launch, stream_given, per_thread)) return real(__VA_ARGS__);                                        \
    CUstream stream_used = event_stream(stream_given, per_thread);                                                    \
    struct price_shape shape = shape_given;                                                                           \
    meter_begin(&launch, &shape, stream_used, timeable);                                                              \
    CUresult result = real(__VA_ARGS__);                                                                              \
    meter_end(&launch, result != CUDA_SUCCESS);                                                                       \
    return result;

/* Three ways of rising cost. hook_name and paid_name leave no frame behind and jump on to the driver: a few instructions
 * each, in which nothing but the line of resolve_hot and the thread's own is read. metered_name is written out below. */
#ifndef __clang__
#error                                                                                                                \
    "only clang's musttail promises the jumps that follow; gcc would leave our frame between a caller and its arguments"
#endif
#define JUMP __attribute__((musttail)) return

/* The first of them does not look at its arguments, and says so: the words that are in registers pass through it, and
 * those on the stack stay where the caller put them. (Said in full they would be copied, for cuLaunchKernel five.) */
#if defined(__x86_64__)
#define WORDS uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3, uint64_t w4, uint64_t w5
#define SAME_WORDS w0, w1, w2, w3, w4, w5
#elif defined(__aarch64__)
#define WORDS uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3, uint64_t w4, uint64_t w5, uint64_t w6, uint64_t w7
#define SAME_WORDS w0, w1, w2, w3, w4, w5, w6, w7
#else
#error "say which registers carry arguments here"
#endif
typedef CUresult (*passing_fn)(WORDS);

#define KNOWN(name) atomic_load_explicit(&resolve_hot.reals[ID_##name], memory_order_relaxed)
#define LAUNCH(name, parameters, skippable, payable, shape_given, ...)                                                \
    static CUresult metered_##name parameters;                                                                        \
    CUresult paid_##name parameters;                                                                                  \
    CUresult paid_##name parameters                                                                                   \
    {                                                                                                                 \
        name##_fn real = (name##_fn)KNOWN(name);                                                                      \
        if (real && (payable) && atomic_load_explicit(&resolve_hot.captures, memory_order_relaxed) == 0 &&            \
            meter_pays(shape_given)) {                                                                                \
            JUMP real(__VA_ARGS__);                                                                                   \
        }                                                                                                             \
        JUMP metered_##name(__VA_ARGS__);                                                                             \
    }                                                                                                                 \
    extern __typeof__(CUresult(WORDS)) passing_##name __asm__("hook_" #name);                                         \
    extern __typeof__(CUresult(WORDS)) paying_##name __asm__("paid_" #name);                                          \
    __attribute__((aligned(64))) CUresult passing_##name(WORDS)                                                       \
    {                                                                                                                 \
        if (__builtin_expect((skippable) && meter_skip(), 1)) {                                                       \
            passing_fn real = (passing_fn)KNOWN(name);                                                                \
            if (__builtin_expect(!!real, 1)) {                                                                        \
                JUMP real(SAME_WORDS);                                                                                \
            }                                                                                                         \
        }                                                                                                             \
        JUMP paying_##name(SAME_WORDS);                                                                               \
    }                                                                                                                 \
    static __attribute__((noinline)) CUresult metered_##name parameters

#define SHAPE ((struct price_shape){(uintptr_t)function, {gx, gy, gz}, {bx, by, bz}, shared})

LAUNCH(cuLaunchKernel,
       (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
        unsigned int bz, unsigned int shared, CUstream stream, void **parameters, void **extra),
       true, true, SHAPE, function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra)
{
    METERED(cuLaunchKernel, stream, false, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared, stream, parameters,
            extra)
}

LAUNCH(cuLaunchKernel_ptsz,
       (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
        unsigned int bz, unsigned int shared, CUstream stream, void **parameters, void **extra),
       true, true, SHAPE, function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra)
{
    METERED(cuLaunchKernel_ptsz, stream, true, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared, stream,
            parameters, extra)
}

LAUNCH(cuLaunchCooperativeKernel,
       (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
        unsigned int bz, unsigned int shared, CUstream stream, void **parameters),
       true, true, SHAPE, function, gx, gy, gz, bx, by, bz, shared, stream, parameters)
{
    METERED(cuLaunchCooperativeKernel, stream, false, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared, stream,
            parameters)
}

LAUNCH(cuLaunchCooperativeKernel_ptsz,
       (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
        unsigned int bz, unsigned int shared, CUstream stream, void **parameters),
       true, true, SHAPE, function, gx, gy, gz, bx, by, bz, shared, stream, parameters)
{
    METERED(cuLaunchCooperativeKernel_ptsz, stream, true, SHAPE, true, function, gx, gy, gz, bx, by, bz, shared,
            stream, parameters)
}

/* A launch that may start before its predecessor ends: an event between the two would take that away. */
static bool depends_programmatically(const CUlaunchConfig *config)
{
    for (unsigned at = 0; config->attrs && at < config->numAttrs; at++) {
        int id = config->attrs[at].id;
        if (id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION ||
            id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT)
            return true;
    }
    return false;
}

#define CONFIG_SHAPE                                                                                                  \
    ((struct price_shape){(uintptr_t)function,                                                                        \
                          {config->gridDimX, config->gridDimY, config->gridDimZ},                                     \
                          {config->blockDimX, config->blockDimY, config->blockDimZ},                                  \
                          config->sharedMemBytes})

LAUNCH(cuLaunchKernelEx, (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra), true,
       config, CONFIG_SHAPE, config, function, parameters, extra)
{
    if (!config) {
        cuLaunchKernelEx_fn judge = REAL(cuLaunchKernelEx);
        return !judge ? ABSENT_CU : judge(config, function, parameters, extra);
    }
    METERED(cuLaunchKernelEx, config->hStream, false, CONFIG_SHAPE, !depends_programmatically(config), config,
            function, parameters, extra)
}

LAUNCH(cuLaunchKernelEx_ptsz, (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra),
       true, config, CONFIG_SHAPE, config, function, parameters, extra)
{
    if (!config) {
        cuLaunchKernelEx_ptsz_fn judge = REAL(cuLaunchKernelEx_ptsz);
        return !judge ? ABSENT_CU : judge(config, function, parameters, extra);
    }
    METERED(cuLaunchKernelEx_ptsz, config->hStream, true, CONFIG_SHAPE, !depends_programmatically(config), config,
            function, parameters, extra)
}

/* A cooperative launch over several GPUs is one launch of the first: their slices wait together or not at all. */
CUresult hook_cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *list, unsigned int devices, unsigned int flags)
{
    if (!list || devices == 0) {
        cuLaunchCooperativeKernelMultiDevice_fn judge = REAL(cuLaunchCooperativeKernelMultiDevice);
        return !judge ? ABSENT_CU : judge(list, devices, flags);
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

static CUresult run_graph(CUgraphExec exec, CUstream stream)
{
    METERED(cuGraphLaunch, stream, false, GRAPH_SHAPE, true, exec, stream)
}

static CUresult run_graph_ptsz(CUgraphExec exec, CUstream stream)
{
    METERED(cuGraphLaunch_ptsz, stream, true, GRAPH_SHAPE, true, exec, stream)
}

/* Most graphs have no memory of their own; those that do are admitted first. */
static bool no_graph_has_memory(void)
{
    return atomic_load_explicit(&resolve_hot.graphs_with_memory, memory_order_relaxed) == 0;
}

static CUresult with_memory(CUresult (*run_it)(CUgraphExec, CUstream), CUgraphExec exec, CUstream stream,
                            bool per_thread)
{
    struct process *process = no_graph_has_memory() ? NULL : shim_process();
    struct graph_run run;
    if (!process || shim_is_captured(process, stream, per_thread)) return run_it(exec, stream);
    switch (graphs_before(&run, process, exec)) {
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;
    case ADMIT_FORWARD: return run_it(exec, stream);
    case ADMIT_GO: break;
    }
    CUresult result = run_it(exec, stream);
    graphs_after(&run, result == CUDA_SUCCESS);
    return result;
}

LAUNCH(cuGraphLaunch, (CUgraphExec exec, CUstream stream), no_graph_has_memory(), no_graph_has_memory(), GRAPH_SHAPE,
       exec, stream)
{
    return with_memory(run_graph, exec, stream, false);
}

LAUNCH(cuGraphLaunch_ptsz, (CUgraphExec exec, CUstream stream), no_graph_has_memory(), no_graph_has_memory(),
       GRAPH_SHAPE, exec, stream)
{
    return with_memory(run_graph_ptsz, exec, stream, true);
}

#define EXPORT_launch EXPORTED
#include "cuda/hooks_export.h"
