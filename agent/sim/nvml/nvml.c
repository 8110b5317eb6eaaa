/* The simulated libnvidia-ml: reads the machine, never takes part in virtual time. */
#include "life.h"
#include "nested.h"
#include "nvml_min.h"
#include "sim_nvml.h"
#include "sim_state.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NVML_API SIM_EXPORT nvmlReturn_t
#define IDLE_MILLIWATTS 70000u
#define FULL_MILLIWATTS 690000u
#define IDLE_CELSIUS 32u
#define FULL_CELSIUS 74u

static _Atomic int initialized;

static nvmlReturn_t machine(struct sim_state **out)
{
    if (atomic_load(&initialized) <= 0) return NVML_ERROR_UNINITIALIZED;
    *out = sim_state();
    return !*out ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_SUCCESS;
}

/* The machine and the GPU of a handle, with the queues brought up to now; the lock is then held. */
static nvmlReturn_t locked(nvmlDevice_t device, struct sim_state **out, uint32_t *gpu)
{
    nvmlReturn_t result = machine(out);
    if (result != NVML_SUCCESS) return result;
    if (device < sim_nvml_device(0) || device >= sim_nvml_device((*out)->options.gpu_count))
        return NVML_ERROR_INVALID_ARGUMENT;
    *gpu = (uint32_t)(device - sim_nvml_device(0));
    sim_lock(*out);
    sim_purge(*out, false);
    sim_advance_all(*out);
    return NVML_SUCCESS;
}

NVML_API nvmlInit_v2(void)
{
    if (!sim_state()) return NVML_ERROR_DRIVER_NOT_LOADED;
    atomic_fetch_add(&initialized, 1);
    return NVML_SUCCESS;
}

NVML_API nvmlInit(void)
{
    return nvmlInit_v2();
}

NVML_API nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return nvmlInit_v2();
}

NVML_API nvmlShutdown(void)
{
    if (atomic_load(&initialized) <= 0) return NVML_ERROR_UNINITIALIZED;
    atomic_fetch_sub(&initialized, 1);
    return NVML_SUCCESS;
}

SIM_EXPORT const char *nvmlErrorString(nvmlReturn_t code)
{
    switch (code) {
    case NVML_SUCCESS: return "Success";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    default: return "Unknown Error";
    }
}

static nvmlReturn_t copy_text(char *out, unsigned int length, const char *text)
{
    if (!out) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

NVML_API nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    struct sim_state *state;
    nvmlReturn_t result = machine(&state);
    return result != NVML_SUCCESS ? result : copy_text(version, length, state->options.driver_version);
}

NVML_API nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    return nvmlSystemGetDriverVersion(version, length);
}

NVML_API nvmlDeviceGetCount_v2(unsigned int *count)
{
    struct sim_state *state;
    nvmlReturn_t result = machine(&state);
    if (result == NVML_SUCCESS) *count = state->options.gpu_count;
    return result;
}

NVML_API nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    struct sim_state *state;
    nvmlReturn_t result = machine(&state);
    if (result != NVML_SUCCESS) return result;
    if (index >= state->options.gpu_count || !device) return NVML_ERROR_INVALID_ARGUMENT;
    *device = sim_nvml_device(index);
    return NVML_SUCCESS;
}

NVML_API nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    struct sim_state *state;
    nvmlReturn_t result = machine(&state);
    for (uint32_t gpu = 0; result == NVML_SUCCESS && gpu < state->options.gpu_count; gpu++) {
        if (strcmp(state->gpus[gpu].uuid, uuid) == 0) {
            *device = sim_nvml_device(gpu);
            return NVML_SUCCESS;
        }
    }
    return result == NVML_SUCCESS ? NVML_ERROR_NOT_FOUND : result;
}

NVML_API nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    *index = (unsigned int)(device - sim_nvml_device(0));
    return NVML_SUCCESS;
}

/* What never changes of a GPU, and is read without the lock. */
static nvmlReturn_t fixed(nvmlDevice_t device, const struct sim_gpu **out)
{
    struct sim_state *state;
    uint32_t gpu;
    nvmlReturn_t result = locked(device, &state, &gpu);
    if (result == NVML_SUCCESS) {
        *out = &state->gpus[gpu];
        sim_unlock(state);
    }
    return result;
}

