/* May this slice be created or resized? Arithmetic only; the same rules as model/admission.ts, the same golden file. */
#ifndef TRANCHE_ADMISSION_H
#define TRANCHE_ADMISSION_H

#include <stdint.h>

#define MEMORY_LIMIT_MIN_BYTES INT64_C(1048576)
#define SLICES_PER_GPU_MAX 63

struct admission {
    int64_t capacity_bytes;
    int64_t other_slice_count; /* on the GPU, without the one that is being changed */
    int64_t other_guarantees_percent;
    int64_t other_memory_limits_bytes;
    int64_t memory_limit_bytes;
    int64_t previous_memory_limit_bytes;   /* 0: it is new. A limit that does not grow is not the guard's business */
    int64_t memory_overcommit_max_percent; /* of the capacity, by which limits may add up; 0: there is no guard */
    int64_t compute_limit_percent;
    int64_t compute_guarantee_percent;
};

/* A person and what they own on the host. */
struct quota_request {
    int64_t memory_bytes_max;  /* -1: no quota */
    int64_t slices_max;        /* -1: no quota */
    int64_t other_slice_count; /* of the person, on all GPUs of the host, without the one that is being changed */
    int64_t other_memory_limits_bytes;
    int64_t memory_limit_bytes;
    int64_t previous_memory_limit_bytes; /* what it counted for this person before; 0: it is new to them */
};

/* NULL, or "quota-exceeded". A limit that does not grow is never refused. */
const char *admission_check_quota(const struct quota_request *request);

/* NULL when it may, else the error code of the first rule that is broken. */
const char *admission_check(const struct admission *request);

#endif
