/* Two clocks. Wall: CLOCK_MONOTONIC, waits sleep. Virtual: one shared clock and one baton; the clock moves to the
 * next event only when every participating thread waits here, and then exactly one thread is let go. So the outcome
 * depends on the programs and the seed, not on how busy the machine is. */
#include "sim_state.h"

#include "sim_api.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A word in somebody's policy is looked at this often in virtual time: nobody tells the simulator of its change. */
#define WORD_SLICE_NS UINT64_C(500000)
#define WALL_SLEEP_MIN_NS UINT64_C(50000)
#define WALL_SLEEP_MAX_NS UINT64_C(10000000)

static _Thread_local uint32_t self_index; /* of threads[] + 1 */
static _Thread_local uint32_t self_pid;
static _Thread_local uint64_t ahead_ns;
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

static void sleep_until(uint64_t deadline)
{
    struct timespec at = {(time_t)(deadline / UINT64_C(1000000000)), (long)(deadline % UINT64_C(1000000000))};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

uint64_t sim_now(struct sim_state *state)
{
    return state->options.virtual_clock ? atomic_load(&state->virtual_now_ns) + ahead_ns : sim_real_now();
}

/* ---- virtual time ---- */

static void thread_leave(void *unused)
{
    (void)unused;
    struct sim_state *state = sim_state();
    if (!state || self_index == 0 || self_pid != (uint32_t)getpid()) return;
    sim_lock(state);
    struct sim_thread *thread = &state->threads[self_index - 1];
    if (thread->pid == self_pid && thread->tid == (uint32_t)syscall(SYS_gettid)) thread->state = SIM_THREAD_FREE;
    self_index = 0;
    sim_schedule(state);
    sim_unlock(state);
}

static void exit_key_create(void)
{
    (void)pthread_key_create(&exit_key, thread_leave);
}

/* Lock held. NULL when all places are taken: the thread then takes no part and time does not wait for it. */
static struct sim_thread *thread_self(struct sim_state *state)
{
    uint32_t pid = (uint32_t)getpid();
    if (self_index != 0 && self_pid == pid) return &state->threads[self_index - 1];
    for (uint32_t index = 0; index < SIM_THREADS; index++) {
        struct sim_thread *thread = &state->threads[index];
        if (thread->state != SIM_THREAD_FREE) continue;
        thread->pid = pid;
        thread->tid = (uint32_t)syscall(SYS_gettid);
        thread->start_ticks = sim_start_ticks(pid, 0, NULL);
        thread->order = ++state->thread_order;
        thread->idle_looks = 0;
        thread->state = SIM_THREAD_ABSENT;
        self_index = index + 1;
        self_pid = pid;
        ahead_ns = 0;
        if (index + 1 > state->thread_high) state->thread_high = index + 1;
        pthread_once(&exit_once, exit_key_create);
        pthread_setspecific(exit_key, thread);
        return thread;
    }
    return NULL;
}

/* The holder of the baton may have been killed, or sleep outside the simulator: then time goes on without it. */
static void watchdog(struct sim_state *state)
{
    sim_purge(state, true);
    for (uint32_t index = 0; index < state->thread_high; index++) {
        struct sim_thread *thread = &state->threads[index];
        if (thread->state == SIM_THREAD_FREE) continue;
        char run_state = 0;
        uint64_t start = sim_start_ticks(thread->pid, thread->tid, &run_state);
        bool gone = start == 0 && syscall(SYS_tgkill, thread->pid, thread->tid, 0) != 0 && errno == ESRCH;
        if (gone || run_state == 'Z' || run_state == 'X') {
            thread->state = SIM_THREAD_FREE;
        } else if (thread->state == SIM_THREAD_RUNNING) {
            thread->idle_looks = run_state == 'S' || run_state == 'T' ? thread->idle_looks + 1 : 0;
            if (thread->idle_looks >= 3) thread->state = SIM_THREAD_ABSENT;
        }
    }
    sim_schedule(state);
}

/* Lock held on entry and on return. */
static void virtual_wait(struct sim_state *state, struct sim_thread *thread)
{
    thread->state = SIM_THREAD_WAITING;
    atomic_store(&thread->word, 0);
    sim_schedule(state);
    while (atomic_load(&thread->word) == 0) {
        sim_unlock(state);
        struct timespec slice = {0, (long)SIM_WATCHDOG_NS};
        long result = syscall(SYS_futex, &thread->word, FUTEX_WAIT, 0, &slice, NULL, 0);
        bool late = result != 0 && errno == ETIMEDOUT;
        sim_lock(state);
        if (late && atomic_load(&thread->word) == 0) {
            if (thread->state == SIM_THREAD_FREE) /* cleared by mistake, as after a machine's suspend */
                thread->state = SIM_THREAD_WAITING;
            watchdog(state);
        }
    }
}

static void virtual_wait_for(struct sim_state *state, enum sim_wait_kind kind, struct sim_context *context,
                             const uint64_t seq[SIM_ENGINES], uint64_t deadline)
{
    sim_lock(state);
    struct sim_thread *thread = thread_self(state);
    if (thread) {
        thread->kind = kind;
        thread->wake_ns = deadline;
        thread->context = !context ? 0 : (uint32_t)(context - state->contexts);
        thread->seq[0] = !seq ? 0 : seq[0];
        thread->seq[1] = !seq ? 0 : seq[1];
        ahead_ns = 0;
        virtual_wait(state, thread);
    }
    sim_unlock(state);
}

void sim_settle(struct sim_state *state)
{
    if (!state->options.virtual_clock) return;
    /* Also the way in: a thread that has no baton yet waits for it here. */
    bool absent = self_index == 0 || self_pid != (uint32_t)getpid() ||
                  state->threads[self_index - 1].state != SIM_THREAD_RUNNING;
    if (ahead_ns > 0 || absent)
        virtual_wait_for(state, SIM_WAIT_TIME, NULL, NULL, atomic_load(&state->virtual_now_ns) + ahead_ns);
}

void sim_cost(struct sim_state *state, uint64_t nanoseconds)
{
    if (!state->options.virtual_clock) return;
    bool absent = self_index == 0 || self_pid != (uint32_t)getpid() ||
                  state->threads[self_index - 1].state != SIM_THREAD_RUNNING;
    if (absent) sim_settle(state);
    ahead_ns += nanoseconds;
    if (ahead_ns >= SIM_AHEAD_NS) sim_settle(state);
}

/* ---- waits, both clocks ---- */

void sim_wait_until(struct sim_state *state, uint64_t deadline)
{
    if (state->options.virtual_clock) {
        virtual_wait_for(state, SIM_WAIT_TIME, NULL, NULL, deadline);
        return;
    }
    while (sim_real_now() < deadline) sleep_until(deadline);
}

/* Sleeps towards an estimate that never lies too late, looks again, and so comes close in a few steps. */
static void wall_sleep_towards(uint64_t estimate, uint64_t now)
{
    uint64_t longest = now + WALL_SLEEP_MAX_NS;
    uint64_t shortest = now + WALL_SLEEP_MIN_NS;
    estimate = estimate > longest ? longest : estimate;
    sleep_until(estimate < shortest ? shortest : estimate);
}

void sim_wait_done(struct sim_state *state, struct sim_context *context, const uint64_t seq[SIM_ENGINES])
{
    if (state->options.virtual_clock) {
        sim_settle(state);
        sim_lock(state);
        sim_advance_all(state);
        bool done = sim_queue_done(context, seq);
        sim_unlock(state);
        if (!done) virtual_wait_for(state, SIM_WAIT_DONE, context, seq, SIM_NEVER);
        return;
    }
    for (;;) {
        sim_lock(state);
        sim_advance_all(state);
        bool done = sim_queue_done(context, seq);
        uint64_t now = sim_real_now();
        uint64_t estimate = sim_queue_estimate(context, seq, now);
        sim_unlock(state);
        if (done) return;
        wall_sleep_towards(estimate, now);
    }
}

void sim_wait_space(struct sim_state *state, struct sim_context *context, enum sim_engine engine)
{
    for (;;) {
        sim_lock(state);
        sim_advance_all(state);
        struct sim_queue *queue = &context->queues[engine];
        bool space = queue->count < SIM_QUEUE;
        uint64_t now = sim_now(state);
        uint64_t wake = now + queue->items[queue->head].remaining_ns;
        sim_unlock(state);
        if (space) return;
        if (state->options.virtual_clock) {
            uint64_t seq[SIM_ENGINES] = {(uint64_t)engine, 0};
            virtual_wait_for(state, SIM_WAIT_SPACE, context, seq, SIM_NEVER);
        } else {
            wall_sleep_towards(wake, now);
        }
    }
}

/* ---- the seam for the shim ---- */

static uint64_t api_now(void)
{
    struct sim_state *state = sim_state();
    return !state ? sim_real_now() : sim_now(state);
}

static void api_wait_word(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline)
{
    struct sim_state *state = sim_state();
    if (state && state->options.virtual_clock) {
        sim_settle(state);
        while (atomic_load(word) == expected) {
            uint64_t now = sim_now(state);
            if (now >= deadline) return;
            uint64_t slice = now + WORD_SLICE_NS;
            sim_wait_until(state, slice < deadline ? slice : deadline);
        }
        return;
    }
    uint64_t now = sim_real_now();
    if (now < deadline && atomic_load(word) == expected) {
        uint64_t left = deadline - now;
        struct timespec span = {(time_t)(left / UINT64_C(1000000000)), (long)(left % UINT64_C(1000000000))};
        syscall(SYS_futex, word, FUTEX_WAIT, expected, &span, NULL, 0);
    }
}

static const struct tranche_sim_api sim_api = {sizeof sim_api, api_now, api_wait_word};
__attribute__((visibility("default"))) const struct tranche_sim_api *const tranche_sim_v1 = &sim_api;

__attribute__((destructor)) static void leave_on_exit(void)
{
    if (self_index != 0) thread_leave(NULL);
}
