/* The silicon: per GPU one compute engine, shared by contexts in time slices, and one copy engine. */
#include "sim_state.h"

static struct sim_item *queue_head(struct sim_context *context, int engine)
{
    struct sim_queue *queue = &context->queues[engine];
    return queue->count == 0 ? NULL : &queue->items[queue->head];
}

static bool head_ready(struct sim_context *context, int engine, uint64_t now)
{
    struct sim_item *item = queue_head(context, engine);
    return item && item->ready_ns <= now && item->after_seq <= context->queues[!engine].done_seq;
}

static void queue_pop(struct sim_context *context, int engine, uint64_t now)
{
    struct sim_queue *queue = &context->queues[engine];
    struct sim_item *item = &queue->items[queue->head];
    queue->done_seq = item->seq;
    if (item->event != 0) {
        struct sim_event *event = &context->events[item->event - 1];
        event->done_generation = item->event_generation;
        event->stamp_ns = now;
    }
    queue->head = (queue->head + 1) % SIM_QUEUE;
    queue->count--;
}

/* Counts the kernel that runs now into its collective; true while others are missing, and then it spins. */
static bool waits_for_others(struct sim_state *state, struct sim_item *item)
{
    if (item->meeting == 0) return false;
    struct sim_meeting *meeting = &state->meetings[item->meeting % SIM_MEETINGS];
    if (meeting->number != item->meeting) *meeting = (struct sim_meeting){.number = item->meeting};
    meeting->arrived += item->arrived == 0;
    item->arrived = 1;
    return meeting->arrived < item->parties;
}

/* Who runs on this engine now: the current one until its slice ends, then the next one in the round with work. */
static struct sim_context *pick(struct sim_state *state, uint32_t gpu_index, int engine)
{
    struct sim_gpu *gpu = &state->gpus[gpu_index];
    uint32_t current = gpu->current[engine];
    if (current != 0 && head_ready(&state->contexts[current - 1], engine, gpu->time_ns) &&
        (engine == SIM_COPY || gpu->time_ns < gpu->slice_end_ns))
        return &state->contexts[current - 1];
    uint32_t high = state->context_high;
    for (uint32_t step = 0; step < high; step++) {
        uint32_t index = (current + step) % high;
        struct sim_context *context = &state->contexts[index];
        if (context->used && context->gpu == gpu_index && head_ready(context, engine, gpu->time_ns)) {
            if (engine == SIM_COMPUTE && current != 0 && current != index + 1)
                queue_head(context, engine)->remaining_ns += state->options.switch_ns;
            gpu->current[engine] = index + 1;
            if (engine == SIM_COMPUTE) gpu->slice_end_ns = gpu->time_ns + state->options.slice_ns;
            return context;
        }
    }
    return NULL;
}

static void roll_window(struct sim_state *state, uint32_t gpu_index, uint64_t now)
{
    struct sim_gpu *gpu = &state->gpus[gpu_index];
    gpu->window_percent = (uint32_t)(gpu->window_busy_ns * 100 / SIM_WINDOW_NS);
    gpu->window_busy_ns = 0;
    gpu->window_start_ns = now;
    for (uint32_t index = 0; index < state->context_high; index++) {
        struct sim_context *context = &state->contexts[index];
        if (context->used && context->gpu == gpu_index) {
            context->window_percent = (uint32_t)(context->window_busy_ns * 100 / SIM_WINDOW_NS);
            context->window_busy_ns = 0;
        }
    }
}

static void account(struct sim_state *state, uint32_t gpu_index, struct sim_context *running, uint64_t to)
{
    struct sim_gpu *gpu = &state->gpus[gpu_index];
    uint64_t from = gpu->time_ns;
    if (running) {
        gpu->busy_ns += to - from;
        running->busy_ns += to - from;
    }
    while (from < to) {
        uint64_t end = gpu->window_start_ns + SIM_WINDOW_NS;
        if (!running && to > end + 2 * SIM_WINDOW_NS) {
            roll_window(state, gpu_index, end);
            roll_window(state, gpu_index, to); /* a long idle time: the last whole window was empty */
            break;
        }
        uint64_t until = end < to ? end : to;
        if (running) {
            gpu->window_busy_ns += until - from;
            running->window_busy_ns += until - from;
        }
        if (until == end) roll_window(state, gpu_index, end);
        from = until;
    }
    gpu->time_ns = to;
}

