/* Device memory: addresses, pools, virtual memory management. There are no bytes behind an address, only counts. */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define GRANULE UINT64_C(512)
#define VMM_GRANULE (UINT64_C(2) << 20)
#define BUCKETS 4096u

enum block_kind { BLOCK_PLAIN, BLOCK_MANAGED, BLOCK_POOL, BLOCK_RESERVED, BLOCK_HOST };

struct block {
    struct block *next;
    CUdeviceptr address;
    uint64_t bytes;
    uint32_t gpu;
    enum block_kind kind;
    CUmemoryPool pool;
};

struct CUmemPoolHandle_st {
    uint32_t gpu;
    uint64_t used;
    uint64_t cached; /* freed, kept until a synchronization finds more than the threshold */
    uint64_t threshold;
};

/* A physical allocation lives until it is released and no mapping is left. */
struct physical {
    uint64_t bytes;
    uint32_t gpu;
    uint32_t references;
    bool on_device;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *table[BUCKETS];
static struct block *recycled; /* freed blocks: a real driver hands the same addresses out again */
static CUdeviceptr next_address = UINT64_C(0x7f4000000000);
static struct CUmemPoolHandle_st default_pools[SIM_GPUS];
static CUmemoryPool current_pools[SIM_GPUS];

struct mapping {
    CUdeviceptr address;
    struct physical *physical;
    struct mapping *next;
};
static struct mapping *mappings;

static uint64_t round_up(uint64_t bytes, uint64_t granule)
{
    return (bytes + granule - 1) / granule * granule;
}

static struct block **bucket_of(CUdeviceptr address)
{
    return &table[(address / GRANULE * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
}

static struct block *block_add(uint64_t bytes, uint32_t gpu, enum block_kind kind, CUmemoryPool pool)
{
    struct block *block = NULL;
    pthread_mutex_lock(&table_lock);
    for (struct block **at = &recycled; *at != NULL; at = &(*at)->next) {
        if ((*at)->bytes == bytes) {
            block = *at;
            *at = block->next;
            break;
        }
    }
    if (block == NULL) {
        block = calloc(1, sizeof *block);
        if (block != NULL) {
            block->address = next_address;
            block->bytes = bytes;
            next_address += round_up(bytes, VMM_GRANULE);
        }
    }
    if (block != NULL) {
        block->gpu = gpu;
        block->kind = kind;
        block->pool = pool;
        struct block **bucket = bucket_of(block->address);
        block->next = *bucket;
        *bucket = block;
    }
    pthread_mutex_unlock(&table_lock);
    return block;
}

/* Takes the block out of the table; a copy of it goes to *out. */
static bool block_remove(CUdeviceptr address, struct block *out)
{
    pthread_mutex_lock(&table_lock);
    bool found = false;
    for (struct block **at = bucket_of(address); *at != NULL; at = &(*at)->next) {
        struct block *block = *at;
        if (block->address == address) {
            *at = block->next;
            *out = *block;
            block->next = recycled;
            recycled = block;
            found = true;
            break;
        }
    }
    pthread_mutex_unlock(&table_lock);
    return found;
}

static bool take(struct sim_state *state, uint32_t gpu, uint64_t bytes)
{
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    bool taken = process != NULL && sim_memory_take(state, process, gpu, bytes);
    sim_unlock(state);
    return taken;
}

static void give(struct sim_state *state, uint32_t gpu, uint64_t bytes)
{
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    if (process != NULL) {
        sim_memory_give(state, process, gpu, bytes);
    }
    sim_unlock(state);
}

static CUresult allocate(CUdeviceptr *out, size_t bytes, enum block_kind kind)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (out == NULL || bytes == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    SIM_TRY(sim_capture_guard());
    sim_cost(state, COST_ALLOC_NS);
    uint64_t rounded = round_up(bytes, GRANULE);
    if (rounded < bytes || !take(state, gpu, rounded)) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    struct block *block = block_add(rounded, gpu, kind, NULL);
    if (block == NULL) {
        give(state, gpu, rounded);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = block->address;
    return CUDA_SUCCESS;
}

SIM_API cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    return allocate(out, bytes, BLOCK_PLAIN);
}

SIM_API cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned int flags)
{
    return flags != 1 && flags != 2 ? CUDA_ERROR_INVALID_VALUE : allocate(out, bytes, BLOCK_MANAGED);
}

SIM_API cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height, unsigned int element)
{
    if (pitch == NULL || width == 0 || height == 0 || (element != 4 && element != 8 && element != 16)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *pitch = round_up(width, GRANULE);
    return allocate(out, *pitch * height, BLOCK_PLAIN);
}

SIM_API cuMemFree_v2(CUdeviceptr address)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    SIM_TRY(sim_capture_guard());
    struct block block;
    if (address == 0) {
        return CUDA_SUCCESS;
    }
    sim_cost(state, COST_ALLOC_NS / 4);
    if (!block_remove(address, &block)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (block.kind == BLOCK_POOL) {
        sim_lock(state);
        block.pool->used -= block.bytes;
        sim_unlock(state);
    }
    give(state, block.gpu, block.bytes);
    return CUDA_SUCCESS;
}

static CUresult memory_info(size_t *free_bytes, size_t *total)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (free_bytes == NULL || total == NULL) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    sim_settle(state);
    sim_lock(state);
    sim_purge(state, false);
    struct sim_gpu *at = &state->gpus[gpu];
    *total = at->memory_bytes;
    *free_bytes = at->memory_bytes - at->reserved_bytes - at->used_bytes;
    sim_unlock(state);
    return CUDA_SUCCESS;
}

SIM_API cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    return memory_info(free_bytes, total);
}

