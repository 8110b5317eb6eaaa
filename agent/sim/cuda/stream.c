/* Streams and captures. */
#include "internal.h"

#include <stdlib.h>

#define CAPTURES 64

static struct CUstream_st legacy[SIM_GPUS];
static _Thread_local CUstream per_thread_streams[SIM_GPUS]; /* made at first use: static thread storage is scarce */
static _Atomic int global_captures;
static _Thread_local int local_captures;
static _Thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
static _Atomic(CUstream) captures[CAPTURES]; /* every stream that captures now */
static _Atomic uint64_t stream_ids;

static CUstream standing(struct CUstream_st *stream, uint32_t gpu)
{
    stream->gpu = gpu;
    if (stream->id == 0) stream->id = atomic_fetch_add(&stream_ids, 1) + 1;
    return stream;
}

CUstream sim_stream(uint32_t gpu, CUstream handle, bool per_thread)
{
    if ((!handle && per_thread) || handle == CU_STREAM_PER_THREAD) {
        CUstream own = per_thread_streams[gpu];
        if (!own) {
            own = calloc(1, sizeof *own);
            per_thread_streams[gpu] = own;
        }
        return !own ? standing(&legacy[gpu], gpu) : standing(own, gpu);
    }
    return !handle || handle == CU_STREAM_LEGACY ? standing(&legacy[gpu], gpu) : handle;
}

struct sim_stamp sim_stamp_of(CUstream stream)
{
    return (struct sim_stamp){stream->id, stream->gpu, {stream->last[SIM_COMPUTE], stream->last[SIM_COPY]}};
}

CUresult sim_capture_guard(void)
{
    bool disturbs = (thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL && atomic_load(&global_captures) > 0) ||
                    (thread_mode != CU_STREAM_CAPTURE_MODE_RELAXED && local_captures > 0);
    if (!disturbs) return CUDA_SUCCESS;
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream stream = atomic_load(&captures[index]);
        if (stream) stream->capture_invalid = true;
    }
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

SIM_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
    CUstreamCaptureMode before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}

static CUresult enqueue(struct sim_state *state, CUstream stream, enum sim_engine engine, struct sim_item item)
{
    sim_cost(state, state->options.launch_ns);
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, stream->gpu, &context);
    while (result == CUDA_SUCCESS && context->queues[engine].count >= SIM_QUEUE) {
        sim_unlock(state);
        sim_wait_space(state, context, engine);
        sim_lock(state);
    }
    if (result == CUDA_SUCCESS) {
        item.after_seq = stream->last[!engine];
        item.ready_ns = sim_now(state);
        if (item.event == 0 && engine == SIM_COMPUTE) {
            item.remaining_ns = sim_noise(state, context, item.remaining_ns);
            context->launches++;
        }
        stream->last[engine] = sim_queue_push(context, engine, &item);
        stream->behind_event = item.event != 0;
    }
    sim_unlock(state);
    return result;
}

CUresult sim_enqueue(struct sim_state *state, CUstream stream, enum sim_engine engine, uint64_t duration,
                     uint32_t event, uint32_t event_generation)
{
    return enqueue(state, stream, engine,
                   (struct sim_item){.remaining_ns = duration, .event = event, .event_generation = event_generation});
}

CUresult sim_enqueue_collective(struct sim_state *state, CUstream stream, uint64_t duration, uint64_t number,
                                uint32_t parties)
{
    return enqueue(state, stream, SIM_COMPUTE,
                   (struct sim_item){.remaining_ns = duration, .meeting = number, .parties = parties});
}

CUresult sim_stream_drain(struct sim_state *state, CUstream stream)
{
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, stream->gpu, &context);
    sim_unlock(state);
    if (result == CUDA_SUCCESS) sim_wait_done(state, context, stream->last);
    return result;
}

CUresult sim_drain_gpu(struct sim_state *state, uint32_t gpu)
{
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, gpu, &context);
    uint64_t all[SIM_ENGINES] = {0, 0};
    for (int engine = 0; result == CUDA_SUCCESS && engine < SIM_ENGINES; engine++) {
        /* Its newest item carries the highest number it will reach. */
        struct sim_queue *queue = &context->queues[engine];
        all[engine] =
            queue->count == 0 ? queue->done_seq : queue->items[(queue->head + queue->count - 1) % SIM_QUEUE].seq;
    }
    sim_unlock(state);
    if (result == CUDA_SUCCESS) sim_wait_done(state, context, all);
    return result;
}

SIM_API cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
    (void)priority;
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = calloc(1, sizeof *stream);
    if (!stream) return CUDA_ERROR_OUT_OF_MEMORY;
    *stream = (struct CUstream_st){
        .gpu = gpu, .flags = flags, .id = atomic_fetch_add(&stream_ids, 1) + 1, .context = sim_context_current()};
    *out = stream;
    return CUDA_SUCCESS;
}

SIM_API cuStreamCreate(CUstream *out, unsigned int flags)
{
    return cuStreamCreateWithPriority(out, flags, 0);
}

