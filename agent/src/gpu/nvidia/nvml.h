/* NVIDIA's GPUs, read through NVML. */
#ifndef TRANCHE_NVML_H
#define TRANCHE_NVML_H

#include "gpu/gpu.h"

extern const struct gpu_backend gpu_nvml;

#endif
