/* Plain, managed, pitched and host memory of the simulated driver, in today's calls and those of 32 bits.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuMemAlloc, (CUdeviceptr_v1 * out, unsigned bytes))                                                             \
    X(cuMemAllocPitch, (CUdeviceptr_v1 * out, unsigned *pitch, unsigned width, unsigned height, unsigned element))    \
    X(cuMemFree, (CUdeviceptr_v1 address))                                                                            \
    X(cuMemGetInfo, (unsigned *free_bytes, unsigned *total))                                                          \
    X(cuMemGetAddressRange, (CUdeviceptr_v1 * start, unsigned *bytes, CUdeviceptr_v1 address))                        \
    X(cuMemAllocHost, (void **out, unsigned bytes))                                                                   \
    X(cuMemHostAlloc, (void **out, size_t bytes, unsigned flags))                                                     \
    X(cuMemFreeHost, (void *pointer))                                                                                 \
    X(cuMemGetInfo_v2, (size_t * free_bytes, size_t * total))                                                         \
    X(cuMemAllocManaged, (CUdeviceptr * out, size_t bytes, unsigned flags))                                           \
    X(cuMemAllocPitch_v2, (CUdeviceptr * out, size_t * pitch, size_t width, size_t height, unsigned element))         \
    X(cuMemPrefetchAsync, (CUdeviceptr address, size_t bytes, CUdevice device, CUstream stream))                      \
    X(cuMemPrefetchAsync_v2_ptsz,                                                                                     \
      (CUdeviceptr address, size_t bytes, CUmemLocation location, unsigned flags, CUstream stream))                   \
    X(cuMemAdvise_v2, (CUdeviceptr address, size_t bytes, int advice, CUmemLocation location))                        \
    X(cuMemGetAddressRange_v2, (CUdeviceptr * start, size_t * bytes, CUdeviceptr address))                            \
    X(cuPointerGetAttribute, (void *out, int attribute, CUdeviceptr address))                                         \
    X(cuPointerGetAttributes, (unsigned count, int *attributes, void **out, CUdeviceptr address))
DRIVER(MEMBER)

/* What each size takes, as counted on an H100: how many share a slab of 2 MiB, or how many slabs one takes. */
static void sizes(void)
{
    static const struct {
        uint64_t bytes;
        unsigned count;
        uint64_t held;
    } cases[] = {
        {1, 4096, 2 * MIB},      {1, 4097, 4 * MIB},         {513, 2048, 2 * MIB},    {64 * KIB, 32, 2 * MIB},
        {768 * KIB, 3, 4 * MIB}, {MIB - 1, 2, 2 * MIB},      {MIB, 32, 32 * MIB},     {MIB + 1, 1, 2 * MIB},
        {2 * MIB, 3, 6 * MIB},   {2 * MIB + 1, 3, 12 * MIB}, {33 * MIB, 1, 34 * MIB},
    };
    static CUdeviceptr held[4200];
    DRIVER(LOAD)
    CHECK_EQ(driver_held_by(getpid(), 0), CONTEXT_BYTES);
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        for (unsigned number = 0; number < cases[at].count; number++)
            CHECK_EQ(cuMemAlloc_v2(&held[number], cases[at].bytes), CUDA_SUCCESS);
        CHECK_THAT(driver_held() == cases[at].held, "%u of %llu take %llu", cases[at].count,
                   (unsigned long long)cases[at].bytes, (unsigned long long)driver_held());
        for (unsigned number = 0; number < cases[at].count; number++)
            CHECK_EQ(cuMemFree_v2(held[number]), CUDA_SUCCESS);
        CHECK_EQ(driver_held(), 0);
    }
}