SIM_API cuMemHostAlloc(void **out, size_t bytes, unsigned int flags)
{
    (void)flags;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    *out = malloc(bytes);
    return *out == NULL ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuMemAllocHost_v2(void **out, size_t bytes)
{
    return cuMemHostAlloc(out, bytes, 0);
}

SIM_API cuMemFreeHost(void *pointer)
{
    free(pointer);
    return CUDA_SUCCESS;
}

/* ---- pools ---- */

static CUmemoryPool pool_of(uint32_t gpu)
{
    default_pools[gpu].gpu = gpu;
    return current_pools[gpu] == NULL ? &default_pools[gpu] : current_pools[gpu];
}

void sim_pools_trim(struct sim_state *state, uint32_t gpu)
{
    CUmemoryPool pool = pool_of(gpu);
    sim_lock(state);
    uint64_t reserved = pool->used + pool->cached;
    uint64_t over = reserved > pool->threshold ? reserved - pool->threshold : 0;
    over = over > pool->cached ? pool->cached : over;
    pool->cached -= over;
    sim_unlock(state);
    if (over > 0) {
        give(state, gpu, over);
    }
}

static CUresult pool_allocate(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (out == NULL || bytes == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (stream->capture != NULL) {
        return CUDA_ERROR_NOT_SUPPORTED; /* memory nodes are not simulated */
    }
    pool = pool == NULL ? pool_of(gpu) : pool;
    sim_cost(state, 800);
    uint64_t rounded = round_up(bytes, GRANULE);
    sim_lock(state);
    uint64_t reused = pool->cached < rounded ? pool->cached : rounded;
    pool->cached -= reused;
    pool->used += rounded;
    sim_unlock(state);
    bool taken = rounded >= bytes && (rounded == reused || take(state, pool->gpu, rounded - reused));
    struct block *block = taken ? block_add(rounded, pool->gpu, BLOCK_POOL, pool) : NULL;
    if (block == NULL) {
        sim_lock(state);
        pool->cached += taken ? rounded : reused;
        pool->used -= rounded;
        sim_unlock(state);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = block->address;
    return CUDA_SUCCESS;
}

static CUresult cuMemAllocAsync_on(bool per_thread, CUdeviceptr *out, size_t bytes, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    return pool_allocate(out, bytes, NULL, sim_stream(gpu, handle, per_thread));
}
SIM_DUAL(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream), out, bytes, stream)

static CUresult cuMemAllocFromPoolAsync_on(bool per_thread, CUdeviceptr *out, size_t bytes, CUmemoryPool pool,
                                           CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    return pool == NULL ? CUDA_ERROR_INVALID_VALUE
                        : pool_allocate(out, bytes, pool, sim_stream(gpu, handle, per_thread));
}
SIM_DUAL(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream), out, bytes,
         pool, stream)

static CUresult cuMemFreeAsync_on(bool per_thread, CUdeviceptr address, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    (void)sim_stream(gpu, handle, per_thread);
    sim_cost(state, 400);
    struct block block;
    if (!block_remove(address, &block)) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (block.kind != BLOCK_POOL) {
        give(state, block.gpu, block.bytes);
        return CUDA_SUCCESS;
    }
    sim_lock(state);
    block.pool->used -= block.bytes;
    block.pool->cached += block.bytes;
    sim_unlock(state);
    return CUDA_SUCCESS;
}
SIM_DUAL(cuMemFreeAsync, (CUdeviceptr address, CUstream stream), address, stream)

SIM_API cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    default_pools[gpu].gpu = gpu;
    *out = &default_pools[gpu];
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGetMemPool(CUmemoryPool *out, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    *out = pool_of(gpu);
    return CUDA_SUCCESS;
}

SIM_API cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    current_pools[gpu] = pool;
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(props->location.id, &gpu));
    CUmemoryPool pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pool->gpu = gpu;
    *out = pool;
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolDestroy(CUmemoryPool pool)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    give(state, pool->gpu, pool->cached);
    pool->cached = 0; /* the handle itself stays: blocks of it may still be freed */
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    uint64_t over = pool->cached > keep ? pool->cached - keep : 0;
    pool->cached -= over;
    give(state, pool->gpu, over);
    return CUDA_SUCCESS;
}

