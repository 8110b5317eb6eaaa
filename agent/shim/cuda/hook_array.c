/* Arrays and mipmapped arrays. Their layout is the driver's secret, but it tells what one would need: the same array is
 * made without memory first (deferred mapping, from driver 11.6 on), asked, and destroyed. */
#include "core/charge.h"
#include "core/ledger.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/hook_vmm.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

/* Rows of 64 bytes and 8 lines together, whole blocks of 64 KiB: what is charged where the driver does not say. */
#define LINE UINT64_C(64)
#define LINES UINT64_C(8)
#define BLOCK (UINT64_C(64) << 10)

static uint64_t times(uint64_t left, uint64_t right)
{
    uint64_t product;
    return __builtin_mul_overflow(left, right, &product) ? UINT64_MAX : product;
}

static uint64_t round_up(uint64_t value, uint64_t step)
{
    return value > UINT64_MAX - step ? UINT64_MAX / step * step : (value + step - 1) / step * step;
}

/* 8-bit formats are 1 and 8, 16-bit ones 2, 9 and 16, 32-bit ones 3, 10 and 32; newer ones are packed smaller. */
static uint64_t format_bytes(int format)
{
    switch (format) {
    case 1:
    case 8: return 1;
    case 2:
    case 9:
    case 16: return 2;
    default: return 4;
    }
}

static uint64_t estimate(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned levels)
{
    uint64_t row = times(times(d->Width, format_bytes(d->Format)), d->NumChannels);
    uint64_t plane = times(round_up(row, LINE), round_up(d->Height == 0 ? 1 : d->Height, LINES));
    uint64_t all = round_up(times(plane, d->Depth == 0 ? 1 : d->Depth), BLOCK);
    /* Each level is a quarter of the one before: together a third more, and a block for each. */
    return levels <= 1 || all > UINT64_MAX / 2 ? all : all + all / 3 + levels * BLOCK;
}

static uint64_t asked_of_driver(CUDA_ARRAY3D_DESCRIPTOR descriptor, unsigned levels, CUdevice device)
{
    CUDA_ARRAY_MEMORY_REQUIREMENTS need = {.size = 0};
    descriptor.Flags |= CUDA_ARRAY3D_DEFERRED_MAPPING;
    if (levels == 0 && REAL(cuArrayGetMemoryRequirements)) {
        CUarray probe;
        if (REAL(cuArray3DCreate_v2)(&probe, &descriptor) == CUDA_SUCCESS) {
            if (REAL(cuArrayGetMemoryRequirements)(&need, probe, device) != CUDA_SUCCESS) need.size = 0;
            REAL(cuArrayDestroy)(probe);
        }
    } else if (levels > 0 && REAL(cuMipmappedArrayGetMemoryRequirements)) {
        CUmipmappedArray probe;
        if (REAL(cuMipmappedArrayCreate)(&probe, &descriptor, levels) == CUDA_SUCCESS) {
            if (REAL(cuMipmappedArrayGetMemoryRequirements)(&need, probe, device) != CUDA_SUCCESS) need.size = 0;
            REAL(cuMipmappedArrayDestroy)(probe);
        }
    }
    return need.size;
}

/* levels 0: a plain array. */
static enum admit_step admit(struct admitted *request, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned levels)
{
    struct process *process = shim_process();
    CUdevice device = !process ? -1 : shim_current_device(process);
    int slice = device < 0 ? SHIM_NO_DEVICE : shim_slice_of_device(process, device);
    if (slice == SHIM_NOT_OURS) return ADMIT_DENY;
    if (slice < 0 || (descriptor->Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING)) != 0 ||
        !REAL(cuArray3DCreate_v2) || !REAL(cuArrayDestroy))
        return ADMIT_FORWARD; /* sparse ones have no memory of their own: what is mapped into them is charged */
    uint64_t bytes = asked_of_driver(*descriptor, levels, device);
    return charge_admit(request, process, slice, charge_of(bytes > 0 ? bytes : estimate(descriptor, levels)));
}

