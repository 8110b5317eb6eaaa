/* The device nodes of NVIDIA's driver, or the stand-ins that a simulated one has. */
#ifndef TRANCHE_NODES_H
#define TRANCHE_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/gpu.h"

/* minors[i]: the minor number of GPU i. How many were written. */
size_t nodes_list(const uint32_t *minors, size_t gpus, bool simulated, struct gpu_node *out, size_t max);

#endif
