/* Who of those that wait goes on, and when it is then: the baton of the virtual clock (clock.c). */
#include "sim_state.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void sim_advance_all(struct sim_state *state)
{
    uint64_t now = state->options.virtual_clock ? atomic_load(&state->virtual_now_ns) : sim_real_now();
    for (uint32_t gpu = 0; gpu < state->options.gpu_count; gpu++) sim_gpu_advance(state, gpu, now);
}

static bool wait_over(struct sim_state *state, struct sim_thread *thread, uint64_t now)
{
    if (thread->wake_ns <= now) return true;
    struct sim_context *context = &state->contexts[thread->context];
    switch (thread->kind) {
    case SIM_WAIT_DONE: return sim_queue_done(context, thread->seq);
    case SIM_WAIT_SPACE: return context->queues[thread->seq[0]].count < SIM_QUEUE;
    default: return false;
    }
}

static void let_go(struct sim_thread *thread)
{
    thread->state = SIM_THREAD_RUNNING;
    thread->idle_looks = 0;
    atomic_store(&thread->word, 1);
    syscall(SYS_futex, &thread->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Looks over all waiting threads: the one to let go now, or none and the next instant worth going to. */
static struct sim_thread *next_thread(struct sim_state *state, uint64_t now, uint64_t *next_out)
{
    struct sim_thread *chosen = NULL;
    uint64_t next = SIM_NEVER;
    bool gpu_matters = false;
    for (uint32_t index = 0; index < state->thread_high; index++) {
        struct sim_thread *thread = &state->threads[index];
        if (thread->state != SIM_THREAD_WAITING) continue;
        if (wait_over(state, thread, now)) {
            /* The longest overdue first, then the older: a fixed order, and nobody starves. */
            if (!chosen || thread->wake_ns < chosen->wake_ns ||
                (thread->wake_ns == chosen->wake_ns && thread->order < chosen->order))
                chosen = thread;
            continue;
        }
        next = thread->wake_ns < next ? thread->wake_ns : next;
        gpu_matters = gpu_matters || thread->kind != SIM_WAIT_TIME;
    }
    for (uint32_t gpu = 0; gpu_matters && !chosen && gpu < state->options.gpu_count; gpu++) {
        uint64_t event = sim_gpu_next(state, gpu);
        next = event < next ? event : next;
    }
    *next_out = next;
    return chosen;
}

void sim_schedule(struct sim_state *state)
{
    uint32_t present = 0;
    for (uint32_t index = 0; index < state->thread_high; index++) {
        uint32_t thread_state = state->threads[index].state;
        if (thread_state == SIM_THREAD_RUNNING) return; /* somebody has the baton */
        present += thread_state != SIM_THREAD_FREE;
    }
    if (!state->started && present < state->options.participants) return;
    state->started = 1;
    for (;;) {
        uint64_t now = atomic_load(&state->virtual_now_ns);
        uint64_t next;
        struct sim_thread *thread = next_thread(state, now, &next);
        if (thread) {
            let_go(thread);
            return;
        }
        if (next == SIM_NEVER) return; /* nobody waits for anything that will come by itself */
        atomic_store(&state->virtual_now_ns, next);
        sim_advance_all(state);
    }
}

void sim_thread_forget_process(struct sim_state *state, uint32_t pid, uint64_t start_ticks)
{
    for (uint32_t index = 0; index < state->thread_high; index++) {
        struct sim_thread *thread = &state->threads[index];
        if (thread->pid == pid && thread->start_ticks == start_ticks) thread->state = SIM_THREAD_FREE;
    }
    if (state->options.virtual_clock) sim_schedule(state);
}
