/* Streams, events and captures. */
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
    if (stream->id == 0) {
        stream->id = atomic_fetch_add(&stream_ids, 1) + 1;
    }
    return stream;
}

CUstream sim_stream(uint32_t gpu, CUstream handle, bool per_thread)
{
    if ((handle == NULL && per_thread) || handle == CU_STREAM_PER_THREAD) {
        CUstream own = per_thread_streams[gpu];
        if (own == NULL) {
            own = calloc(1, sizeof *own);
            per_thread_streams[gpu] = own;
        }
        return own == NULL ? standing(&legacy[gpu], gpu) : standing(own, gpu);
    }
    return handle == NULL || handle == CU_STREAM_LEGACY ? standing(&legacy[gpu], gpu) : handle;
}

struct sim_stamp sim_stamp_of(CUstream stream)
{
    return (struct sim_stamp){stream->id, stream->gpu, {stream->last[SIM_COMPUTE], stream->last[SIM_COPY]}};
}

CUresult sim_capture_guard(void)
{
    bool disturbs = (thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL && atomic_load(&global_captures) > 0) ||
                    (thread_mode != CU_STREAM_CAPTURE_MODE_RELAXED && local_captures > 0);
    if (!disturbs) {
        return CUDA_SUCCESS;
    }
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream stream = atomic_load(&captures[index]);
        if (stream != NULL) {
            stream->capture_invalid = true;
        }
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

CUresult sim_enqueue(struct sim_state *state, CUstream stream, enum sim_engine engine, uint64_t duration,
                     uint32_t event, uint32_t event_generation)
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
        struct sim_item item = {
            .after_seq = stream->last[!engine],
            .ready_ns = sim_now(state),
            .remaining_ns = duration,
            .event = event,
            .event_generation = event_generation,
        };
        if (event == 0 && engine == SIM_COMPUTE) {
            item.remaining_ns = sim_noise(state, context, duration);
            context->launches++;
        }
        stream->last[engine] = sim_queue_push(context, engine, &item);
    }
    sim_unlock(state);
    return result;
}

CUresult sim_stream_drain(struct sim_state *state, CUstream stream)
{
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, stream->gpu, &context);
    sim_unlock(state);
    if (result == CUDA_SUCCESS) {
        sim_wait_done(state, context, stream->last);
    }
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
    if (result == CUDA_SUCCESS) {
        sim_wait_done(state, context, all);
    }
    return result;
}

SIM_API cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
    (void)priority;
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
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
    if (stream == NULL || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
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
    *context = stream->context == NULL ? sim_context_current() : stream->context;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamGetCtx, (CUstream stream, CUcontext *context), stream, context)

static CUresult cuStreamSynchronize_on(bool per_thread, CUstream handle)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream->capture != NULL) {
        stream->capture_invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    SIM_TRY(sim_capture_guard());
    SIM_TRY(sim_stream_drain(state, stream));
    sim_pools_trim(state, gpu);
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamSynchronize, (CUstream stream), stream)

/* How the queues of the current process on gpu stand right now. */
static bool done_now(struct sim_state *state, uint32_t gpu, const uint64_t seq[SIM_ENGINES])
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
    return done_now(state, stream->gpu, stream->last) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}
SIM_DUAL(cuStreamQuery, (CUstream stream), stream)

static CUresult cuStreamIsCapturing_on(bool per_thread, CUstream handle, CUstreamCaptureStatus *status)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream == &legacy[gpu] && atomic_load(&global_captures) > 0) {
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    *status = stream->capture == NULL   ? CU_STREAM_CAPTURE_STATUS_NONE
              : stream->capture_invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                        : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamIsCapturing, (CUstream stream, CUstreamCaptureStatus *status), stream, status)

static void capture_note(CUstream stream)
{
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream empty = NULL;
        if (atomic_compare_exchange_strong(&captures[index], &empty, stream)) {
            return;
        }
    }
}

/* graph NULL: a new one. */
static CUresult capture_begin(bool per_thread, CUstream handle, CUgraph graph, const CUgraphNode *nodes, size_t count,
                              CUstreamCaptureMode mode)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUstream stream = sim_stream(gpu, handle, per_thread);
    if (stream == &legacy[gpu]) {
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (stream->capture != NULL || mode < CU_STREAM_CAPTURE_MODE_GLOBAL || mode > CU_STREAM_CAPTURE_MODE_RELAXED ||
        count > SIM_TAILS) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    CUgraph into = graph == NULL ? sim_graph_make() : graph;
    if (into == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    stream->tail_count = count;
    for (size_t at = 0; at < count; at++) {
        stream->tails[at] = nodes[at];
    }
    stream->capture_into = graph != NULL;
    stream->capture = into;
    stream->capture_mode = mode;
    stream->capture_invalid = false;
    global_captures += mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    local_captures += mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    capture_note(stream);
    return CUDA_SUCCESS;
}

static CUresult cuStreamBeginCapture_v2_on(bool per_thread, CUstream stream, CUstreamCaptureMode mode)
{
    return capture_begin(per_thread, stream, NULL, NULL, 0, mode);
}
SIM_DUAL(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode), stream, mode)