/* Attributes: 4 release threshold, 5 reserved now, 7 used now. */
SIM_API cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    if (attribute == 4) {
        memcpy(&pool->threshold, value, sizeof pool->threshold);
    }
    return CUDA_SUCCESS;
}

SIM_API cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value)
{
    uint64_t answer = attribute == 4   ? pool->threshold
                      : attribute == 5 ? pool->used + pool->cached
                      : attribute == 7 ? pool->used
                                       : 0;
    memcpy(value, &answer, sizeof answer);
    return CUDA_SUCCESS;
}

/* ---- virtual memory management ---- */

SIM_API cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *prop, int option)
{
    (void)prop;
    (void)option;
    *granularity = VMM_GRANULE;
    return CUDA_SUCCESS;
}

SIM_API cuMemCreate(CUmemGenericAllocationHandle *out, size_t bytes, const CUmemAllocationProp *prop,
                    unsigned long long flags)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (out == NULL || prop == NULL || flags != 0 || bytes == 0 || bytes % VMM_GRANULE != 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    struct physical *physical = calloc(1, sizeof *physical);
    if (physical == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    physical->bytes = bytes;
    physical->references = 1;
    physical->on_device = prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE;
    CUresult result = CUDA_SUCCESS;
    if (physical->on_device) {
        result = sim_device_gpu(prop->location.id, &physical->gpu);
        sim_cost(state, COST_ALLOC_NS);
        if (result == CUDA_SUCCESS && !take(state, physical->gpu, bytes)) {
            result = CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    if (result != CUDA_SUCCESS) {
        free(physical);
        return result;
    }
    *out = (CUmemGenericAllocationHandle)(uintptr_t)physical;
    return CUDA_SUCCESS;
}

static void physical_drop(struct sim_state *state, struct physical *physical)
{
    pthread_mutex_lock(&table_lock);
    bool last = --physical->references == 0;
    pthread_mutex_unlock(&table_lock);
    if (last) {
        if (physical->on_device) {
            give(state, physical->gpu, physical->bytes);
        }
        free(physical);
    }
}

SIM_API cuMemRelease(CUmemGenericAllocationHandle handle)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (handle == 0) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    physical_drop(state, (struct physical *)(uintptr_t)handle);
    return CUDA_SUCCESS;
}

SIM_API cuMemAddressReserve(CUdeviceptr *out, size_t bytes, size_t alignment, CUdeviceptr hint,
                            unsigned long long flags)
{
    (void)alignment;
    (void)hint;
    (void)flags;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    struct block *block = block_add(round_up(bytes, VMM_GRANULE), 0, BLOCK_RESERVED, NULL);
    if (block == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = block->address;
    return CUDA_SUCCESS;
}

SIM_API cuMemAddressFree(CUdeviceptr address, size_t bytes)
{
    (void)bytes;
    struct block block;
    return block_remove(address, &block) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                 unsigned long long flags)
{
    (void)flags;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    struct physical *physical = (struct physical *)(uintptr_t)handle;
    if (physical == NULL || offset != 0 || bytes != physical->bytes) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (mapping == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&table_lock);
    *mapping = (struct mapping){address, physical, mappings};
    mappings = mapping;
    physical->references++;
    pthread_mutex_unlock(&table_lock);
    return CUDA_SUCCESS;
}

SIM_API cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    bool found = false;
    for (bool more = true; more;) {
        struct physical *dropped = NULL;
        pthread_mutex_lock(&table_lock);
        for (struct mapping **at = &mappings; *at != NULL; at = &(*at)->next) {
            struct mapping *mapping = *at;
            if (mapping->address >= address && mapping->address < address + bytes) {
                dropped = mapping->physical;
                *at = mapping->next;
                free(mapping);
                break;
            }
        }
        pthread_mutex_unlock(&table_lock);
        more = dropped != NULL;
        found = found || more;
        if (dropped != NULL) {
            physical_drop(state, dropped);
        }
    }
    return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuMemSetAccess(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *access, size_t count)
{
    (void)address;
    (void)bytes;
    (void)access;
    (void)count;
    return CUDA_SUCCESS;
}

SIM_API cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *address)
{
    CUresult result = CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&table_lock);
    for (struct mapping *at = mappings; at != NULL; at = at->next) {
        if (at->address == (CUdeviceptr)(uintptr_t)address) {
            at->physical->references++;
            *out = (CUmemGenericAllocationHandle)(uintptr_t)at->physical;
            result = CUDA_SUCCESS;
            break;
        }
    }
    pthread_mutex_unlock(&table_lock);
    return result;
}
