/* Arrays of the simulated driver: sizes as an H100 tells and takes them, and memory that is put behind them later.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuArrayCreate, (CUarray * out, const CUDA_ARRAY_DESCRIPTOR_v1 *descriptor))                                     \
    X(cuArrayCreate_v2, (CUarray * out, const CUDA_ARRAY_DESCRIPTOR *descriptor))                                     \
    X(cuArray3DCreate, (CUarray * out, const CUDA_ARRAY3D_DESCRIPTOR_v1 *descriptor))                                 \
    X(cuArray3DCreate_v2, (CUarray * out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor))                                 \
    X(cuArrayDestroy, (CUarray array))                                                                                \
    X(cuArrayGetDescriptor_v2, (CUDA_ARRAY_DESCRIPTOR * out, CUarray array))                                          \
    X(cuArray3DGetDescriptor_v2, (CUDA_ARRAY3D_DESCRIPTOR * out, CUarray array))                                      \
    X(cuArrayGetMemoryRequirements, (CUDA_ARRAY_MEMORY_REQUIREMENTS * out, CUarray array, CUdevice device))           \
    X(cuMipmappedArrayCreate, (CUmipmappedArray * out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned levels))   \
    X(cuMipmappedArrayDestroy, (CUmipmappedArray array))                                                              \
    X(cuMipmappedArrayGetLevel, (CUarray * out, CUmipmappedArray array, unsigned level))                              \
    X(cuMipmappedArrayGetMemoryRequirements,                                                                          \
      (CUDA_ARRAY_MEMORY_REQUIREMENTS * out, CUmipmappedArray array, CUdevice device))                                \
    X(cuMemCreate,                                                                                                    \
      (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags))  \
    X(cuMemRelease, (CUmemGenericAllocationHandle handle))                                                            \
    X(cuMemMapArrayAsync, (CUarrayMapInfo * list, unsigned count, CUstream stream))                                   \
    X(cuMemMapArrayAsync_ptsz, (CUarrayMapInfo * list, unsigned count, CUstream stream))
DRIVER(MEMBER)

static void sizes(void)
{
    static const struct {
        CUDA_ARRAY3D_DESCRIPTOR descriptor;
        uint64_t told;
        uint64_t held_by_16;
    } cases[] = {
        {{1024, 0, 0, CU_AD_FORMAT_FLOAT, 1, 0}, 65536, 2097152},
        {{64, 64, 0, CU_AD_FORMAT_FLOAT, 1, 0}, 65536, 2097152},
        {{1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, 0}, 4194304, 67108864},
        {{1000, 1000, 0, CU_AD_FORMAT_FLOAT, 1, 0}, 4128768, 67108864},
        {{4096, 4096, 0, CU_AD_FORMAT_FLOAT, 4, 0}, 268435456, 4294967296},
        {{4100, 4100, 0, CU_AD_FORMAT_UNSIGNED_INT8, 1, 0}, 17629184, 301989888},
        {{256, 256, 256, CU_AD_FORMAT_FLOAT, 1, 0}, 67108864, 1073741824},
        {{100, 100, 100, CU_AD_FORMAT_HALF, 2, 0}, 5242880, 100663296},
        {{512, 512, 6, CU_AD_FORMAT_FLOAT, 4, CUDA_ARRAY3D_CUBEMAP}, 25165824, 402653184},
        {{1024, 1024, 16, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED}, 67108864, 1073741824},
    };
    DRIVER(LOAD)
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        CUDA_ARRAY3D_DESCRIPTOR descriptor = cases[at].descriptor;
        CUDA_ARRAY_MEMORY_REQUIREMENTS need = {0};
        CUarray arrays[16];
        descriptor.Flags |= CUDA_ARRAY3D_DEFERRED_MAPPING;
        CHECK_EQ(cuArray3DCreate_v2(&arrays[0], &descriptor), CUDA_SUCCESS);
        CHECK_EQ(driver_held(), 0);
        CHECK_EQ(cuArrayGetMemoryRequirements(&need, arrays[0], 0), CUDA_SUCCESS);
        CHECK_EQ(need.size, cases[at].told);
        CHECK_EQ(need.alignment, 65536);
        CHECK_EQ(cuArrayDestroy(arrays[0]), CUDA_SUCCESS);
        descriptor.Flags = cases[at].descriptor.Flags;
        for (int number = 0; number < 16; number++)
            CHECK_EQ(cuArray3DCreate_v2(&arrays[number], &descriptor), CUDA_SUCCESS);
        CHECK_EQ(driver_held(), cases[at].held_by_16);
        CHECK_EQ(cuArrayGetMemoryRequirements(&need, arrays[0], 0), CUDA_ERROR_INVALID_VALUE);
        for (int number = 0; number < 16; number++) CHECK_EQ(cuArrayDestroy(arrays[number]), CUDA_SUCCESS);
        CHECK_EQ(driver_held(), 0);
    }
}

static void every_way_to_make_one(void)
{
    CUDA_ARRAY_DESCRIPTOR flat = {1024, 1024, CU_AD_FORMAT_FLOAT, 1};
    CUDA_ARRAY_DESCRIPTOR_v1 flat_v1 = {1024, 1024, CU_AD_FORMAT_FLOAT, 1};
    CUDA_ARRAY3D_DESCRIPTOR_v1 deep_v1 = {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, 0};
    CUDA_ARRAY3D_DESCRIPTOR deep = {1024, 1024, 0, 0x7f, 1, 0};
    CUarray arrays[3];
    DRIVER(LOAD)
    CHECK_EQ(cuArrayCreate_v2(&arrays[0], &flat), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 4 * MIB);
    CHECK_EQ(cuArrayCreate(&arrays[1], &flat_v1), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 8 * MIB);
    CHECK_EQ(cuArray3DCreate(&arrays[2], &deep_v1), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 12 * MIB);
    CHECK_EQ(cuArray3DCreate_v2(&arrays[0], &deep), CUDA_ERROR_INVALID_VALUE); /* no such format */
    CHECK_EQ(cuArrayGetDescriptor_v2(&flat, arrays[2]), CUDA_SUCCESS);
    CHECK_EQ(flat.Width, 1024);
    CHECK_EQ(cuArray3DGetDescriptor_v2(&deep, arrays[1]), CUDA_SUCCESS);
    CHECK_EQ(deep.Depth, 0);
    CHECK_EQ(deep.Format, CU_AD_FORMAT_FLOAT);
    CHECK_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS); /* they go with their context */
    CHECK_EQ(driver_held_by(getpid(), 0), 0);
    CHECK_EQ(cuArrayDestroy(arrays[1]), CUDA_SUCCESS);
}