SIM_API cuStreamDestroy_v2(CUstream stream)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD) return CUDA_ERROR_INVALID_HANDLE;
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream mine = stream;
        atomic_compare_exchange_strong(&captures[index], &mine, NULL);
    }
    free(stream);
    return CUDA_SUCCESS;
}

static CUresult cuStreamGetCtx_on(bool per_thread, CUstream handle, CUcontext *context)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    *context = !stream->context ? sim_context_current() : stream->context;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamGetCtx, (CUstream stream, CUcontext *context), stream, context)

static CUresult cuStreamSynchronize_on(bool per_thread, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream->capture) {
        stream->capture_invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    SIM_TRY(sim_capture_guard());
    SIM_TRY(sim_stream_drain(state, stream));
    sim_pools_trim(state, gpu);
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamSynchronize, (CUstream stream), stream)

bool sim_done_now(struct sim_state *state, uint32_t gpu, const uint64_t seq[SIM_ENGINES])
{
    struct sim_context *context;
    sim_cost(state, COST_QUERY_NS);
    sim_settle(state);
    sim_lock(state);
    sim_advance_all(state);
    bool done = sim_queues(state, gpu, &context) != CUDA_SUCCESS || sim_queue_done(context, seq);
    sim_unlock(state);
    return done;
}

static CUresult cuStreamQuery_on(bool per_thread, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    SIM_TRY(sim_capture_guard());
    CUstream stream = sim_stream(gpu, handle, per_thread);
    return sim_done_now(state, stream->gpu, stream->last) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
SIM_DUAL(cuStreamQuery, (CUstream stream), stream)

static CUresult cuStreamIsCapturing_on(bool per_thread, CUstream handle, CUstreamCaptureStatus *status)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream == &legacy[gpu] && atomic_load(&global_captures) > 0) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    *status = !stream->capture          ? CU_STREAM_CAPTURE_STATUS_NONE
              : stream->capture_invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                        : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamIsCapturing, (CUstream stream, CUstreamCaptureStatus *status), stream, status)

static void capture_note(CUstream stream)
{
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream empty = NULL;
        if (atomic_compare_exchange_strong(&captures[index], &empty, stream)) return;
    }
}

static CUresult cuStreamBeginCapture_v2_on(bool per_thread, CUstream handle, CUstreamCaptureMode mode)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream == &legacy[gpu]) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (stream->capture || mode < CU_STREAM_CAPTURE_MODE_GLOBAL || mode > CU_STREAM_CAPTURE_MODE_RELAXED)
        return CUDA_ERROR_INVALID_VALUE;
    CUgraph graph = sim_graph_make();
    if (!graph) return CUDA_ERROR_OUT_OF_MEMORY;
    stream->tail_count = 0;
    stream->capture = graph;
    stream->capture_mode = mode;
    stream->capture_invalid = false;
    global_captures += mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    local_captures += mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    capture_note(stream);
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode), stream, mode)

static CUresult cuStreamBeginCapture_on(bool per_thread, CUstream stream)
{
    return cuStreamBeginCapture_v2_on(per_thread, stream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}
SIM_DUAL(cuStreamBeginCapture, (CUstream stream), stream)

static CUresult cuStreamEndCapture_on(bool per_thread, CUstream handle, CUgraph *graph)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (!stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
    global_captures -= stream->capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    local_captures -= stream->capture_mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    CUgraph made = stream->capture;
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream joined = atomic_load(&captures[index]);
        if (joined && joined->capture == made) {
            atomic_store(&captures[index], NULL);
            joined->capture = NULL;
        }
    }
    stream->capture = NULL;
    if (stream->capture_invalid) {
        sim_graph_free(made);
        *graph = NULL;
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    *graph = made;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamEndCapture, (CUstream stream, CUgraph *graph), stream, graph)

static bool being_captured(CUgraph graph)
{
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream stream = atomic_load(&captures[index]);
        if (stream && stream->capture == graph) return true;
    }
    return false;
}

static CUresult cuStreamWaitEvent_on(bool per_thread, CUstream handle, CUevent event, unsigned int flags)
{
    (void)flags;
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (event->captured) {
        if (!stream->capture && being_captured(event->captured)) {
            stream->capture = event->captured; /* joins the capture */
            stream->capture_invalid = false;
            stream->tail_count = 0;
            capture_note(stream);
        }
        if (event->tail && stream->tail_count < SIM_TAILS) stream->tails[stream->tail_count++] = event->tail;
        return CUDA_SUCCESS;
    }
    stream->waited[stream->waits++ % SIM_WAITED] =
        (struct sim_stamp){event->stream, event->gpu, {event->seq[SIM_COMPUTE], event->seq[SIM_COPY]}};
    for (int engine = 0; engine < SIM_ENGINES; engine++)
        if (event->seq[engine] > stream->last[engine]) stream->last[engine] = event->seq[engine];
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned int flags), stream, event, flags)
