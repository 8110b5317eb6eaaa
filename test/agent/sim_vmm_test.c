/* Virtual memory management of the simulated driver, alone and between processes.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuMemCreate,                                                                                                    \
      (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags))  \
    X(cuMemRelease, (CUmemGenericAllocationHandle handle))                                                            \
    X(cuMemRetainAllocationHandle, (CUmemGenericAllocationHandle * out, void *address))                               \
    X(cuMemGetAllocationPropertiesFromHandle, (CUmemAllocationProp * prop, CUmemGenericAllocationHandle handle))      \
    X(cuMemAddressReserve,                                                                                            \
      (CUdeviceptr * out, size_t bytes, size_t alignment, CUdeviceptr hint, unsigned long long flags))                \
    X(cuMemAddressFree, (CUdeviceptr address, size_t bytes))                                                          \
    X(cuMemMap, (CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,               \
                 unsigned long long flags))                                                                           \
    X(cuMemUnmap, (CUdeviceptr address, size_t bytes))                                                                \
    X(cuMemSetAccess, (CUdeviceptr address, size_t bytes, const CUmemAccessDesc *access, size_t count))               \
    X(cuMemGetAccess, (unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address))                \
    X(cuMemExportToShareableHandle,                                                                                   \
      (void *out, CUmemGenericAllocationHandle handle, int type, unsigned long long flags))                           \
    X(cuMemImportFromShareableHandle, (CUmemGenericAllocationHandle * out, void *handle, int type))                   \
    X(cuPointerGetAttribute, (void *out, int attribute, CUdeviceptr address))
DRIVER(MEMBER)

#define POSIX_FD CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
static const CUmemAllocationProp on_device = {
    .type = 1, .requestedHandleTypes = POSIX_FD, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
static const CUmemLocation device = {CU_MEM_LOCATION_TYPE_DEVICE, 0};

static void where_memory_is(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp prop = on_device;
    CUmemAllocationProp told;
    DRIVER(LOAD)
    CHECK_EQ(cuMemCreate(&handle, 64 * MIB, &prop, 0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemGetAllocationPropertiesFromHandle(&told, handle), CUDA_SUCCESS);
    CHECK_EQ(told.location.type, CU_MEM_LOCATION_TYPE_DEVICE);
    CHECK_EQ(told.requestedHandleTypes, POSIX_FD);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    prop.location.id = 1;
    CHECK_EQ(cuMemCreate(&handle, 64 * MIB, &prop, 0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(driver_held_by(getpid(), 1), 64 * MIB); /* without a context there */
    for (int type = CU_MEM_LOCATION_TYPE_HOST; type <= CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT; type++) {
        prop.location = (CUmemLocation){type, 0};
        CHECK_EQ(cuMemCreate(&handle, 100 * GIB, &prop, 0), CUDA_SUCCESS);
    }
    CHECK_EQ(driver_held(), 0);
    prop.location = (CUmemLocation){CU_MEM_LOCATION_TYPE_DEVICE, 7};
    CHECK_EQ(cuMemCreate(&handle, 64 * MIB, &prop, 0), CUDA_ERROR_INVALID_DEVICE);
    CHECK_EQ(cuMemCreate(&handle, MIB, &on_device, 0), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemCreate(&handle, 100 * GIB, &on_device, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(driver_held(), 0);
}

static void mappings(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemGenericAllocationHandle again;
    CUmemAccessDesc access = {device, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr base;
    CUdeviceptr start;
    unsigned long long flags = 9;
    DRIVER(LOAD)
    CHECK_EQ(cuMemAddressReserve(&base, 64 * MIB, 0, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemCreate(&handle, 32 * MIB, &on_device, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemMap(base, 8 * MIB, 0, handle, 0), CUDA_SUCCESS); /* two parts of it, in the other order */
    CHECK_EQ(cuMemMap(base + 8 * MIB, 8 * MIB, 24 * MIB, handle, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemMap(base + 4 * MIB, 8 * MIB, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);         /* taken */
    CHECK_EQ(cuMemMap(base + 16 * MIB, 8 * MIB, 26 * MIB, handle, 0), CUDA_ERROR_INVALID_VALUE); /* beyond its end */
    CHECK_EQ(cuMemMap(base + 60 * MIB, 8 * MIB, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);        /* beyond the range */
    CHECK_EQ(cuMemGetAccess(&flags, &device, base), CUDA_SUCCESS);
    CHECK_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_NONE);
    CHECK_EQ(cuMemSetAccess(base, 16 * MIB, &access, 1), CUDA_SUCCESS);
    CHECK_EQ(cuMemSetAccess(base, 18 * MIB, &access, 1), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemGetAccess(&flags, &device, base + 15 * MIB), CUDA_SUCCESS);
    CHECK_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    CHECK_EQ(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, base + 9 * MIB), CUDA_SUCCESS);
    CHECK_EQ(start, base + 8 * MIB);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuMemAddressFree(base, 64 * MIB), CUDA_ERROR_INVALID_VALUE); /* while something is mapped */
    CHECK_EQ(cuMemUnmap(base, 12 * MIB), CUDA_ERROR_INVALID_VALUE);       /* through the middle of one */
    CHECK_EQ(cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)(base + 9 * MIB)), CUDA_SUCCESS);
    CHECK_EQ(cuMemUnmap(base, 16 * MIB), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuMemRelease(again), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemAddressFree(base, 64 * MIB), CUDA_SUCCESS);
}

/* ---- two processes ---- */

static void exported(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemGenericAllocationHandle secret;
    CUmemAllocationProp prop = on_device;
    int fd = -1;
    DRIVER(LOAD)
    prop.requestedHandleTypes = 0;
    CHECK_EQ(cuMemCreate(&secret, 2 * MIB, &prop, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemExportToShareableHandle(&fd, secret, POSIX_FD, 0), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemRelease(secret), CUDA_SUCCESS);
    CHECK_EQ(cuMemCreate(&handle, 64 * MIB, &on_device, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemExportToShareableHandle(&fd, handle, POSIX_FD, 0), CUDA_SUCCESS);
    uint64_t used = driver_used(0);
    driver_send("", 1, fd);
    driver_turn(); /* imported there */
    CHECK_EQ(driver_used(0), used);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(driver_used(0), used); /* the other still has it */
    driver_turn();
    driver_turn(); /* let go there */
    CHECK_EQ(driver_used(0), used - 64 * MIB);
    driver_turn();
}

static void imported(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp prop;
    CUdeviceptr base;
    char word;
    DRIVER(LOAD)
    int fd = driver_receive(&word, 1);
    CHECK_EQ(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)fd, POSIX_FD), CUDA_SUCCESS);
    close(fd);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemGetAllocationPropertiesFromHandle(&prop, handle), CUDA_SUCCESS);
    CHECK_EQ(prop.location.type, CU_MEM_LOCATION_TYPE_DEVICE);
    CHECK_EQ(cuMemAddressReserve(&base, 64 * MIB, 0, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemMap(base, 64 * MIB, 0, handle, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
    driver_turn();
    driver_turn(); /* the exporter has released it: now it is charged here */
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemUnmap(base, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    driver_turn();
    driver_turn();
}

/* The exporter is gone: its share passes to whoever still holds it. */
static void exporter_dies(void)
{
    CUmemGenericAllocationHandle handle;
    int fd = -1;
    pid_t self = getpid();
    DRIVER(LOAD)
    CHECK_EQ(cuMemCreate(&handle, 64 * MIB, &on_device, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemExportToShareableHandle(&fd, handle, POSIX_FD, 0), CUDA_SUCCESS);
    driver_send(&self, sizeof self, fd);
    driver_turn();
}

static void importer_survives(void)
{
    CUmemGenericAllocationHandle handle;
    pid_t other;
    DRIVER(LOAD)
    int fd = driver_receive(&other, sizeof other);
    CHECK_EQ(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)fd, POSIX_FD), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    driver_turn();
    for (int tick = 0; tick < 2000 && driver_held_by(other, 0) != 0; tick++)
        usleep(5000); /* the step of a bounded wait */
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(driver_used(0), CONTEXT_BYTES + 64 * MIB);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
    CHECK_EQ(driver_used(0), CONTEXT_BYTES);
    CHECK_EQ(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)fd, POSIX_FD), CUDA_ERROR_INVALID_VALUE);
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"where_memory_is", "", where_memory_is, NULL},
        {"mappings", "", mappings, NULL},
        {"exported", "", exported, imported},
        {"exporter_dies", "", exporter_dies, importer_survives},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