static void a_slab_goes_with_its_last_allocation(void)
{
    CUdeviceptr first;
    CUdeviceptr second;
    CUdeviceptr third;
    DRIVER(LOAD)
    CHECK_EQ(cuMemAlloc_v2(&first, 1000), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&second, 1000), CUDA_SUCCESS);
    CHECK_EQ(second, first + 1024);
    CHECK_EQ(cuMemFree_v2(first), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 2 * MIB);
    CHECK_EQ(cuMemFree_v2(first), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemAlloc_v2(&third, 512), CUDA_SUCCESS);
    CHECK_EQ(third, first); /* first fit */
    CHECK_EQ(cuMemFree_v2(second), CUDA_SUCCESS);
    CHECK_EQ(cuMemFree_v2(third), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

static void other_ways(void)
{
    CUdeviceptr address;
    size_t pitch;
    void *host;
    DRIVER(LOAD)
    CHECK_EQ(cuMemAllocPitch_v2(&address, &pitch, 1000, 10000, 4), CUDA_SUCCESS);
    CHECK_EQ(pitch, 1024);
    CHECK_EQ(driver_held(), 10 * MIB);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(cuMemHostAlloc(&host, GIB, 0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemFreeHost(host), CUDA_SUCCESS);
    CHECK_EQ(cuMemFreeHost(&pitch), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemAllocManaged(&address, 64 * MIB, 1), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CUmemLocation here = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
    CHECK_EQ(cuMemPrefetchAsync(address, 64 * MIB, 0, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemPrefetchAsync_v2_ptsz(address + MIB, MIB, here, 0, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemPrefetchAsync(address + MIB, 64 * MIB, 0, NULL), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemAdvise_v2(address, 64 * MIB, 1, here), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

static void the_card_is_full(void)
{
    CUdeviceptr all;
    CUdeviceptr more;
    size_t free_bytes;
    size_t total;
    DRIVER(LOAD)
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(free_bytes, GIB - CONTEXT_BYTES);
    CHECK_EQ(cuMemAlloc_v2(&all, free_bytes), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&more, 1), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemFree_v2(all), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&more, free_bytes - 2 * MIB + 1), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), free_bytes);
}

/* Everything through 32 bits, and nothing written beside them. */
static void before_3020(void)
{
    CUdeviceptr_v1 address[2] = {0, 0xabcdef01};
    CUdeviceptr_v1 start;
    unsigned pitch[2] = {0, 7};
    unsigned free_bytes[2] = {0, 7};
    unsigned total[2] = {0, 7};
    unsigned bytes;
    void *host;
    DRIVER(LOAD)
    CHECK_EQ(cuMemAlloc(address, 3 * MIB), CUDA_SUCCESS);
    CHECK_EQ(address[1], 0xabcdef01);
    CHECK_EQ(driver_held(), 4 * MIB);
    CHECK_EQ(cuMemGetAddressRange(&start, &bytes, address[0] + MIB), CUDA_SUCCESS);
    CHECK_EQ(start, address[0]);
    CHECK_EQ(bytes, 3 * MIB);
    CHECK_EQ(cuMemFree_v2(address[0]), CUDA_SUCCESS); /* the same memory for both */
    CHECK_EQ(cuMemAlloc(address, 100), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 2 * MIB);
    CHECK_EQ(cuMemFree(address[0]), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocPitch(address, pitch, 1000, 4096, 4), CUDA_SUCCESS);
    CHECK_EQ(pitch[0], 1024);
    CHECK_EQ(pitch[1], 7);
    CHECK_EQ(driver_held(), 4 * MIB);
    CHECK_EQ(cuMemFree(address[0]), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemGetInfo(free_bytes, total), CUDA_SUCCESS);
    CHECK_EQ(total[0], UINT32_MAX);
    CHECK_EQ(free_bytes[1], 7);
    CHECK_EQ(cuMemAllocHost(&host, 4096), CUDA_SUCCESS);
    CHECK_EQ(cuMemFreeHost(host), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

static void pointers_tell_the_truth(void)
{
    CUdeviceptr plain;
    CUdeviceptr managed;
    CUdeviceptr start;
    size_t bytes;
    void *host;
    unsigned type;
    unsigned is_managed;
    int ordinal;
    int mapped = 7;
    CUmemoryPool pool = (CUmemoryPool)&pool;
    DRIVER(LOAD)
    CHECK_EQ(cuMemAlloc_v2(&plain, 1000), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocManaged(&managed, 5 * MIB, 1), CUDA_SUCCESS);
    CHECK_EQ(cuMemHostAlloc(&host, 4096, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemGetAddressRange_v2(&start, &bytes, plain + 999), CUDA_SUCCESS);
    CHECK_EQ(start, plain);
    CHECK_EQ(bytes, 1000);
    CHECK_EQ(cuMemGetAddressRange_v2(&start, &bytes, plain + 1000), CUDA_ERROR_NOT_FOUND);
    int asked[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,    CU_POINTER_ATTRIBUTE_IS_MANAGED,
                   CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                   CU_POINTER_ATTRIBUTE_RANGE_SIZE,     CU_POINTER_ATTRIBUTE_MAPPED,
                   CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE};
    void *answers[] = {&type, &is_managed, &ordinal, &start, &bytes, &mapped, &pool};
    CHECK_EQ(cuPointerGetAttributes(7, asked, answers, managed + MIB), CUDA_SUCCESS);
    CHECK_EQ(type, CU_MEMORYTYPE_DEVICE);
    CHECK_EQ(is_managed, 1);
    CHECK_EQ(ordinal, 0);
    CHECK_EQ(start, managed);
    CHECK_EQ(bytes, 5 * MIB);
    CHECK_EQ(mapped, 1);
    CHECK(pool == NULL);
    CHECK_EQ(cuPointerGetAttribute(&is_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, plain), CUDA_SUCCESS);
    CHECK_EQ(is_managed, 0);
    CHECK_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)host),
             CUDA_SUCCESS);
    CHECK_EQ(type, CU_MEMORYTYPE_HOST);
    CHECK_EQ(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0x1234), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_MAPPED, 0x1234), CUDA_SUCCESS);
    CHECK_EQ(mapped, 0);
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"sizes", "", sizes, NULL},
        {"a_slab_goes_with_its_last_allocation", "", a_slab_goes_with_its_last_allocation, NULL},
        {"other_ways", "", other_ways, NULL},
        {"the_card_is_full", "memory = 1G\nreserved = 0\n", the_card_is_full, NULL},
        {"before_3020", "", before_3020, NULL},
        {"pointers_tell_the_truth", "", pointers_tell_the_truth, NULL},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
