#include "gpu/nvidia/memory_limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

/* What the reference says of each number, in our words. */
static int refused(nvmlReturn_t result, char *why, size_t cap)
{
    switch (result) {
    case NVML_ERROR_FUNCTION_NOT_FOUND:
        snprintf(why, cap, "This driver keeps no memory limits for control groups; NVIDIA's does since 615.");
        return ENOTSUP;
    case NVML_ERROR_NOT_SUPPORTED:
        snprintf(why, cap, "The driver keeps no memory limits for control groups on this GPU.");
        return ENOTSUP;
    case NVML_ERROR_NO_PERMISSION: snprintf(why, cap, "The driver lets root alone set memory limits."); return EPERM;
    case NVML_ERROR_OPERATING_SYSTEM:
    case NVML_ERROR_NOT_FOUND:
        snprintf(why, cap, "The driver finds no such control group, or none with the dmem controller (NVML error %d).",
                 result);
        return ENOENT;
    default: snprintf(why, cap, "The driver did not do it (NVML error %d).", result); return EIO;
    }
}

int memory_limits_absent(char *why, size_t cap)
{
    snprintf(why, cap, "The GPU is not there any more.");
    return ENODEV;
}

/* The soft limit is always none. It would keep memory free for the group: limits of slices may add up to more than a GPU
 * has, a group that is removed by somebody else would leave its part reserved, and under MPS who is over it may be ended
 * for another one's sake, but only for one that is below its own. */
int memory_limits_set(nvmlReturn_t (*set)(nvmlDevice_t, nvmlSetMemoryLimits_v1_t *), nvmlDevice_t device,
                      const char *path, uint64_t most_bytes, uint64_t capacity_bytes, char *why, size_t cap)
{
    nvmlSetMemoryLimits_v1_t limits = {.nameSpace = path, .hardLimit = most_bytes};
    bool none = most_bytes == GPU_NO_GROUP_LIMIT;
    if (!set) return refused(NVML_ERROR_FUNCTION_NOT_FOUND, why, cap);
    if (none) limits.hardLimit = NVML_DEVICE_MEMORY_LIMIT_MAX;
    nvmlReturn_t result = set(device, &limits);
    /* Whatever that word's value is with this driver, all that the GPU has is no limit either. */
    if (none && result == NVML_ERROR_INVALID_ARGUMENT && capacity_bytes > 0) {
        limits.hardLimit = capacity_bytes;
        result = set(device, &limits);
    }
    return result == NVML_SUCCESS ? 0 : refused(result, why, cap);
}

int memory_limits_get(nvmlReturn_t (*get)(nvmlDevice_t, nvmlGetMemoryLimits_v1_t *), nvmlDevice_t device,
                      const char *path, struct gpu_group_limit *out, char *why, size_t cap)
{
    nvmlGetMemoryLimits_v1_t limits = {.nameSpace = path};
    nvmlReturn_t result = get ? get(device, &limits) : NVML_ERROR_FUNCTION_NOT_FOUND;
    if (result != NVML_SUCCESS) return refused(result, why, cap);
    *out = (struct gpu_group_limit){limits.softLimit, limits.hardLimit, limits.currentUsed};
    return 0;
}
