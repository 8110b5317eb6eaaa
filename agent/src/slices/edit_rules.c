/* What an edit must fit into, and the sentence that says why it does not. */

#include "slices/edit_rules.h"

#include <inttypes.h>
#include <string.h>

#include "base/failure.h"
#include "json.h"
#include "state/admission.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

int edit_admission_failure(struct failure *f, const char *code, const struct admission *a)
{
    char limit[32], capacity[32];
    text_gib(capacity, sizeof capacity, (uint64_t)a->capacity_bytes);
    text_gib(limit, sizeof limit, a->memory_limit_bytes > 0 ? (uint64_t)a->memory_limit_bytes : 0);
    if (strcmp(code, "memory-limit-too-small") == 0)
        return fail(f, code, "A memory limit must be at least 1 MiB; nothing was changed. Choose a larger one.");
    if (strcmp(code, "memory-limit-exceeds-gpu") == 0) {
        return fail(f, code,
                    "The memory limit of %s is more than the GPU has; nothing was changed. Choose at most %s.", limit,
                    capacity);
    }
    if (strcmp(code, "overcommit-exceeds-guard") == 0) {
        char others[32];
        text_gib(others, sizeof others, (uint64_t)a->other_memory_limits_bytes);
        return fail(f, code,
                    "With %s the limits on this GPU, %s without it, would add up to more than %" PRId64
                    " %% of its %s, which is the most that this host's operators allow; nothing was changed. Choose "
                    "less, or have the guard raised.",
                    limit, others, a->memory_overcommit_max_percent, capacity);
    }
    if (strcmp(code, "compute-limit-out-of-range") == 0) {
        return fail(f, code,
                    "A compute limit is a whole number from 1 to 100 %%; nothing was changed. Choose one of these.");
    }
    if (strcmp(code, "guarantee-out-of-range") == 0)
        return fail(f, code, "A guarantee is a whole number from 0 to 100 %%; nothing was changed.");
    if (strcmp(code, "guarantee-exceeds-limit") == 0) {
        return fail(f, code,
                    "The guarantee of %" PRId64 " %% is above the slice's own limit of %" PRId64
                    " %%; nothing was changed.",
                    a->compute_guarantee_percent, a->compute_limit_percent);
    }
    if (strcmp(code, "guarantee-exceeds-headroom") == 0) {
        return fail(f, code,
                    "Other slices hold guarantees of %" PRId64 " %%, so at most %" PRId64
                    " %% can be guaranteed here; nothing was changed.",
                    a->other_guarantees_percent, 100 - a->other_guarantees_percent);
    }
    return fail(f, code, "A GPU takes at most %d slices; nothing was changed. Delete one first.", SLICES_PER_GPU_MAX);
}

/* Whether what is asked for could be enforced there at all. `arrives`: the slice is not on this GPU yet. */
static int check_gpu(const struct gpu_state *gpu, const struct slice_record *next, bool arrives,
                     struct failure *failure)
{
    const struct gpu_backend *backend = gpu->kind->backend;
    bool shares = next->compute_limit_percent < 100 || next->compute_guarantee_percent > 0;
    if (arrives && !backend->can[GPU_CAN_LIMIT_MEMORY]) {
        return fail(failure, "gpu-not-limited",
                    "Tranche reads GPU %u, of %s, and cannot limit programs there; nothing was changed.",
                    gpu->info.index, backend->words.vendor);
    }
    if (shares && !backend->can[GPU_CAN_LIMIT_COMPUTE]) {
        return fail(failure, "gpu-not-limited",
                    "Tranche limits memory on GPU %u, of %s, and cannot limit compute there; nothing was changed.",
                    gpu->info.index, backend->words.vendor);
    }
    if (arrives && gpu->info.partitioned) {
        return fail(failure, "gpu-not-limited",
                    "GPU %u is cut by the hardware (%s), and not by Tranche; nothing was changed.", gpu->info.index,
                    gpu_partitions_word(backend));
    }
    return 0;
}

int edit_check_admission(struct agent *agent, const struct slice_record *next, const struct slice *self,
                         struct failure *failure)
{
    struct gpu_state *gpu = agent_gpu(agent, next->gpu_uuid);
    /* On another GPU it counts as a new slice. */
    bool stays = self && strcmp(self->r.gpu_uuid, next->gpu_uuid) == 0;
    if (gpu && check_gpu(gpu, next, !stays, failure) != 0) return -1;
    struct admission a = {
        .capacity_bytes = gpu && gpu->info.capacity_bytes > 0 ? (int64_t)gpu->info.capacity_bytes : JSON_INTEGER_MAX,
        .memory_limit_bytes = (int64_t)next->memory_limit_bytes,
        .compute_limit_percent = next->compute_limit_percent,
        .compute_guarantee_percent = next->compute_guarantee_percent,
        .previous_memory_limit_bytes = stays && !self->r.deleted ? (int64_t)self->r.memory_limit_bytes : 0,
        .memory_overcommit_max_percent = agent->memory_overcommit_max_percent,
    };
    /* The GPU is absent for now: what it had when the slice was made still holds. */
    if (!gpu && stays && self->policy && self->policy->gpu_capacity_bytes > 0)
        a.capacity_bytes = (int64_t)self->policy->gpu_capacity_bytes;
    a.other_slice_count = (int64_t)slice_count_on(&agent->slices, next->gpu_uuid, self, &a.other_guarantees_percent,
                                                  &a.other_memory_limits_bytes);
    const char *code = admission_check(&a);
    return code ? edit_admission_failure(failure, code, &a) : 0;
}
