/* What a context's limits take, and contexts of a part of a GPU. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static const size_t limit_defaults[SIM_LIMITS] = {1024, MIB, 8 * MIB}; /* these are part of the context's own bytes */

struct CUgreenCtx_st {
    struct CUctx_st context;
    CUdevResource resource;
};

struct CUdevResourceDesc_st {
    CUdevResource resource;
};

void context_default_limits(CUcontext context)
{
    memcpy(context->limits, limit_defaults, sizeof context->limits);
}

static uint64_t above_default(const struct CUctx_st *context, int limit)
{
    return context->limits[limit] > limit_defaults[limit] ? context->limits[limit] - limit_defaults[limit] : 0;
}

/* Lock held. Brings what is held to wanted; false if the GPU has not that much. */
static bool hold(struct sim_state *state, uint32_t gpu, struct pieces *held, uint64_t wanted)
{
    if (wanted > held->bytes) return pieces_take(state, gpu, held, wanted - held->bytes, BY_REQUEST);
    pieces_keep(state, gpu, held, wanted);
    return true;
}

/* The stack is that of every thread that can be resident, and is there as soon as it is asked for; heap and printf
 * buffer come when code that could use them is loaded. Both as measured. */
SIM_API cuCtxSetLimit(int limit, size_t value)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUcontext context = sim_context_current();
    if (limit < 0 || limit >= SIM_LIMITS) return CUDA_SUCCESS; /* the others are hints */
    memory_lock();
    size_t before = context->limits[limit];
    context->limits[limit] = value;
    bool held =
        limit != CU_LIMIT_STACK_SIZE ||
        hold(state, gpu, &context->stack, above_default(context, limit) * SIM_MULTIPROCESSORS * SIM_THREADS_PER_SM);
    if (!held) context->limits[limit] = before;
    memory_unlock();
    return held ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

SIM_API cuCtxGetLimit(size_t *value, int limit)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!value || limit < 0) return CUDA_ERROR_INVALID_VALUE;
    *value = limit < SIM_LIMITS ? sim_context_current()->limits[limit] : 0;
    return CUDA_SUCCESS;
}

CUresult sim_context_code_loaded(struct sim_state *state, CUcontext context)
{
    memory_lock();
    uint64_t wanted =
        round_up(above_default(context, CU_LIMIT_MALLOC_HEAP_SIZE) + above_default(context, CU_LIMIT_PRINTF_FIFO_SIZE),
                 SLAB_BYTES);
    bool held = hold(state, context->gpu, &context->heap, wanted);
    memory_unlock();
    return held ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* ---- green contexts: a part of the multiprocessors, the memory is everybody's ---- */

static void describe(CUdevResource *resource, unsigned int multiprocessors)
{
    *resource = (CUdevResource){.type = CU_DEV_RESOURCE_TYPE_SM};
    resource->sm.smCount = multiprocessors;
    resource->sm.minSmPartitionSize = 8;
    resource->sm.smCoscheduledAlignment = 8;
}

SIM_API cuDeviceGetDevResource(CUdevice device, CUdevResource *resource, int type)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!resource || type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_VALUE;
    describe(resource, SIM_MULTIPROCESSORS);
    return CUDA_SUCCESS;
}

SIM_API cuDevSmResourceSplitByCount(CUdevResource *result, unsigned int *groups, const CUdevResource *input,
                                    CUdevResource *remaining, unsigned int flags, unsigned int minimum)
{
    (void)flags;
    if (!groups || !input || input->type != CU_DEV_RESOURCE_TYPE_SM) return CUDA_ERROR_INVALID_VALUE;
    unsigned int each = (unsigned int)round_up(minimum == 0 ? 8 : minimum, 8);
    unsigned int possible = input->sm.smCount / each;
    if (!result) { /* only how many there could be */
        *groups = possible;
        return CUDA_SUCCESS;
    }
    *groups = *groups > possible ? possible : *groups;
    for (unsigned int at = 0; at < *groups; at++) describe(&result[at], each);
    if (remaining) describe(remaining, input->sm.smCount - *groups * each);
    return CUDA_SUCCESS;
}

SIM_API cuDevResourceGenerateDesc(CUdevResourceDesc *out, CUdevResource *resources, unsigned int count)
{
    if (!out || !resources || count == 0) return CUDA_ERROR_INVALID_VALUE;
    *out = calloc(1, sizeof **out);
    if (!*out) return CUDA_ERROR_OUT_OF_MEMORY;
    (*out)->resource = resources[0];
    return CUDA_SUCCESS;
}

SIM_API cuGreenCtxCreate(CUgreenCtx *out, CUdevResourceDesc description, CUdevice device, unsigned int flags)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!out || !description || (flags & CU_GREEN_CTX_DEFAULT_STREAM) == 0) return CUDA_ERROR_INVALID_VALUE;
    struct sim_state *state = sim_state();
    CUgreenCtx made = calloc(1, sizeof *made);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    made->resource = description->resource;
    made->context.gpu = gpu;
    made->context.api_version = CONTEXT_API;
    made->context.green = made;
    memory_lock();
    CUresult result = context_begin(state, &made->context, state->options.green_context_bytes);
    memory_unlock();
    if (result != CUDA_SUCCESS) {
        free(made);
        return result;
    }
    *out = made;
    return CUDA_SUCCESS;
}

SIM_API cuGreenCtxDestroy(CUgreenCtx green)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!green || !green->context.alive) return CUDA_ERROR_INVALID_CONTEXT;
    context_end(state, &green->context);
    return CUDA_SUCCESS;
}

SIM_API cuCtxFromGreenCtx(CUcontext *out, CUgreenCtx green)
{
    if (!out || !green) return CUDA_ERROR_INVALID_VALUE;
    *out = &green->context;
    return CUDA_SUCCESS;
}
