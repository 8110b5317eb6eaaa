/* Stream-ordered memory: which pool an allocation takes from, and the pools' own lives. */
#include "core/charge.h"
#include "core/pool_state.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/pool.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

/* Stands for one that there is no place for in the table. */
static struct pool nowhere = {.ignored = true, .refuses = true};

static struct pool *or_nowhere(struct pool *pool)
{
    return !pool ? &nowhere : pool;
}

/* The default pool of a device, or one that was given to us by a name we do not hook: known by asking each device. */
static struct pool *adopt(struct process *process, CUmemoryPool handle)
{
    cuDeviceGetDefaultMemPool_fn get = REAL(cuDeviceGetDefaultMemPool);
    cuDeviceGetMemPool_fn current = REAL(cuDeviceGetMemPool);
    int devices = 0;
    cuDeviceGetCount_fn count = REAL(cuDeviceGetCount);
    if (!get || !count || count(&devices) != CUDA_SUCCESS) return NULL;
    for (CUdevice device = 0; device < devices && device < (CUdevice)POOL_DEVICES; device++) {
        CUmemoryPool theirs = NULL;
        bool found = get(&theirs, device) == CUDA_SUCCESS && theirs == handle;
        found = found || (current && current(&theirs, device) == CUDA_SUCCESS && theirs == handle);
        if (found) return or_nowhere(pool_add(process, handle, shim_slice_of_device(process, device)));
    }
    return or_nowhere(pool_add(process, handle, SHIM_NO_DEVICE)); /* imported: its exporter pays */
}

static struct pool *pool_of(struct process *process, CUmemoryPool handle)
{
    struct pool *known = pool_find(process, handle);
    return known || !handle ? known : adopt(process, handle);
}

/* What cuMemAllocAsync takes from. */
static struct pool *current_pool(struct process *process, CUdevice device)
{
    if (device < 0 || device >= (CUdevice)POOL_DEVICES) return device < 0 ? NULL : &nowhere;
    struct pool *known = atomic_load_explicit(&process->pools.current[device], memory_order_acquire);
    cuDeviceGetMemPool_fn get = REAL(cuDeviceGetMemPool);
    CUmemoryPool handle = NULL;
    if (!known && get && get(&handle, device) == CUDA_SUCCESS) {
        known = pool_of(process, handle);
        if (known && !known->refuses) /* a refusal is asked for again */
            atomic_store_explicit(&process->pools.current[device], known, memory_order_release);
    }
    return known;
}

#define ATTEMPTS 2

#define POOL_ALLOCATE(name, per_thread, pool_given, ...)                                                              \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct process *process = shim_process();                                                                         \
    struct pool_request request;                                                                                      \
    if (!process || !out || shim_is_captured(process, stream, per_thread))                                            \
        return real(__VA_ARGS__); /* captured: it becomes a node, and hook_graphs.c pays for it */                    \
    struct pool *pool_used = pool_given;                                                                              \
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {                                                            \
        switch (pool_begin(&request, process, pool_used, bytes)) {                                                    \
        case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                             \
        case ADMIT_FORWARD: return real(__VA_ARGS__);                                                                 \
        case ADMIT_GO: break;                                                                                         \
        }                                                                                                             \
        CUresult result = real(__VA_ARGS__);                                                                          \
        if (pool_end(&request, result, out, stream, per_thread) == POOL_DONE) return result;                          \
    }                                                                                                                 \
    charge_note_denied(process, pool_used->slice, bytes);                                                             \
    return CUDA_ERROR_OUT_OF_MEMORY;

CUresult hook_cuMemAllocAsync(CUdeviceptr *out, size_t bytes, CUstream stream){
    POOL_ALLOCATE(cuMemAllocAsync, false, current_pool(process, shim_stream_device(process, stream)), out, bytes,
                  stream)}

CUresult hook_cuMemAllocAsync_ptsz(CUdeviceptr *out, size_t bytes, CUstream stream){
    POOL_ALLOCATE(cuMemAllocAsync_ptsz, true, current_pool(process, shim_stream_device(process, stream)), out, bytes,
                  stream)}

CUresult hook_cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream){
    POOL_ALLOCATE(cuMemAllocFromPoolAsync, false, pool_of(process, pool), out, bytes, pool, stream)}

CUresult hook_cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *out, size_t bytes, CUmemoryPool pool, CUstream stream){
    POOL_ALLOCATE(cuMemAllocFromPoolAsync_ptsz, true, pool_of(process, pool), out, bytes, pool, stream)}

/* ---- the pools themselves ---- */

CUresult hook_cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
    cuMemPoolCreate_fn real = REAL(cuMemPoolCreate);
    if (!real) return ABSENT_CU;
    CUresult result = real(out, props);
    struct process *process = shim_process();
    if (result == CUDA_SUCCESS && process && out && props) {
        bool on_device = props->location.type == CU_MEM_LOCATION_TYPE_DEVICE;
        int slice = on_device ? shim_slice_of_device(process, props->location.id) : SHIM_NO_DEVICE;
        if (!pool_add(process, *out, slice)) {
            /* A pool that is not in the table would later be taken for another slice's, which would then pay for its
             * memory. */
            cuMemPoolDestroy_fn undo = REAL(cuMemPoolDestroy);
            return undo && undo(*out) == CUDA_SUCCESS ? CUDA_ERROR_OUT_OF_MEMORY : result;
        }
    }
    return result;
}

CUresult hook_cuMemPoolDestroy(CUmemoryPool pool)
{
    cuMemPoolDestroy_fn real = REAL(cuMemPoolDestroy);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    struct pool *known = !process || !pool ? NULL : pool_find(process, pool);
    if (!known) return real(pool);
    pool_ending(process, known);
    CUresult result = real(pool);
    pool_ended(process, known, pool, result == CUDA_SUCCESS);
    /* A device that took from it goes back to its default pool. */
    for (unsigned device = 0; device < POOL_DEVICES; device++) {
        struct pool *expected = known;
        atomic_compare_exchange_strong(&process->pools.current[device], &expected, NULL);
    }
    return result;
}

CUresult hook_cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
    cuMemPoolTrimTo_fn real = REAL(cuMemPoolTrimTo);
    if (!real) return ABSENT_CU;
    CUresult result = real(pool, keep);
    struct process *process = shim_process();
    struct pool *known = !process || !pool ? NULL : pool_find(process, pool);
    if (known) pool_trimmed(process, known);
    return result;
}

CUresult hook_cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
    cuDeviceSetMemPool_fn real = REAL(cuDeviceSetMemPool);
    if (!real) return ABSENT_CU;
    CUresult result = real(device, pool);
    struct process *process = shim_process();
    if (process && device >= 0 && device < (CUdevice)POOL_DEVICES) atomic_store(&process->pools.current[device], NULL);
    return result;
}

CUresult hook_cuMemSetMemPool(CUmemLocation *location, int type, CUmemoryPool pool)
{
    cuMemSetMemPool_fn real = REAL(cuMemSetMemPool);
    if (!real) return ABSENT_CU;
    CUresult result = real(location, type, pool);
    struct process *process = shim_process();
    for (unsigned device = 0; process && device < POOL_DEVICES; device++)
        atomic_store(&process->pools.current[device], NULL);
    return result;
}

#define EXPORT_pool EXPORTED
#include "cuda/hooks_export.h"
