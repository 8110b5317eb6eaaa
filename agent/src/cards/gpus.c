/* Opening and letting go of the driver. The list of GPUs is kept while it is closed, so that slices stay visible. */

#include "cards/gpus.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/now.h"
#include "env.h"
#include "gpu/gpu.h"
#include "log.h"
#include "region.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "text.h"

#define MIGS_INTERVAL_MS 5000
#define RETRY_MS 60000 /* a driver may be installed or loaded later */

/* The UUID names a file on the board: nothing but what NVIDIA writes. */
static bool is_uuid(const char *text)
{
    size_t n = strlen(text);
    if (n < 5 || n >= REGION_UUID_BYTES) return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!plain) return false;
    }
    return true;
}

static void drop_readings(struct gpu_state *gpu)
{
    gpu->reading.valid = 0;
    free(gpu->processes);
    free(gpu->use);
    gpu->processes = NULL;
    gpu->use = NULL;
    gpu->process_count = gpu->process_cap = gpu->use_count = 0;
    gpu->processes_known = gpu->use_known = gpu->unmanaged_known = false;
    gpu->processes_at_ms = gpu->details_at_ms = gpu->use_at_ms = 0;
}

void gpus_close(struct agent *agent, const char *note, int64_t retry_in_ms)
{
    if (agent->backend_open) agent->backend->close();
    agent->backend_open = false;
    agent->simulation = NULL;
    for (size_t i = 0; i < agent->gpu_count; i++) drop_readings(&agent->gpus[i]);
    text_copy(agent->gpu_note, sizeof agent->gpu_note, note);
    agent->retry_at_ms = now_mono_ms() + retry_in_ms;
}

void gpus_open(struct agent *agent)
{
    struct gpu_info found[GPU_MAX];
    char note[sizeof agent->gpu_note] = "";
    agent->retry_at_ms = now_mono_ms() + RETRY_MS;
    if (agent->backend->open(getenv(ENV_DRIVER_DIR), note, sizeof note) != 0) {
        if (strcmp(note, agent->gpu_note) != 0) log_line("no GPU: %s", note);
        text_copy(agent->gpu_note, sizeof agent->gpu_note, note);
        return;
    }
    agent->backend_open = true;
    agent->simulation = agent->backend->simulation();
    const char *driver = agent->backend->driver_version();
    text_sanitize(agent->driver, sizeof agent->driver, driver ? driver : "", driver ? strlen(driver) : 0);
    size_t n = agent->backend->list(found, GPU_MAX);
    for (size_t i = 0; i < agent->gpu_count; i++) {
        drop_readings(&agent->gpus[i]);
        if (agent->gpus[i].history_fd >= 0) close(agent->gpus[i].history_fd);
    }
    agent->gpu_count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_uuid(found[i].uuid)) {
            log_line("GPU %zu has no usable UUID and is left out", i);
            continue;
        }
        struct gpu_state *gpu = &agent->gpus[agent->gpu_count++];
        memset(gpu, 0, sizeof *gpu);
        gpu->info = found[i];
        gpu->history_fd = -1;
    }
    agent->mig_count = 0;
    agent->migs_at_ms = 0;
    gpus_watch_migs(agent, now_mono_ms());
    agent->gpu_note[0] = '\0';
    agent->state_dirty = true;
    log_line("driver %s, %zu GPU(s)%s", agent->driver, agent->gpu_count, agent->simulation ? ", simulated" : "");
}

void gpus_watch_migs(struct agent *agent, int64_t mono_ms)
{
    static struct gpu_mig found[GPU_MIG_MAX];
    bool any = false;
    for (size_t i = 0; i < agent->gpu_count; i++) any |= agent->gpus[i].info.mig_enabled;
    bool due = agent->migs_at_ms == 0 || mono_ms - agent->migs_at_ms >= MIGS_INTERVAL_MS;
    if (!any || !agent->backend_open || !due) return;
    agent->migs_at_ms = mono_ms;
    size_t n = agent->backend->migs(found, GPU_MIG_MAX);
    if (n == agent->mig_count && memcmp(found, agent->migs, n * sizeof found[0]) == 0) return;
    memcpy(agent->migs, found, n * sizeof found[0]);
    agent->mig_count = n;
    agent->state_dirty = true;
}

void gpus_retry(struct agent *agent, int64_t mono_ms)
{
    if (agent->backend_open || mono_ms < agent->retry_at_ms) return;
    gpus_open(agent);
    if (!agent->backend_open) return;
    /* Capacities are known again. */
    for (size_t i = 0; i < agent->slices.count; i++) policy_apply(agent, agent->slices.items[i]);
}
