/* A runtime directory with one slice, on the GPU of null_driver.c. */
#ifndef TRANCHE_BENCH_ONE_SLICE_H
#define TRANCHE_BENCH_ONE_SLICE_H

#include "region_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* 0, or not. */
static int make_slice(const char *root, const char *id, uint32_t limit_bp)
{
    char path[PATH_MAX];
    struct region_policy policy = {.compute_limit_bp = limit_bp,
                                   .memory_limit_bytes = UINT64_C(64) << 30,
                                   .gpu_capacity_bytes = UINT64_C(80) << 30};
    strcpy(policy.slice_id, id);
    strcpy(policy.gpu_uuid, "GPU-11111111-1111-1111-1111-111111111111");
    const char *const folders[] = {"policy", "usage", "board", NULL};
    for (int at = 0; folders[at] != NULL; at++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[at]);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s/board/%s", root, policy.gpu_uuid);
    mkdir(path, 0700);
    atomic_store(&policy.tag, region_slice_tag(id, 0));
    region_line_path(path, sizeof path, root, policy.gpu_uuid, atomic_load(&policy.tag));
    if (region_line_create(path, atomic_load(&policy.tag), 0600) != 0) return -1;
    snprintf(path, sizeof path, "%s/policy/%s", root, id);
    int error = region_policy_create(path, &policy, 0600);
    snprintf(path, sizeof path, "%s/usage/%s", root, id);
    return error != 0 ? error : region_usage_create(path, 0600);
}

#endif
