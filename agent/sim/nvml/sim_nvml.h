/* What the files of the simulated libnvidia-ml share. */
#ifndef TRANCHE_SIM_NVML_H
#define TRANCHE_SIM_NVML_H

#include "nvml_min.h"

nvmlDevice_t sim_nvml_device(uint32_t gpu);

#endif
