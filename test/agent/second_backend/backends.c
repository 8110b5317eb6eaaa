/* In the place of agent/src/gpu/backends.c: what a second backend adds there is one line of this list. */
#include <stddef.h>

#include "gpu/gpu.h"
#include "gpu/nvidia/nvml.h"
#include "slate.h"

const struct gpu_backend *const gpu_backends[] = {&gpu_nvml, &gpu_slate, NULL};
