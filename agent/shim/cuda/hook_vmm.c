/* Virtual memory management: physical memory is charged when it is created, for as long as its handle or any mapping
 * of it lives, be it at an address or in a sparse array. Address ranges cost nothing. Memory on the host, and memory
 * imported from others, is not ours. */
#include "cuda/hook_vmm.h"

#include "core/charge.h"
#include "core/ledger.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

CUresult hook_cuMemCreate(CUmemGenericAllocationHandle *out, size_t bytes, const CUmemAllocationProp *prop,
                          unsigned long long flags)
{
    cuMemCreate_fn real = REAL(cuMemCreate);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    if (!process || !out || !prop || prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        return real(out, bytes, prop, flags);
    struct admitted request;
    /* Not the current device: threads without a context do this too. */
    switch (charge_admit(&request, process, shim_slice_of_device(process, prop->location.id), bytes)) {
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;
    case ADMIT_FORWARD: return real(out, bytes, prop, flags);
    case ADMIT_GO: break;
    }
    CUresult result = real(out, bytes, prop, flags);
    charge_settle(&request, result == CUDA_SUCCESS, &process->handles, result == CUDA_SUCCESS ? *out : 0, 0);
    return result;
}

/* Records change before the driver is asked: once it has a handle back, another thread may be given the same one. Bytes
 * are given back only after it has agreed. One reference less; what that would free is added to freed[slice]. */
static void drop_handle(struct process *process, uint64_t handle, uint64_t freed[SHIM_SLICES])
{
    struct ledger_value value;
    if (ledger_refer(&process->handles, handle, -1, &value) && value.references == 0)
        freed[value.slice] += value.bytes;
}

static void give_back(struct process *process, const uint64_t freed[SHIM_SLICES])
{
    for (unsigned slice = 0; slice < SHIM_SLICES; slice++) charge_return(process, slice, freed[slice]);
}

CUresult hook_cuMemRelease(CUmemGenericAllocationHandle handle)
{
    cuMemRelease_fn real = REAL(cuMemRelease);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    struct ledger_value value;
    if (!process || !ledger_refer(&process->handles, handle, -1, &value)) return real(handle);
    CUresult result = real(handle);
    if (result == CUDA_SUCCESS && value.references == 0) {
        charge_return(process, value.slice, value.bytes);
    } else if (result != CUDA_SUCCESS) {
        struct ledger_value back = value;
        if (value.references > 0) {
            ledger_refer(&process->handles, handle, 1, &back);
        } else {
            back.references = 1;
            ledger_put(&process->handles, handle, &back, &value);
        }
    }
    return result;
}

CUresult hook_cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *address)
{
    cuMemRetainAllocationHandle_fn real = REAL(cuMemRetainAllocationHandle);
    if (!real) return ABSENT_CU;
    CUresult result = real(out, address);
    struct process *process = shim_process();
    struct ledger_value value;
    if (process && result == CUDA_SUCCESS && out) ledger_refer(&process->handles, *out, 1, &value);
    return result;
}

CUresult hook_cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                       unsigned long long flags)
{
    cuMemMap_fn real = REAL(cuMemMap);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    struct ledger_value value;
    /* Referred to before the driver maps it: a release on another thread must not end the charge in between. */
    bool ours = process && ledger_refer(&process->handles, handle, 1, &value);
    CUresult result = real(address, bytes, offset, handle, flags);
    if (!ours) return result;
    struct ledger_value mapping = {.bytes = bytes, .tag = handle, .slice = value.slice, .references = 1};
    struct ledger_value old;
    uint64_t freed[SHIM_SLICES] = {0};
    if (result != CUDA_SUCCESS) {
        drop_handle(process, handle, freed);
    } else if (ledger_put(&process->mappings, address, &mapping, &old) == LEDGER_REPLACED) {
        drop_handle(process, old.tag, freed); /* what was there is not any more, or the driver had refused */
    }                                         /* no place: it stays referred to, and charged */
    give_back(process, freed);
    return result;
}

/* The mappings of a range, one after the other; a gap is skipped in steps of the smallest granule. Each is taken before
 * the driver is asked, because another thread may map there as soon as it has agreed, and filed again if it refuses. */
#define UNMAP_GRANULE (UINT64_C(2) << 20)
#define UNMAP_AT_ONCE 64u

struct unmapped {
    uint64_t address;
    struct ledger_value mapping;
};

