/* Plain, pitched and managed memory, and every way of freeing an address: reserve in the slice, ask the driver, keep
 * or give back. */
#include "core/charge.h"
#include "core/ledger.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/hook_graphs.h"
#include "cuda/pool.h"
#include "cuda/resolve.h"
#include "cuda_min.h"
#include "region.h"

/* Filed under the context that it dies with. */
static CUresult settle(struct admitted *request, CUresult result, uint64_t address)
{
    CUcontext context = NULL;
    cuCtxGetCurrent_fn current = REAL(cuCtxGetCurrent);
    ledger_expect(&request->process->blocks, address);
    if (result == CUDA_SUCCESS && current) (void)current(&context); /* none: then it is filed under none */
    charge_settle(request, result == CUDA_SUCCESS, &request->process->blocks, address, (uint64_t)(uintptr_t)context);
    return result;
}

static enum admit_step admit(struct admitted *request, uint64_t bytes)
{
    struct process *process = shim_process();
    if (!process) return ADMIT_FORWARD;
    return charge_admit(request, process, shim_slice_of_current(process), charge_of(bytes));
}

/* The shape of every allocating hook. NULL out-pointers are the driver's to judge. */
#define ALLOCATE(name, size, out, ...)                                                                                \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct admitted request;                                                                                          \
    switch (!(out) ? ADMIT_FORWARD : admit(&request, size)) {                                                         \
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                                 \
    case ADMIT_GO: {                                                                                                  \
        CUresult result = real(__VA_ARGS__);                                                                          \
        return settle(&request, result, result == CUDA_SUCCESS ? *(out) : 0);                                         \
    }                                                                                                                 \
    default: return real(__VA_ARGS__);                                                                                \
    }

CUresult hook_cuMemAlloc(CUdeviceptr_v1 *out, unsigned int bytes)
{
    ALLOCATE(cuMemAlloc, bytes, out, out, bytes)
}

CUresult hook_cuMemAlloc_v2(CUdeviceptr *out, size_t bytes)
{
    ALLOCATE(cuMemAlloc_v2, bytes, out, out, bytes)
}

CUresult hook_cuMemAllocManaged(CUdeviceptr *out, size_t bytes, unsigned int flags)
{
    ALLOCATE(cuMemAllocManaged, bytes, out, out, bytes, flags)
}

/* The pitch is known only afterwards. Rows are padded to 512 bytes on every GPU so far; what the driver really used
 * replaces the estimate. */
#define PITCH_GRANULE 512u

static CUresult settle_pitch(struct admitted *request, CUresult result, uint64_t address, uint64_t pitch,
                             uint64_t height)
{
    uint64_t actual;
    if (result == CUDA_SUCCESS && !__builtin_mul_overflow(pitch, height, &actual)) {
        struct region_entry *entry = request->process->entries[request->slice];
        actual = charge_of(actual);
        if (actual < request->bytes)
            charge_return(request->process, (unsigned)request->slice, request->bytes - actual);
        else
            atomic_fetch_add(&entry->memory_bytes, actual - request->bytes); /* allocated: counted as it is */
        request->bytes = actual;
    }
    return settle(request, result, address);
}

/* What rows of this width and number will take; false: beyond all numbers. */
static bool pitch_bytes(uint64_t width, uint64_t height, uint64_t *bytes)
{
    uint64_t row =
        width > UINT64_MAX - PITCH_GRANULE ? width : (width + PITCH_GRANULE - 1) / PITCH_GRANULE * PITCH_GRANULE;
    return !__builtin_mul_overflow(row, height, bytes);
}

#define ALLOCATE_PITCH(name)                                                                                          \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct admitted request;                                                                                          \
    uint64_t bytes;                                                                                                   \
    if (!out || !pitch || !pitch_bytes(width, height, &bytes)) return real(out, pitch, width, height, element);       \
    switch (admit(&request, bytes)) {                                                                                 \
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                                 \
    case ADMIT_FORWARD: return real(out, pitch, width, height, element);                                              \
    case ADMIT_GO: break;                                                                                             \
    }                                                                                                                 \
    CUresult result = real(out, pitch, width, height, element);                                                       \
    bool done = result == CUDA_SUCCESS;                                                                               \
    return settle_pitch(&request, result, done ? *out : 0, done ? *pitch : 0, height);

CUresult hook_cuMemAllocPitch(CUdeviceptr_v1 *out, unsigned int *pitch, unsigned int width, unsigned int height,
                              unsigned int element){ALLOCATE_PITCH(cuMemAllocPitch)}

CUresult hook_cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height, unsigned int element)
{
    ALLOCATE_PITCH(cuMemAllocPitch_v2)
}

/* ---- frees ---- */

/* Our record goes before the driver is asked: once it has the address back, another thread may get the same one. The
 * bytes are given back only after it has agreed. A free that fails puts the record back. */
static CUresult after_free(struct process *process, CUdeviceptr address, const struct ledger_value *value,
                           CUresult result)
{
    struct ledger_value old;
    if (result == CUDA_SUCCESS || ledger_put(&process->blocks, address, value, &old) == LEDGER_REPLACED)
        charge_return(process, value->slice, value->bytes);
    return result;
}

/* Never ours to refuse: foreign memory, or what a graph allocated. */
static CUresult after_unknown_free(struct process *process, CUdeviceptr address, CUresult result)
{
    if (result == CUDA_SUCCESS) graph_block_freed(process, address);
    return result;
}

#define FREE(name, kept, address, ...)                                                                                \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct process *process = shim_process();                                                                         \
    struct pool_free pooled;                                                                                          \
    struct ledger_value value;                                                                                        \
    if (!process || (kept)) return real(__VA_ARGS__);                                                                 \
    if (pool_free_begin(&pooled, process, address)) {                                                                 \
        CUresult result = real(__VA_ARGS__);                                                                          \
        pool_free_end(&pooled, result);                                                                               \
        return result;                                                                                                \
    }                                                                                                                 \
    if (!ledger_take(&process->blocks, address, &value))                                                              \
        return after_unknown_free(process, address, real(__VA_ARGS__));                                               \
    return after_free(process, address, &value, real(__VA_ARGS__));

CUresult hook_cuMemFree(CUdeviceptr_v1 address)
{
    FREE(cuMemFree, false, address, address)
}

CUresult hook_cuMemFree_v2(CUdeviceptr address)
{
    FREE(cuMemFree_v2, false, address, address)
}

/* A captured free happens when the graph runs, perhaps never: until then the memory is there. */
CUresult hook_cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
    FREE(cuMemFreeAsync, shim_is_captured(process, stream, false), address, address, stream)
}

CUresult hook_cuMemFreeAsync_ptsz(CUdeviceptr address, CUstream stream)
{
    FREE(cuMemFreeAsync_ptsz, shim_is_captured(process, stream, true), address, address, stream)
}

#define EXPORT_memory EXPORTED
#include "cuda/hooks_export.h"
