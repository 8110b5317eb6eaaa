#include "state/admission.h"

#include <stdbool.h>
#include <stddef.h>

const char *admission_check(const struct admission *r)
{
    if (r->memory_limit_bytes < MEMORY_LIMIT_MIN_BYTES) return "memory-limit-too-small";
    if (r->memory_limit_bytes > r->capacity_bytes) return "memory-limit-exceeds-gpu";
    if (r->memory_overcommit_max_percent > 0 && r->memory_limit_bytes > r->previous_memory_limit_bytes &&
        r->other_memory_limits_bytes + r->memory_limit_bytes >
            r->capacity_bytes + r->capacity_bytes / 100 * (r->memory_overcommit_max_percent - 100))
        return "overcommit-exceeds-guard";
    if (r->compute_limit_percent < 1 || r->compute_limit_percent > 100) return "compute-limit-out-of-range";
    if (r->compute_guarantee_percent < 0 || r->compute_guarantee_percent > 100) return "guarantee-out-of-range";
    if (r->compute_guarantee_percent > r->compute_limit_percent) return "guarantee-exceeds-limit";
    if (r->other_guarantees_percent + r->compute_guarantee_percent > 100) return "guarantee-exceeds-headroom";
    if (r->other_slice_count >= SLICES_PER_GPU_MAX) return "too-many-slices";
    return NULL;
}

const char *admission_check_quota(const struct quota_request *r)
{
    bool is_new = r->previous_memory_limit_bytes == 0;
    if (r->slices_max >= 0 && is_new && r->other_slice_count + 1 > r->slices_max) return "quota-exceeded";
    if (r->memory_bytes_max >= 0 && r->memory_limit_bytes > r->previous_memory_limit_bytes &&
        r->other_memory_limits_bytes + r->memory_limit_bytes > r->memory_bytes_max)
        return "quota-exceeded";
    return NULL;
}
