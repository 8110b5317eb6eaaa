/* A libcuda.so.1 whose functions return at once, so that what remains of a call's time is the way to it. For
 * test/bench/shim_cost.c; nothing of it runs on a GPU or pretends to. */
#include "cuda_min.h"

#include <string.h>

#define API __attribute__((visibility("default"))) CUresult

static int context_object;
static int pool_object;

API cuInit(unsigned flags)
{
    (void)flags;
    return CUDA_SUCCESS;
}
API cuDeviceGetCount(int *count)
{
    *count = 1;
    return CUDA_SUCCESS;
}
API cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
    (void)device;
    memset(uuid->bytes, 0x11, sizeof uuid->bytes);
    return CUDA_SUCCESS;
}
API cuCtxGetDevice(CUdevice *device)
{
    *device = 0;
    return CUDA_SUCCESS;
}
API cuCtxGetCurrent(CUcontext *context)
{
    *context = (CUcontext)(void *)&context_object;
    return CUDA_SUCCESS;
}
API cuCtxSynchronize(void)
{
    return CUDA_SUCCESS;
}
API cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, CUstream stream, void **parameters, void **extra)
{
    (void)f, (void)gx, (void)gy, (void)gz, (void)bx, (void)by, (void)bz, (void)shared, (void)stream, (void)parameters,
        (void)extra;
    return CUDA_SUCCESS;
}
API cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **parameters, void **extra)
{
    (void)config, (void)f, (void)parameters, (void)extra;
    return CUDA_SUCCESS;
}
API cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
    (void)exec, (void)stream;
    return CUDA_SUCCESS;
}
API cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    (void)bytes;
    *out = 0x7f0000000000;
    return CUDA_SUCCESS;
}
API cuMemFree_v2(CUdeviceptr address)
{
    (void)address;
    return CUDA_SUCCESS;
}
API cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream)
{
    (void)bytes, (void)stream;
    *out = 0x7f1000000000;
    return CUDA_SUCCESS;
}
API cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
    (void)address, (void)stream;
    return CUDA_SUCCESS;
}
API cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device)
{
    (void)device;
    *pool = (CUmemoryPool)(void *)&pool_object;
    return CUDA_SUCCESS;
}
API cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device)
{
    return cuDeviceGetMemPool(pool, device);
}
API cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    (void)pool, (void)attribute;
    *(uint64_t *)value = UINT64_C(64) << 20;
    return CUDA_SUCCESS;
}
API cuEventCreate(CUevent *event, unsigned flags)
{
    (void)flags;
    *event = (CUevent)(void *)&context_object;
    return CUDA_SUCCESS;
}
API cuEventDestroy_v2(CUevent event)
{
    (void)event;
    return CUDA_SUCCESS;
}
API cuEventRecord(CUevent event, CUstream stream)
{
    (void)event, (void)stream;
    return CUDA_SUCCESS;
}
API cuEventQuery(CUevent event)
{
    (void)event;
    return CUDA_SUCCESS;
}
API cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    (void)start, (void)end;
    *milliseconds = 0.000004f; /* less than a launch takes here, so that no limit binds */
    return CUDA_SUCCESS;
}
API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
    (void)mode;
    return CUDA_SUCCESS;
}
API cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status)
{
    (void)stream;
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
}
