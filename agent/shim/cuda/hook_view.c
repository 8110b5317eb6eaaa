/* What programs are told about memory: total = min(limit, physical), free = what the slice may still take, and never
 * more than the card has. Structures of a version that we do not know are the driver's own answer. */
#include "admit.h"
#include "core/charge.h"
#include "core/entry.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/resolve.h"
#include "cuda_min.h"
#include "life.h"
#include "nvml_min.h"

struct view {
    uint64_t total;
    uint64_t free_bytes;
};

/* process: NULL for one that only looks, as nvidia-smi does, and so has no entry in the slice. */
static struct view slice_view(const struct shim_slice *at, struct process *process, int slice, uint64_t physical_total,
                              uint64_t physical_free)
{
    uint64_t limit = atomic_load(&at->policy->memory_limit_bytes);
    /* What a killed peer held is free again as soon as it is gone, also before the agent has looked; and what our pools
     * have given back since. */
    const struct life_place looking = {at->usage, at->usage_path, at->usage_file, 0};
    (void)admit_reap_when_due(!process ? &looking : &process->places[slice]);
    if (process && shim_entry(process, (unsigned)slice)) charge_recount(process, (unsigned)slice);
    uint64_t beyond = admit_beyond(at->policy, at->usage);
    uint64_t used = admit_used(at->usage);
    used = used > UINT64_MAX - beyond ? UINT64_MAX : used + beyond;
    uint64_t room = used >= limit ? 0 : limit - used;
    return (struct view){
        .total = limit < physical_total ? limit : physical_total,
        .free_bytes = room < physical_free ? room : physical_free,
    };
}

static uint64_t used_of(struct view view)
{
    return view.total - (view.free_bytes < view.total ? view.free_bytes : view.total);
}

/* Narrows what the driver said of the current device to what its slice has. */
static void narrow_to_slice(uint64_t *free_bytes, uint64_t *total)
{
    struct process *process = shim_process();
    int slice = !process ? -1 : shim_slice_of_current(process);
    if (slice >= 0) {
        struct view view = slice_view(&process->shim->slices[slice], process, slice, *total, *free_bytes);
        *total = view.total;
        *free_bytes = view.free_bytes;
    }
}

CUresult hook_cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    cuMemGetInfo_v2_fn real = REAL(cuMemGetInfo_v2);
    CUresult result = !real ? ABSENT_CU : real(free_bytes, total);
    if (result == CUDA_SUCCESS && free_bytes && total) {
        uint64_t free_now = *free_bytes, total_now = *total;
        narrow_to_slice(&free_now, &total_now);
        *free_bytes = free_now;
        *total = total_now;
    }
    return result;
}

CUresult hook_cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    cuDeviceTotalMem_v2_fn real = REAL(cuDeviceTotalMem_v2);
    if (!real) return ABSENT_CU;
    CUresult result = real(bytes, device);
    struct process *process = shim_process();
    if (result != CUDA_SUCCESS || !process || !bytes) return result;
    int slice = shim_slice_of_device(process, device);
    if (slice >= 0) {
        uint64_t limit = atomic_load(&process->shim->slices[slice].policy->memory_limit_bytes);
        *bytes = limit < *bytes ? limit : *bytes;
    }
    return result;
}

/* The calls of before 3.2 say everything in 32 bits, the largest figure for what does not fit. */
static unsigned narrow(uint64_t bytes)
{
    return bytes > UINT32_MAX ? UINT32_MAX : (unsigned)bytes;
}

CUresult hook_cuMemGetInfo(unsigned int *free_bytes, unsigned int *total)
{
    cuMemGetInfo_fn real = REAL(cuMemGetInfo);
    CUresult result = !real ? ABSENT_CU : real(free_bytes, total);
    if (result == CUDA_SUCCESS && free_bytes && total) {
        uint64_t free_now = *free_bytes == UINT32_MAX ? UINT64_MAX : *free_bytes;
        uint64_t total_now = *total == UINT32_MAX ? UINT64_MAX : *total;
        narrow_to_slice(&free_now, &total_now);
        *free_bytes = narrow(free_now);
        *total = narrow(total_now);
    }
    return result;
}

CUresult hook_cuDeviceTotalMem(unsigned int *bytes, CUdevice device)
{
    cuDeviceTotalMem_fn real = REAL(cuDeviceTotalMem);
    if (!real) return ABSENT_CU;
    CUresult result = real(bytes, device);
    struct process *process = shim_process();
    int slice = result != CUDA_SUCCESS || !process || !bytes ? -1 : shim_slice_of_device(process, device);
    if (slice >= 0) {
        unsigned limit = narrow(atomic_load(&process->shim->slices[slice].policy->memory_limit_bytes));
        *bytes = limit < *bytes ? limit : *bytes;
    }
    return result;
}

/* NVML handles are stable in a process, so a UUID is asked for once each. */
static int slice_of_handle(const struct shim *shim, nvmlDevice_t device)
{
    static _Atomic(nvmlDevice_t) handles[SHIM_HANDLES];
    static _Atomic int slices[SHIM_HANDLES]; /* slice + 2, 0 while not known */
    unsigned at = 0;
    for (; at < SHIM_HANDLES; at++) {
        nvmlDevice_t seen = atomic_load(&handles[at]);
        if (!seen && atomic_compare_exchange_strong(&handles[at], &seen, device)) break;
        if (seen == device) {
            int known = atomic_load(&slices[at]);
            if (known != 0) return known - 2;
            break;
        }
    }
    char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
    nvmlDeviceGetUUID_fn real = REAL(nvmlDeviceGetUUID);
    if (!real || real(device, uuid, sizeof uuid) != NVML_SUCCESS) return -1;
    int slice = shim_slice_of_uuid(shim, uuid);
    if (at < SHIM_HANDLES) atomic_store(&slices[at], slice + 2);
    return slice;
}

nvmlReturn_t hook_nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlDeviceGetMemoryInfo_fn real = REAL(nvmlDeviceGetMemoryInfo);
    if (!real) return ABSENT_NVML;
    nvmlReturn_t result = real(device, memory);
    const struct shim *shim = shim_get();
    bool known = result == NVML_SUCCESS && shim && memory;
    int slice = known ? slice_of_handle(shim, device) : -1;
    if (slice >= 0) {
        struct view view = slice_view(&shim->slices[slice], shim_process_peek(), slice, memory->total, memory->free);
        memory->total = view.total;
        memory->free = view.free_bytes;
        memory->used = used_of(view);
    }
    return result;
}

nvmlReturn_t hook_nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    nvmlDeviceGetMemoryInfo_v2_fn real = REAL(nvmlDeviceGetMemoryInfo_v2);
    if (!real) return ABSENT_NVML;
    nvmlReturn_t result = real(device, memory);
    const struct shim *shim = shim_get();
    bool known = result == NVML_SUCCESS && shim && memory && memory->version == NVML_MEMORY_V2;
    int slice = known ? slice_of_handle(shim, device) : -1;
    if (slice >= 0) {
        struct view view = slice_view(&shim->slices[slice], shim_process_peek(), slice, memory->total, memory->free);
        memory->total = view.total;
        memory->free = view.free_bytes;
        memory->reserved = 0; /* the driver's own share lies outside the slice */
        memory->used = used_of(view);
    }
    return result;
}

#define EXPORT_view EXPORTED
#include "cuda/hooks_export.h"
