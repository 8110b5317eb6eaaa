#include "state/agent_state.h"

#include <string.h>

#include "host_clock.h"

uint64_t now_region_ns(const struct agent *agent)
{
    if (agent->simulation) return agent->simulation->now_ns();
    static bool known;
    static int64_t offset_ns;
    int64_t boottime_ns;
    if (!known) known = host_clock_offsets(&offset_ns, &boottime_ns);
    return host_clock_shown_ns() - (uint64_t)offset_ns;
}

struct gpu_state *agent_gpu(struct agent *agent, const char *uuid)
{
    for (size_t i = 0; i < agent->gpu_count; i++)
        if (strcmp(agent->gpus[i].info.uuid, uuid) == 0) return &agent->gpus[i];
    return NULL;
}

struct gpu_state *agent_gpu_at(struct agent *agent, const struct backend_state *kind, uint32_t handle)
{
    for (size_t i = 0; i < agent->gpu_count; i++)
        if (agent->gpus[i].kind == kind && agent->gpus[i].handle == handle) return &agent->gpus[i];
    return NULL;
}

bool gpu_is_open(const struct gpu_state *gpu)
{
    return gpu->kind->open;
}
