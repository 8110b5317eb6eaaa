/* What the files of the simulated libnvidia-ml share. */
#ifndef TRANCHE_SIM_NVML_H
#define TRANCHE_SIM_NVML_H

#include "nvml_min.h"

#include <stdbool.h>
#include <stddef.h>

struct nvmlDevice_st {
    uint32_t gpu;
};

/* devices.c: the handle of a GPU; gpu is 0 to SIM_GPUS, which is the end. */
nvmlDevice_t sim_nvml_device(uint32_t gpu);

/* mig.c: is this the handle of a MIG slice? Then its GPU, its number there, and what it is called ("1g.10gb"). */
bool sim_nvml_mig(nvmlDevice_t device, uint32_t *gpu, unsigned *index, char name[24]);

#endif
