/* Plain, managed and stream-ordered memory: reserve in the slice, ask the driver, keep or give back. */
#include "shim.h"

#include "admit.h"

/* A request that was admitted, until the driver has answered. */
struct admitted {
    const struct shim *shim;
    struct process *process;
    int slice;
    uint64_t bytes;
};

enum admit_step { ADMIT_FORWARD, ADMIT_GO, ADMIT_DENY };

static void note_denied(struct region_entry *entry, uint64_t bytes)
{
    atomic_fetch_add(&entry->denied_count, 1);
    atomic_store(&entry->denied_bytes, bytes);
    atomic_store(&entry->denied_at_ns, shim_now());
}

/* FORWARD: not ours to decide. */
static enum admit_step admit_on(struct admitted *request, int slice, uint64_t bytes)
{
    struct region_entry *own = slice < 0 ? NULL : request->process->entries[slice];
    if (own == NULL || bytes == 0) {
        return ADMIT_FORWARD;
    }
    const struct shim_slice *at = &request->shim->slices[slice];
    request->slice = slice;
    request->bytes = bytes;
    if (!admit_reserve(at->policy, at->usage, own, bytes)) {
        note_denied(own, bytes);
        return ADMIT_DENY;
    }
    return ADMIT_GO;
}

static enum admit_step admit_current(struct admitted *request, uint64_t bytes)
{
    request->shim = shim_get();
    request->process = request->shim == NULL ? NULL : shim_process(request->shim);
    if (request->process == NULL) {
        return ADMIT_FORWARD;
    }
    return admit_on(request, shim_slice_of_current(request->shim, request->process), bytes);
}

static void give_back(const struct ledger_value *value, void *process)
{
    struct region_entry *entry = ((struct process *)process)->entries[value->slice];
    if (entry != NULL) {
        admit_release(entry, value->bytes);
    }
}

/* After the driver's answer: remember what the address costs, or take the charge back. */
static CUresult settle(struct admitted *request, CUresult result, const CUdeviceptr *address)
{
    struct ledger_value value = {.bytes = request->bytes, .slice = (uint32_t)request->slice, .references = 1};
    if (result != CUDA_SUCCESS) {
        give_back(&value, request->process);
        return result;
    }
    CUcontext context = NULL;
    cuCtxGetCurrent_fn current = REAL(cuCtxGetCurrent);
    if (current != NULL && current(&context) == CUDA_SUCCESS) {
        value.tag = (uint64_t)(uintptr_t)context;
    }
    struct ledger_value old;
    switch (ledger_put(&request->process->blocks, *address, &value, &old)) {
    case LEDGER_REPLACED: give_back(&old, request->process); break;
    case LEDGER_FULL: give_back(&value, request->process); break; /* better uncounted than charged for ever */
    case LEDGER_ADDED: break;
    }
    return result;
}

/* The shape of every allocating hook. NULL out-pointers are the driver's to judge. */
#define ALLOCATE(name, size, out, ...)                                                                                \
    name##_fn real = REAL(name);                                                                                      \
    if (real == NULL) {                                                                                               \
        return ABSENT_CU;                                                                                             \
    }                                                                                                                 \
    struct admitted request;                                                                                          \
    switch ((out) == NULL ? ADMIT_FORWARD : admit_current(&request, size)) {                                          \
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                                 \
    case ADMIT_GO: return settle(&request, real(__VA_ARGS__), out);                                                   \
    default: return real(__VA_ARGS__);                                                                                \
    }

CUresult hook_cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    ALLOCATE(cuMemAlloc_v2, bytes, out, out, bytes)
}

CUresult hook_cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned int flags)
{
    ALLOCATE(cuMemAllocManaged, bytes, out, out, bytes, flags)
}

CUresult hook_cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream)
{
    ALLOCATE(cuMemAllocAsync, bytes, out, out, bytes, stream)
}

CUresult hook_cuMemAllocAsync_ptsz(CUdeviceptr *out, size_t bytes, CUstream stream)
{
    ALLOCATE(cuMemAllocAsync_ptsz, bytes, out, out, bytes, stream)
}

CUresult hook_cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream)
{
    ALLOCATE(cuMemAllocFromPoolAsync, bytes, out, out, bytes, pool, stream)
}

CUresult hook_cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream)
{
    ALLOCATE(cuMemAllocFromPoolAsync_ptsz, bytes, out, out, bytes, pool, stream)
}

/* The pitch is known only afterwards. Rows are padded to 512 bytes on every GPU so far; what the driver really used
 * replaces the estimate. */
#define PITCH_GRANULE 512u

