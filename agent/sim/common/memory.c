/* Memory that is given back; what takes it stands in process.c, which first looks for the dead. */
#include "sim_state.h"

void sim_memory_give(struct sim_state *state, struct sim_process *process, uint32_t gpu, uint64_t bytes)
{
    struct sim_gpu *at = &state->gpus[gpu];
    if (bytes > process->memory_bytes[gpu]) bytes = process->memory_bytes[gpu];
    process->memory_bytes[gpu] -= bytes;
    at->used_bytes -= bytes > at->used_bytes ? at->used_bytes : bytes;
}
