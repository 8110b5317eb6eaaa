/* A libcuda with one GPU that works in the host's real time, read by system call so that no interposed clock changes it.
 * A launch takes as many microseconds as its grid is wide. No simulated clock: the shim's own is what is tested. */
#include "cuda_min.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static uint64_t busy_until_ns;
static int context, module, function;

static uint64_t now_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wait_until(uint64_t ns)
{
    for (uint64_t now = now_ns(); now < ns; now = now_ns()) {
        struct timespec span = {0, (long)(ns - now > 5000000 ? 5000000 : ns - now)};
        syscall(SYS_nanosleep, &span, NULL);
    }
}

EXPORT CUresult cuInit(unsigned flags)
{
    (void)flags;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuDeviceGetCount(int *count)
{
    *count = 1;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
    (void)device;
    memset(uuid, 0, sizeof *uuid);
    uuid->bytes[0] = 0x51;
    uuid->bytes[6] = 0x40;
    uuid->bytes[8] = (char)0x80;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuCtxGetDevice(CUdevice *device)
{
    *device = 0;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuCtxGetCurrent(CUcontext *out)
{
    *out = (CUcontext)&context;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active)
{
    (void)device;
    *flags = 0;
    *active = 1;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device)
{
    (void)device;
    *out = (CUcontext)&context;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuCtxSetCurrent(CUcontext current)
{
    (void)current;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
    (void)image;
    *out = (CUmodule)&module;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuModuleGetFunction(CUfunction *out, CUmodule of, const char *name)
{
    (void)of;
    (void)name;
    *out = (CUfunction)&function;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status)
{
    (void)stream;
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuThreadExchangeStreamCaptureMode(int *mode)
{
    (void)mode;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuEventCreate(CUevent *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof(uint64_t));
    return CUDA_SUCCESS;
}
EXPORT CUresult cuEventDestroy_v2(CUevent event)
{
    free(event);
    return CUDA_SUCCESS;
}
EXPORT CUresult cuEventRecord(CUevent event, CUstream stream)
{
    (void)stream;
    uint64_t now = now_ns();
    *(uint64_t *)event = busy_until_ns > now ? busy_until_ns : now;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuEventQuery(CUevent event)
{
    return *(uint64_t *)event > now_ns() ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}
EXPORT CUresult cuEventSynchronize(CUevent event)
{
    wait_until(*(uint64_t *)event);
    return CUDA_SUCCESS;
}
EXPORT CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
    *ms = (float)((double)(*(uint64_t *)end - *(uint64_t *)start) / 1e6);
    return CUDA_SUCCESS;
}
EXPORT CUresult cuStreamSynchronize(CUstream stream)
{
    (void)stream;
    wait_until(busy_until_ns);
    return CUDA_SUCCESS;
}
EXPORT CUresult cuLaunchKernel(CUfunction kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                               unsigned bz, unsigned shared, CUstream stream, void **parameters, void **extra)
{
    (void)kernel, (void)gy, (void)gz, (void)bx, (void)by, (void)bz, (void)shared, (void)stream, (void)parameters;
    (void)extra;
    uint64_t now = now_ns();
    busy_until_ns = (busy_until_ns > now ? busy_until_ns : now) + (uint64_t)gx * 1000;
    return CUDA_SUCCESS;
}
EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    static CUdeviceptr next = 0x700000000000;
    *out = next;
    next += bytes;
    return CUDA_SUCCESS;
}
