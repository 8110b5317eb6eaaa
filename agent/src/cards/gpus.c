/* Opening and letting go of drivers. The list of GPUs is kept while one is closed, so that slices stay visible. */

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

#define PARTITIONS_INTERVAL_MS 5000
#define RETRY_MS 60000 /* a driver may be installed or loaded later */

/* The UUID names a file on the board: nothing but letters, digits and dashes. */
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

/* What is said of the host as a whole: one driver that works is enough. */
static void sum_up(struct agent *agent)
{
    const struct backend_state *open = NULL, *missed = NULL;
    agent->simulation = NULL;
    for (size_t i = 0; i < agent->backend_count; i++) {
        struct backend_state *kind = &agent->backends[i];
        if (kind->open && !open) open = kind;
        if (!kind->open && !missed) missed = kind;
        if (kind->open && !agent->simulation && kind->backend->simulation)
            agent->simulation = kind->backend->simulation();
    }
    text_copy(agent->gpu_note, sizeof agent->gpu_note, open || !missed ? "" : missed->note);
    if (open) text_copy(agent->driver, sizeof agent->driver, open->driver);
}

void gpus_begin(struct agent *agent)
{
    for (size_t i = 0; gpu_backends[i] && i < GPU_BACKENDS_MAX; i++)
        agent->backends[agent->backend_count++].backend = gpu_backends[i];
    gpus_open(agent);
}

void gpus_close(struct agent *agent, const char *note, int64_t retry_in_ms)
{
    for (size_t i = 0; i < agent->backend_count; i++) {
        struct backend_state *kind = &agent->backends[i];
        if (kind->open) kind->backend->close();
        kind->open = false;
        text_copy(kind->note, sizeof kind->note, note);
        kind->retry_at_ms = now_mono_ms() + retry_in_ms;
    }
    for (size_t i = 0; i < agent->gpu_count; i++) drop_readings(&agent->gpus[i]);
    sum_up(agent);
}

static void forget(struct gpu_state *gpu)
{
    drop_readings(gpu);
    if (gpu->history_fd >= 0) close(gpu->history_fd);
}

/* Puts those of one backend in the place of what was known of them; those of the others stay as they are. */
static void replace_gpus(struct agent *agent, struct backend_state *kind, const struct gpu_info *found, size_t n)
{
    static struct gpu_state next[GPU_MAX];
    size_t count = 0, old = 0;
    uint32_t base = 0;
    for (size_t b = 0; b < agent->backend_count; b++) {
        struct backend_state *at = &agent->backends[b];
        size_t first = count;
        for (; old < agent->gpu_count && agent->gpus[old].kind == at; old++)
            if (at == kind || count == GPU_MAX)
                forget(&agent->gpus[old]);
            else
                next[count++] = agent->gpus[old];
        for (size_t i = 0; at == kind && i < n && count < GPU_MAX; i++) {
            if (!is_uuid(found[i].uuid)) {
                log_line("GPU %zu of %s has no usable UUID and is left out", i, at->backend->words.vendor);
                continue;
            }
            next[count++] =
                (struct gpu_state){.kind = at, .info = found[i], .handle = found[i].index, .history_fd = -1};
        }
        for (size_t i = first; i < count; i++) next[i].info.index = base + next[i].handle;
        if (count > first) base = next[count - 1].info.index + 1;
    }
    memcpy(agent->gpus, next, count * sizeof next[0]);
    agent->gpu_count = count;
}

static void open_backend(struct agent *agent, struct backend_state *kind)
{
    struct gpu_info found[GPU_MAX];
    char note[sizeof kind->note] = "";
    kind->retry_at_ms = now_mono_ms() + RETRY_MS;
    if (kind->backend->open(getenv(ENV_DRIVER_DIR), note, sizeof note) != 0) {
        if (strcmp(note, kind->note) != 0) log_line("no GPU of %s: %s", kind->backend->words.vendor, note);
        text_copy(kind->note, sizeof kind->note, note);
        return;
    }
    kind->open = true;
    kind->note[0] = '\0';
    const char *driver = kind->backend->driver_version();
    text_sanitize(kind->driver, sizeof kind->driver, driver ? driver : "", driver ? strlen(driver) : 0);
    size_t n = kind->backend->list(found, GPU_MAX);
    replace_gpus(agent, kind, found, n);
    agent->partitions_at_ms = 0;
    agent->state_dirty = true;
    log_line("driver %s of %s, %zu GPU(s)%s", kind->driver, kind->backend->words.vendor, n,
             n > 0 && found[0].simulated ? ", simulated" : "");
}

void gpus_open(struct agent *agent)
{
    for (size_t i = 0; i < agent->backend_count; i++)
        if (!agent->backends[i].open) open_backend(agent, &agent->backends[i]);
    sum_up(agent);
    gpus_watch_partitions(agent, now_mono_ms());
}

void gpus_watch_partitions(struct agent *agent, int64_t mono_ms)
{
    static struct gpu_partition found[GPU_PARTITIONS_MAX];
    bool due = agent->partitions_at_ms == 0 || mono_ms - agent->partitions_at_ms >= PARTITIONS_INTERVAL_MS;
    if (!due) return;
    agent->partitions_at_ms = mono_ms;
    size_t n = 0;
    for (size_t b = 0; b < agent->backend_count; b++) {
        const struct backend_state *kind = &agent->backends[b];
        bool any = false;
        for (size_t i = 0; i < agent->gpu_count; i++)
            any |= agent->gpus[i].kind == kind && agent->gpus[i].info.partitioned;
        if (!any || !kind->open || !kind->backend->partitions) continue;
        size_t end = n + kind->backend->partitions(found + n, GPU_PARTITIONS_MAX - n);
        for (size_t i = n; i < end; i++) {
            const struct gpu_state *gpu = agent_gpu_at(agent, kind, found[i].gpu);
            if (!gpu) continue;
            found[n] = found[i];
            found[n++].gpu = gpu->info.index;
        }
    }
    if (n == agent->partition_count && memcmp(found, agent->partitions, n * sizeof found[0]) == 0) return;
    memcpy(agent->partitions, found, n * sizeof found[0]);
    agent->partition_count = n;
    agent->state_dirty = true;
}

void gpus_retry(struct agent *agent, int64_t mono_ms)
{
    bool opened = false;
    for (size_t i = 0; i < agent->backend_count; i++) {
        struct backend_state *kind = &agent->backends[i];
        if (kind->open || mono_ms < kind->retry_at_ms) continue;
        open_backend(agent, kind);
        opened |= kind->open;
    }
    if (!opened) return;
    sum_up(agent);
    gpus_watch_partitions(agent, mono_ms);
    /* Capacities are known again. */
    for (size_t i = 0; i < agent->slices.count; i++) policy_apply(agent, agent->slices.items[i]);
}

void gpus_look(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->backend_count; i++) agent->backends[i].retry_at_ms = mono_ms;
    gpus_retry(agent, mono_ms);
}
