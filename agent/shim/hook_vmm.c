/* Virtual memory management: physical memory is charged when it is created, for as long as its handle or any mapping
 * of it lives. Address ranges cost nothing. Memory on the host, and memory imported from others, is not ours. */
#include "shim.h"

#include "admit.h"

static struct process *managed_process(const struct shim **shim_out)
{
    *shim_out = shim_get();
    return *shim_out == NULL ? NULL : shim_process(*shim_out);
}

CUresult hook_cuMemCreate(CUmemGenericAllocationHandle *out, size_t bytes, const CUmemAllocationProp *prop,
                          unsigned long long flags)
{
    cuMemCreate_fn real = REAL(cuMemCreate);
    if (real == NULL) {
        return ABSENT_CU;
    }
    const struct shim *shim;
    struct process *process = managed_process(&shim);
    if (process == NULL || out == NULL || prop == NULL || bytes == 0 ||
        prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
        return real(out, bytes, prop, flags);
    }
    /* Not the current device: threads without a context do this too. */
    int slice = shim_slice_of_device(shim, process, prop->location.id);
    struct region_entry *own = slice < 0 ? NULL : process->entries[slice];
    if (own == NULL) {
        return real(out, bytes, prop, flags);
    }
    const struct shim_slice *at = &shim->slices[slice];
    if (!admit_reserve(at->policy, at->usage, own, bytes)) {
        atomic_fetch_add(&own->denied_count, 1);
        atomic_store(&own->denied_bytes, bytes);
        atomic_store(&own->denied_at_ns, shim_now());
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    CUresult result = real(out, bytes, prop, flags);
    if (result != CUDA_SUCCESS) {
        admit_release(own, bytes);
        return result;
    }
    struct ledger_value value = {.bytes = bytes, .slice = (uint32_t)slice, .references = 1};
    struct ledger_value old;
    switch (ledger_put(&process->handles, *out, &value, &old)) {
    case LEDGER_REPLACED: admit_release(process->entries[old.slice], old.bytes); break;
    case LEDGER_FULL: admit_release(own, bytes); break;
    case LEDGER_ADDED: break;
    }
    return result;
}

/* Records change before the driver is asked: once it has a handle back, another thread may be given the same one. Bytes
 * are given back only after it has agreed. One reference less; what that would free is added to freed[slice]. */
static void drop_handle(struct process *process, uint64_t handle, uint64_t freed[SHIM_SLICES])
{
    struct ledger_value value;
    if (ledger_refer(&process->handles, handle, -1, &value) && value.references == 0) {
        freed[value.slice] += value.bytes;
    }
}

static void give_back(struct process *process, const uint64_t freed[SHIM_SLICES])
{
    for (unsigned slice = 0; slice < SHIM_SLICES; slice++) {
        if (freed[slice] > 0 && process->entries[slice] != NULL) {
            admit_release(process->entries[slice], freed[slice]);
        }
    }
}

CUresult hook_cuMemRelease(CUmemGenericAllocationHandle handle)
{
    cuMemRelease_fn real = REAL(cuMemRelease);
    if (real == NULL) {
        return ABSENT_CU;
    }
    const struct shim *shim;
    struct process *process = managed_process(&shim);
    struct ledger_value value;
    if (process == NULL || !ledger_refer(&process->handles, handle, -1, &value)) {
        return real(handle);
    }
    CUresult result = real(handle);
    if (result == CUDA_SUCCESS && value.references == 0) {
        admit_release(process->entries[value.slice], value.bytes);
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
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(out, address);
    const struct shim *shim;
    struct process *process = managed_process(&shim);
    struct ledger_value value;
    if (process != NULL && result == CUDA_SUCCESS && out != NULL) {
        ledger_refer(&process->handles, *out, 1, &value);
    }
    return result;
}

CUresult hook_cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                       unsigned long long flags)
{
    cuMemMap_fn real = REAL(cuMemMap);
    if (real == NULL) {
        return ABSENT_CU;
    }
    const struct shim *shim;
    struct process *process = managed_process(&shim);
    struct ledger_value value;
    /* Referred to before the driver maps it: a release on another thread must not end the charge in between. */
    bool ours = process != NULL && ledger_refer(&process->handles, handle, 1, &value);
    CUresult result = real(address, bytes, offset, handle, flags);
    if (!ours) {
        return result;
    }
    struct ledger_value mapping = {.bytes = bytes, .tag = handle, .slice = value.slice, .references = 1};
    struct ledger_value old;
    if (result != CUDA_SUCCESS || ledger_put(&process->mappings, address, &mapping, &old) == LEDGER_FULL) {
        uint64_t freed[SHIM_SLICES] = {0};
        drop_handle(process, handle, freed);
        give_back(process, freed);
    }
    return result;
}

CUresult hook_cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    cuMemUnmap_fn real = REAL(cuMemUnmap);
    if (real == NULL) {
        return ABSENT_CU;
    }
    const struct shim *shim;
    struct process *process = managed_process(&shim);
    if (process == NULL) {
        return real(address, bytes);
    }
    uint64_t freed[SHIM_SLICES] = {0};
    /* A range may hold many mappings, one after the other; a gap is skipped in steps of the smallest granule. */
    const uint64_t granule = UINT64_C(2) << 20;
    for (uint64_t at = 0; at < bytes;) {
        struct ledger_value mapping;
        if (ledger_take(&process->mappings, address + at, &mapping)) {
            drop_handle(process, mapping.tag, freed);
            at += mapping.bytes == 0 ? granule : mapping.bytes;
        } else {
            at += granule;
        }
    }
    CUresult result = real(address, bytes);
    if (result == CUDA_SUCCESS) {
        give_back(process, freed);
    }
    return result;
}

#include "hooks_export_vmm.h"
