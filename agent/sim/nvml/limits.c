/* Memory limits of control groups, as of driver 615 (vendor/nvml_min.h has what is published of them): off unless sim.conf
 * says `memory_limits = 1`. As where the kernel keeps them (dmem), a hard limit below what is in use is taken without a
 * word and not set. A group that is removed while it has a soft limit leaves a reservation behind, for which
 * tranche_sim_stale_limits counts. Files beside sim.conf: `limits-refused` (each setting fails), `limits-ignored` (libcuda
 * keeps none), `limits-uncredited` (what the dead held is counted on). */
#include "sim_nvml.h"
#include "sim_state.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NVML_API SIM_EXPORT nvmlReturn_t

static nvmlReturn_t gpu_of(nvmlDevice_t device, struct sim_state **state, uint32_t *gpu)
{
    uint32_t of;
    unsigned index;
    char name[24];
    *state = sim_state();
    if (!*state) return NVML_ERROR_UNINITIALIZED;
    if (!(*state)->options.memory_limits || sim_nvml_mig(device, &of, &index, name)) return NVML_ERROR_NOT_SUPPORTED;
    for (*gpu = 0; *gpu < (*state)->options.gpu_count; (*gpu)++)
        if (sim_nvml_device(*gpu) == device) break;
    if (*gpu == (*state)->options.gpu_count) return NVML_ERROR_INVALID_ARGUMENT;
    return (*state)->gpus[*gpu].mig[0] != 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

static bool is_gone(const struct sim_group *group)
{
    struct stat status;
    return stat(group->path, &status) != 0 || status.st_ino != group->id;
}

static bool has_reservation(const struct sim_group *group)
{
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++)
        if (group->soft_bytes[gpu] != 0) return true;
    return false;
}

/* Its place; with `make` a free one, or that of a group that is gone and holds nothing. */
static struct sim_group *find(struct sim_state *state, uint64_t id, const char *make)
{
    struct sim_group *place = NULL;
    for (uint32_t i = 0; i < SIM_GROUPS; i++) {
        struct sim_group *group = &state->groups[i];
        if (group->id == id) return group;
        if (!place && make && (group->id == 0 || (is_gone(group) && !has_reservation(group)))) place = group;
    }
    if (!place) return NULL;
    *place = (struct sim_group){.id = id};
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++) place->hard_bytes[gpu] = SIM_NO_LIMIT;
    snprintf(place->path, sizeof place->path, "%s", make);
    return place;
}

NVML_API nvmlDeviceSetMemoryLimits_v1(nvmlDevice_t device, nvmlSetMemoryLimits_v1_t *limits)
{
    struct sim_state *state;
    struct stat status;
    uint32_t gpu;
    nvmlReturn_t result = gpu_of(device, &state, &gpu);
    if (result != NVML_SUCCESS) return result;
    if (geteuid() != 0) return NVML_ERROR_NO_PERMISSION;
    bool none = limits && limits->hardLimit == NVML_DEVICE_MEMORY_LIMIT_MAX;
    if (!limits || !limits->nameSpace || limits->softLimit > limits->hardLimit ||
        (!none && limits->hardLimit > state->gpus[gpu].memory_bytes))
        return NVML_ERROR_INVALID_ARGUMENT;
    if (stat(limits->nameSpace, &status) != 0) return NVML_ERROR_OPERATING_SYSTEM;
    if (sim_switch("limits-refused")) return NVML_ERROR_UNKNOWN;
    sim_lock(state);
    sim_purge(state, true);
    struct sim_group *group = find(state, status.st_ino, limits->nameSpace);
    if (group) {
        group->soft_bytes[gpu] = limits->softLimit;
        if (sim_group_used(state, group, gpu) <= limits->hardLimit) group->hard_bytes[gpu] = limits->hardLimit;
    }
    sim_unlock(state);
    return group ? NVML_SUCCESS : NVML_ERROR_UNKNOWN;
}

NVML_API nvmlDeviceGetMemoryLimits_v1(nvmlDevice_t device, nvmlGetMemoryLimits_v1_t *limits)
{
    struct sim_state *state;
    struct stat status;
    uint32_t gpu;
    nvmlReturn_t result = gpu_of(device, &state, &gpu);
    if (result != NVML_SUCCESS) return result;
    if (!limits || !limits->nameSpace) return NVML_ERROR_INVALID_ARGUMENT;
    if (stat(limits->nameSpace, &status) != 0) return NVML_ERROR_OPERATING_SYSTEM;
    sim_lock(state);
    sim_purge(state, true);
    struct sim_group *group = find(state, status.st_ino, NULL);
    limits->softLimit = group ? group->soft_bytes[gpu] : 0;
    limits->hardLimit = group ? group->hard_bytes[gpu] : NVML_DEVICE_MEMORY_LIMIT_MAX;
    limits->currentUsed = group ? sim_group_used(state, group, gpu) : 0;
    if (group && limits->currentUsed > group->most_bytes[gpu]) group->most_bytes[gpu] = limits->currentUsed;
    if (group && sim_switch("limits-uncredited")) limits->currentUsed = group->most_bytes[gpu];
    sim_unlock(state);
    return NVML_SUCCESS;
}

/* How many groups are gone and still reserve memory; -1: there is no machine. */
SIM_EXPORT int tranche_sim_stale_limits(void)
{
    struct sim_state *state = sim_state();
    int count = 0;
    if (!state) return -1;
    sim_lock(state);
    for (uint32_t i = 0; i < SIM_GROUPS; i++)
        count += state->groups[i].id != 0 && has_reservation(&state->groups[i]) && is_gone(&state->groups[i]);
    sim_unlock(state);
    return count;
}
