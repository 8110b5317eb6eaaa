#include "state/concurrent.h"

#include <string.h>

#include "gpu/gpu.h"
#include "state/agent_state.h"
#include "text.h"

const struct concurrent *concurrent_find(const struct agent *agent, const char *gpu_uuid)
{
    for (size_t i = 0; i < agent->concurrent_count; i++)
        if (strcmp(agent->concurrent[i].uuid, gpu_uuid) == 0) return &agent->concurrent[i];
    return NULL;
}

struct concurrent *concurrent_entry(struct agent *agent, const char *gpu_uuid)
{
    static struct concurrent all[GPU_MAX]; /* the agent's only list */
    const struct concurrent *found = concurrent_find(agent, gpu_uuid);
    if (found) return &all[found - agent->concurrent];
    if (agent->concurrent_count == GPU_MAX) return NULL;
    agent->concurrent = all;
    struct concurrent *made = &all[agent->concurrent_count++];
    *made = (struct concurrent){.state = CONCURRENT_OFF};
    text_copy(made->uuid, sizeof made->uuid, gpu_uuid);
    return made;
}

const char *concurrent_state_name(enum concurrent_state state)
{
    static const char *const names[] = {[CONCURRENT_OFF] = "off",
                                        [CONCURRENT_STARTING] = "starting",
                                        [CONCURRENT_ON] = "on",
                                        [CONCURRENT_STOPPING] = "stopping",
                                        [CONCURRENT_FAILED] = "failed"};
    return names[state];
}
