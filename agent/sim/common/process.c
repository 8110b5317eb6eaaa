#include "sim_state.h"

#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PURGE_INTERVAL_NS UINT64_C(50000000)

/* Its lock tells, also from another PID namespace; without one, its pid, where that means the same to us. */
bool sim_process_alive(struct sim_state *state, const struct sim_process *process, int lock_file)
{
    uint32_t pid = process->pid;
    if (process->locked && lock_file >= 0) {
        int held = life_held(lock_file, (unsigned)(process - state->processes));
        if (held >= 0) return held == 1;
    }
    if (process->pid_namespace != life_pid_namespace()) return true;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) return false;
    char run_state = 0;
    uint64_t start = sim_start_ticks(pid, 0, &run_state);
    /* Unreadable is not dead: dropping a live process would take its queues from under its waits. */
    return start == 0 || (start == process->start_ticks && run_state != 'Z' && run_state != 'X');
}

void sim_context_drop(struct sim_state *state, struct sim_context *context)
{
    struct sim_process *process = &state->processes[context->process];
    uint32_t index = (uint32_t)(context - state->contexts) + 1;
    process->contexts[context->gpu] = 0;
    struct sim_gpu *gpu = &state->gpus[context->gpu];
    for (int engine = 0; engine < SIM_ENGINES; engine++)
        if (gpu->current[engine] == index) gpu->current[engine] = 0;
    memset(context, 0, sizeof *context);
}

void sim_process_drop(struct sim_state *state, struct sim_process *process)
{
    sim_shared_forget_process(state, process);
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++) {
        if (process->contexts[gpu] != 0) sim_context_drop(state, &state->contexts[process->contexts[gpu] - 1]);
        sim_memory_give(state, process, gpu, process->memory_bytes[gpu]);
    }
    sim_thread_forget_process(state, process->pid, process->start_ticks);
    memset(process, 0, sizeof *process);
}

/* Takes back what the dead left. In real time they keep their memory for a moment, as on a real card. */
void sim_purge(struct sim_state *state, bool force)
{
    uint64_t now = sim_real_now();
    if (!force && now - state->purged_at_ns < PURGE_INTERVAL_NS) return;
    state->purged_at_ns = now;
    int lock_file = sim_lock_file();
    for (uint32_t index = 0; index < SIM_PROCESSES; index++) {
        struct sim_process *process = &state->processes[index];
        if (!process->used || sim_process_alive(state, process, lock_file)) continue;
        if (process->dead_at_ns == 0) {
            process->dead_at_ns = now;
            sim_thread_forget_process(state, process->pid, process->start_ticks);
        }
        if (state->options.virtual_clock || now - process->dead_at_ns >= SIM_DEATH_NS)
            sim_process_drop(state, process);
    }
    if (lock_file >= 0) close(lock_file);
}

/* The lock of a place, as long as this process lives; one that it had before is given up. */
static uint32_t lock_place(uint32_t place)
{
    static void *kept;
    static uint32_t kept_by;
    uint32_t pid = (uint32_t)getpid();
    if (kept_by == pid) life_end(kept); /* otherwise it was our parent's, and is not there */
    kept = NULL;
    kept_by = pid;
    int fd = sim_lock_file();
    if (fd >= 0) {
        kept = life_lock(fd, place) == 1 ? life_keep(fd) : NULL;
        close(fd);
    }
    return kept ? 1 : 0;
}

struct sim_process *sim_process_self(struct sim_state *state)
{
    static uint32_t cached_index;
    static uint32_t cached_pid;
    static uint64_t cached_start;
    static uint64_t cached_namespace;
    uint32_t pid = (uint32_t)getpid();
    if (cached_pid != pid) {
        cached_start = sim_start_ticks(pid, 0, NULL);
        cached_pid = pid;
        cached_namespace = life_pid_namespace();
        cached_index = SIM_PROCESSES;
    }
    if (cached_index < SIM_PROCESSES) {
        struct sim_process *known = &state->processes[cached_index];
        if (known->used && known->pid == pid && known->start_ticks == cached_start &&
            known->pid_namespace == cached_namespace)
            return known;
    }
    struct sim_process *free_slot = NULL;
    for (uint32_t index = 0; index < SIM_PROCESSES; index++) {
        struct sim_process *at = &state->processes[index];
        if (at->used && at->pid == pid && at->pid_namespace == cached_namespace)
            sim_process_drop(state, at); /* this process before exec, or a reused pid */
        if (!at->used && !free_slot) free_slot = at;
    }
    if (!free_slot) return NULL;
    free_slot->used = 1;
    free_slot->pid = pid;
    free_slot->start_ticks = cached_start;
    free_slot->pid_namespace = cached_namespace;
    free_slot->locked = lock_place((uint32_t)(free_slot - state->processes));
    cached_index = (uint32_t)(free_slot - state->processes);
    return free_slot;
}

bool sim_memory_take(struct sim_state *state, struct sim_process *process, uint32_t gpu, uint64_t bytes)
{
    struct sim_gpu *at = &state->gpus[gpu];
    if (bytes > at->memory_bytes - at->reserved_bytes - at->used_bytes) {
        sim_purge(state, true);
        if (bytes > at->memory_bytes - at->reserved_bytes - at->used_bytes) return false;
    }
    at->used_bytes += bytes;
    process->memory_bytes[gpu] += bytes;
    return true;
}

struct sim_context *sim_context_self(struct sim_state *state, uint32_t gpu)
{
    struct sim_process *process = sim_process_self(state);
    if (!process) return NULL;
    if (process->contexts[gpu] != 0) return &state->contexts[process->contexts[gpu] - 1];
    for (uint32_t index = 0; index < SIM_CONTEXTS; index++) {
        struct sim_context *context = &state->contexts[index];
        if (context->used) continue;
        context->used = 1;
        context->process = (uint32_t)(process - state->processes);
        context->gpu = gpu;
        context->noise = (state->options.seed + index + 1) * UINT64_C(0x9e3779b97f4a7c15);
        process->contexts[gpu] = index + 1;
        if (index + 1 > state->context_high) state->context_high = index + 1;
        return context;
    }
    return NULL;
}
