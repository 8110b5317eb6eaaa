/* The driver as a statically linked CUDA runtime gets at it: dlopen, then everything through cuGetProcAddress. */
#ifndef TRANCHE_WORKLOAD_DRIVER_H
#define TRANCHE_WORKLOAD_DRIVER_H

#include "cuda_min.h"

struct driver {
    CUresult (*cuInit)(unsigned int flags);
    CUresult (*cuDeviceGet)(CUdevice *device, int ordinal);
    CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *context, CUdevice device);
    CUresult (*cuCtxSetCurrent)(CUcontext context);
    CUresult (*cuCtxSynchronize)(void);
    CUresult (*cuCtxSynchronize_v2)(CUcontext context);
    CUresult (*cuMemAlloc)(CUdeviceptr *out, size_t bytes);
    CUresult (*cuMemAllocAsync)(CUdeviceptr *out, size_t bytes, CUstream stream);
    CUresult (*cuMemFree)(CUdeviceptr address);
    CUresult (*cuMemFreeAsync)(CUdeviceptr address, CUstream stream);
    CUresult (*cuMemGetInfo)(size_t *free_bytes, size_t *total);
    CUresult (*cuMemcpyHtoDAsync)(CUdeviceptr to, const void *from, size_t bytes, CUstream stream);
    CUresult (*cuMemcpyDtoDAsync)(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream);
    CUresult (*cuMemsetD32Async)(CUdeviceptr to, unsigned int value, size_t count, CUstream stream);
    CUresult (*cuStreamCreate)(CUstream *out, unsigned int flags);
    CUresult (*cuStreamDestroy)(CUstream stream);
    CUresult (*cuStreamSynchronize)(CUstream stream);
    CUresult (*cuEventCreate)(CUevent *out, unsigned int flags);
    CUresult (*cuEventRecord)(CUevent event, CUstream stream);
    CUresult (*cuEventSynchronize)(CUevent event);
    CUresult (*cuStreamBeginCapture)(CUstream stream, CUstreamCaptureMode mode);
    CUresult (*cuStreamEndCapture)(CUstream stream, CUgraph *graph);
    CUresult (*cuModuleLoadData)(CUmodule *out, const void *image);
    CUresult (*cuModuleGetFunction)(CUfunction *out, CUmodule module, const char *name);
    CUresult (*cuLaunchKernel)(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                               unsigned int by, unsigned int bz, unsigned int shared, CUstream stream,
                               void **parameters, void **extra);
    CUresult (*cuLaunchKernelEx)(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra);
    CUresult (*cuLaunchCooperativeKernel)(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,
                                          unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
                                          CUstream stream, void **parameters);
    CUresult (*cuGraphInstantiateWithFlags)(CUgraphExec *out, CUgraph graph, unsigned long long flags);
    CUresult (*cuGraphLaunch)(CUgraphExec exec, CUstream stream);
    CUresult (*cuGetErrorString)(CUresult code, const char **text);
    const void *clock; /* struct tranche_sim_api, NULL on a real driver */
};

/* 0, or -1 with a sentence on stderr. */
int driver_open(struct driver *driver);
uint64_t driver_now_ns(const struct driver *driver);
/* Sleeps on the driver's clock: virtual time must not stand still because a workload naps. */
void driver_sleep(const struct driver *driver, uint64_t nanoseconds);

#endif