static void mipmaps(void)
{
    CUDA_ARRAY3D_DESCRIPTOR descriptor = {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_DEFERRED_MAPPING};
    CUDA_ARRAY_MEMORY_REQUIREMENTS need;
    CUmipmappedArray mipmap;
    CUarray level;
    DRIVER(LOAD)
    CHECK_EQ(cuMipmappedArrayCreate(&mipmap, &descriptor, 11), CUDA_SUCCESS);
    CHECK_EQ(cuMipmappedArrayGetMemoryRequirements(&need, mipmap, 0), CUDA_SUCCESS);
    CHECK_EQ(need.size, 5636096);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMipmappedArrayDestroy(mipmap), CUDA_SUCCESS);
    descriptor.Flags = 0;
    CHECK_EQ(cuMipmappedArrayCreate(&mipmap, &descriptor, 100), CUDA_SUCCESS); /* eleven halvings are all there are */
    CHECK_EQ(driver_held(), 6 * MIB);
    CHECK_EQ(cuMipmappedArrayGetLevel(&level, mipmap, 3), CUDA_SUCCESS);
    CHECK_EQ(cuArray3DGetDescriptor_v2(&descriptor, level), CUDA_SUCCESS);
    CHECK_EQ(descriptor.Width, 128);
    CHECK_EQ(cuArrayDestroy(level), CUDA_ERROR_INVALID_HANDLE);
    CHECK_EQ(cuMipmappedArrayGetLevel(&level, mipmap, 11), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(driver_held(), 6 * MIB);
    CHECK_EQ(cuMipmappedArrayDestroy(mipmap), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

static CUarrayMapInfo tile(CUarray array, unsigned x, CUmemGenericAllocationHandle handle)
{
    CUarrayMapInfo info = {.resource = array, .memHandle = handle};
    info.subresource.sparseLevel.offsetX = x;
    info.subresource.sparseLevel.extentWidth = 256;
    info.subresource.sparseLevel.extentHeight = 256;
    info.subresource.sparseLevel.extentDepth = 1;
    info.memOperationType = handle == 0 ? CU_MEM_OPERATION_TYPE_UNMAP : CU_MEM_OPERATION_TYPE_MAP;
    info.deviceBitMask = 1;
    return info;
}

/* What is mapped lives until it is unmapped, mapped over, or the array goes. */
static void sparse(void)
{
    CUDA_ARRAY3D_DESCRIPTOR descriptor = {4096, 4096, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SPARSE};
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    CUmemGenericAllocationHandle handles[3];
    CUarray array;
    DRIVER(LOAD)
    CHECK_EQ(cuArray3DCreate_v2(&array, &descriptor), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    for (int at = 0; at < 3; at++) CHECK_EQ(cuMemCreate(&handles[at], 2 * MIB, &prop, 0), CUDA_SUCCESS);
    CUarrayMapInfo maps[] = {tile(array, 0, handles[0]), tile(array, 256, handles[1])};
    CHECK_EQ(cuMemMapArrayAsync(maps, 2, NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemRelease(handles[0]), CUDA_SUCCESS);
    CHECK_EQ(cuMemRelease(handles[1]), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 6 * MIB);
    CUarrayMapInfo over = tile(array, 256, handles[2]);
    CHECK_EQ(cuMemMapArrayAsync_ptsz(&over, 1, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 4 * MIB);
    CHECK_EQ(cuMemRelease(handles[2]), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 4 * MIB);
    CUarrayMapInfo unmap = tile(array, 0, 0);
    CHECK_EQ(cuMemMapArrayAsync(&unmap, 1, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 2 * MIB);
    CHECK_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"sizes", "", sizes, NULL},
        {"every_way_to_make_one", "", every_way_to_make_one, NULL},
        {"mipmaps", "", mipmaps, NULL},
        {"sparse", "", sparse, NULL},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
