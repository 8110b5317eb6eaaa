#include "cards/concurrent.h"

#include <stddef.h>

#include "cards/concurrent_mode.h"
#include "cards/nvidia/mps.h"
#include "gpu/gpu.h"
#include "json.h"
#include "state/agent_state.h"
#include "state/concurrent.h"

static const struct concurrent_mode *const modes[] = {&mps_mode};
#define MODES (sizeof modes / sizeof modes[0])

void concurrent_open(struct agent *agent)
{
    for (size_t i = 0; i < MODES; i++) modes[i]->open(agent);
}

void concurrent_watch(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < MODES; i++) modes[i]->watch(agent, mono_ms);
}

int concurrent_set(struct agent *agent, const char *gpu_uuid, bool on, struct failure *failure)
{
    struct gpu_state *gpu = agent_gpu(agent, gpu_uuid);
    if (!gpu)
        return fail(failure, "unknown-gpu", "There is no such GPU on %s; nothing was changed.", agent->host_name);
    for (size_t i = 0; i < MODES; i++)
        if (modes[i]->backend == gpu->kind->backend) return modes[i]->set(agent, gpu, on, failure);
    return fail(failure, "concurrent-not-possible",
                "Programs on GPU %u take turns: Tranche knows no other way for GPUs of %s; nothing was changed.",
                gpu->info.index, gpu->kind->backend->words.vendor);
}

void concurrent_put(struct agent *agent, const char *gpu_uuid, struct json_writer *out)
{
    const struct concurrent *it = concurrent_find(agent, gpu_uuid);
    json_put_text(out, "concurrent", concurrent_state_name(it ? it->state : CONCURRENT_OFF));
    json_put_text(out, "concurrentNote", it && it->note[0] ? it->note : NULL);
    for (size_t i = 0; i < MODES; i++) modes[i]->put(agent, gpu_uuid, out);
}

bool concurrent_takes_turns(const struct agent *agent, const char *gpu_uuid)
{
    const struct concurrent *it = concurrent_find(agent, gpu_uuid);
    return !it || it->state == CONCURRENT_OFF || it->state == CONCURRENT_FAILED;
}
