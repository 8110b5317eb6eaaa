#include "sample.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"
#include "measure.h"

#define LIST_LISTENED_MS 500 /* process lists: at most 2 Hz, */
#define LIST_TENANTS_MS 1000 /* half that when only limits depend on them, */
#define LIST_ALONE_MS 5000   /* and rarely when no slice on the GPU has a process */
#define DETAILS_MS 1000      /* temperature, power, clock */
#define PROCESS_USE_MS 5000  /* 1.4 ms a call: one GPU at a time */

static void list_processes(struct agent *agent, struct gpu_state *gpu)
{
    static struct gpu_process found[GPU_PROCESSES_MAX];
    int n = agent->backend->processes(gpu->info.index, found, GPU_PROCESSES_MAX);
    gpu->processes_known = n >= 0;
    size_t count = n > 0 ? (size_t)n : 0;
    bool same = count == gpu->process_count;
    for (size_t i = 0; i < count && same; i++) same = found[i].pid == gpu->processes[i].pid;
    /* The people of the state line depend on who is on the GPU. */
    if (!same) agent->people_dirty = true;
    if (count > 0 && (count > gpu->process_cap || !gpu->processes)) {
        struct gpu_process *list = realloc(gpu->processes, count * sizeof *list);
        if (!list) {
            gpu->processes_known = false;
            gpu->process_count = 0;
            return;
        }
        gpu->processes = list;
        gpu->process_cap = count;
    }
    if (count > 0) memcpy(gpu->processes, found, count * sizeof found[0]);
    gpu->process_count = count;
}

static void measure_gpu_slices(struct agent *agent, struct gpu_state *gpu, int64_t mono_ms, bool list_due)
{
    static uint64_t before[SLICES_MAX * 2];
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) != 0) continue;
        measure_slice(agent, slice, mono_ms);
        if (i < SLICES_MAX * 2) before[i] = slice->m.ledger_bytes;
    }
    measure_inherited(agent, gpu->info.uuid, mono_ms);
    if (!list_due) return;
    gpu->processes_at_ms = mono_ms;
    list_processes(agent, gpu);
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) != 0) continue;
        if (slice->track_count > 0) measure_slice(agent, slice, mono_ms);
        measure_residue(agent, slice, i < SLICES_MAX * 2 ? before[i] : slice->m.ledger_bytes);
    }
    measure_inherited(agent, gpu->info.uuid, mono_ms);
}

static void sum_unmanaged(struct agent *agent, struct gpu_state *gpu)
{
    uint64_t managed = 0;
    gpu->unmanaged_known = (gpu->reading.valid & GPU_MEMORY) != 0;
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) == 0) managed += measure_used(slice);
    }
    uint64_t used = gpu->reading.memory_used_bytes;
    gpu->unmanaged_bytes = used > managed ? used - managed : 0;
}

static size_t tenants(const struct gpu_state *gpu, const struct agent *agent)
{
    size_t count = 0;
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) == 0) count += slice->track_count;
    }
    return count;
}

static bool has_unmanaged(const struct gpu_state *gpu, const struct agent *agent)
{
    return gpu->process_count > tenants(gpu, agent);
}

/* At most one GPU a call, so that eight of them do not cost eleven milliseconds at once. */
static void read_process_use(struct agent *agent, int64_t mono_ms)
{
    static struct gpu_process_use found[GPU_PROCESSES_MAX];
    for (size_t i = 0; i < agent->gpu_count; i++) {
        struct gpu_state *gpu = &agent->gpus[i];
        bool due = gpu->use_at_ms == 0 || mono_ms - gpu->use_at_ms >= PROCESS_USE_MS;
        if (!due || !has_unmanaged(gpu, agent)) continue;
        gpu->use_at_ms = mono_ms;
        int n = agent->backend->process_use(gpu->info.index, found, GPU_PROCESSES_MAX);
        free(gpu->use);
        gpu->use = n > 0 ? malloc((size_t)n * sizeof *gpu->use) : NULL;
        gpu->use_known = n == 0 || gpu->use != NULL;
        gpu->use_count = gpu->use ? (size_t)n : 0;
        if (gpu->use) memcpy(gpu->use, found, (size_t)n * sizeof *gpu->use);
        return;
    }
}

/* Slices on a GPU that the driver does not show now: their ledgers are still right. */
static void measure_orphans(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (agent_gpu(agent, slice->r.gpu_uuid)) continue;
        measure_slice(agent, slice, mono_ms);
        slice->m.residue_known = false;
        measure_inherited(agent, slice->r.gpu_uuid, mono_ms);
    }
}

void sample_take(struct agent *agent, int64_t mono_ms, bool listened)
{
    gpus_retry(agent, mono_ms);
    for (size_t i = 0; i < agent->gpu_count; i++) {
        struct gpu_state *gpu = &agent->gpus[i];
        int64_t list_ms = listened ? LIST_LISTENED_MS : tenants(gpu, agent) > 0 ? LIST_TENANTS_MS : LIST_ALONE_MS;
        /* 20 ms of tolerance: a tick that comes a little early must not wait for the next one. */
        bool list_due =
            agent->backend_open && (gpu->processes_at_ms == 0 || mono_ms - gpu->processes_at_ms >= list_ms - 20);
        if (agent->backend_open) {
            agent->backend->read(gpu->info.index, GPU_CHEAP, &gpu->reading);
            if (listened && (gpu->details_at_ms == 0 || mono_ms - gpu->details_at_ms >= DETAILS_MS)) {
                agent->backend->read(gpu->info.index, GPU_DETAILS, &gpu->reading);
                gpu->details_at_ms = mono_ms;
            }
        }
        measure_gpu_slices(agent, gpu, mono_ms, list_due);
        sum_unmanaged(agent, gpu);
    }
    if (agent->backend_open && listened) read_process_use(agent, mono_ms);
    measure_orphans(agent, mono_ms);
    agent->sampled_at_ms = mono_ms;
    agent->sample_seq++;
}

/* Does a slice on this GPU have fewer processes than we thought? The driver's list is then read again at once, because
 * what the dead held beyond their ledger (a context is some hundred MiB) counts against the slice until it is. */
static bool lost_a_process(struct agent *agent, const struct gpu_state *gpu, int64_t mono_ms)
{
    bool lost = false;
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) != 0) continue;
        size_t before = slice->left_count;
        measure_slice(agent, slice, mono_ms);
        lost |= slice->left_count != before;
    }
    return lost;
}

void sample_deaths(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->gpu_count; i++) {
        struct gpu_state *gpu = &agent->gpus[i];
        if (lost_a_process(agent, gpu, mono_ms) && agent->backend_open) measure_gpu_slices(agent, gpu, mono_ms, true);
    }
    measure_orphans(agent, mono_ms);
    agent->sampled_at_ms = 0; /* the GPUs' own figures are older than the slices' now */
}

void sample_check_times(struct agent *agent)
{
    int64_t now_ms = now_wall_ms();
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (!slice->policy) {
            /* Its files could not be made (a full disk): try again. */
            policy_open(agent, slice);
            continue;
        }
        bool closed = (atomic_load(&slice->policy->flags) & REGION_POLICY_DELETED) != 0;
        if (closed == slice_is_open(&agent->slices, &slice->r, now_ms)) policy_apply(agent, slice);
    }
    edit_forget_left(agent);
}