CUresult hook_cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height, unsigned int element)
{
    cuMemAllocPitch_v2_fn real = REAL(cuMemAllocPitch_v2);
    if (real == NULL) {
        return ABSENT_CU;
    }
    size_t row =
        width > SIZE_MAX - PITCH_GRANULE ? width : (width + PITCH_GRANULE - 1) / PITCH_GRANULE * PITCH_GRANULE;
    size_t bytes;
    struct admitted request;
    if (out == NULL || pitch == NULL || __builtin_mul_overflow(row, height, &bytes)) {
        return real(out, pitch, width, height, element);
    }
    switch (admit_current(&request, bytes)) {
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;
    case ADMIT_FORWARD: return real(out, pitch, width, height, element);
    case ADMIT_GO: break;
    }
    CUresult result = real(out, pitch, width, height, element);
    size_t actual;
    if (result == CUDA_SUCCESS && !__builtin_mul_overflow(*pitch, height, &actual) && actual != bytes) {
        struct region_entry *entry = request.process->entries[request.slice];
        if (actual < bytes) {
            admit_release(entry, bytes - actual);
        } else {
            atomic_fetch_add(&entry->memory_bytes, actual - bytes); /* it is allocated: count it as it is */
        }
        request.bytes = actual;
    }
    return settle(&request, result, out);
}

/* Frees give back before the driver is asked: once it has the address back, another thread may get the same one, and
 * our record must be gone by then. A free that fails puts it back. */
#define FREE(name, address, ...)                                                                                      \
    name##_fn real = REAL(name);                                                                                      \
    if (real == NULL) {                                                                                               \
        return ABSENT_CU;                                                                                             \
    }                                                                                                                 \
    const struct shim *shim = shim_get();                                                                             \
    struct process *process = shim == NULL ? NULL : shim_process(shim);                                               \
    struct ledger_value value;                                                                                        \
    if (process == NULL || !ledger_take(&process->blocks, address, &value)) {                                         \
        return real(__VA_ARGS__);                                                                                     \
    }                                                                                                                 \
    return after_free(process, address, &value, real(__VA_ARGS__));

static CUresult after_free(struct process *process, CUdeviceptr address, const struct ledger_value *value,
                           CUresult result)
{
    struct ledger_value old;
    if (result == CUDA_SUCCESS || ledger_put(&process->blocks, address, value, &old) != LEDGER_ADDED) {
        give_back(value, process);
    }
    return result;
}

CUresult hook_cuMemFree_v2(CUdeviceptr address)
{
    FREE(cuMemFree_v2, address, address)
}

CUresult hook_cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
    FREE(cuMemFreeAsync, address, address, stream)
}

CUresult hook_cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream)
{
    FREE(cuMemFreeAsync_ptsz, address, address, stream)
}

/* ---- contexts: their end frees what was allocated in them ---- */

static void context_gone(CUcontext context)
{
    const struct shim *shim = shim_get();
    struct process *process = shim == NULL ? NULL : shim_process(shim);
    if (process != NULL && context != NULL) {
        ledger_take_tag(&process->blocks, (uint64_t)(uintptr_t)context, give_back, process);
        meter_forget_context(process, context);
    }
}

CUresult hook_cuCtxDestroy_v2(CUcontext context)
{
    cuCtxDestroy_v2_fn real = REAL(cuCtxDestroy_v2);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(context);
    if (result == CUDA_SUCCESS) {
        context_gone(context);
    }
    return result;
}

CUresult hook_cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    cuDevicePrimaryCtxRetain_fn real = REAL(cuDevicePrimaryCtxRetain);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(context, device);
    const struct shim *shim = shim_get();
    struct process *process = shim == NULL ? NULL : shim_process(shim);
    if (result == CUDA_SUCCESS && context != NULL && process != NULL && device >= 0 &&
        device < (CUdevice)SHIM_DEVICES) {
        atomic_store(&process->primary[device], *context);
    }
    return result;
}

/* only_if_inactive: a release ends the context only with its last reference. */
static void primary_gone(CUdevice device, bool only_if_inactive)
{
    const struct shim *shim = shim_get();
    struct process *process = shim == NULL ? NULL : shim_process(shim);
    if (process == NULL || device < 0 || device >= (CUdevice)SHIM_DEVICES) {
        return;
    }
    cuDevicePrimaryCtxGetState_fn state = REAL(cuDevicePrimaryCtxGetState);
    unsigned int flags;
    int active = 1;
    if (only_if_inactive && (state == NULL || state(device, &flags, &active) != CUDA_SUCCESS || active)) {
        return;
    }
    context_gone(atomic_load(&process->primary[device]));
}

#define PRIMARY_END(name, only_if_inactive)                                                                           \
    CUresult hook_##name(CUdevice device)                                                                             \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (real == NULL) {                                                                                           \
            return ABSENT_CU;                                                                                         \
        }                                                                                                             \
        CUresult result = real(device);                                                                               \
        if (result == CUDA_SUCCESS) {                                                                                 \
            primary_gone(device, only_if_inactive);                                                                   \
        }                                                                                                             \
        return result;                                                                                                \
    }
PRIMARY_END(cuDevicePrimaryCtxRelease, true)
PRIMARY_END(cuDevicePrimaryCtxRelease_v2, true)
PRIMARY_END(cuDevicePrimaryCtxReset, false)
PRIMARY_END(cuDevicePrimaryCtxReset_v2, false)

#include "hooks_export_memory.h"
