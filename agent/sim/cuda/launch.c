/* Kernels and copies. What a kernel costs follows from its name:
 *   spin...    parameter 0 is a uint64_t: nanoseconds of GPU time
 *   nccl..., meet...  the same, then a uint64_t number that is not 0 and a uint32_t count: it ends so long after so
 *              many kernels of that number run at once, on whatever GPUs
 *   matmul...  parameter 0 is an int n: one n x n x n product (same grid whatever n, as with a library's K)
 *   others     by the number of threads launched */
#include "memory.h"

#include <string.h>

#define NODE_MEMCPY 1
#define NODE_MEMSET 2
#define COPY_START_NS UINT64_C(1500)
/* Over the bus, within the GPU (each byte is read and written), and fills (written alone). */
#define COPY_BYTES_PER_US UINT64_C(25000)
#define WITHIN_BYTES_PER_US UINT64_C(1500000)
#define FILL_BYTES_PER_US UINT64_C(2600000)

static bool is_collective(CUfunction function)
{
    return strncmp(function->name, "nccl", 4) == 0 || strncmp(function->name, "meet", 4) == 0;
}

uint64_t sim_kernel_ns(CUfunction function, uint64_t blocks, uint64_t threads, void **parameters)
{
    if ((strncmp(function->name, "spin", 4) == 0 || is_collective(function)) && parameters) {
        uint64_t nanoseconds;
        memcpy(&nanoseconds, parameters[0], sizeof nanoseconds);
        return nanoseconds;
    }
    if (strncmp(function->name, "matmul", 6) == 0 && parameters) {
        int n;
        memcpy(&n, parameters[0], sizeof n);
        double flop = 2.0 * n * (double)n * n;
        return 2000 + (uint64_t)(flop / 600e3); /* 600 TFLOP/s */
    }
    return 2000 + blocks * threads / 64;
}

static CUresult launch(CUfunction function, uint64_t blocks, uint64_t threads, CUstream handle, bool per_thread,
                       void **parameters)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!sim_function_known(function)) return CUDA_ERROR_INVALID_HANDLE;
    if (blocks == 0 || threads == 0 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
    CUstream stream = sim_stream(gpu, handle, per_thread);
    uint64_t duration = sim_kernel_ns(function, blocks, threads, parameters);
    if (stream->capture) return sim_capture_work(stream, CU_GRAPH_NODE_TYPE_KERNEL, function, duration);
    SIM_TRY(sim_function_load(state, function));
    if (is_collective(function) && parameters) {
        uint64_t number;
        uint32_t parties;
        memcpy(&number, parameters[1], sizeof number);
        memcpy(&parties, parameters[2], sizeof parties);
        return sim_enqueue_collective(state, stream, duration + state->options.gap_ns, number, parties);
    }
    return sim_enqueue(state, stream, SIM_COMPUTE, duration + state->options.gap_ns, 0, 0);
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
    if (!config) return CUDA_ERROR_INVALID_VALUE;
    return launch(function, (uint64_t)config->gridDimX * config->gridDimY * config->gridDimZ,
                  (uint64_t)config->blockDimX * config->blockDimY * config->blockDimZ, config->hStream, per_thread,
                  parameters);
}
SIM_DUAL(cuLaunchKernelEx, (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra),
         config, function, parameters, extra)

/* ---- copies and fills ---- */

/* Over the bus on the copy engine; within the GPU and fills where kernels run. */
static CUresult copy_as(CUstream handle, bool per_thread, enum sim_engine engine, int node, uint64_t nanoseconds,
                        bool wait)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream->capture) {
        uint64_t duration = engine == SIM_COMPUTE ? COPY_START_NS + nanoseconds : COPY_START_NS;
        CUresult result = sim_capture_work(stream, node, NULL, duration);
        return result == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED ? CUDA_SUCCESS : result;
    }
    SIM_TRY(sim_enqueue(state, stream, engine, COPY_START_NS + nanoseconds, 0, 0));
    return wait ? sim_stream_drain(state, stream) : CUDA_SUCCESS;
}

static CUresult copy(CUstream handle, bool per_thread, size_t bytes, bool wait)
{
    return copy_as(handle, per_thread, SIM_COPY, NODE_MEMCPY, (uint64_t)bytes * 1000 / COPY_BYTES_PER_US, wait);
}

static CUresult within(CUstream handle, bool per_thread, size_t bytes)
{
    return copy_as(handle, per_thread, SIM_COMPUTE, NODE_MEMCPY, (uint64_t)bytes * 1000 / WITHIN_BYTES_PER_US, false);
}

static CUresult fill(CUstream handle, bool per_thread, size_t bytes)
{
    return copy_as(handle, per_thread, SIM_COMPUTE, NODE_MEMSET, (uint64_t)bytes * 1000 / FILL_BYTES_PER_US, false);
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

SIM_API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    (void)to, (void)from;
    return within(NULL, false, bytes);
}

static CUresult cuMemcpyDtoDAsync_v2_on(bool per_thread, CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                        CUstream stream)
{
    (void)to, (void)from;
    return within(stream, per_thread, bytes);
}
SIM_DUAL(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream), to, from, bytes,
         stream)

SIM_API cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return !sim_on_device(to) || !sim_on_device(from) ? copy(NULL, false, bytes, true) : within(NULL, false, bytes);
}

static CUresult cuMemcpyAsync_on(bool per_thread, CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    return !sim_on_device(to) || !sim_on_device(from) ? copy(stream, per_thread, bytes, false)
                                                      : within(stream, per_thread, bytes);
}
SIM_DUAL(cuMemcpyAsync, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream), to, from, bytes, stream)

SIM_API cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count)
{
    (void)to, (void)value;
    return fill(NULL, false, count);
}

static CUresult cuMemsetD8Async_on(bool per_thread, CUdeviceptr to, unsigned char value, size_t count, CUstream stream)
{
    (void)to, (void)value;
    return fill(stream, per_thread, count);
}
SIM_DUAL(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t count, CUstream stream), to, value, count,
         stream)

static CUresult cuMemsetD32Async_on(bool per_thread, CUdeviceptr to, unsigned int value, size_t count, CUstream stream)
{
    (void)to, (void)value;
    return fill(stream, per_thread, count * sizeof value);
}
SIM_DUAL(cuMemsetD32Async, (CUdeviceptr to, unsigned int value, size_t count, CUstream stream), to, value, count,
         stream)
