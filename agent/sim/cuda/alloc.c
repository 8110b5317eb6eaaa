/* The calls for plain, managed and host memory, today's and those of before CUDA 3.2. */
#include "memory.h"

#include <stdlib.h>

#define MANAGED_GLOBAL 1
#define MANAGED_HOST 2

static CUresult allocate(CUdeviceptr *out, size_t bytes, enum block_kind kind, bool low)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!out || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(sim_capture_guard());
    sim_cost(state, COST_ALLOC_NS);
    memory_lock();
    struct block *block = plain_take(state, gpu, bytes, kind, low);
    if (block) *out = block->address;
    memory_unlock();
    return !block ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    return allocate(out, bytes, BLOCK_PLAIN, false);
}

SIM_API cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned int flags)
{
    return flags != MANAGED_GLOBAL && flags != MANAGED_HOST ? CUDA_ERROR_INVALID_VALUE
                                                            : allocate(out, bytes, BLOCK_MANAGED, false);
}

static CUresult allocate_pitch(CUdeviceptr *out, size_t *pitch, size_t width, size_t height, unsigned int element,
                               bool low)
{
    if (!pitch || width == 0 || height == 0 || (element != 4 && element != 8 && element != 16))
        return CUDA_ERROR_INVALID_VALUE;
    *pitch = round_up(width, GRANULE);
    return allocate(out, *pitch * height, BLOCK_PLAIN, low);
}

SIM_API cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height, unsigned int element)
{
    return allocate_pitch(out, pitch, width, height, element, false);
}

/* Waits for the device, as the real call does: it may be memory that a stream still works on. */
static CUresult free_from_pool(struct sim_state *state, CUdeviceptr address, uint32_t gpu)
{
    if (gpu < SIM_GPUS) SIM_TRY(sim_drain_gpu(state, gpu));
    memory_lock();
    struct block *block = block_at(address);
    if (block) pool_free(state, block, NULL);
    memory_unlock();
    if (gpu < SIM_GPUS) sim_pools_trim(state, gpu);
    return CUDA_SUCCESS;
}

SIM_API cuMemFree_v2(CUdeviceptr address)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    SIM_TRY(sim_capture_guard());
    if (address == 0) return CUDA_SUCCESS;
    sim_cost(state, COST_ALLOC_NS / 4);
    CUresult result = CUDA_SUCCESS;
    memory_lock();
    struct block *block = block_at(address);
    enum block_kind kind = !block ? BLOCK_RESERVED : block->kind;
    uint32_t gpu = !block ? SIM_GPUS : block->gpu;
    switch (kind) {
    case BLOCK_PLAIN:
    case BLOCK_MANAGED:
    case BLOCK_EXTERNAL:
    case BLOCK_POOL_IMPORTED: plain_give(state, block); break;
    case BLOCK_POOL: break; /* below, without the lock */
    case BLOCK_GRAPH: result = graph_memory_free(state, block) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; break;
    default: result = CUDA_ERROR_INVALID_VALUE; break;
    }
    memory_unlock();
    return kind == BLOCK_POOL ? free_from_pool(state, address, gpu) : result;
}

SIM_API cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!free_bytes || !total) return CUDA_ERROR_INVALID_VALUE;
    sim_settle(state);
    sim_lock(state);
    sim_purge(state, false);
    struct sim_gpu *at = &state->gpus[gpu];
    *total = at->memory_bytes;
    *free_bytes = at->memory_bytes - at->reserved_bytes - at->used_bytes;
    struct sim_process *process = state->options.memory_limits ? sim_process_self(state) : NULL;
    uint64_t room = process ? sim_group_room(state, process, gpu) : SIM_NO_LIMIT;
    const struct sim_group *group = room != SIM_NO_LIMIT ? sim_group_of(state, process, gpu) : NULL;
    if (group && group->hard_bytes[gpu] < *total) *total = group->hard_bytes[gpu];
    if (room < *free_bytes) *free_bytes = room;
    sim_unlock(state);
    return CUDA_SUCCESS;
}

/* ---- host memory: costs the GPU nothing, and has one address for both ---- */

SIM_API cuMemHostAlloc(void **out, size_t bytes, unsigned int flags)
{
    (void)flags;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!out || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    void *made = malloc(bytes);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    struct block block = {
        .address = (CUdeviceptr)(uintptr_t)made, .bytes = bytes, .room = bytes, .gpu = SIM_GPUS, .kind = BLOCK_HOST};
    memory_lock();
    bool added = block_add(&block);
    memory_unlock();
    if (!added) {
        free(made);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = made;
    return CUDA_SUCCESS;
}

SIM_API cuMemAllocHost_v2(void **out, size_t bytes)
{
    return cuMemHostAlloc(out, bytes, 0);
}

SIM_API cuMemAllocHost(void **out, unsigned int bytes)
{
    return cuMemHostAlloc(out, bytes, 0);
}

SIM_API cuMemFreeHost(void *pointer)
{
    memory_lock();
    struct block *block = !pointer ? NULL : block_at((CUdeviceptr)(uintptr_t)pointer);
    bool known = block && block->kind == BLOCK_HOST;
    if (known) block_remove(block);
    memory_unlock();
    if (pointer && !known) return CUDA_ERROR_INVALID_VALUE;
    free(pointer);
    return CUDA_SUCCESS;
}

/* ---- before 3.2: addresses and sizes of 32 bits ---- */

SIM_API cuMemAlloc(CUdeviceptr_v1 *out, unsigned int bytes)
{
    CUdeviceptr address;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(allocate(&address, bytes, BLOCK_PLAIN, true));
    *out = (CUdeviceptr_v1)address;
    return CUDA_SUCCESS;
}

SIM_API cuMemAllocPitch(CUdeviceptr_v1 *out, unsigned int *pitch, unsigned int width, unsigned int height,
                        unsigned int element)
{
    CUdeviceptr address;
    size_t row;
    if (!out || !pitch) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(allocate_pitch(&address, &row, width, height, element, true));
    *out = (CUdeviceptr_v1)address;
    *pitch = (unsigned int)row;
    return CUDA_SUCCESS;
}

SIM_API cuMemFree(CUdeviceptr_v1 address)
{
    return cuMemFree_v2(address);
}

SIM_API cuMemGetInfo(unsigned int *free_bytes, unsigned int *total)
{
    size_t wide_free;
    size_t wide_total;
    if (!free_bytes || !total) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(cuMemGetInfo_v2(&wide_free, &wide_total));
    *free_bytes = wide_free > UINT32_MAX ? UINT32_MAX : (unsigned int)wide_free;
    *total = wide_total > UINT32_MAX ? UINT32_MAX : (unsigned int)wide_total;
    return CUDA_SUCCESS;
}
