/* Contexts. A process has one set of queues per GPU, whichever context it uses; each
 * context takes memory of its own, which only the figures for the whole process show. */
#include "memory.h"

#include <stdlib.h>

#define CONTEXT_STACK 16
#define API_BEFORE_3020 3010

static struct CUctx_st primaries[SIM_GPUS];
static _Thread_local CUcontext stack[CONTEXT_STACK];
static _Thread_local int depth;

CUcontext sim_context_current(void)
{
    return depth == 0 ? NULL : stack[depth - 1];
}

uint32_t sim_gpu_of_current(void)
{
    CUcontext context = sim_context_current();
    return !context ? SIM_GPUS : context->gpu;
}

CUresult sim_enter_context(struct sim_state **state_out, uint32_t *gpu_out)
{
    SIM_TRY(sim_enter(state_out));
    CUcontext context = sim_context_current();
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    *gpu_out = context->gpu;
    return context->alive ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

/* ---- life ---- */

/* Lock held. */
CUresult context_begin(struct sim_state *state, CUcontext context, uint64_t bytes)
{
    struct sim_context *queues;
    if (!memory_take(state, context->gpu, bytes, BY_REQUEST, &context->base)) return CUDA_ERROR_OUT_OF_MEMORY;
    sim_lock(state);
    CUresult result = sim_queues(state, context->gpu, &queues);
    if (result == CUDA_SUCCESS) sim_process_self(state)->live[context->gpu]++;
    sim_unlock(state);
    if (result != CUDA_SUCCESS) {
        memory_give(state, context->gpu, &context->base);
        return result;
    }
    context_default_limits(context);
    context->alive = true;
    return CUDA_SUCCESS;
}

/* What was allocated in it goes with it. The object itself stays: other threads may have it on their stacks. */
void context_end(struct sim_state *state, CUcontext context)
{
    (void)sim_drain_gpu(state, context->gpu);
    sim_memory_of_context_gone(state, context);
    memory_lock();
    pieces_keep(state, context->gpu, &context->heap, 0);
    pieces_keep(state, context->gpu, &context->stack, 0);
    memory_give(state, context->gpu, &context->base);
    context->alive = false;
    memory_unlock();
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    if (process && process->live[context->gpu] > 0) process->live[context->gpu]--;
    sim_unlock(state);
}

SIM_API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!context) return CUDA_ERROR_INVALID_VALUE;
    struct sim_state *state = sim_state();
    CUcontext primary = &primaries[gpu];
    sim_settle(state);
    memory_lock();
    primary->gpu = gpu;
    primary->primary = true;
    primary->api_version = CONTEXT_API;
    CUresult result = primary->alive ? CUDA_SUCCESS : context_begin(state, primary, state->options.context_bytes);
    primary->primary_count += result == CUDA_SUCCESS;
    memory_unlock();
    if (result == CUDA_SUCCESS) *context = primary;
    return result;
}

static CUresult primary_release(CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    CUcontext primary = &primaries[gpu];
    if (primary->primary_count == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--primary->primary_count == 0 && primary->alive) context_end(sim_state(), primary);
    return CUDA_SUCCESS;
}

SIM_API cuDevicePrimaryCtxRelease(CUdevice device)
{
    return primary_release(device);
}

SIM_API cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    return primary_release(device);
}

/* The count stays: who retained it still has to release it. */
static CUresult primary_reset(CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (primaries[gpu].alive) context_end(sim_state(), &primaries[gpu]);
    return CUDA_SUCCESS;
}

SIM_API cuDevicePrimaryCtxReset(CUdevice device)
{
    return primary_reset(device);
}

SIM_API cuDevicePrimaryCtxReset_v2(CUdevice device)
{
    return primary_reset(device);
}

SIM_API cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    *flags = 0;
    *active = primaries[gpu].alive;
    return CUDA_SUCCESS;
}

SIM_API cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags)
{
    uint32_t gpu;
    (void)flags;
    return sim_device_gpu(device, &gpu);
}

static CUresult create(CUcontext *out, CUdevice device, unsigned int api_version)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    CUcontext made = depth == CONTEXT_STACK ? NULL : calloc(1, sizeof *made);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    struct sim_state *state = sim_state();
    made->gpu = gpu;
    made->api_version = api_version;
    sim_settle(state);
    memory_lock();
    CUresult result = context_begin(state, made, state->options.context_bytes);
    memory_unlock();
    if (result != CUDA_SUCCESS) {
        free(made);
        return result;
    }
    stack[depth++] = made;
    *out = made;
    return CUDA_SUCCESS;
}

SIM_API cuCtxCreate(CUcontext *context, unsigned int flags, CUdevice device)
{
    (void)flags;
    return create(context, device, API_BEFORE_3020);
}

SIM_API cuCtxCreate_v2(CUcontext *context, unsigned int flags, CUdevice device)
{
    (void)flags;
    return create(context, device, CONTEXT_API);
}

SIM_API cuCtxCreate_v3(CUcontext *context, void *affinity, int affinities, unsigned int flags, CUdevice device)
{
    (void)affinity, (void)affinities, (void)flags;
    return create(context, device, CONTEXT_API);
}

SIM_API cuCtxCreate_v4(CUcontext *context, void *parameters, unsigned int flags, CUdevice device)
{
    (void)parameters, (void)flags;
    return create(context, device, CONTEXT_API);
}

SIM_API cuCtxDestroy_v2(CUcontext context)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!context || context->primary || context->green || !context->alive) return CUDA_ERROR_INVALID_CONTEXT;
    if (depth > 0 && stack[depth - 1] == context) depth--;
    context_end(state, context);
    return CUDA_SUCCESS;
}

SIM_API cuCtxDestroy(CUcontext context)
{
    return cuCtxDestroy_v2(context);
}

/* ---- which one is current ---- */

SIM_API cuCtxSetCurrent(CUcontext context)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (depth == 0) depth = 1;
    stack[depth - 1] = context;
    return CUDA_SUCCESS;
}

SIM_API cuCtxGetCurrent(CUcontext *context)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    *context = sim_context_current();
    return CUDA_SUCCESS;
}

SIM_API cuCtxPushCurrent_v2(CUcontext context)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!context || depth == CONTEXT_STACK) return CUDA_ERROR_INVALID_CONTEXT;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

SIM_API cuCtxPopCurrent_v2(CUcontext *context)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (depth == 0) return CUDA_ERROR_INVALID_CONTEXT;
    depth--;
    if (context) *context = stack[depth];
    return CUDA_SUCCESS;
}

SIM_API cuCtxGetDevice(CUdevice *device)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    return sim_gpu_device(gpu, device) == CUDA_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

SIM_API cuCtxGetFlags(unsigned int *flags)
{
    *flags = 0;
    return CUDA_SUCCESS;
}

SIM_API cuCtxGetApiVersion(CUcontext context, unsigned int *version)
{
    context = !context ? sim_context_current() : context;
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    *version = context->api_version;
    return CUDA_SUCCESS;
}

SIM_API cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return CUDA_SUCCESS;
}

SIM_API cuCtxSynchronize(void)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    SIM_TRY(sim_capture_guard());
    SIM_TRY(sim_drain_gpu(state, gpu));
    sim_pools_trim(state, gpu);
    return CUDA_SUCCESS;
}

/* NULL: the current one. Contexts of other threads are not waited for here, so another than the current is refused. */
SIM_API cuCtxSynchronize_v2(CUcontext context)
{
    CUcontext current = NULL;
    SIM_TRY(cuCtxGetCurrent(&current));
    return !context || context == current ? cuCtxSynchronize() : CUDA_ERROR_INVALID_CONTEXT;
}
