/* Code, kernels, graphs and copies. What a kernel costs follows from its name:
 *   spin...    parameter 0 is a uint64_t: nanoseconds of GPU time
 *   matmul...  parameter 0 is an int n: one n x n x n product (same grid whatever n, as with a library's K)
 *   others     by the number of threads launched */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define FUNCTIONS 1024u
#define COPY_BYTES_PER_US UINT64_C(25000)
#define COPY_START_NS UINT64_C(1500)

static struct CUfunc_st functions[FUNCTIONS];
static _Atomic uint32_t function_count;

static uint64_t kernel_ns(const struct CUfunc_st *function, uint64_t blocks, uint64_t threads, void **parameters)
{
    if (strncmp(function->name, "spin", 4) == 0 && parameters != NULL) {
        uint64_t nanoseconds;
        memcpy(&nanoseconds, parameters[0], sizeof nanoseconds);
        return nanoseconds;
    }
    if (strncmp(function->name, "matmul", 6) == 0 && parameters != NULL) {
        int n;
        memcpy(&n, parameters[0], sizeof n);
        double flop = 2.0 * n * (double)n * n;
        return 2000 + (uint64_t)(flop / 600e3); /* 600 TFLOP/s */
    }
    return 2000 + blocks * threads / 64;
}

/* The first launch of a kernel loads its code, and the driver synchronizes the context to do so. */
static CUresult load_lazily(struct sim_state *state, CUfunction function)
{
    if (atomic_exchange(&function->loaded, true)) {
        return CUDA_SUCCESS;
    }
    struct sim_context *context;
    uint32_t gpu = sim_gpu_of_current();
    sim_lock(state);
    CUresult result = sim_queues(state, gpu, &context);
    uint64_t all[SIM_ENGINES] = {0, 0};
    if (result == CUDA_SUCCESS) {
        struct sim_queue *queue = &context->queues[SIM_COMPUTE];
        if (queue->count > 0) {
            all[SIM_COMPUTE] = queue->items[(queue->head + queue->count - 1) % SIM_QUEUE].seq;
        }
    }
    sim_unlock(state);
    if (result == CUDA_SUCCESS) {
        sim_wait_done(state, context, all);
        sim_cost(state, state->options.lazy_load_ns);
    }
    return result;
}

static CUresult launch(CUfunction function, uint64_t blocks, uint64_t threads, CUstream handle, bool per_thread,
                       void **parameters)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (function < functions || function >= functions + FUNCTIONS) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (blocks == 0 || threads == 0 || threads > 1024) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    CUstream stream = sim_stream(gpu, handle, per_thread);
    uint64_t duration = kernel_ns(function, blocks, threads, parameters);
    if (stream->capture != NULL) {
        stream->capture->duration_ns += duration;
        stream->capture->nodes++;
        return stream->capture_invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    }
    SIM_TRY(load_lazily(state, function));
    return sim_enqueue(state, stream, SIM_COMPUTE, duration, 0, 0);
}

static CUresult cuLaunchKernel_on(bool per_thread, CUfunction function, unsigned int gx, unsigned int gy,
                                  unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
                                  unsigned int shared, CUstream stream, void **parameters, void **extra)
{
    (void)shared;
    (void)extra;
    return launch(function, (uint64_t)gx * gy * gz, (uint64_t)bx * by * bz, stream, per_thread, parameters);
}
SIM_DUAL(cuLaunchKernel,
         (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
          unsigned int bz, unsigned int shared, CUstream stream, void **parameters, void **extra),
         function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra)

static CUresult cuLaunchCooperativeKernel_on(bool per_thread, CUfunction function, unsigned int gx, unsigned int gy,
                                             unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
                                             unsigned int shared, CUstream stream, void **parameters)
{
    (void)shared;
    return launch(function, (uint64_t)gx * gy * gz, (uint64_t)bx * by * bz, stream, per_thread, parameters);
}
SIM_DUAL(cuLaunchCooperativeKernel,
         (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by,
          unsigned int bz, unsigned int shared, CUstream stream, void **parameters),
         function, gx, gy, gz, bx, by, bz, shared, stream, parameters)

static CUresult cuLaunchKernelEx_on(bool per_thread, const CUlaunchConfig *config, CUfunction function,
                                    void **parameters, void **extra)
{
    (void)extra;
    if (config == NULL) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    return launch(function, (uint64_t)config->gridDimX * config->gridDimY * config->gridDimZ,
                  (uint64_t)config->blockDimX * config->blockDimY * config->blockDimZ, config->hStream, per_thread,
                  parameters);
}
SIM_DUAL(cuLaunchKernelEx, (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra),
         config, function, parameters, extra)

/* ---- code ---- */

static CUresult function_named(CUfunction *out, const char *name)
{
    uint32_t count = atomic_load(&function_count);
    for (uint32_t index = 0; index < count; index++) {
        if (strcmp(functions[index].name, name) == 0) {
            *out = &functions[index];
            return CUDA_SUCCESS;
        }
    }
    if (strlen(name) >= sizeof functions[0].name || strncmp(name, "missing", 7) == 0) {
        return CUDA_ERROR_NOT_FOUND;
    }
    uint32_t index = atomic_fetch_add(&function_count, 1);
    if (index >= FUNCTIONS) {
        atomic_fetch_sub(&function_count, 1);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    strcpy(functions[index].name, name);
    *out = &functions[index];
    return CUDA_SUCCESS;
}

static CUresult load_code(void **out, const void *image)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (image == NULL) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *out = malloc(16);
    return *out == NULL ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuModuleLoadData(CUmodule *out, const void *image)
{
    return load_code((void **)out, image);
}

SIM_API cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int count, int *options, void **values)
{
    (void)count;
    (void)options;
    (void)values;
    return load_code((void **)out, image);
}

