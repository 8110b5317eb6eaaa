/* A libcuda.so.1 with one GPU and the least that a program in a slice needs, to be built for aarch64: the simulated
 * driver is x86_64 only. It grants whatever it is asked. */
#include "cuda_min.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic CUdeviceptr next_address = 0x10000000;

CUresult cuInit(unsigned int flags)
{
    return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDriverGetVersion(int *version)
{
    *version = 12000;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
    static const unsigned char bytes[16] = {0x51, 0, 0, 0, 0, 0, 0x40, 0, 0x80};
    if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
    memcpy(uuid->bytes, bytes, sizeof bytes);
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device)
{
    *device = 0;
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    *out = atomic_fetch_add(&next_address, bytes);
    return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address)
{
    return address != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    *total = (size_t)80 << 30;
    *free_bytes = *total;
    return CUDA_SUCCESS;
}

CUresult cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status)
{
    (void)version, (void)flags;
    static const struct {
        const char *name;
        void *function;
    } table[] = {
        {"cuInit", (void *)cuInit},
        {"cuDriverGetVersion", (void *)cuDriverGetVersion},
        {"cuDeviceGetUuid", (void *)cuDeviceGetUuid},
        {"cuCtxGetDevice", (void *)cuCtxGetDevice},
        {"cuMemAlloc", (void *)cuMemAlloc_v2},
        {"cuMemFree", (void *)cuMemFree_v2},
        {"cuMemGetInfo", (void *)cuMemGetInfo_v2},
        {"cuGetProcAddress", (void *)cuGetProcAddress_v2},
    };
    for (size_t at = 0; at < sizeof table / sizeof table[0]; at++) {
        if (strcmp(table[at].name, name) == 0) {
            *function = table[at].function;
            if (status != NULL) *status = CU_GET_PROC_ADDRESS_SUCCESS;
            return CUDA_SUCCESS;
        }
    }
    *function = NULL;
    if (status != NULL) *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return CUDA_ERROR_NOT_FOUND;
}
