/* Arrays. Their layout is in blocks, not lines; the sizes are those that an H100 tells and takes. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_ALIGNMENT UINT64_C(65536)
#define ROW_BYTES 64u /* a block's width */
#define BLOCK_ROWS 8u /* its height; up to 16 of them stand on each other */
#define BLOCK_ROWS_MAX 128u
#define BLOCK_SLICES 16u /* and of three dimensions up to 16 lie behind each other */
#define LEVELS_MAX 32u
#define FLAGS_WITHOUT_MEMORY (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING)

/* A part of an array with memory of cuMemCreate behind it. */
struct backing {
    struct backing *next;
    struct physical *physical;
    int subresource;
    unsigned char where[sizeof(((CUarrayMapInfo *)NULL)->subresource)];
};

/* Also the inside of a mipmapped array, whose levels are arrays without memory of their own. */
struct CUarray_st {
    CUDA_ARRAY3D_DESCRIPTOR descriptor;
    uint64_t bytes;
    CUdeviceptr address; /* 0: no memory at creation, or a level */
    uint64_t block_id;
    bool is_level;
    struct backing *backings;
};

struct CUmipmappedArray_st {
    struct CUarray_st whole;
    unsigned int count;
    CUarray levels[LEVELS_MAX];
};

static uint64_t element_bytes(const CUDA_ARRAY3D_DESCRIPTOR *descriptor)
{
    uint64_t channel;
    switch (descriptor->Format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8: channel = 1; break;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF: channel = 2; break;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT: channel = 4; break;
    default: return 0; /* the compressed and the planar ones are not simulated */
    }
    unsigned int channels = descriptor->NumChannels;
    return channels == 1 || channels == 2 || channels == 4 ? channel * channels : 0;
}

/* Blocks are as high, or deep, as the array needs, in powers of two. */
static uint64_t in_blocks(uint64_t size, uint64_t least, uint64_t most)
{
    uint64_t block = least;
    while (block < most && block < size) block *= 2;
    return round_up(size, block);
}

static uint64_t level_bytes(const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned int level)
{
    bool layered = (descriptor->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)) != 0;
    bool deep = descriptor->Depth > 1 && !layered;
    uint64_t width = descriptor->Width >> level;
    uint64_t height = descriptor->Height >> level;
    uint64_t depth = layered ? descriptor->Depth : descriptor->Depth >> level;
    width = round_up((width == 0 ? 1 : width) * element_bytes(descriptor), ROW_BYTES);
    height = height == 0 ? 1 : height;
    depth = depth == 0 ? 1 : depth;
    return deep ? width * round_up(height, BLOCK_ROWS) * in_blocks(depth, 1, BLOCK_SLICES)
                : width * (height == 1 ? 1 : in_blocks(height, BLOCK_ROWS, BLOCK_ROWS_MAX)) * depth;
}

static CUresult array_fill(struct CUarray_st *array, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned int levels)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    SIM_TRY(sim_capture_guard());
    if (descriptor->Width == 0 || element_bytes(descriptor) == 0 ||
        (descriptor->Height == 0 && descriptor->Depth != 0 && (descriptor->Flags & CUDA_ARRAY3D_LAYERED) == 0))
        return CUDA_ERROR_INVALID_VALUE;
    array->descriptor = *descriptor;
    for (unsigned int level = 0; level < levels; level++) array->bytes += level_bytes(descriptor, level);
    array->bytes = round_up(array->bytes, ARRAY_ALIGNMENT);
    if ((descriptor->Flags & FLAGS_WITHOUT_MEMORY) != 0) return CUDA_SUCCESS;
    sim_cost(state, COST_ALLOC_NS);
    memory_lock();
    struct block *block = plain_take(state, gpu, array->bytes, BLOCK_ARRAY, false);
    if (block) {
        array->address = block->address;
        array->block_id = block->id;
    }
    memory_unlock();
    return !block ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static void array_empty(struct sim_state *state, struct CUarray_st *array)
{
    memory_lock();
    struct block *block = array->address == 0 ? NULL : block_at(array->address);
    if (block && block->id == array->block_id) /* else it went with its context */
        plain_give(state, block);
    while (array->backings) {
        struct backing *backing = array->backings;
        array->backings = backing->next;
        physical_drop(state, backing->physical);
        free(backing);
    }
    memory_unlock();
}

