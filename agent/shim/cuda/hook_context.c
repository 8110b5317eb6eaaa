/* Contexts and their limits. What a context takes is not in any ledger: only NVML sees it. It is admitted by what one
 * is known to take on this GPU, stands as an estimate until the agent has measured it, and is residue from then on.
 * The end of a context frees what was allocated in it. */
#include "core/charge.h"
#include "core/ledger.h"
#include "core/meter.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

static uint64_t context_bytes(struct process *process, int slice)
{
    return slice < 0 || process->shim->is_gated ? 0 : atomic_load(&process->shim->slices[slice].policy->context_bytes);
}

/* Admitted: the bytes become an estimate, or come back if the driver refused. */
static CUresult settle(struct admitted *request, CUresult result)
{
    if (result == CUDA_SUCCESS) charge_estimate(request->process, (unsigned)request->slice, request->bytes);
    charge_return(request->process, (unsigned)request->slice, request->bytes);
    return result;
}

#define CREATE(name, device, ...)                                                                                     \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct process *process = shim_process();                                                                         \
    struct admitted request;                                                                                          \
    int slice = !process || !context ? SHIM_NO_DEVICE : shim_slice_of_device(process, device);                        \
    switch (slice == SHIM_NO_DEVICE ? ADMIT_FORWARD                                                                   \
                                    : charge_admit(&request, process, slice, context_bytes(process, slice))) {        \
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                                 \
    case ADMIT_GO: return settle(&request, real(__VA_ARGS__));                                                        \
    default: return real(__VA_ARGS__);                                                                                \
    }

CUresult hook_cuCtxCreate(CUcontext *context, unsigned int flags,
                          CUdevice device){CREATE(cuCtxCreate, device, context, flags, device)}

CUresult hook_cuCtxCreate_v2(CUcontext *context, unsigned int flags,
                             CUdevice device){CREATE(cuCtxCreate_v2, device, context, flags, device)}

CUresult hook_cuCtxCreate_v3(CUcontext *context, void *affinity, int affinities, unsigned int flags, CUdevice device){
    CREATE(cuCtxCreate_v3, device, context, affinity, affinities, flags, device)}

CUresult hook_cuCtxCreate_v4(CUcontext *context, void *parameters, unsigned int flags, CUdevice device)
{
    CREATE(cuCtxCreate_v4, device, context, parameters, flags, device)
}

/* A green context lives in the primary one, which it may be the first to need; by itself it takes a few MiB. */
static CUresult create_green(CUgreenCtx *context, CUdevResourceDesc description, CUdevice device,
                             unsigned int flags){CREATE(cuGreenCtxCreate, device, context, description, device, flags)}

CUresult hook_cuGreenCtxCreate(CUgreenCtx *context, CUdevResourceDesc description, CUdevice device, unsigned int flags)
{
    cuGreenCtxCreate_fn real = REAL(cuGreenCtxCreate);
    cuDevicePrimaryCtxGetState_fn state = REAL(cuDevicePrimaryCtxGetState);
    unsigned int primary_flags;
    int active = 0;
    if (!real) return ABSENT_CU;
    if (!state || state(device, &primary_flags, &active) != CUDA_SUCCESS || active)
        return real(context, description, device, flags);
    return create_green(context, description, device, flags);
}

/* The first retain makes the context. */
CUresult hook_cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    cuDevicePrimaryCtxRetain_fn real = REAL(cuDevicePrimaryCtxRetain);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    if (!process || !context || device < 0) return real(context, device);
    cuDevicePrimaryCtxGetState_fn state = REAL(cuDevicePrimaryCtxGetState);
    unsigned int flags;
    int active = 1;
    int slice = SHIM_NO_DEVICE;
    if (state && state(device, &flags, &active) == CUDA_SUCCESS && !active)
        slice = shim_slice_of_device(process, device);
    struct admitted request;
    enum admit_step step = slice == SHIM_NO_DEVICE
                               ? ADMIT_FORWARD
                               : charge_admit(&request, process, slice, context_bytes(process, slice));
    if (step == ADMIT_DENY) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = real(context, device);
    if (result == CUDA_SUCCESS && device < (CUdevice)SHIM_DEVICES) atomic_store(&process->primary[device], *context);
    return step == ADMIT_GO ? settle(&request, result) : result;
}

