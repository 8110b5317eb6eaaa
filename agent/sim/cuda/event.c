/* Events. */
#include "env.h"
#include "internal.h"

#include <stdlib.h>

SIM_API cuEventCreate(CUevent *out, unsigned int flags)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (getenv(ENV_SIM_NO_EVENTS))
        return CUDA_ERROR_NOT_SUPPORTED; /* for tests: a program in which nothing can be timed */
    CUevent event = calloc(1, sizeof *event);
    if (!event) return CUDA_ERROR_OUT_OF_MEMORY;
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, gpu, &context);
    if (result == CUDA_SUCCESS) {
        uint32_t slot = 0;
        while (slot < SIM_EVENTS && context->events[slot].used) slot++;
        if (slot == SIM_EVENTS) {
            result = CUDA_ERROR_OUT_OF_MEMORY;
        } else {
            context->events[slot] = (struct sim_event){.used = 1};
            *event = (struct CUevent_st){.gpu = gpu, .slot = slot, .flags = flags};
        }
    }
    sim_unlock(state);
    if (result != CUDA_SUCCESS) {
        free(event);
        return result;
    }
    *out = event;
    return CUDA_SUCCESS;
}

SIM_API cuEventDestroy_v2(CUevent event)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, event->gpu, &context);
    if (result == CUDA_SUCCESS && event->generation == context->events[event->slot].done_generation)
        context->events[event->slot].used = 0; /* one still queued keeps its slot: nobody may get the stamp */
    sim_unlock(state);
    free(event);
    return result;
}

static CUresult cuEventRecordWithFlags_on(bool per_thread, CUevent event, CUstream handle, unsigned int flags)
{
    (void)flags;
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (!event || event->gpu != stream->gpu) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) {
        event->captured = stream->capture;
        event->tail = stream->tail_count == 0 ? NULL : stream->tails[stream->tail_count - 1];
        return CUDA_SUCCESS;
    }
    event->captured = NULL;
    event->generation++;
    /* On an idle stream it is stamped sooner than behind another event, and behind work in a full one later, each by a
     * third (docs/gpu-results.md: price). */
    bool idle = sim_done_now(state, stream->gpu, stream->last);
    bool behind_work = !idle && stream->crowded && !stream->behind_event;
    uint64_t third = state->options.event_ns / 3;
    uint64_t takes = state->options.event_ns - (idle ? third : 0) + (behind_work ? third : 0);
    stream->crowded = !idle;
    SIM_TRY(sim_enqueue(state, stream, SIM_COMPUTE, takes, event->slot + 1, event->generation));
    event->seq[0] = stream->last[0];
    event->seq[1] = stream->last[1];
    event->stream = stream->id;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuEventRecordWithFlags, (CUevent event, CUstream stream, unsigned int flags), event, stream, flags)

static CUresult cuEventRecord_on(bool per_thread, CUevent event, CUstream stream)
{
    return cuEventRecordWithFlags_on(per_thread, event, stream, 0);
}
SIM_DUAL(cuEventRecord, (CUevent event, CUstream stream), event, stream)

static CUresult event_usable(struct sim_state **state, CUevent event)
{
    SIM_TRY(sim_enter(state));
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    if (event->captured) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return sim_capture_guard();
}

SIM_API cuEventQuery(CUevent event)
{
    struct sim_state *state;
    SIM_TRY(event_usable(&state, event));
    return event->generation == 0 || sim_done_now(state, event->gpu, event->seq) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

SIM_API cuEventSynchronize(CUevent event)
{
    struct sim_state *state;
    SIM_TRY(event_usable(&state, event));
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, event->gpu, &context);
    sim_unlock(state);
    if (result == CUDA_SUCCESS) {
        sim_wait_done(state, context, event->seq);
        sim_pools_trim(state, event->gpu);
    }
    return result;
}

static CUresult elapsed(float *milliseconds, CUevent start, CUevent end)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!start || !end || start->generation == 0 || end->generation == 0 || start->gpu != end->gpu ||
        (start->flags & CU_EVENT_DISABLE_TIMING) != 0 || (end->flags & CU_EVENT_DISABLE_TIMING) != 0)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!sim_done_now(state, start->gpu, start->seq) || !sim_done_now(state, end->gpu, end->seq))
        return CUDA_ERROR_NOT_READY;
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, start->gpu, &context);
    if (result == CUDA_SUCCESS) {
        uint64_t from = context->events[start->slot].stamp_ns;
        uint64_t to = context->events[end->slot].stamp_ns;
        double span = (double)to - (double)from;
        *milliseconds = (float)(span / 1e6);
    }
    sim_unlock(state);
    return result;
}

SIM_API cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    return elapsed(milliseconds, start, end);
}

SIM_API cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end)
{
    return elapsed(milliseconds, start, end);
}