/* ---- arrays ---- */

SIM_API cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor)
{
    if (!out || !descriptor) return CUDA_ERROR_INVALID_VALUE;
    CUarray array = calloc(1, sizeof *array);
    if (!array) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = array_fill(array, descriptor, 1);
    if (result != CUDA_SUCCESS) {
        free(array);
        return result;
    }
    *out = array;
    return CUDA_SUCCESS;
}

SIM_API cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *descriptor)
{
    if (!descriptor) return CUDA_ERROR_INVALID_VALUE;
    CUDA_ARRAY3D_DESCRIPTOR whole = {descriptor->Width,  descriptor->Height,      0,
                                     descriptor->Format, descriptor->NumChannels, 0};
    return cuArray3DCreate_v2(out, &whole);
}

SIM_API cuArrayCreate(CUarray *out, const CUDA_ARRAY_DESCRIPTOR_v1 *descriptor)
{
    if (!descriptor) return CUDA_ERROR_INVALID_VALUE;
    CUDA_ARRAY3D_DESCRIPTOR whole = {descriptor->Width,  descriptor->Height,      0,
                                     descriptor->Format, descriptor->NumChannels, 0};
    return cuArray3DCreate_v2(out, &whole);
}

SIM_API cuArray3DCreate(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR_v1 *descriptor)
{
    if (!descriptor) return CUDA_ERROR_INVALID_VALUE;
    CUDA_ARRAY3D_DESCRIPTOR whole = {descriptor->Width,  descriptor->Height,      descriptor->Depth,
                                     descriptor->Format, descriptor->NumChannels, descriptor->Flags};
    return cuArray3DCreate_v2(out, &whole);
}

SIM_API cuArrayDestroy(CUarray array)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!array || array->is_level) return CUDA_ERROR_INVALID_HANDLE;
    array_empty(state, array);
    free(array);
    return CUDA_SUCCESS;
}

SIM_API cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *out, CUarray array)
{
    if (!out || !array) return CUDA_ERROR_INVALID_VALUE;
    *out = array->descriptor;
    return CUDA_SUCCESS;
}

SIM_API cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *out, CUarray array)
{
    if (!out || !array) return CUDA_ERROR_INVALID_VALUE;
    const CUDA_ARRAY3D_DESCRIPTOR *from = &array->descriptor;
    *out = (CUDA_ARRAY_DESCRIPTOR){from->Width, from->Height, from->Format, from->NumChannels};
    return CUDA_SUCCESS;
}

static CUresult requirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, const struct CUarray_st *array)
{
    if (!out || (array->descriptor.Flags & CUDA_ARRAY3D_DEFERRED_MAPPING) == 0) return CUDA_ERROR_INVALID_VALUE;
    *out = (CUDA_ARRAY_MEMORY_REQUIREMENTS){.size = array->bytes, .alignment = ARRAY_ALIGNMENT};
    return CUDA_SUCCESS;
}

SIM_API cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, CUarray array, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    return !array ? CUDA_ERROR_INVALID_HANDLE : requirements(out, array);
}

/* ---- mipmapped arrays ---- */

SIM_API cuMipmappedArrayDestroy(CUmipmappedArray array)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!array) return CUDA_ERROR_INVALID_HANDLE;
    array_empty(state, &array->whole);
    for (unsigned int level = 0; level < array->count; level++) free(array->levels[level]);
    free(array);
    return CUDA_SUCCESS;
}

