/* Virtual memory management: addresses, physical memory and what is mapped where. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECORD_MAGIC UINT64_C(0x3165726168536953)

struct mapping {
    struct mapping *next;
    CUdeviceptr address;
    uint64_t bytes;
    struct physical *physical;
    int access[SIM_GPUS + 1]; /* the last is the host's */
};

static struct mapping *mappings; /* lock held */

/* Host memory of any kind is one place; it costs no GPU anything. */
CUresult location_gpu(const CUmemLocation *location, uint32_t *gpu)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!location) return CUDA_ERROR_INVALID_VALUE;
    switch (location->type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: return sim_device_gpu(location->id, gpu);
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: *gpu = SIM_GPUS; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

/* ---- physical memory ---- */

static CUresult good_prop(const CUmemAllocationProp *prop, uint32_t *gpu)
{
    if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
        (prop->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    return location_gpu(&prop->location, gpu);
}

SIM_API cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *prop, int option)
{
    uint32_t gpu;
    (void)option;
    if (!granularity) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(good_prop(prop, &gpu));
    *granularity = SLAB_BYTES;
    return CUDA_SUCCESS;
}

SIM_API cuMemCreate(CUmemGenericAllocationHandle *out, size_t bytes, const CUmemAllocationProp *prop,
                    unsigned long long flags)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter(&state));
    if (!out || flags != 0 || bytes == 0 || bytes % SLAB_BYTES != 0) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(good_prop(prop, &gpu));
    if (gpu < SIM_GPUS) sim_cost(state, COST_ALLOC_NS);
    memory_lock();
    struct physical *physical = physical_make(state, gpu, bytes, BY_REQUEST);
    if (physical) physical->prop = *prop;
    memory_unlock();
    *out = (CUmemGenericAllocationHandle)(uintptr_t)physical;
    return !physical ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuMemRelease(CUmemGenericAllocationHandle handle)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (handle == 0) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    physical_drop(state, (struct physical *)(uintptr_t)handle);
    memory_unlock();
    return CUDA_SUCCESS;
}

SIM_API cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop, CUmemGenericAllocationHandle handle)
{
    if (!prop || handle == 0) return CUDA_ERROR_INVALID_VALUE;
    *prop = ((struct physical *)(uintptr_t)handle)->prop;
    return CUDA_SUCCESS;
}

/* ---- other processes: a descriptor that says which memory of the machine is meant ---- */

int share_descriptor(const struct share_record *record)
{
    struct share_record whole = *record;
    whole.magic = RECORD_MAGIC;
    int fd = (int)syscall(SYS_memfd_create, "tranche-sim-memory", 1u); /* close on exec */
    if (fd >= 0 && write(fd, &whole, sizeof whole) != (ssize_t)sizeof whole) {
        close(fd);
        return -1;
    }
    return fd;
}

bool share_read(int fd, uint32_t kind, struct share_record *record)
{
    return pread(fd, record, sizeof *record, 0) == (ssize_t)sizeof *record && record->magic == RECORD_MAGIC &&
           record->kind == kind;
}

SIM_API cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle, int type,
                                     unsigned long long flags)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    struct physical *physical = (struct physical *)(uintptr_t)handle;
    if (!out || !physical || flags != 0 || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
        (physical->prop.requestedHandleTypes & type) == 0)
        return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    struct share_record record = {.kind = SHARE_MEMORY, .gpu = physical->gpu, .prop = physical->prop};
    record.id = physical_share(state, physical);
    memory_unlock();
    int fd = record.id == 0 ? -1 : share_descriptor(&record);
    if (fd < 0) return CUDA_ERROR_OUT_OF_MEMORY;
    memcpy(out, &fd, sizeof fd);
    return CUDA_SUCCESS;
}

SIM_API cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *handle, int type)
{
    struct sim_state *state;
    struct share_record record;
    SIM_TRY(sim_enter(&state));
    if (!out || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
        !share_read((int)(intptr_t)handle, SHARE_MEMORY, &record))
        return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    struct physical *physical = physical_import(state, record.id);
    if (physical) {
        physical->prop = record.prop;
        int device;
        if (record.gpu < SIM_GPUS && sim_gpu_device(record.gpu, &device) == CUDA_SUCCESS)
            physical->prop.location.id = device; /* the other process may number its devices in another way */
    }
    memory_unlock();
    *out = (CUmemGenericAllocationHandle)(uintptr_t)physical;
    return !physical ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* ---- addresses ---- */

SIM_API cuMemAddressReserve(CUdeviceptr *out, size_t bytes, size_t alignment, CUdeviceptr hint,
                            unsigned long long flags)
{
    (void)hint;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!out || bytes == 0 || flags != 0 || (alignment & (alignment - 1)) != 0) return CUDA_ERROR_INVALID_VALUE;
    uint64_t extra = alignment > SLAB_BYTES ? alignment : 0;
    struct block block = {
        .bytes = bytes, .room = round_up(bytes, SLAB_BYTES), .gpu = SIM_GPUS, .kind = BLOCK_RESERVED};
    memory_lock();
    block.address = address_take(block.room + extra, false);
    block.address = extra == 0 ? block.address : round_up(block.address, alignment);
    struct block *made = block_add(&block);
    memory_unlock();
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    *out = block.address;
    return CUDA_SUCCESS;
}