NVML_API nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    uint32_t of;
    unsigned index;
    char mig[24], text[64];
    if (sim_nvml_mig(device, &of, &index, mig)) {
        snprintf(text, sizeof text, "MIG-51000000-0000-4000-8000-%06x%06x", of, index);
        return copy_text(uuid, length, text);
    }
    const struct sim_gpu *gpu;
    nvmlReturn_t result = fixed(device, &gpu);
    return result == NVML_SUCCESS ? copy_text(uuid, length, gpu->uuid) : result;
}

NVML_API nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    uint32_t of;
    unsigned index;
    char mig[24], text[160];
    if (sim_nvml_mig(device, &of, &index, mig)) {
        snprintf(text, sizeof text, "%s MIG %s", sim_state()->gpus[of].name, mig);
        return copy_text(name, length, text);
    }
    const struct sim_gpu *gpu;
    nvmlReturn_t result = fixed(device, &gpu);
    return result == NVML_SUCCESS ? copy_text(name, length, gpu->name) : result;
}

NVML_API nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    struct sim_state *state;
    uint32_t gpu;
    if (!memory) return NVML_ERROR_INVALID_ARGUMENT;
    if (memory->version != NVML_MEMORY_V2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = locked(device, &state, &gpu);
    if (result != NVML_SUCCESS) return result;
    const struct sim_gpu *at = &state->gpus[gpu];
    memory->total = at->memory_bytes;
    memory->reserved = at->reserved_bytes;
    memory->used = at->used_bytes;
    memory->free = at->memory_bytes - at->reserved_bytes - at->used_bytes;
    sim_unlock(state);
    return NVML_SUCCESS;
}

NVML_API nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlMemory_v2_t newer = {.version = NVML_MEMORY_V2};
    uint32_t of;
    unsigned index, gib;
    char mig[24];
    if (!memory) return NVML_ERROR_INVALID_ARGUMENT;
    if (sim_nvml_mig(device, &of, &index, mig)) { /* as large as its name says */
        unsigned long long bytes = sscanf(mig, "%*ug.%ugb", &gib) == 1 ? (unsigned long long)gib << 30 : 0;
        *memory = (nvmlMemory_t){.total = bytes, .free = bytes};
        return NVML_SUCCESS;
    }
    nvmlReturn_t result = nvmlDeviceGetMemoryInfo_v2(device, &newer);
    if (result == NVML_SUCCESS) {
        memory->total = newer.total;
        memory->free = newer.free;
        memory->used = newer.used + newer.reserved; /* the old form has no word for reserved */
    }
    return result;
}

/* How busy the last whole window was; in between nothing moves, as with the real counter. */
static nvmlReturn_t busy_percent(nvmlDevice_t device, unsigned int *percent)
{
    struct sim_state *state;
    uint32_t gpu;
    nvmlReturn_t result = locked(device, &state, &gpu);
    if (result != NVML_SUCCESS) return result;
    *percent = state->gpus[gpu].window_percent;
    sim_unlock(state);
    return NVML_SUCCESS;
}

NVML_API nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    unsigned int percent;
    nvmlReturn_t result = !rates ? NVML_ERROR_INVALID_ARGUMENT : busy_percent(device, &percent);
    if (result == NVML_SUCCESS) {
        rates->gpu = percent;
        rates->memory = percent / 2;
    }
    return result;
}

NVML_API nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius)
{
    unsigned int percent;
    if (sensor != NVML_TEMPERATURE_GPU || !celsius) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *celsius = IDLE_CELSIUS + (FULL_CELSIUS - IDLE_CELSIUS) * percent / 100;
    return result;
}

NVML_API nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{
    unsigned int percent;
    nvmlReturn_t result = !milliwatts ? NVML_ERROR_INVALID_ARGUMENT : busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *milliwatts = IDLE_MILLIWATTS + (FULL_MILLIWATTS - IDLE_MILLIWATTS) / 100 * percent;
    return result;
}

NVML_API nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
    unsigned int percent;
    if (type < NVML_CLOCK_GRAPHICS || type > NVML_CLOCK_MEM || !mhz) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *mhz = type == NVML_CLOCK_MEM ? 2619 : percent > 0 ? 1755 : 345;
    return result;
}