SIM_API cuMipmappedArrayCreate(CUmipmappedArray *out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned int levels)
{
    if (!out || !descriptor || levels == 0) return CUDA_ERROR_INVALID_VALUE;
    CUmipmappedArray array = calloc(1, sizeof *array);
    if (!array) return CUDA_ERROR_OUT_OF_MEMORY;
    unsigned int most = 1; /* more levels than halvings are asked for in vain */
    for (uint64_t size = descriptor->Width | descriptor->Height; size > 1 && most < LEVELS_MAX; size /= 2) most++;
    levels = levels > most ? most : levels;
    CUresult result = array_fill(&array->whole, descriptor, levels);
    if (result != CUDA_SUCCESS) {
        free(array);
        return result;
    }
    for (; array->count < levels; array->count++) {
        CUarray level = calloc(1, sizeof *level);
        if (!level) {
            (void)cuMipmappedArrayDestroy(array);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        level->is_level = true;
        level->descriptor = *descriptor;
        level->descriptor.Width = descriptor->Width >> array->count == 0 ? 1 : descriptor->Width >> array->count;
        level->descriptor.Height >>= array->count;
        level->descriptor.Height += level->descriptor.Height == 0 && descriptor->Height != 0;
        array->levels[array->count] = level;
    }
    *out = array;
    return CUDA_SUCCESS;
}

SIM_API cuMipmappedArrayGetLevel(CUarray *out, CUmipmappedArray array, unsigned int level)
{
    if (!out || !array || level >= array->count) return CUDA_ERROR_INVALID_VALUE;
    *out = array->levels[level];
    return CUDA_SUCCESS;
}

SIM_API cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, CUmipmappedArray array,
                                              CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    return !array ? CUDA_ERROR_INVALID_HANDLE : requirements(out, &array->whole);
}

/* ---- memory behind arrays that came without ---- */

static struct backing **backing_of(struct CUarray_st *array, const CUarrayMapInfo *info)
{
    struct backing **at = &array->backings;
    while (*at && ((*at)->subresource != info->subresourceType ||
                   memcmp((*at)->where, &info->subresource, sizeof(*at)->where) != 0))
        at = &(*at)->next;
    return at;
}

/* The same part of the array again takes the place of what was there. Lock held. */
static CUresult map_one(struct sim_state *state, const CUarrayMapInfo *info)
{
    struct CUarray_st *array = info->resource; /* a mipmapped array begins with one */
    if (!array || (array->descriptor.Flags & FLAGS_WITHOUT_MEMORY) == 0 || info->memHandleType != 0)
        return CUDA_ERROR_INVALID_VALUE;
    struct physical *physical = (struct physical *)(uintptr_t)info->memHandle;
    bool map = info->memOperationType == CU_MEM_OPERATION_TYPE_MAP;
    if (map && (!physical || info->offset >= physical->bytes)) return CUDA_ERROR_INVALID_VALUE;
    struct backing **at = backing_of(array, info);
    struct backing *before = *at;
    if (!map && !before) return CUDA_SUCCESS;
    struct backing *made = map ? calloc(1, sizeof *made) : NULL;
    if (map && !made) return CUDA_ERROR_OUT_OF_MEMORY;
    if (before) {
        *at = before->next;
        physical_drop(state, before->physical);
        free(before);
    }
    if (map) {
        *made = (struct backing){.next = array->backings, .physical = physical, .subresource = info->subresourceType};
        memcpy(made->where, &info->subresource, sizeof made->where);
        physical->references++;
        array->backings = made;
    }
    return CUDA_SUCCESS;
}

static CUresult cuMemMapArrayAsync_on(bool per_thread, CUarrayMapInfo *list, unsigned int count, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (sim_stream(gpu, handle, per_thread)->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (!list || count == 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult result = CUDA_SUCCESS;
    memory_lock();
    for (unsigned int at = 0; at < count && result == CUDA_SUCCESS; at++) result = map_one(state, &list[at]);
    memory_unlock();
    return result;
}
SIM_DUAL(cuMemMapArrayAsync, (CUarrayMapInfo * list, unsigned int count, CUstream stream), list, count, stream)
