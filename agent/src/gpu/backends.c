#include <stddef.h>

#include "gpu/gpu.h"
#include "gpu/nvidia/nvml.h"

const struct gpu_backend *const gpu_backends[] = {&gpu_nvml, NULL};