/* ---- limits ---- */

/* The stacks of all threads that can be resident at once; the driver takes them at the call (measured: to the byte). */
static uint64_t stack_bytes(CUdevice device, size_t before, size_t after)
{
    cuDeviceGetAttribute_fn get = REAL(cuDeviceGetAttribute);
    int processors = 0;
    int threads = 0;
    if (!get || after <= before ||
        get(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device) != CUDA_SUCCESS ||
        get(&threads, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, device) != CUDA_SUCCESS)
        return 0;
    uint64_t residents = (uint64_t)processors * (uint64_t)threads;
    uint64_t more = after - before;
    return residents > 0 && more > UINT64_MAX / residents ? UINT64_MAX : more * residents;
}

CUresult hook_cuCtxSetLimit(int limit, size_t value)
{
    cuCtxSetLimit_fn real = REAL(cuCtxSetLimit);
    cuCtxGetLimit_fn get = REAL(cuCtxGetLimit);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    CUdevice device = !process ? -1 : shim_current_device(process);
    int slice = device < 0 ? -1 : shim_slice_of_device(process, device);
    size_t before = 0;
    bool counts =
        limit == CU_LIMIT_STACK_SIZE || limit == CU_LIMIT_PRINTF_FIFO_SIZE || limit == CU_LIMIT_MALLOC_HEAP_SIZE;
    if (slice < 0 || !counts || !get || get(&before, limit) != CUDA_SUCCESS || value <= before)
        return real(limit, value);
    /* Heap and printf buffer are taken when a kernel first needs them: refused now if they could not be, charged then. */
    uint64_t bytes = limit == CU_LIMIT_STACK_SIZE ? stack_bytes(device, before, value) : value - before;
    struct admitted request;
    switch (charge_admit(&request, process, slice, bytes)) {
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;
    case ADMIT_GO: return settle(&request, real(limit, value));
    default: return real(limit, value);
    }
}

/* ---- ends ---- */

static void give_back(const struct ledger_value *value, void *process)
{
    charge_return(process, value->slice, value->bytes);
}

static void context_gone(CUcontext context)
{
    struct process *process = shim_process();
    if (process && context) {
        ledger_take_tag(&process->blocks, (uint64_t)(uintptr_t)context, give_back, process);
        ledger_take_tag(&process->arrays, (uint64_t)(uintptr_t)context, give_back, process);
        meter_forget_context(process, context);
        for (unsigned slice = 0; slice < process->shim->slice_count; slice++)
            if (process->entries[slice]) charge_recount(process, slice); /* a device's pools may have ended with it */
    }
}

#define END(name)                                                                                                     \
    CUresult hook_##name(CUcontext context)                                                                           \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (!real) return ABSENT_CU;                                                                                  \
        CUresult result = real(context);                                                                              \
        if (result == CUDA_SUCCESS) context_gone(context);                                                            \
        return result;                                                                                                \
    }
END(cuCtxDestroy)
END(cuCtxDestroy_v2)

/* only_if_inactive: a release ends the context only with its last reference. */
static void primary_gone(CUdevice device, bool only_if_inactive)
{
    struct process *process = shim_process();
    if (!process || device < 0 || device >= (CUdevice)SHIM_DEVICES) return;
    cuDevicePrimaryCtxGetState_fn state = REAL(cuDevicePrimaryCtxGetState);
    unsigned int flags;
    int active = 1;
    if (only_if_inactive && (!state || state(device, &flags, &active) != CUDA_SUCCESS || active)) return;
    context_gone(atomic_load(&process->primary[device]));
}

#define PRIMARY_END(name, only_if_inactive)                                                                           \
    CUresult hook_##name(CUdevice device)                                                                             \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (!real) return ABSENT_CU;                                                                                  \
        CUresult result = real(device);                                                                               \
        if (result == CUDA_SUCCESS) primary_gone(device, only_if_inactive);                                           \
        return result;                                                                                                \
    }
PRIMARY_END(cuDevicePrimaryCtxRelease, true)
PRIMARY_END(cuDevicePrimaryCtxRelease_v2, true)
PRIMARY_END(cuDevicePrimaryCtxReset, false)
PRIMARY_END(cuDevicePrimaryCtxReset_v2, false)

#define EXPORT_context EXPORTED
#include "cuda/hooks_export.h"
