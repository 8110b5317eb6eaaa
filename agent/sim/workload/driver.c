#include "driver.h"

#include "sim_api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef CUresult (*get_proc_address)(const char *name, void **function, int version, cuuint64_t flags,
                                     CUdriverProcAddressQueryResult *status);

int driver_open(struct driver *driver)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "no driver: %s\n", dlerror());
        return -1;
    }
    get_proc_address get = (get_proc_address)dlsym(library, "cuGetProcAddress_v2");
    if (!get) {
        fprintf(stderr, "the driver has no cuGetProcAddress_v2\n");
        return -1;
    }
#define GET(member, version)                                                                                          \
    if (get(#member, (void **)&driver->member, version, 0, NULL) != CUDA_SUCCESS || !driver->member) {                \
        fprintf(stderr, "the driver has no " #member "\n");                                                           \
        return -1;                                                                                                    \
    }
    GET(cuInit, 2000)
    GET(cuDeviceGet, 2000)
    GET(cuDevicePrimaryCtxRetain, 7000)
    GET(cuCtxSetCurrent, 4000)
    GET(cuCtxSynchronize, 2000)
    /* Given to whoever asks as a program of CUDA 13 does; older drivers have no such thing. */
    if (get("cuCtxSynchronize", (void **)&driver->cuCtxSynchronize_v2, 13000, 0, NULL) != CUDA_SUCCESS)
        driver->cuCtxSynchronize_v2 = NULL;
    GET(cuMemAlloc, 3020)
    GET(cuMemAllocAsync, 11020)
    GET(cuMemFree, 3020)
    GET(cuMemFreeAsync, 11020)
    GET(cuMemGetInfo, 3020)
    GET(cuMemcpyHtoDAsync, 3020)
    GET(cuMemcpyDtoDAsync, 3020)
    GET(cuMemsetD32Async, 3020)
    GET(cuStreamCreate, 2000)
    GET(cuStreamDestroy, 4000)
    GET(cuStreamSynchronize, 2000)
    GET(cuEventCreate, 2000)
    GET(cuEventRecord, 2000)
    GET(cuEventSynchronize, 2000)
    GET(cuStreamBeginCapture, 10010)
    GET(cuStreamEndCapture, 10000)
    GET(cuModuleLoadData, 2000)
    GET(cuModuleGetFunction, 2000)
    GET(cuLaunchKernel, 4000)
    GET(cuLaunchKernelEx, 11060)
    GET(cuLaunchCooperativeKernel, 9000)
    GET(cuGraphInstantiateWithFlags, 11040)
    GET(cuGraphLaunch, 10000)
    GET(cuGetErrorString, 6000)
#undef GET
    const struct tranche_sim_api *const *clock = dlsym(library, TRANCHE_SIM_SYMBOL);
    driver->clock = !clock ? NULL : *clock;
    return 0;
}

uint64_t driver_now_ns(const struct driver *driver)
{
    const struct tranche_sim_api *clock = driver->clock;
    if (clock) return clock->now_ns();
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void driver_sleep(const struct driver *driver, uint64_t nanoseconds)
{
    const struct tranche_sim_api *clock = driver->clock;
    if (clock) {
        _Atomic uint32_t never = 0;
        clock->wait_word(&never, 0, clock->now_ns() + nanoseconds);
        return;
    }
    struct timespec span = {(time_t)(nanoseconds / UINT64_C(1000000000)), (long)(nanoseconds % UINT64_C(1000000000))};
    nanosleep(&span, NULL);
}
