/* The simulated driver's memory pools: what they reserve, and when they let go of it. The first story is the one that
 * an H100 told: the same requests, the same addresses and reserves.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream))                                            \
    X(cuMemAllocAsync_ptsz, (CUdeviceptr * out, size_t bytes, CUstream stream))                                       \
    X(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream))                 \
    X(cuMemFreeAsync, (CUdeviceptr address, CUstream stream))                                                         \
    X(cuDeviceGetDefaultMemPool, (CUmemoryPool * out, CUdevice device))                                               \
    X(cuDeviceGetMemPool, (CUmemoryPool * out, CUdevice device))                                                      \
    X(cuDeviceSetMemPool, (CUdevice device, CUmemoryPool pool))                                                       \
    X(cuMemGetDefaultMemPool, (CUmemoryPool * out, CUmemLocation * location, int type))                               \
    X(cuMemGetMemPool, (CUmemoryPool * out, CUmemLocation * location, int type))                                      \
    X(cuMemSetMemPool, (CUmemLocation * location, int type, CUmemoryPool pool))                                       \
    X(cuMemPoolCreate, (CUmemoryPool * out, const CUmemPoolProps *props))                                             \
    X(cuMemPoolDestroy, (CUmemoryPool pool))                                                                          \
    X(cuMemPoolTrimTo, (CUmemoryPool pool, size_t keep))                                                              \
    X(cuMemPoolSetAttribute, (CUmemoryPool pool, int attribute, void *value))                                         \
    X(cuMemPoolGetAttribute, (CUmemoryPool pool, int attribute, void *value))                                         \
    X(cuMemPoolSetAccess, (CUmemoryPool pool, const CUmemAccessDesc *access, size_t count))                           \
    X(cuMemPoolGetAccess, (int *flags, CUmemoryPool pool, CUmemLocation *location))                                   \
    X(cuMemPoolExportToShareableHandle, (void *out, CUmemoryPool pool, int type, unsigned long long flags))           \
    X(cuMemPoolImportFromShareableHandle, (CUmemoryPool * out, void *handle, int type, unsigned long long flags))     \
    X(cuMemPoolExportPointer, (CUmemPoolPtrExportData * out, CUdeviceptr address))                                    \
    X(cuMemPoolImportPointer, (CUdeviceptr * out, CUmemoryPool pool, CUmemPoolPtrExportData * data))                  \
    X(cuPointerGetAttribute, (void *out, int attribute, CUdeviceptr address))                                         \
    X(cuEventCreate, (CUevent * event, unsigned flags))                                                               \
    X(cuEventRecord, (CUevent event, CUstream stream))                                                                \
    X(cuEventSynchronize, (CUevent event))                                                                            \
    X(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))
DRIVER(MEMBER)

static uint64_t attribute(CUmemoryPool pool, int which)
{
    uint64_t value = 0;
    CHECK_EQ(cuMemPoolGetAttribute(pool, which, &value), CUDA_SUCCESS);
    return value;
}
#define RESERVED(pool) attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
#define USED(pool) attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT)

static void set(CUmemoryPool pool, int which, uint64_t value)
{
    CHECK_EQ(cuMemPoolSetAttribute(pool, which, &value), CUDA_SUCCESS);
}

static CUmemPoolProps props_of(int location, size_t max)
{
    return (CUmemPoolProps){.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
                            .location = {location, 0},
                            .maxSize = max};
}

static void as_on_the_card(void)
{
    static const struct {
        uint64_t bytes;
        uint64_t offset;
        uint64_t reserved;
    } steps[] = {
        {1, 0, 33554432},
        {4194304, 0x200, 33554432},
        {28311552, 0x400200, 33554432},
        {1048576, 0x1f00200, 67108864}, /* across the end of the first chunk */
        {34603008, 0x2000200, 100663296},
        {41943040, 0x4100200, 134217728},
        {67108864, 0x6900200, 201326592},
        {104857601, 0xa900200, 301989888},
        {1073741824, 0x10d00400, 1375731712},
    };
    CUdeviceptr held[9];
    CUdeviceptr again;
    CUmemoryPool pool;
    CUstream stream;
    uint64_t used = 0;
    DRIVER(LOAD)
    CHECK_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    for (int at = 0; at < 9; at++) {
        CHECK_EQ(cuMemAllocAsync(&held[at], steps[at].bytes, stream), CUDA_SUCCESS);
        used += steps[at].bytes;
        CHECK_EQ(held[at] - held[0], steps[at].offset);
        CHECK_EQ(RESERVED(pool), steps[at].reserved);
        CHECK_EQ(USED(pool), used);
        CHECK_EQ(driver_held(), steps[at].reserved);
    }
    for (int at = 0; at < 9; at++) CHECK_EQ(cuMemFreeAsync(held[at], stream), CUDA_SUCCESS);
    CHECK_EQ(USED(pool), 0);
    CHECK_EQ(driver_held(), 1375731712);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(RESERVED(pool), 0);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH), 1375731712);
    CHECK_EQ(attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH), used);
    set(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, 0);
    CHECK_EQ(attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH), 0);
    CHECK_EQ(cuMemAllocAsync(&again, MIB, stream), CUDA_SUCCESS);
    CHECK_EQ(again, held[0]);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuMemFree_v2(again), CUDA_SUCCESS); /* waits, so nothing stays */
    CHECK_EQ(driver_held(), 0);
}