static CUresult settle(struct admitted *request, CUresult result, const void *array)
{
    CUcontext context = NULL;
    cuCtxGetCurrent_fn current = REAL(cuCtxGetCurrent);
    if (result == CUDA_SUCCESS && current) (void)current(&context);
    charge_settle(request, result == CUDA_SUCCESS, &request->process->arrays, (uintptr_t)array, (uintptr_t)context);
    return result;
}

#define CREATE(name, as_3d, levels, ...)                                                                              \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    if (!out || !descriptor) return real(__VA_ARGS__);                                                                \
    CUDA_ARRAY3D_DESCRIPTOR same = as_3d;                                                                             \
    struct admitted request;                                                                                          \
    switch (admit(&request, &same, levels)) {                                                                         \
    case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                                 \
    case ADMIT_GO: {                                                                                                  \
        CUresult result = real(__VA_ARGS__);                                                                          \
        return settle(&request, result, result == CUDA_SUCCESS ? *out : NULL);                                        \
    }                                                                                                                 \
    default: return real(__VA_ARGS__);                                                                                \
    }

#define FLAT                                                                                                          \
    ((CUDA_ARRAY3D_DESCRIPTOR){.Width = descriptor->Width,                                                            \
                               .Height = descriptor->Height,                                                          \
                               .Format = descriptor->Format,                                                          \
                               .NumChannels = descriptor->NumChannels})
#define DEEP                                                                                                          \
    ((CUDA_ARRAY3D_DESCRIPTOR){.Width = descriptor->Width,                                                            \
                               .Height = descriptor->Height,                                                          \
                               .Depth = descriptor->Depth,                                                            \
                               .Format = descriptor->Format,                                                          \
                               .NumChannels = descriptor->NumChannels,                                                \
                               .Flags = descriptor->Flags})

CUresult hook_cuArrayCreate(CUarray *out, const CUDA_ARRAY_DESCRIPTOR_v1 *descriptor){
    CREATE(cuArrayCreate, FLAT, 0, out, descriptor)}

CUresult hook_cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *descriptor){
    CREATE(cuArrayCreate_v2, FLAT, 0, out, descriptor)}

CUresult hook_cuArray3DCreate(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR_v1 *descriptor){
    CREATE(cuArray3DCreate, DEEP, 0, out, descriptor)}

CUresult hook_cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor){
    CREATE(cuArray3DCreate_v2, DEEP, 0, out, descriptor)}

CUresult
    hook_cuMipmappedArrayCreate(CUmipmappedArray *out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned levels){
        CREATE(cuMipmappedArrayCreate, DEEP, levels == 0 ? 1 : levels, out, descriptor, levels)}

#define DESTROY(name, array)                                                                                          \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) {                                                                                                      \
        return ABSENT_CU;                                                                                             \
    }                                                                                                                 \
    struct process *process = shim_process();                                                                         \
    struct ledger_value value;                                                                                        \
    bool ours = process && ledger_take(&process->arrays, (uintptr_t)array, &value);                                   \
    CUresult result = real(array);                                                                                    \
    if (process && result == CUDA_SUCCESS) {                                                                          \
        vmm_forget_tiles(process, array);                                                                             \
    }                                                                                                                 \
    struct ledger_value old;                                                                                          \
    if (ours && (result == CUDA_SUCCESS ||                                                                            \
                 ledger_put(&process->arrays, (uintptr_t)array, &value, &old) == LEDGER_REPLACED)) {                  \
        charge_return(process, value.slice, value.bytes);                                                             \
    }                                                                                                                 \
    return result;

CUresult hook_cuArrayDestroy(CUarray array){DESTROY(cuArrayDestroy, array)}

CUresult hook_cuMipmappedArrayDestroy(CUmipmappedArray array)
{
    DESTROY(cuMipmappedArrayDestroy, array)
}

#define EXPORT_array EXPORTED
#include "cuda/hooks_export.h"