static unsigned take_mappings(struct process *process, uint64_t *at, uint64_t end, struct unmapped *taken)
{
    unsigned count = 0;
    while (*at < end && count < UNMAP_AT_ONCE) {
        struct ledger_value *mapping = &taken[count].mapping;
        taken[count].address = *at;
        bool found = ledger_take(&process->mappings, *at, mapping);
        uint64_t step = found && mapping->bytes > 0 ? mapping->bytes : UNMAP_GRANULE;
        count += found;
        *at = step > end - *at ? end : *at + step;
    }
    return count;
}

CUresult hook_cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    cuMemUnmap_fn real = REAL(cuMemUnmap);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    if (!process) return real(address, bytes);
    struct unmapped taken[UNMAP_AT_ONCE];
    uint64_t freed[SHIM_SLICES] = {0};
    uint64_t end = bytes > UINT64_MAX - address ? UINT64_MAX : address + bytes;
    uint64_t at = address;
    unsigned count = take_mappings(process, &at, end, taken);
    CUresult result = real(address, bytes);
    for (unsigned index = 0; index < count; index++) {
        struct ledger_value old;
        if (result == CUDA_SUCCESS)
            drop_handle(process, taken[index].mapping.tag, freed);
        else
            (void)ledger_put(&process->mappings, taken[index].address, &taken[index].mapping, &old);
    }
    while (result == CUDA_SUCCESS && count == UNMAP_AT_ONCE) { /* more than were taken beforehand */
        count = take_mappings(process, &at, end, taken);
        for (unsigned index = 0; index < count; index++) drop_handle(process, taken[index].mapping.tag, freed);
    }
    give_back(process, freed);
    return result;
}

/* ---- parts of sparse arrays ---- */

/* Where in which array: the part's name in our ledger. An unmap names the same part as the map did. */
static uint64_t tile_key(const CUarrayMapInfo *info)
{
    uint64_t hash = (uintptr_t)info->resource ^ (uint64_t)info->subresourceType << 48;
    const unsigned *words = (const unsigned *)&info->subresource;
    for (size_t at = 0; at < sizeof info->subresource / sizeof *words; at++) {
        hash = (hash ^ words[at]) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    return hash == 0 ? 1 : hash;
}

/* A tile's ledger value: tag is the array, bytes the handle that is mapped there. */
static void drop_tile(const struct ledger_value *value, void *process)
{
    uint64_t freed[SHIM_SLICES] = {0};
    drop_handle(process, value->bytes, freed);
    give_back(process, freed);
}

void vmm_forget_tiles(struct process *process, const void *array)
{
    ledger_take_tag(&process->tiles, (uintptr_t)array, drop_tile, process);
}

static CUresult map_tiles(struct process *process, const CUarrayMapInfo *list, unsigned count, CUresult result)
{
    for (unsigned at = 0; result == CUDA_SUCCESS && process && list && at < count; at++) {
        const CUarrayMapInfo *info = &list[at];
        struct ledger_value old;
        bool had = ledger_take(&process->tiles, tile_key(info), &old);
        struct ledger_value handle;
        if (info->memOperationType == CU_MEM_OPERATION_TYPE_MAP && info->memHandleType == 0 &&
            ledger_refer(&process->handles, info->memHandle, 1, &handle)) {
            struct ledger_value tile = {
                .bytes = info->memHandle, .tag = (uintptr_t)info->resource, .references = 1, .slice = handle.slice};
            struct ledger_value none;
            (void)ledger_put(&process->tiles, tile_key(info), &tile, &none); /* no place: it stays charged */
        }
        if (had) drop_tile(&old, process);
    }
    return result;
}

CUresult hook_cuMemMapArrayAsync(CUarrayMapInfo *list, unsigned int count, CUstream stream)
{
    cuMemMapArrayAsync_fn real = REAL(cuMemMapArrayAsync);
    return !real ? ABSENT_CU : map_tiles(shim_process(), list, count, real(list, count, stream));
}

CUresult hook_cuMemMapArrayAsync_ptsz(CUarrayMapInfo *list, unsigned int count, CUstream stream)
{
    cuMemMapArrayAsync_ptsz_fn real = REAL(cuMemMapArrayAsync_ptsz);
    return !real ? ABSENT_CU : map_tiles(shim_process(), list, count, real(list, count, stream));
}

#define EXPORT_vmm EXPORTED
#include "cuda/hooks_export.h"