/* Holes are filled from the lowest address on; only whole empty chunks go back. */
static void fragments(void)
{
    CUdeviceptr held[8];
    CUdeviceptr filled;
    CUmemoryPool pool;
    DRIVER(LOAD)
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    for (int at = 0; at < 8; at++) CHECK_EQ(cuMemAllocAsync(&held[at], 16 * MIB, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 128 * MIB);
    for (int at = 0; at < 8; at += 2) CHECK_EQ(cuMemFreeAsync(held[at], NULL), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 128 * MIB); /* half used, and no chunk empty */
    CHECK_EQ(USED(pool), 64 * MIB);
    CHECK_EQ(cuMemAllocAsync(&filled, 17 * MIB, NULL), CUDA_SUCCESS);
    CHECK_EQ(filled, held[7] + 16 * MIB); /* fits in no hole */
    CHECK_EQ(driver_held(), 160 * MIB);
    CHECK_EQ(cuMemFreeAsync(filled, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&filled, 8 * MIB, NULL), CUDA_SUCCESS);
    CHECK_EQ(filled, held[0]);
    CHECK_EQ(cuMemFreeAsync(held[3], NULL), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 96 * MIB); /* the second chunk, in the middle, and the fifth */
    CHECK_EQ(cuMemAllocAsync(&filled, 16 * MIB, NULL), CUDA_SUCCESS);
    CHECK_EQ(filled, held[4]); /* rather where memory is than at the lowest address */
    CHECK_EQ(driver_held(), 96 * MIB);
}

static void thresholds_and_trims(void)
{
    CUdeviceptr held;
    CUdeviceptr small;
    CUmemoryPool pool;
    CUevent event;
    CUmemPoolProps props = props_of(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    DRIVER(LOAD)
    CHECK_EQ(cuMemPoolCreate(&pool, &props), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    set(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 100 * MIB);
    CHECK_EQ(attribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD), 100 * MIB);
    CHECK_EQ(cuMemAllocFromPoolAsync(&small, MIB, pool, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&held, 300 * MIB, pool, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 320 * MIB);
    CHECK_EQ(cuMemFreeAsync(held, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 320 * MIB);
    CHECK_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
    CHECK_EQ(cuEventRecord(event, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuEventSynchronize(event), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 96 * MIB); /* no more than the threshold */
    CHECK_EQ(cuMemPoolTrimTo(pool, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemPoolTrimTo(pool, 0), CUDA_SUCCESS);
    CHECK_EQ(RESERVED(pool), 32 * MIB); /* the one that is in use */
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuMemFreeAsync(small, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolTrimTo(pool, 0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

/* Work that is not done keeps what was freed after it: for other streams, for a trim and for the next sync. */
static void stream_order(void)
{
    CUdeviceptr first;
    CUdeviceptr same;
    CUdeviceptr other;
    CUmemoryPool pool;
    CUstream a;
    CUstream b;
    CUevent event;
    DRIVER(LOAD)
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    CHECK_EQ(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CHECK_EQ(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    driver_work(a, 1000);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&first, 30 * MIB, a), CUDA_SUCCESS);
    driver_work(a, UINT64_C(1000000000));
    CHECK_EQ(cuMemFreeAsync(first, a), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolTrimTo(pool, 0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuMemAllocAsync(&same, 30 * MIB, a), CUDA_SUCCESS); /* at once in the same stream */
    CHECK_EQ(same, first);
    CHECK_EQ(cuMemFreeAsync(same, a), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&other, 30 * MIB, b), CUDA_SUCCESS);
    CHECK(other != first);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemFreeAsync(other, b), CUDA_SUCCESS);
    /* b waits for a: then it may follow. */
    CHECK_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
    CHECK_EQ(cuEventRecord(event, a), CUDA_SUCCESS);
    CHECK_EQ(cuStreamWaitEvent(b, event, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&other, 30 * MIB, b), CUDA_SUCCESS);
    CHECK_EQ(other, first);
    CHECK_EQ(cuMemFreeAsync(other, b), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(a), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(b), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    /* Done work is enough, unless that was switched off. */
    CHECK_EQ(cuMemAllocAsync(&first, 30 * MIB, a), CUDA_SUCCESS);
    CHECK_EQ(cuMemFreeAsync(first, a), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&other, 30 * MIB, b), CUDA_SUCCESS);
    CHECK_EQ(other, first);
    CHECK_EQ(cuMemFreeAsync(other, b), CUDA_SUCCESS);
    int off = 0;
    CHECK_EQ(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &off), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&other, 30 * MIB, a), CUDA_SUCCESS);
    CHECK(other != first);
    CHECK_EQ(driver_held(), 64 * MIB);
}

static void which_pool(void)
{
    CUdeviceptr address;
    CUmemoryPool standard;
    CUmemoryPool pool;
    CUmemoryPool got;
    CUmemoryPool answered;
    CUmemLocation device = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
    CUmemLocation host = {CU_MEM_LOCATION_TYPE_HOST, 0};
    CUmemPoolProps props = props_of(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    DRIVER(LOAD)
    CHECK_EQ(cuDeviceGetDefaultMemPool(&standard, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemGetDefaultMemPool(&got, &device, CU_MEM_ALLOCATION_TYPE_PINNED), CUDA_SUCCESS);
    CHECK(got == standard);
    CHECK_EQ(cuMemPoolDestroy(standard), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemPoolCreate(&pool, &props), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceSetMemPool(1, pool), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuDeviceSetMemPool(0, pool), CUDA_SUCCESS);
    CHECK_EQ(cuMemGetMemPool(&got, &device, CU_MEM_ALLOCATION_TYPE_PINNED), CUDA_SUCCESS);
    CHECK(got == pool);
    CHECK_EQ(cuMemAllocAsync_ptsz(&address, MIB, NULL), CUDA_SUCCESS);
    CHECK_EQ(RESERVED(pool), 32 * MIB);
    CHECK_EQ(RESERVED(standard), 0);
    CHECK_EQ(cuPointerGetAttribute(&answered, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, address + 100), CUDA_SUCCESS);
    CHECK(answered == pool);
    CHECK_EQ(cuMemSetMemPool(&device, CU_MEM_ALLOCATION_TYPE_PINNED, standard), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGetMemPool(&got, 0), CUDA_SUCCESS);
    CHECK(got == standard);
    CHECK_EQ(cuMemFreeAsync(address, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    /* Host memory costs the GPU nothing; managed memory of a device does. */
    props = props_of(CU_MEM_LOCATION_TYPE_HOST_NUMA, 0);
    CHECK_EQ(cuMemPoolCreate(&got, &props), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, GIB, got, NULL), CUDA_SUCCESS);
    CHECK_EQ(RESERVED(got), GIB);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemGetDefaultMemPool(&got, &host, CU_MEM_ALLOCATION_TYPE_MANAGED), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, GIB, got, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    props = props_of(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    props.allocType = CU_MEM_ALLOCATION_TYPE_MANAGED;
    CHECK_EQ(cuMemPoolCreate(&got, &props), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, 40 * MIB, got, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    props.location = (CUmemLocation){CU_MEM_LOCATION_TYPE_DEVICE, 1};
    CHECK_EQ(cuMemPoolCreate(&got, &props), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, 40 * MIB, got, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(driver_held_by(getpid(), 1), 64 * MIB);
}

static void access_of_other_gpus(void)
{
    CUmemoryPool pool;
    CUmemLocation second = {CU_MEM_LOCATION_TYPE_DEVICE, 1};
    CUmemAccessDesc access = {second, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    int flags;
    DRIVER(LOAD)
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolGetAccess(&flags, pool, &second), CUDA_SUCCESS);
    CHECK_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_NONE);
    CHECK_EQ(cuMemPoolSetAccess(pool, &access, 1), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolGetAccess(&flags, pool, &second), CUDA_SUCCESS);
    CHECK_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
}

static void ends_of_pools(void)
{
    CUdeviceptr held[64];
    CUdeviceptr more;
    CUmemoryPool pool;
    CUmemPoolProps props = props_of(CU_MEM_LOCATION_TYPE_DEVICE, 256 * MIB);
    DRIVER(LOAD)
    CHECK_EQ(cuMemPoolCreate(&pool, &props), CUDA_SUCCESS);
    int got = 0;
    while (got < 64 && cuMemAllocFromPoolAsync(&held[got], 10 * MIB, pool, NULL) == CUDA_SUCCESS) got++;
    CHECK_EQ(got, 25);
    CHECK_EQ(driver_held(), 256 * MIB);
    while (got > 1) CHECK_EQ(cuMemFreeAsync(held[--got], NULL), CUDA_SUCCESS);
    set(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, UINT64_MAX);
    /* Destroyed while something lives in it: that lives on, and the last free and sync give everything back. */
    CHECK_EQ(cuMemPoolDestroy(pool), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 256 * MIB);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuMemFreeAsync(held[0], NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    /* What a pool keeps gives way to a request that would fail otherwise. */
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    set(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, UINT64_MAX);
    CHECK_EQ(cuMemAllocAsync(&more, 60 * GIB, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemFreeAsync(more, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 60 * GIB);
    CHECK_EQ(cuMemAlloc_v2(&more, 60 * GIB), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 60 * GIB);
    CHECK_EQ(RESERVED(pool), 0);
    CHECK_EQ(cuMemAllocAsync(&more, 30 * GIB, NULL), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(RESERVED(pool), 0);
    CHECK_EQ(driver_held(), 60 * GIB);
}

/* ---- two processes ---- */

static void shared_pool(void)
{
    CUdeviceptr address;
    CUmemoryPool pool;
    CUmemPoolPtrExportData data;
    CUmemPoolProps props = props_of(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    int fd = -1;
    DRIVER(LOAD)
    CHECK_EQ(cuMemPoolCreate(&pool, &props), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, 40 * MIB, pool, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolExportToShareableHandle(&fd, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolExportPointer(&data, address), CUDA_SUCCESS);
    driver_send(&data, sizeof data, fd);
    driver_turn();
    CHECK_EQ(driver_held(), 64 * MIB);
}

static void shared_pool_imported(void)
{
    CUdeviceptr address;
    CUmemoryPool pool;
    CUmemPoolPtrExportData data;
    DRIVER(LOAD)
    int fd = driver_receive(&data, sizeof data);
    CHECK_EQ(
        cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0),
        CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolImportPointer(&address, pool, &data), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, MIB, pool, NULL), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemFreeAsync(address, NULL), CUDA_SUCCESS);
    driver_turn();
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"as_on_the_card", "", as_on_the_card, NULL},
        {"fragments", "", fragments, NULL},
        {"thresholds_and_trims", "", thresholds_and_trims, NULL},
        {"stream_order", "clock = virtual\n", stream_order, NULL},
        {"which_pool", "", which_pool, NULL},
        {"access_of_other_gpus", "", access_of_other_gpus, NULL},
        {"ends_of_pools", "", ends_of_pools, NULL},
        {"shared_pool", "", shared_pool, shared_pool_imported},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
