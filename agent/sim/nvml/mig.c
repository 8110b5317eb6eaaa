/* MIG slices of the simulated GPUs: listed, and nothing more. `gpu0.mig = 1g.10gb 2g.20gb` in sim.conf puts a GPU into MIG
 * mode with these; a third place is free, as on a card that is not cut up whole. */
#include "sim_nvml.h"
#include "sim_state.h"

#include <stdio.h>
#include <string.h>

#define NVML_API SIM_EXPORT nvmlReturn_t
#define MIG_MAX 7

static struct nvmlDevice_st migs[SIM_GPUS][MIG_MAX];

static bool name_of(uint32_t gpu, unsigned index, char name[24])
{
    struct sim_state *state = sim_state();
    char names[sizeof state->gpus[0].mig];
    if (!state) return false;
    snprintf(names, sizeof names, "%s", state->gpus[gpu].mig);
    char *rest = names, *word;
    for (unsigned at = 0; (word = strsep(&rest, " "));) {
        if (word[0] != 0 && at++ == index) {
            snprintf(name, 24, "%.23s", word);
            return true;
        }
    }
    return false;
}

static bool gpu_of(nvmlDevice_t device, uint32_t *gpu)
{
    for (*gpu = 0; *gpu < SIM_GPUS; (*gpu)++)
        if (sim_nvml_device(*gpu) == device) return true;
    return false;
}

bool sim_nvml_mig(nvmlDevice_t device, uint32_t *gpu, unsigned *index, char name[24])
{
    for (*gpu = 0; *gpu < SIM_GPUS; (*gpu)++) {
        for (*index = 0; *index < MIG_MAX; (*index)++)
            if (device == &migs[*gpu][*index]) return name_of(*gpu, *index, name);
    }
    return false;
}

NVML_API nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    uint32_t gpu;
    char name[24];
    if (!gpu_of(device, &gpu)) return NVML_ERROR_INVALID_ARGUMENT;
    *current = *pending = name_of(gpu, 0, name) ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE;
    return NVML_SUCCESS;
}

NVML_API nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    uint32_t gpu;
    char name[24];
    if (!gpu_of(device, &gpu)) return NVML_ERROR_INVALID_ARGUMENT;
    *count = name_of(gpu, 0, name) ? MIG_MAX : 0;
    return NVML_SUCCESS;
}

NVML_API nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig)
{
    uint32_t gpu;
    char name[24];
    if (!gpu_of(device, &gpu) || index >= MIG_MAX) return NVML_ERROR_INVALID_ARGUMENT;
    /* Places need not be filled in order: ours begin with the second. */
    if (index == 0 || !name_of(gpu, index - 1, name)) return NVML_ERROR_NOT_FOUND;
    *mig = &migs[gpu][index - 1];
    return NVML_SUCCESS;
}
