/* NVIDIA's own limit of a control group's memory, since driver 615: through the kernel's dmem controller (Linux 6.14) or
 * the driver's own books. docs/kernel-limit.md has what is published of it. */
#ifndef TRANCHE_MEMORY_LIMITS_H
#define TRANCHE_MEMORY_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "gpu/gpu.h"
#include "nvml_min.h"

/* All return 0, or errno with a sentence. A function that this driver does not have is NULL. */
int memory_limits_set(nvmlReturn_t (*set)(nvmlDevice_t, nvmlSetMemoryLimits_v1_t *), nvmlDevice_t device,
                      const char *path, uint64_t most_bytes, uint64_t capacity_bytes, char *why, size_t cap);
int memory_limits_get(nvmlReturn_t (*get)(nvmlDevice_t, nvmlGetMemoryLimits_v1_t *), nvmlDevice_t device,
                      const char *path, struct gpu_group_limit *out, char *why, size_t cap);
/* ENODEV: the GPU is not there. */
int memory_limits_absent(char *why, size_t cap);

#endif
