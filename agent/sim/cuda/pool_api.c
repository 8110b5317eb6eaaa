/* The calls for memory pools: which pool, its attributes, allocation in stream order, pools of other processes. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#define POINTER_MAGIC UINT64_C(0x3172746e696f5053)
#define HOST_PLACE SIM_GPUS

/* Per allocation type and place: the pool that was there from the start and the one set later. Lock held. */
static struct {
    CUmemoryPool standard;
    CUmemoryPool current;
} places[2][SIM_GPUS + 1];

static bool type_known(int type)
{
    return type == CU_MEM_ALLOCATION_TYPE_PINNED || type == CU_MEM_ALLOCATION_TYPE_MANAGED;
}

static CUmemoryPool pool_standard(struct sim_state *state, uint32_t gpu, int type)
{
    CUmemoryPool *at = &places[type - CU_MEM_ALLOCATION_TYPE_PINNED][gpu].standard;
    if (!*at) {
        CUmemPoolProps props = {.allocType = type};
        props.location.type = gpu < SIM_GPUS ? CU_MEM_LOCATION_TYPE_DEVICE : CU_MEM_LOCATION_TYPE_HOST;
        *at = pool_make(state, gpu, &props);
        if (*at) (*at)->is_default = true;
    }
    return *at;
}

CUmemoryPool pool_current(struct sim_state *state, uint32_t gpu, int type)
{
    CUmemoryPool current = places[type - CU_MEM_ALLOCATION_TYPE_PINNED][gpu].current;
    return current ? current : pool_standard(state, gpu, type);
}

static CUresult pool_get(CUmemoryPool *out, uint32_t gpu, int type, bool current)
{
    if (!out || !type_known(type)) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    *out = current ? pool_current(sim_state(), gpu, type) : pool_standard(sim_state(), gpu, type);
    memory_unlock();
    return !*out ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static CUresult pool_set(uint32_t gpu, int type, CUmemoryPool pool)
{
    if (!pool || !type_known(type) || pool->gpu != gpu || pool->props.allocType != type || pool->imported)
        return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    places[type - CU_MEM_ALLOCATION_TYPE_PINNED][gpu].current = pool;
    memory_unlock();
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    return pool_get(out, gpu, CU_MEM_ALLOCATION_TYPE_PINNED, false);
}

SIM_API cuDeviceGetMemPool(CUmemoryPool *out, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    return pool_get(out, gpu, CU_MEM_ALLOCATION_TYPE_PINNED, true);
}

SIM_API cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    return pool_set(gpu, CU_MEM_ALLOCATION_TYPE_PINNED, pool);
}

SIM_API cuMemGetDefaultMemPool(CUmemoryPool *out, CUmemLocation *location, int type)
{
    uint32_t gpu;
    SIM_TRY(location_gpu(location, &gpu));
    return pool_get(out, gpu, type, false);
}

SIM_API cuMemGetMemPool(CUmemoryPool *out, CUmemLocation *location, int type)
{
    uint32_t gpu;
    SIM_TRY(location_gpu(location, &gpu));
    return pool_get(out, gpu, type, true);
}

SIM_API cuMemSetMemPool(CUmemLocation *location, int type, CUmemoryPool pool)
{
    uint32_t gpu;
    SIM_TRY(location_gpu(location, &gpu));
    return pool_set(gpu, type, pool);
}

SIM_API cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter(&state));
    if (!out || !props || !type_known(props->allocType)) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(location_gpu(&props->location, &gpu));
    memory_lock();
    *out = pool_make(state, gpu, props);
    memory_unlock();
    return !*out ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuMemPoolDestroy(CUmemoryPool pool)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!pool || pool->is_default || pool->destroyed) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    for (int type = 0; type < 2; type++) {
        for (uint32_t place = 0; place <= HOST_PLACE; place++)
            if (places[type][place].current == pool) places[type][place].current = NULL;
    }
    pool->destroyed = true;
    uint32_t gpu = pool->gpu;
    bool empty = pool->blocks == 0;
    memory_unlock();
    if (empty) sim_pools_trim(state, gpu);
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    pool_settle(state, pool);
    pool_release(state, pool, keep);
    memory_unlock();
    return CUDA_SUCCESS;
}

/* ---- attributes ---- */

SIM_API cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    if (!pool || !value) return CUDA_ERROR_INVALID_VALUE;
    uint64_t wide;
    CUresult result = CUDA_SUCCESS;
    memory_lock();
    switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        memcpy(&pool->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES], value, sizeof(int));
        break;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: memcpy(&pool->threshold, value, sizeof pool->threshold); break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: /* only to begin again from now */
        memcpy(&wide, value, sizeof wide);
        if (wide != 0)
            result = CUDA_ERROR_INVALID_VALUE;
        else if (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH)
            pool->used_high = pool->used;
        else
            pool->reserved_high = pool->reserved;
        break;
    default: result = CUDA_ERROR_INVALID_VALUE; break;
    }
    memory_unlock();
    return result;
}

SIM_API cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    if (!pool || !value) return CUDA_ERROR_INVALID_VALUE;
    const uint64_t *from = NULL;
    memory_lock();
    switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        memcpy(value, &pool->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES], sizeof(int));
        memory_unlock();
        return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: from = &pool->threshold; break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: from = &pool->reserved; break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: from = &pool->reserved_high; break;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: from = &pool->used; break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: from = &pool->used_high; break;
    default: break;
    }
    if (from) memcpy(value, from, sizeof *from);
    memory_unlock();
    return !from ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

