/* Exported memory: which processes hold it, and whom it is charged to. */
#include "sim_state.h"

#include <string.h>

#define PLACE_BITS 16

static bool holds(const struct sim_shared *shared, uint32_t process)
{
    return (shared->holders[process / 64] >> process % 64 & 1) != 0;
}

static struct sim_shared *find(struct sim_state *state, uint64_t id)
{
    uint32_t place = (uint32_t)(id & ((1u << PLACE_BITS) - 1));
    return id != 0 && place < SIM_SHARED && state->shared[place].id == id ? &state->shared[place] : NULL;
}

/* Memory that is charged to this process already. 0: no place left. */
uint64_t sim_share(struct sim_state *state, struct sim_process *process, uint32_t gpu, uint64_t bytes)
{
    uint32_t self = (uint32_t)(process - state->processes);
    for (uint32_t place = 0; place < SIM_SHARED; place++) {
        struct sim_shared *shared = &state->shared[place];
        if (shared->id != 0) continue;
        memset(shared, 0, sizeof *shared);
        shared->id = ++state->shared_made << PLACE_BITS | place;
        shared->bytes = bytes;
        shared->gpu = gpu;
        shared->owner = self;
        shared->holders[self / 64] |= UINT64_C(1) << self % 64;
        if (place + 1 > state->shared_high) state->shared_high = place + 1;
        return shared->id;
    }
    return 0;
}

/* NULL: nobody holds it any more. */
const struct sim_shared *sim_shared_hold(struct sim_state *state, struct sim_process *process, uint64_t id)
{
    struct sim_shared *shared = find(state, id);
    uint32_t self = (uint32_t)(process - state->processes);
    if (shared) shared->holders[self / 64] |= UINT64_C(1) << self % 64;
    return shared;
}

void sim_shared_drop(struct sim_state *state, struct sim_process *process, uint64_t id)
{
    struct sim_shared *shared = find(state, id);
    uint32_t self = (uint32_t)(process - state->processes);
    if (!shared || !holds(shared, self)) return;
    shared->holders[self / 64] &= ~(UINT64_C(1) << self % 64);
    uint32_t heir = 0;
    while (heir < SIM_PROCESSES && !holds(shared, heir)) heir++;
    if (shared->gpu < SIM_GPUS && shared->owner == self) {
        if (heir < SIM_PROCESSES) {
            process->memory_bytes[shared->gpu] -= shared->bytes;
            state->processes[heir].memory_bytes[shared->gpu] += shared->bytes;
            shared->owner = heir;
        } else {
            sim_memory_give(state, process, shared->gpu, shared->bytes);
        }
    }
    if (heir == SIM_PROCESSES) shared->id = 0;
}

void sim_shared_forget_process(struct sim_state *state, struct sim_process *process)
{
    for (uint32_t place = 0; place < state->shared_high; place++)
        sim_shared_drop(state, process, state->shared[place].id);
}
