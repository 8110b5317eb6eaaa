/* Errors of the simulated GPUs. Whoever appends a line "GPU XID" ("0 79") to the file `xid` beside sim.conf has that GPU
 * report that error, to every event set that was made before and to which the GPU was registered. */
#include "sim_nvml.h"
#include "sim_state.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NVML_API SIM_EXPORT nvmlReturn_t
#define LOOK_MS 5

struct nvmlEventSet_st {
    long offset; /* of what was not yet told */
    uint32_t registered;
};

static FILE *open_file(void)
{
    char directory[PATH_MAX - 16], path[PATH_MAX];
    sim_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/xid", directory);
    return fopen(path, "re");
}

NVML_API nvmlEventSetCreate(nvmlEventSet_t *set)
{
    if (!set) return NVML_ERROR_INVALID_ARGUMENT;
    *set = calloc(1, sizeof **set);
    if (!*set) return NVML_ERROR_UNKNOWN;
    FILE *file = open_file();
    if (file) {
        (*set)->offset = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
        fclose(file);
    }
    return NVML_SUCCESS;
}

NVML_API nvmlEventSetFree(nvmlEventSet_t set)
{
    free(set);
    return NVML_SUCCESS;
}

NVML_API nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    if (!set || types != nvmlEventTypeXidCriticalError) return NVML_ERROR_INVALID_ARGUMENT;
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++) {
        if (sim_nvml_device(gpu) == device) {
            set->registered |= 1u << gpu;
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_INVALID_ARGUMENT;
}

/* The next line that is whole and of a registered GPU. */
static bool next_event(nvmlEventSet_t set, nvmlEventData_t *data)
{
    FILE *file = open_file();
    bool found = false;
    if (!file || fseek(file, set->offset, SEEK_SET) != 0) {
        if (file) fclose(file);
        return false;
    }
    char line[64];
    while (!found && fgets(line, sizeof line, file)) {
        unsigned gpu;
        unsigned long long xid;
        if (line[0] == 0 || line[strlen(line) - 1] != '\n') break; /* it is being written */
        set->offset = ftell(file);
        found = sscanf(line, "%u %llu", &gpu, &xid) == 2 && gpu < SIM_GPUS && (set->registered & 1u << gpu) != 0;
        if (found) {
            *data = (nvmlEventData_t){.device = sim_nvml_device(gpu),
                                      .eventType = nvmlEventTypeXidCriticalError,
                                      .eventData = xid,
                                      .gpuInstanceId = UINT32_MAX,
                                      .computeInstanceId = UINT32_MAX};
        }
    }
    fclose(file);
    return found;
}

NVML_API nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
    if (!set || !data) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int waited = 0; !next_event(set, data); waited += LOOK_MS) {
        if (waited >= timeout_ms) return NVML_ERROR_TIMEOUT;
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000L}, NULL);
    }
    return NVML_SUCCESS;
}
