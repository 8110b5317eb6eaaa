#include "cards/sample.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "cards/concurrent.h"
#include "cards/escapes.h"
#include "cards/gpus.h"
#include "gpu/gpu.h"
#include "region.h"
#include "slices/edit_forget.h"
#include "slices/measure.h"
#include "slices/measure_left.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "state/slice.h"

#define LIST_LISTENED_MS 500 /* process lists: at most 2 Hz, */
#define LIST_TENANTS_MS 1000 /* half that when only limits depend on them, */
#define LIST_ALONE_MS 1900   /* and less when no slice on the GPU has a process and openers are heard (escapes.h) */
#define DETAILS_MS 1000      /* temperature, power, clock */
#define PROCESS_USE_MS 4000  /* 1.4 ms a call: one GPU at a time */

static void list_processes(struct agent *agent, struct gpu_state *gpu)
{
    static struct gpu_process found[GPU_PROCESSES_MAX];
    int n = gpu->kind->backend->processes(gpu->handle, found, GPU_PROCESSES_MAX);
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
    measure_unmanaged_context(agent, gpu, mono_ms);
}

/* What a slice holds by the driver's own account where it gives one: what a tenant claims to hold hides nothing of what
 * others do. A process that the driver does not list holds nothing; one that is not known by its pid is taken by its word,
 * up to the limit. */
static uint64_t managed_bytes(const struct gpu_state *gpu, const struct slice *slice)
{
    uint64_t sum = 0, claimed = 0;
    if (!gpu->processes_known) return measure_used(slice);
    for (size_t i = 0; i < slice->track_count; i++) {
        const struct entry_track *track = &slice->tracks[i];
        if (!track->believed) continue;
        bool listed = false, known = false;
        for (size_t k = 0; k < gpu->process_count && track->pid != 0 && !listed; k++) {
            listed = gpu->processes[k].pid == track->pid;
            known = listed && gpu->processes[k].bytes_known;
            if (known) sum += gpu->processes[k].bytes;
        }
        if (track->pid == 0 || (listed && !known)) claimed += track->memory_bytes;
    }
    /* What is charged to it of its owner's processes outside is shown in it, and not once more beside it. */
    sum += slice->escaped_bytes;
    return sum + (claimed < slice->r.memory_limit_bytes ? claimed : slice->r.memory_limit_bytes);
}

static void sum_unmanaged(struct agent *agent, struct gpu_state *gpu)
{
    uint64_t managed = 0;
    gpu->unmanaged_known = (gpu->reading.valid & GPU_MEMORY) != 0;
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) == 0) managed += managed_bytes(gpu, slice);
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

/* By the driver's account: the slice's own processes are not asked how much they use. */
static void compare_use(struct agent *agent, struct gpu_state *gpu, int64_t mono_ms)
{
    /* Programs at the same time are each busy all the time, whatever part of the GPU they have. */
    bool in_turns = concurrent_takes_turns(agent, gpu->info.uuid);
    for (size_t i = 0; i < agent->slices.count && gpu->use_known && in_turns; i++) {
        struct slice *slice = agent->slices.items[i];
        if (slice->r.deleted || strcmp(slice->r.gpu_uuid, gpu->info.uuid) != 0) continue;
        uint32_t percent = 0;
        for (size_t k = 0; k < gpu->use_count; k++)
            if (slice_holds(slice, gpu->use[k].pid)) percent += gpu->use[k].percent;
        measure_outside_use(agent, slice, percent, mono_ms);
    }
}

/* At most one GPU a call, so that eight of them do not cost eleven milliseconds at once. */
static void read_process_use(struct agent *agent, int64_t mono_ms)
{
    static struct gpu_process_use found[GPU_PROCESSES_MAX];
    for (size_t i = 0; i < agent->gpu_count; i++) {
        struct gpu_state *gpu = &agent->gpus[i];
        bool due = gpu->use_at_ms == 0 || mono_ms - gpu->use_at_ms >= PROCESS_USE_MS;
        if (!due || !gpu_is_open(gpu) || gpu->process_count == 0) continue;
        gpu->use_at_ms = mono_ms;
        int n = gpu->kind->backend->process_use(gpu->handle, found, GPU_PROCESSES_MAX);
        free(gpu->use);
        gpu->use = n > 0 ? malloc((size_t)n * sizeof *gpu->use) : NULL;
        gpu->use_known = n == 0 || gpu->use;
        gpu->use_count = gpu->use ? (size_t)n : 0;
        if (gpu->use) memcpy(gpu->use, found, (size_t)n * sizeof *gpu->use);
        compare_use(agent, gpu, mono_ms);
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

void sample_lists_due(struct agent *agent)
{
    for (size_t i = 0; i < agent->gpu_count; i++) agent->gpus[i].processes_at_ms = 0;
}

void sample_take(struct agent *agent, int64_t mono_ms, bool listened)
{
    gpus_retry(agent, mono_ms);
    for (size_t i = 0; i < agent->gpu_count; i++) {
        struct gpu_state *gpu = &agent->gpus[i];
        int64_t list_ms = listened                                           ? LIST_LISTENED_MS
                          : tenants(gpu, agent) > 0 || !escapes_hears(agent) ? LIST_TENANTS_MS
                                                                             : LIST_ALONE_MS;
        /* 20 ms of tolerance: a tick that comes a little early must not wait for the next one. */
        bool list_due =
            gpu_is_open(gpu) && (gpu->processes_at_ms == 0 || mono_ms - gpu->processes_at_ms >= list_ms - 20);
        if (gpu_is_open(gpu)) {
            gpu->kind->backend->read(gpu->handle, GPU_CHEAP, &gpu->reading);
            if (listened && (gpu->details_at_ms == 0 || mono_ms - gpu->details_at_ms >= DETAILS_MS)) {
                gpu->kind->backend->read(gpu->handle, GPU_DETAILS, &gpu->reading);
                gpu->details_at_ms = mono_ms;
            }
        }
        measure_gpu_slices(agent, gpu, mono_ms, list_due);
        sum_unmanaged(agent, gpu);
    }
    read_process_use(agent, mono_ms);
    measure_orphans(agent, mono_ms);
    escapes_look(agent, mono_ms);
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
        if (lost_a_process(agent, gpu, mono_ms) && gpu_is_open(gpu)) measure_gpu_slices(agent, gpu, mono_ms, true);
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
