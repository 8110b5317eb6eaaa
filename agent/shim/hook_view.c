/* What programs are told about memory: total = min(limit, physical), free = what the slice may still take, and never
 * more than the card has. Structures of a version that we do not know are the driver's own answer. */
#include "shim.h"

#include "admit.h"

struct view {
    uint64_t total;
    uint64_t free_bytes;
};

static struct view slice_view(const struct shim_slice *slice, uint64_t physical_total, uint64_t physical_free)
{
    uint64_t limit = atomic_load(&slice->policy->memory_limit_bytes);
    uint64_t residue = atomic_load(&slice->policy->residue_bytes);
    /* What a killed peer held is free again as soon as it is gone, also before the agent has looked. */
    (void)admit_reap(slice->usage);
    uint64_t used = admit_used(slice->usage);
    used = used > UINT64_MAX - residue ? UINT64_MAX : used + residue;
    uint64_t room = used >= limit ? 0 : limit - used;
    return (struct view){
        .total = limit < physical_total ? limit : physical_total,
        .free_bytes = room < physical_free ? room : physical_free,
    };
}

CUresult hook_cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    cuMemGetInfo_v2_fn real = REAL(cuMemGetInfo_v2);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(free_bytes, total);
    const struct shim *shim = shim_get();
    if (result != CUDA_SUCCESS || shim == NULL || free_bytes == NULL || total == NULL) {
        return result;
    }
    struct process *process = shim_process(shim);
    int slice = process == NULL ? -1 : shim_slice_of_current(shim, process);
    if (slice >= 0) {
        struct view view = slice_view(&shim->slices[slice], *total, *free_bytes);
        *total = view.total;
        *free_bytes = view.free_bytes;
    }
    return result;
}

CUresult hook_cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    cuDeviceTotalMem_v2_fn real = REAL(cuDeviceTotalMem_v2);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(bytes, device);
    const struct shim *shim = shim_get();
    if (result != CUDA_SUCCESS || shim == NULL || bytes == NULL) {
        return result;
    }
    struct process *process = shim_process(shim);
    int slice = process == NULL ? -1 : shim_slice_of_device(shim, process, device);
    if (slice >= 0) {
        *bytes = slice_view(&shim->slices[slice], *bytes, *bytes).total;
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
        if (seen == NULL && atomic_compare_exchange_strong(&handles[at], &seen, device)) {
            break;
        }
        if (seen == device) {
            int known = atomic_load(&slices[at]);
            if (known != 0) {
                return known - 2;
            }
            break;
        }
    }
    char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
    nvmlDeviceGetUUID_fn real = REAL(nvmlDeviceGetUUID);
    if (real == NULL || real(device, uuid, sizeof uuid) != NVML_SUCCESS) {
        return -1;
    }
    int slice = shim_slice_of_uuid(shim, uuid);
    if (at < SHIM_HANDLES) {
        atomic_store(&slices[at], slice + 2);
    }
    return slice;
}

nvmlReturn_t hook_nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlDeviceGetMemoryInfo_fn real = REAL(nvmlDeviceGetMemoryInfo);
    if (real == NULL) {
        return ABSENT_NVML;
    }
    nvmlReturn_t result = real(device, memory);
    const struct shim *shim = shim_get();
    int slice = result != NVML_SUCCESS || shim == NULL || memory == NULL ? -1 : slice_of_handle(shim, device);
    if (slice >= 0) {
        struct view view = slice_view(&shim->slices[slice], memory->total, memory->free);
        memory->total = view.total;
        memory->free = view.free_bytes;
        memory->used = view.total - (view.free_bytes < view.total ? view.free_bytes : view.total);
    }
    return result;
}

nvmlReturn_t hook_nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    nvmlDeviceGetMemoryInfo_v2_fn real = REAL(nvmlDeviceGetMemoryInfo_v2);
    if (real == NULL) {
        return ABSENT_NVML;
    }
    nvmlReturn_t result = real(device, memory);
    const struct shim *shim = shim_get();
    bool known = result == NVML_SUCCESS && shim != NULL && memory != NULL && memory->version == NVML_MEMORY_V2;
    int slice = known ? slice_of_handle(shim, device) : -1;
    if (slice >= 0) {
        struct view view = slice_view(&shim->slices[slice], memory->total, memory->free);
        memory->total = view.total;
        memory->free = view.free_bytes;
        memory->reserved = 0; /* the driver's own share lies outside the slice */
        memory->used = view.total - (view.free_bytes < view.total ? view.free_bytes : view.total);
    }
    return result;
}

#include "hooks_export_view.h"