static bool overlaps(CUdeviceptr address, uint64_t bytes)
{
    for (struct mapping *at = mappings; at; at = at->next)
        if (at->address < address + bytes && address < at->address + at->bytes) return true;
    return false;
}

SIM_API cuMemAddressFree(CUdeviceptr address, size_t bytes)
{
    memory_lock();
    struct block *block = block_at(address);
    bool good = block && block->kind == BLOCK_RESERVED && round_up(bytes, SLAB_BYTES) == block->room &&
                !overlaps(address, block->room);
    if (good) {
        address_give(address, block->room);
        block_remove(block);
    }
    memory_unlock();
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- mappings ---- */

SIM_API cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                 unsigned long long flags)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    struct physical *physical = (struct physical *)(uintptr_t)handle;
    if (!physical || flags != 0 || bytes == 0 || (address | bytes | offset) % SLAB_BYTES != 0 ||
        offset > physical->bytes || bytes > physical->bytes - offset)
        return CUDA_ERROR_INVALID_VALUE;
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping) return CUDA_ERROR_OUT_OF_MEMORY;
    memory_lock();
    struct block *block = block_over(address);
    bool good = block && block->kind == BLOCK_RESERVED && bytes <= block->room - (address - block->address) &&
                !overlaps(address, bytes);
    if (good) {
        *mapping = (struct mapping){.next = mappings, .address = address, .bytes = bytes, .physical = physical};
        mappings = mapping;
        physical->references++;
    }
    memory_unlock();
    if (!good) free(mapping);
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Whole mappings only, but as many at once as lie in the range. */
SIM_API cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    uint64_t covered = 0;
    memory_lock();
    for (struct mapping *at = mappings; at; at = at->next) {
        bool inside = at->address >= address && at->address + at->bytes <= address + bytes;
        covered += inside ? at->bytes : 0;
    }
    bool good = covered > 0 && covered == bytes;
    for (struct mapping **at = &mappings; good && *at;) {
        struct mapping *mapping = *at;
        if (mapping->address < address || mapping->address >= address + bytes) {
            at = &mapping->next;
            continue;
        }
        *at = mapping->next;
        physical_drop(state, mapping->physical);
        free(mapping);
    }
    memory_unlock();
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static struct mapping *mapping_over(CUdeviceptr address)
{
    struct mapping *at = mappings;
    while (at && address - at->address >= at->bytes) at = at->next;
    return at;
}

SIM_API cuMemSetAccess(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *access, size_t count)
{
    if (!access || count == 0) return CUDA_ERROR_INVALID_VALUE;
    for (size_t at = 0; at < count; at++) {
        uint32_t gpu;
        SIM_TRY(location_gpu(&access[at].location, &gpu));
        memory_lock();
        CUdeviceptr next = address;
        for (struct mapping *over = NULL; next < address + bytes; next = over->address + over->bytes) {
            over = mapping_over(next);
            if (!over) {
                memory_unlock();
                return CUDA_ERROR_INVALID_VALUE;
            }
            over->access[gpu] = access[at].flags;
        }
        memory_unlock();
    }
    return CUDA_SUCCESS;
}

SIM_API cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address)
{
    uint32_t gpu;
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(location_gpu(location, &gpu));
    memory_lock();
    struct mapping *mapping = mapping_over(address);
    if (mapping) *flags = (unsigned long long)mapping->access[gpu];
    memory_unlock();
    return !mapping ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

SIM_API cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *address)
{
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    struct mapping *mapping = mapping_over((CUdeviceptr)(uintptr_t)address);
    if (mapping) {
        mapping->physical->references++;
        *out = (CUmemGenericAllocationHandle)(uintptr_t)mapping->physical;
    }
    memory_unlock();
    return !mapping ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* For cuPointerGetAttribute. Lock held. */
struct physical *mapped_physical(CUdeviceptr address, CUdeviceptr *start, uint64_t *bytes)
{
    struct mapping *mapping = mapping_over(address);
    if (!mapping) return NULL;
    *start = mapping->address;
    *bytes = mapping->bytes;
    return mapping->physical;
}