static CUresult cuStreamBeginCaptureToGraph_on(bool per_thread, CUstream stream, CUgraph graph,
                                               const CUgraphNode *nodes, const void *edges, size_t count,
                                               CUstreamCaptureMode mode)
{
    (void)edges;
    return graph == NULL ? CUDA_ERROR_INVALID_VALUE : capture_begin(per_thread, stream, graph, nodes, count, mode);
}
SIM_DUAL(cuStreamBeginCaptureToGraph,
         (CUstream stream, CUgraph graph, const CUgraphNode *nodes, const void *edges, size_t count,
          CUstreamCaptureMode mode),
         stream, graph, nodes, edges, count, mode)

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
    if (stream->capture == NULL) {
        return CUDA_ERROR_ILLEGAL_STATE;
    }
    global_captures -= stream->capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    local_captures -= stream->capture_mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    CUgraph made = stream->capture;
    for (size_t index = 0; index < CAPTURES; index++) {
        CUstream joined = atomic_load(&captures[index]);
        if (joined != NULL && joined->capture == made) {
            atomic_store(&captures[index], NULL);
            joined->capture = NULL;
        }
    }
    stream->capture = NULL;
    if (stream->capture_invalid) {
        if (!stream->capture_into) {
            sim_graph_free(made);
        }
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
        if (stream != NULL && stream->capture == graph) {
            return true;
        }
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
    if (event->captured != NULL) {
        if (stream->capture == NULL && being_captured(event->captured)) {
            stream->capture = event->captured; /* joins the capture */
            stream->capture_invalid = false;
            stream->tail_count = 0;
            capture_note(stream);
        }
        if (event->tail != NULL && stream->tail_count < SIM_TAILS) {
            stream->tails[stream->tail_count++] = event->tail;
        }
        return CUDA_SUCCESS;
    }
    stream->waited[stream->waits++ % SIM_WAITED] =
        (struct sim_stamp){event->stream, event->gpu, {event->seq[SIM_COMPUTE], event->seq[SIM_COPY]}};
    for (int engine = 0; engine < SIM_ENGINES; engine++) {
        if (event->seq[engine] > stream->last[engine]) {
            stream->last[engine] = event->seq[engine];
        }
    }
    return CUDA_SUCCESS;
}
SIM_DUAL(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned int flags), stream, event, flags)

SIM_API cuEventCreate(CUevent *out, unsigned int flags)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    CUevent event = calloc(1, sizeof *event);
    if (event == NULL) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    struct sim_context *context;
    sim_lock(state);
    CUresult result = sim_queues(state, gpu, &context);
    if (result == CUDA_SUCCESS) {
        uint32_t slot = 0;
        while (slot < SIM_EVENTS && context->events[slot].used) {
            slot++;
        }
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
    if (result == CUDA_SUCCESS && event->generation == context->events[event->slot].done_generation) {
        context->events[event->slot].used = 0; /* one still queued keeps its slot: nobody may get the stamp */
    }
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
    if (event == NULL || event->gpu != stream->gpu) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (stream->capture != NULL) {
        event->captured = stream->capture;
        event->tail = stream->tail_count == 0 ? NULL : stream->tails[stream->tail_count - 1];
        return CUDA_SUCCESS;
    }
    event->captured = NULL;
    event->generation++;
    SIM_TRY(sim_enqueue(state, stream, SIM_COMPUTE, 0, event->slot + 1, event->generation));
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
    if (event == NULL) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (event->captured != NULL) {
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return sim_capture_guard();
}

SIM_API cuEventQuery(CUevent event)
{
    struct sim_state *state;
    SIM_TRY(event_usable(&state, event));
    return event->generation == 0 || done_now(state, event->gpu, event->seq) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
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
    if (start == NULL || end == NULL || start->generation == 0 || end->generation == 0 || start->gpu != end->gpu ||
        (start->flags & CU_EVENT_DISABLE_TIMING) != 0 || (end->flags & CU_EVENT_DISABLE_TIMING) != 0) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!done_now(state, start->gpu, start->seq) || !done_now(state, end->gpu, end->seq)) {
        return CUDA_ERROR_NOT_READY;
    }
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
