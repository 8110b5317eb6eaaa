/* The handles of GPUs: places in a row, so that a handle's place is its GPU's number. */
#include "sim_nvml.h"
#include "sim_state.h"

static struct nvmlDevice_st devices[SIM_GPUS + 1]; /* one more: the end */

nvmlDevice_t sim_nvml_device(uint32_t gpu)
{
    return &devices[gpu];
}
