/* Memory of another process, through the simulated driver's IPC handles and external memory: it costs whoever opens it
 * nothing.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuIpcGetMemHandle, (CUipcMemHandle * out, CUdeviceptr address))                                                 \
    X(cuIpcOpenMemHandle, (CUdeviceptr * out, CUipcMemHandle handle, unsigned flags))                                 \
    X(cuIpcOpenMemHandle_v2, (CUdeviceptr * out, CUipcMemHandle handle, unsigned flags))                              \
    X(cuIpcCloseMemHandle, (CUdeviceptr address))                                                                     \
    X(cuImportExternalMemory, (CUexternalMemory * out, const CUDA_EXTERNAL_MEMORY_HANDLE_DESC *description))          \
    X(cuExternalMemoryGetMappedBuffer,                                                                                \
      (CUdeviceptr * out, CUexternalMemory memory, const CUDA_EXTERNAL_MEMORY_BUFFER_DESC *description))              \
    X(cuDestroyExternalMemory, (CUexternalMemory memory))                                                             \
    X(cuMemAllocManaged, (CUdeviceptr * out, size_t bytes, unsigned flags))                                           \
    X(cuMemCreate,                                                                                                    \
      (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags))  \
    X(cuMemRelease, (CUmemGenericAllocationHandle handle))                                                            \
    X(cuMemExportToShareableHandle,                                                                                   \
      (void *out, CUmemGenericAllocationHandle handle, int type, unsigned long long flags))                           \
    X(cuMemGetAddressRange_v2, (CUdeviceptr * start, size_t * bytes, CUdeviceptr address))
DRIVER(MEMBER)

static void owner(void)
{
    CUdeviceptr large;
    CUdeviceptr small;
    CUdeviceptr managed;
    CUipcMemHandle handles[2];
    DRIVER(LOAD)
    CHECK_EQ(cuMemAlloc_v2(&large, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&small, 1000), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocManaged(&managed, MIB, 1), CUDA_SUCCESS);
    CHECK_EQ(cuIpcGetMemHandle(&handles[0], managed), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemFree_v2(managed), CUDA_SUCCESS);
    CHECK_EQ(cuIpcGetMemHandle(&handles[0], large), CUDA_SUCCESS);
    CHECK_EQ(cuIpcGetMemHandle(&handles[1], small), CUDA_SUCCESS);
    CHECK_EQ(cuIpcOpenMemHandle(&managed, handles[0], 1), CUDA_ERROR_INVALID_CONTEXT);
    CHECK_EQ(driver_held(), 66 * MIB);
    uint64_t used = driver_used(0);
    driver_send(handles, sizeof handles, -1);
    driver_turn(); /* opened there */
    CHECK_EQ(driver_used(0), used);
    CHECK_EQ(cuMemFree_v2(large), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 2 * MIB);
    CHECK_EQ(driver_used(0), used); /* what another process has open stays */
    driver_turn();
    driver_turn(); /* closed there */
    CHECK_EQ(driver_used(0), used - 64 * MIB);
    CHECK_EQ(cuMemFree_v2(small), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    driver_turn();
}

static void opener(void)
{
    CUdeviceptr large;
    CUdeviceptr small;
    CUdeviceptr again;
    CUdeviceptr start;
    size_t bytes;
    CUipcMemHandle handles[2];
    DRIVER(LOAD)
    (void)driver_receive(handles, sizeof handles);
    CHECK_EQ(cuIpcOpenMemHandle_v2(&large, handles[0], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS), CUDA_SUCCESS);
    CHECK_EQ(cuIpcOpenMemHandle(&small, handles[1], 1), CUDA_SUCCESS);
    CHECK_EQ(cuIpcOpenMemHandle_v2(&again, handles[0], 1), CUDA_SUCCESS);
    CHECK_EQ(again, large);
    CHECK_EQ(cuMemGetAddressRange_v2(&start, &bytes, small + 1), CUDA_SUCCESS);
    CHECK_EQ(bytes, 1000);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemFree_v2(large), CUDA_ERROR_INVALID_VALUE);
    driver_turn();
    driver_turn(); /* the owner has freed it: what is left is ours */
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuIpcCloseMemHandle(small), CUDA_SUCCESS);
    CHECK_EQ(cuIpcCloseMemHandle(large), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB); /* opened twice */
    CHECK_EQ(cuIpcCloseMemHandle(large), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuIpcCloseMemHandle(large), CUDA_ERROR_INVALID_VALUE);
    driver_turn();
    driver_turn();
    CHECK_EQ(cuIpcOpenMemHandle(&small, handles[1], 1), CUDA_ERROR_INVALID_VALUE); /* freed by now */
}

static void exporter(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
                                .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    int fd = -1;
    DRIVER(LOAD)
    CHECK_EQ(cuMemCreate(&handle, 64 * MIB, &prop, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0), CUDA_SUCCESS);
    driver_send("", 1, fd);
    driver_turn();
    CHECK_EQ(driver_held(), 64 * MIB);
}

static void external(void)
{
    CUDA_EXTERNAL_MEMORY_HANDLE_DESC description = {.type = CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD,
                                                    .size = 64 * MIB};
    CUDA_EXTERNAL_MEMORY_BUFFER_DESC whole = {.size = 64 * MIB};
    CUDA_EXTERNAL_MEMORY_BUFFER_DESC beyond = {.offset = 32 * MIB, .size = 33 * MIB};
    CUexternalMemory memory;
    CUdeviceptr address;
    char word;
    DRIVER(LOAD)
    description.handle.fd = driver_receive(&word, 1);
    CHECK_EQ(cuImportExternalMemory(&memory, &description), CUDA_SUCCESS);
    CHECK_EQ(fcntl(description.handle.fd, F_GETFD), -1); /* the driver's now */
    CHECK_EQ(cuExternalMemoryGetMappedBuffer(&address, memory, &beyond), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuExternalMemoryGetMappedBuffer(&address, memory, &whole), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(cuDestroyExternalMemory(memory), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    description.type = 2;
    CHECK_EQ(cuImportExternalMemory(&memory, &description), CUDA_ERROR_NOT_SUPPORTED);
    driver_turn();
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"owner", "", owner, opener},
        {"external", "", exporter, external},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