/* The next instant at which something changes, given who runs; never before the GPU's time. */
static uint64_t next_change(struct sim_state *state, uint32_t gpu_index,
                            struct sim_context *const running[SIM_ENGINES])
{
    struct sim_gpu *gpu = &state->gpus[gpu_index];
    uint64_t next = SIM_NEVER;
    for (int engine = 0; engine < SIM_ENGINES; engine++) {
        if (running[engine] && !waits_for_others(state, queue_head(running[engine], engine))) {
            uint64_t end = gpu->time_ns + queue_head(running[engine], engine)->remaining_ns;
            next = end < next ? end : next;
        }
    }
    if (running[SIM_COMPUTE] && gpu->slice_end_ns < next) next = gpu->slice_end_ns;
    for (uint32_t index = 0; index < state->context_high; index++) {
        struct sim_context *context = &state->contexts[index];
        for (int engine = 0; context->used && context->gpu == gpu_index && engine < SIM_ENGINES; engine++) {
            struct sim_item *item = queue_head(context, engine);
            if (item && item->ready_ns > gpu->time_ns && item->ready_ns < next) next = item->ready_ns;
        }
    }
    return next;
}

uint64_t sim_gpu_next(struct sim_state *state, uint32_t gpu)
{
    struct sim_context *running[SIM_ENGINES] = {pick(state, gpu, SIM_COMPUTE), pick(state, gpu, SIM_COPY)};
    return next_change(state, gpu, running);
}

void sim_gpu_advance(struct sim_state *state, uint32_t gpu_index, uint64_t to)
{
    struct sim_gpu *gpu = &state->gpus[gpu_index];
    for (;;) {
        struct sim_context *running[SIM_ENGINES] = {pick(state, gpu_index, SIM_COMPUTE),
                                                    pick(state, gpu_index, SIM_COPY)};
        uint64_t next = next_change(state, gpu_index, running);
        next = next > to ? to : next;
        if (next < gpu->time_ns) return; /* asked for the past: a thread's own clock may lag by SIM_AHEAD_NS */
        uint64_t elapsed = next - gpu->time_ns;
        account(state, gpu_index, running[SIM_COMPUTE], next);
        bool finished = false;
        for (int engine = 0; engine < SIM_ENGINES; engine++) {
            if (!running[engine]) continue;
            struct sim_item *item = queue_head(running[engine], engine);
            if (waits_for_others(state, item)) continue;
            item->remaining_ns -= elapsed < item->remaining_ns ? elapsed : item->remaining_ns;
            if (item->remaining_ns == 0) {
                queue_pop(running[engine], engine, next);
                finished = true;
            }
        }
        if (next == to && !finished) return;
    }
}

bool sim_queue_done(const struct sim_context *context, const uint64_t seq[SIM_ENGINES])
{
    return context->queues[SIM_COMPUTE].done_seq >= seq[SIM_COMPUTE] &&
           context->queues[SIM_COPY].done_seq >= seq[SIM_COPY];
}

/* The caller has made sure that there is room. */
uint64_t sim_queue_push(struct sim_context *context, enum sim_engine engine, const struct sim_item *item)
{
    struct sim_queue *queue = &context->queues[engine];
    struct sim_item *slot = &queue->items[(queue->head + queue->count) % SIM_QUEUE];
    *slot = *item;
    slot->seq = ++context->next_seq;
    queue->count++;
    return slot->seq;
}

/* When the awaited work would be done if nobody else had any: never too late, and close in the common case. */
uint64_t sim_queue_estimate(const struct sim_context *context, const uint64_t seq[SIM_ENGINES], uint64_t now)
{
    uint64_t latest = now;
    for (int engine = 0; engine < SIM_ENGINES; engine++) {
        const struct sim_queue *queue = &context->queues[engine];
        uint64_t at = now;
        for (uint32_t step = 0; step < queue->count; step++) {
            const struct sim_item *item = &queue->items[(queue->head + step) % SIM_QUEUE];
            if (item->seq > seq[engine]) break;
            at = (item->ready_ns > at ? item->ready_ns : at) + item->remaining_ns;
        }
        latest = at > latest ? at : latest;
    }
    return latest;
}

/* A duration with the configured noise, evenly spread around the mean. */
uint64_t sim_noise(struct sim_state *state, struct sim_context *context, uint64_t duration)
{
    uint64_t x = context->noise;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    context->noise = x;
    uint64_t spread = duration / 1000 * state->options.noise_permille;
    return spread == 0 ? duration : duration - spread + (x >> 11) % (2 * spread + 1);
}