/* What sim.conf says in clocks_reasons, while the GPU is busy. */
NVML_API nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    unsigned int percent;
    nvmlReturn_t result = !reasons ? NVML_ERROR_INVALID_ARGUMENT : busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *reasons = percent > 0 ? sim_state()->options.clocks_reasons : 1; /* 1: idle */
    return result;
}

NVML_API nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t error, nvmlEccCounterType_t counter,
                                     unsigned long long *count)
{
    unsigned int percent;
    (void)error;
    (void)counter;
    nvmlReturn_t result = busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *count = 0;
    return result;
}

NVML_API nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t *mode)
{
    unsigned int percent;
    nvmlReturn_t result = busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *mode = NVML_COMPUTEMODE_DEFAULT;
    return result;
}

/* As the caller sees it, in its own PID namespace; 0: it does not. */
static uint32_t visible_pid(const struct sim_process *process)
{
    if (process->pid_namespace == life_pid_namespace()) return process->pid;
    const struct nested_name name = {process->pid_namespace, process->pid, process->start_ticks};
    uint32_t after = 0;
    return nested_find(&name, &after, UINT_MAX);
}

/* Calls emit for each process with a context or memory on the GPU; too small an array is an error with the size. */
static nvmlReturn_t list(nvmlDevice_t device, unsigned int *count, void *infos,
                         void (*emit)(void *infos, unsigned int at, uint32_t pid, uint64_t bytes))
{
    struct sim_state *state;
    uint32_t gpu;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = locked(device, &state, &gpu);
    if (result != NVML_SUCCESS) return result;
    unsigned int found = 0;
    for (uint32_t index = 0; index < SIM_PROCESSES; index++) {
        const struct sim_process *process = &state->processes[index];
        if (!process->used || (process->live[gpu] == 0 && process->memory_bytes[gpu] == 0)) continue;
        uint32_t pid = visible_pid(process);
        if (pid == 0) continue;
        if (infos && found < *count) emit(infos, found, pid, process->memory_bytes[gpu]);
        found++;
    }
    sim_unlock(state);
    bool fits = found <= *count && (infos || found == 0);
    *count = found;
    return fits ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

static void emit_v1(void *infos, unsigned int at, uint32_t pid, uint64_t bytes)
{
    ((nvmlProcessInfo_v1_t *)infos)[at] = (nvmlProcessInfo_v1_t){pid, bytes};
}

static void emit_v3(void *infos, unsigned int at, uint32_t pid, uint64_t bytes)
{
    ((nvmlProcessInfo_t *)infos)[at] = (nvmlProcessInfo_t){pid, bytes, UINT32_MAX, UINT32_MAX};
}

NVML_API nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
    return list(device, count, infos, emit_v1);
}

NVML_API nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
    return list(device, count, infos, emit_v3);
}

/* Nothing draws on these GPUs. */
static nvmlReturn_t no_graphics(nvmlDevice_t device, unsigned int *count)
{
    unsigned int percent;
    nvmlReturn_t result = !count ? NVML_ERROR_INVALID_ARGUMENT : busy_percent(device, &percent);
    if (result == NVML_SUCCESS) *count = 0;
    return result;
}

NVML_API nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
    (void)infos;
    return no_graphics(device, count);
}

NVML_API nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
    (void)infos;
    return no_graphics(device, count);
}

NVML_API nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
                                         unsigned int *count, unsigned long long last_seen_us)
{
    (void)last_seen_us;
    struct sim_state *state;
    uint32_t gpu;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = locked(device, &state, &gpu);
    if (result != NVML_SUCCESS) return result;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned long long stamp = (unsigned long long)now.tv_sec * 1000000u + (unsigned long long)now.tv_nsec / 1000u;
    unsigned int found = 0;
    for (uint32_t index = 0; index < state->context_high; index++) {
        const struct sim_context *context = &state->contexts[index];
        if (!context->used || context->gpu != gpu || context->window_percent == 0) continue;
        if (samples && found < *count) {
            samples[found] = (nvmlProcessUtilizationSample_t){visible_pid(&state->processes[context->process]),
                                                              stamp,
                                                              context->window_percent,
                                                              context->window_percent / 2,
                                                              0,
                                                              0};
        }
        found++;
    }
    sim_unlock(state);
    bool fits = found <= *count && (samples || found == 0);
    *count = found;
    if (!fits) return NVML_ERROR_INSUFFICIENT_SIZE;
    return found == 0 ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS; /* the real one says so when nothing ran */
}