SIM_API cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *access, size_t count)
{
    if (!pool || (!access && count > 0)) return CUDA_ERROR_INVALID_VALUE;
    for (size_t at = 0; at < count; at++) {
        uint32_t gpu;
        SIM_TRY(location_gpu(&access[at].location, &gpu));
        if (gpu == SIM_GPUS || (gpu == pool->gpu && access[at].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE))
            return CUDA_ERROR_INVALID_VALUE; /* a pool's own GPU keeps its access */
        pool->access[gpu] = access[at].flags;
    }
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolGetAccess(int *flags, CUmemoryPool pool, CUmemLocation *location)
{
    uint32_t gpu;
    if (!flags || !pool) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(location_gpu(location, &gpu));
    *flags = gpu == SIM_GPUS ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : pool->access[gpu];
    return CUDA_SUCCESS;
}

/* ---- allocation ---- */

/* pool NULL: the current one of the stream's GPU. */
static CUresult allocate(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!out || bytes == 0 || (pool && (pool->imported || pool->destroyed))) return CUDA_ERROR_INVALID_VALUE;
    sim_cost(state, 800);
    memory_lock();
    pool = pool ? pool : pool_current(state, stream->gpu, CU_MEM_ALLOCATION_TYPE_PINNED);
    if (stream->capture) {
        uint32_t gpu = !pool ? stream->gpu : pool->gpu;
        memory_unlock();
        return sim_capture_alloc(stream, gpu, bytes, out);
    }
    struct block *block = !pool ? NULL : pool_take(state, pool, bytes, stream);
    if (block) *out = block->address;
    memory_unlock();
    return !block ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static CUresult cuMemAllocAsync_on(bool per_thread, CUdeviceptr *out, size_t bytes, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    return allocate(out, bytes, NULL, sim_stream(gpu, handle, per_thread));
}
SIM_DUAL(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream), out, bytes, stream)

static CUresult cuMemAllocFromPoolAsync_on(bool per_thread, CUdeviceptr *out, size_t bytes, CUmemoryPool pool,
                                           CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    return !pool ? CUDA_ERROR_INVALID_VALUE : allocate(out, bytes, pool, sim_stream(gpu, handle, per_thread));
}
SIM_DUAL(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream), out, bytes,
         pool, stream)

static CUresult cuMemFreeAsync_on(bool per_thread, CUdeviceptr address, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream->capture) return sim_capture_free(stream, address);
    sim_cost(state, 400);
    CUresult result = CUDA_SUCCESS;
    struct sim_stamp stamp = sim_stamp_of(stream);
    memory_lock();
    struct block *block = block_at(address);
    enum block_kind kind = !block ? BLOCK_RESERVED : block->kind;
    switch (kind) {
    case BLOCK_POOL: pool_free(state, block, &stamp); break;
    case BLOCK_PLAIN:
    case BLOCK_MANAGED:
    case BLOCK_POOL_IMPORTED: plain_give(state, block); break;
    case BLOCK_GRAPH: result = graph_memory_free(state, block) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; break;
    default: result = CUDA_ERROR_INVALID_VALUE; break;
    }
    memory_unlock();
    return result;
}
SIM_DUAL(cuMemFreeAsync, (CUdeviceptr address, CUstream stream), address, stream)

/* ---- pools of other processes: what is imported costs nothing here ---- */

SIM_API cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool pool, int type, unsigned long long flags)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!handle_out || !pool || flags != 0 || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
        (pool->props.handleTypes & type) == 0)
        return CUDA_ERROR_INVALID_VALUE;
    struct share_record record = {.kind = SHARE_POOL, .gpu = pool->gpu, .id = pool->arena.base};
    record.prop.location = pool->props.location;
    int fd = share_descriptor(&record);
    if (fd < 0) return CUDA_ERROR_UNKNOWN;
    memcpy(handle_out, &fd, sizeof fd);
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolImportFromShareableHandle(CUmemoryPool *out, void *handle, int type, unsigned long long flags)
{
    struct sim_state *state;
    struct share_record record;
    SIM_TRY(sim_enter(&state));
    if (!out || flags != 0 || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
        !share_read((int)(intptr_t)handle, SHARE_POOL, &record))
        return CUDA_ERROR_INVALID_VALUE;
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = record.prop.location};
    memory_lock();
    CUmemoryPool pool = pool_make(state, record.gpu, &props);
    if (pool) {
        pool->imported = true;
        *out = pool;
    }
    memory_unlock();
    return !pool ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

struct pointer_record {
    uint64_t magic;
    uint64_t bytes;
    uint32_t gpu;
};

SIM_API cuMemPoolExportPointer(CUmemPoolPtrExportData *out, CUdeviceptr address)
{
    struct pointer_record record = {.magic = POINTER_MAGIC};
    memory_lock();
    struct block *block = block_at(address);
    bool good = out && block && block->kind == BLOCK_POOL &&
                (block->pool->props.handleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != 0;
    if (good) {
        record.bytes = block->bytes;
        record.gpu = block->gpu;
    }
    memory_unlock();
    if (!good) return CUDA_ERROR_INVALID_VALUE;
    memset(out, 0, sizeof *out);
    memcpy(out, &record, sizeof record);
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolImportPointer(CUdeviceptr *out, CUmemoryPool pool, CUmemPoolPtrExportData *data)
{
    struct pointer_record record;
    if (!out || !pool || !data || !pool->imported) return CUDA_ERROR_INVALID_VALUE;
    memcpy(&record, data, sizeof record);
    if (record.magic != POINTER_MAGIC || record.gpu != pool->gpu) return CUDA_ERROR_INVALID_VALUE;
    struct block block = {.bytes = record.bytes, .gpu = pool->gpu, .kind = BLOCK_POOL_IMPORTED, .pool = pool};
    memory_lock();
    block.room = round_up(record.bytes, GRANULE);
    block.address = address_take(block.room, false);
    struct block *made = block_add(&block);
    memory_unlock();
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    *out = block.address;
    return CUDA_SUCCESS;
}