SIM_API cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name)
{
    return module == NULL || name == NULL ? CUDA_ERROR_INVALID_VALUE : function_named(out, name);
}

SIM_API cuModuleUnload(CUmodule module)
{
    free(module);
    return CUDA_SUCCESS;
}

SIM_API cuLibraryLoadData(CUlibrary *out, const void *image, int *a, void **b, unsigned int c, int *d, void **e,
                          unsigned int f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return load_code((void **)out, image);
}

SIM_API cuLibraryGetKernel(CUkernel *out, CUlibrary library, const char *name)
{
    return library == NULL || name == NULL ? CUDA_ERROR_INVALID_VALUE : function_named((CUfunction *)out, name);
}

SIM_API cuLibraryUnload(CUlibrary library)
{
    free(library);
    return CUDA_SUCCESS;
}

SIM_API cuKernelGetFunction(CUfunction *out, CUkernel kernel)
{
    *out = (CUfunction)kernel;
    return CUDA_SUCCESS;
}

SIM_API cuFuncGetName(const char **name, CUfunction function)
{
    *name = function->name;
    return CUDA_SUCCESS;
}

SIM_API cuFuncGetAttribute(int *value, int attribute, CUfunction function)
{
    (void)function;
    *value = attribute == 0 ? 1024 : 0;
    return CUDA_SUCCESS;
}

/* ---- graphs ---- */

SIM_API cuGraphCreate(CUgraph *out, unsigned int flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return *out == NULL ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuGraphDestroy(CUgraph graph)
{
    free(graph);
    return CUDA_SUCCESS;
}

SIM_API cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
    (void)flags;
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (graph == NULL) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    CUgraphExec exec = calloc(1, sizeof *exec);
    if (exec == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *exec = (struct CUgraphExec_st){graph->duration_ns, graph->nodes, gpu};
    *out = exec;
    return CUDA_SUCCESS;
}

SIM_API cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size)
{
    (void)node, (void)log, (void)size;
    return cuGraphInstantiateWithFlags(out, graph, 0);
}

SIM_API cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size)
{
    (void)node, (void)log, (void)size;
    return cuGraphInstantiateWithFlags(out, graph, 0);
}

SIM_API cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *node, int *result)
{
    (void)node;
    exec->duration_ns = graph->duration_ns;
    exec->nodes = graph->nodes;
    *result = 0;
    return CUDA_SUCCESS;
}

SIM_API cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, void *info)
{
    (void)info;
    exec->duration_ns = graph->duration_ns;
    exec->nodes = graph->nodes;
    return CUDA_SUCCESS;
}

SIM_API cuGraphExecDestroy(CUgraphExec exec)
{
    free(exec);
    return CUDA_SUCCESS;
}

static CUresult cuGraphLaunch_on(bool per_thread, CUgraphExec exec, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (exec == NULL) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    CUstream stream = sim_stream(gpu, handle, per_thread);
    return sim_enqueue(state, stream, SIM_COMPUTE, exec->duration_ns, 0, 0);
}
SIM_DUAL(cuGraphLaunch, (CUgraphExec exec, CUstream stream), exec, stream)

/* ---- copies and fills ---- */

static CUresult copy(CUstream handle, bool per_thread, size_t bytes, bool wait)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream->capture != NULL) {
        stream->capture->duration_ns += COPY_START_NS;
        return CUDA_SUCCESS;
    }
    uint64_t duration = COPY_START_NS + (uint64_t)bytes * 1000 / COPY_BYTES_PER_US;
    SIM_TRY(sim_enqueue(state, stream, SIM_COPY, duration, 0, 0));
    return wait ? sim_stream_drain(state, stream) : CUDA_SUCCESS;
}

SIM_API cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
    (void)to, (void)from;
    return copy(NULL, false, bytes, true);
}

SIM_API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
    (void)to, (void)from;
    return copy(NULL, false, bytes, true);
}

static CUresult cuMemcpyHtoDAsync_v2_on(bool per_thread, CUdeviceptr to, const void *from, size_t bytes,
                                        CUstream stream)
{
    (void)to, (void)from;
    return copy(stream, per_thread, bytes, false);
}
SIM_DUAL(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream), to, from, bytes,
         stream)

static CUresult cuMemcpyDtoHAsync_v2_on(bool per_thread, void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    (void)to, (void)from;
    return copy(stream, per_thread, bytes, false);
}
SIM_DUAL(cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream), to, from, bytes, stream)

SIM_API cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count)
{
    (void)to, (void)value;
    return copy(NULL, false, count / 50, true);
}

static CUresult cuMemsetD8Async_on(bool per_thread, CUdeviceptr to, unsigned char value, size_t count, CUstream stream)
{
    (void)to, (void)value;
    return copy(stream, per_thread, count / 50, false);
}
SIM_DUAL(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t count, CUstream stream), to, value, count,
         stream)
