/* Copies within the GPU and fills: they take its time as kernels do, and are priced alike, by kind and size. Copies from
 * and to the host run on engines of their own beside the kernels of others, and are forwarded (forwards.def). */
#include "core/meter.h"
#include "core/price.h"
#include "core/shim.h"
#include "cuda/hook_meter.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

/* Where nothing is limited, one copy in this many is metered, for all of them. */
#define COPY_SKIP 8u
#define ATTRIBUTE_MEMORY_TYPE 2
#define MEMORY_TYPE_DEVICE 2u

/* In place of a function's address in a price's key; no function lies there. */
enum copy_code { COPY_WITHIN = 1, COPY_FILL = 2 };

static __thread uint32_t skipped;

/* Sizes that differ by less than an eighth share a price. */
static struct price_shape shape_of(enum copy_code code, size_t bytes)
{
    uint32_t shift = 0;
    while (bytes >> shift >= 16) shift++;
    return (struct price_shape){(uintptr_t)code, {(uint32_t)(bytes >> shift), shift, 0}, {0}, 0};
}

/* Before anything is asked about the addresses: most copies end here where nothing is limited. */
static bool __attribute__((noinline)) is_skipped(void)
{
    const struct process *process = shim_process();
    return !process || (!any_limit(process) && ++skipped % COPY_SKIP != 0);
}

/* Fills what meter_begin needs; false: forward and be done. */
static bool __attribute__((noinline)) metered(struct launch *launch, CUstream stream, bool per_thread)
{
    struct process *process = shim_process();
    if (!process) return false;
    launch->weight = any_limit(process) ? 1 : COPY_SKIP;
    launch->sets_pace = false;
    return launch_is_metered(launch, process, stream, per_thread);
}

static bool on_device(CUdeviceptr address)
{
    unsigned int type = 0;
    cuPointerGetAttribute_fn ask = REAL(cuPointerGetAttribute);
    return ask && ask(&type, ATTRIBUTE_MEMORY_TYPE, address) == CUDA_SUCCESS && type == MEMORY_TYPE_DEVICE;
}

static bool __attribute__((noinline))
begin(struct launch *launch, CUstream stream, bool per_thread, enum copy_code code, size_t bytes)
{
    if (!metered(launch, stream, per_thread)) return false;
    struct price_shape shape = shape_of(code, bytes);
    meter_begin(launch, &shape, !stream && per_thread ? CU_STREAM_PER_THREAD : stream, true);
    return true;
}

static CUresult __attribute__((noinline)) ended(struct launch *launch, CUresult result)
{
    meter_end(launch, result != CUDA_SUCCESS);
    return result;
}

#define METERED_COPY(name, stream_given, per_thread, code, bytes, applies, ...)                                       \
    name##_fn real = REAL(name);                                                                                      \
    struct launch launch;                                                                                             \
    if (!real) return ABSENT_CU;                                                                                      \
    if (is_skipped() || !(applies) || !begin(&launch, stream_given, per_thread, code, bytes))                         \
        return real(__VA_ARGS__);                                                                                     \
    return ended(&launch, real(__VA_ARGS__));

#define WITHIN(name, per_thread, applies)                                                                             \
    CUresult hook_##name(CUdeviceptr to, CUdeviceptr from, size_t bytes)                                              \
    {                                                                                                                 \
        METERED_COPY(name, (CUstream)NULL, per_thread, COPY_WITHIN, bytes, applies, to, from, bytes)                  \
    }
#define WITHIN_ASYNC(name, per_thread, applies)                                                                       \
    CUresult hook_##name(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)                             \
    {                                                                                                                 \
        METERED_COPY(name, stream, per_thread, COPY_WITHIN, bytes, applies, to, from, bytes, stream)                  \
    }
WITHIN(cuMemcpyDtoD_v2, false, true)
WITHIN(cuMemcpyDtoD_v2_ptds, true, true)
WITHIN_ASYNC(cuMemcpyDtoDAsync_v2, false, true)
WITHIN_ASYNC(cuMemcpyDtoDAsync_v2_ptsz, true, true)
/* These take any two addresses. */
WITHIN(cuMemcpy, false, on_device(to) && on_device(from))
WITHIN(cuMemcpy_ptds, true, on_device(to) && on_device(from))
WITHIN_ASYNC(cuMemcpyAsync, false, on_device(to) && on_device(from))
WITHIN_ASYNC(cuMemcpyAsync_ptsz, true, on_device(to) && on_device(from))

#define FILL(name, type, per_thread)                                                                                  \
    CUresult hook_##name(CUdeviceptr to, type value, size_t count)                                                    \
    {                                                                                                                 \
        METERED_COPY(name, (CUstream)NULL, per_thread, COPY_FILL, count * sizeof(type), true, to, value, count)       \
    }
#define FILL_ASYNC(name, type, per_thread)                                                                            \
    CUresult hook_##name(CUdeviceptr to, type value, size_t count, CUstream stream)                                   \
    {                                                                                                                 \
        METERED_COPY(name, stream, per_thread, COPY_FILL, count * sizeof(type), true, to, value, count, stream)       \
    }
FILL(cuMemsetD8_v2, unsigned char, false)
FILL(cuMemsetD8_v2_ptds, unsigned char, true)
FILL(cuMemsetD16_v2, unsigned short, false)
FILL(cuMemsetD16_v2_ptds, unsigned short, true)
FILL(cuMemsetD32_v2, unsigned int, false)
FILL(cuMemsetD32_v2_ptds, unsigned int, true)
FILL_ASYNC(cuMemsetD8Async, unsigned char, false)
FILL_ASYNC(cuMemsetD8Async_ptsz, unsigned char, true)
FILL_ASYNC(cuMemsetD16Async, unsigned short, false)
FILL_ASYNC(cuMemsetD16Async_ptsz, unsigned short, true)
FILL_ASYNC(cuMemsetD32Async, unsigned int, false)
FILL_ASYNC(cuMemsetD32Async_ptsz, unsigned int, true)

#define EXPORT_copy EXPORTED
#include "cuda/hooks_export.h"
