/* The agent's only user of NVML, found at run time. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gpu/nvidia/memory_limits.h"
#include "gpu/nvidia/nodes.h"
#include "gpu/nvidia/nvml.h"
#include "gpu/nvidia/xid.h"
#include "nvml_min.h"
#include "sim_api.h"
#include "text.h"

#define LIBRARY "libnvidia-ml.so.1"
#define USE_SAMPLES_MAX 2048
#define USE_WINDOW_US 10000000ULL /* older samples of process use say nothing about now */

#define DECLARE(name, arguments) nvmlReturn_t(*name) arguments;
static struct {
    void *library;
    NVML_FUNCTIONS(DECLARE)
    const struct tranche_sim_api *simulation;
    char driver[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
    size_t count;
    nvmlDevice_t devices[GPU_MAX];
    nvmlEventSet_t events; /* NULL: this driver does not tell of errors */
} nvml;

static const char *error_sentence(nvmlReturn_t result)
{
    switch (result) {
    case NVML_ERROR_DRIVER_NOT_LOADED: return "the NVIDIA kernel driver is not loaded";
    case NVML_ERROR_NO_PERMISSION: return "this user may not talk to the NVIDIA driver";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return "the NVIDIA driver was upgraded and its library no longer matches the kernel module; reboot the host";
    case NVML_ERROR_GPU_IS_LOST: return "a GPU has fallen off the bus";
    case NVML_ERROR_FUNCTION_NOT_FOUND: return "this NVIDIA driver is too old";
    default: return "NVML did not start";
    }
}

static void nvml_close(void)
{
    if (nvml.library) {
        if (nvml.events && nvml.nvmlEventSetFree) nvml.nvmlEventSetFree(nvml.events);
        if (nvml.nvmlShutdown) nvml.nvmlShutdown();
        dlclose(nvml.library);
    }
    memset(&nvml, 0, sizeof nvml);
}

static int resolve(const char *driver_dir, char *note, size_t cap)
{
    char path[PATH_MAX];
    if (driver_dir && driver_dir[0] && snprintf(path, sizeof path, "%s/" LIBRARY, driver_dir) < (int)sizeof path)
        nvml.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!nvml.library) nvml.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!nvml.library) {
        snprintf(note, cap, "no NVIDIA driver: " LIBRARY " was not found");
        return -1;
    }
#define RESOLVE(name, arguments) *(void **)(&nvml.name) = dlsym(nvml.library, #name);
    NVML_FUNCTIONS(RESOLVE)
    const struct tranche_sim_api **simulation = dlsym(nvml.library, TRANCHE_SIM_SYMBOL);
    if (simulation && *simulation && (*simulation)->bytes >= sizeof(struct tranche_sim_api))
        nvml.simulation = *simulation;
    if (!nvml.nvmlInit_v2 || !nvml.nvmlDeviceGetCount_v2 || !nvml.nvmlDeviceGetHandleByIndex_v2 ||
        !nvml.nvmlDeviceGetUUID || !nvml.nvmlDeviceGetMemoryInfo) {
        snprintf(note, cap, "%s (" LIBRARY " lacks what Tranche needs)",
                 error_sentence(NVML_ERROR_FUNCTION_NOT_FOUND));
        return -1;
    }
    return 0;
}

/* Of GPUs that refuse, and of drivers without it, errors are simply not told. */
static void register_events(void)
{
    bool able = nvml.nvmlEventSetCreate && nvml.nvmlDeviceRegisterEvents && nvml.nvmlEventSetFree &&
                (nvml.nvmlEventSetWait_v2 || nvml.nvmlEventSetWait);
    if (!able || nvml.nvmlEventSetCreate(&nvml.events) != NVML_SUCCESS) {
        nvml.events = NULL;
        return;
    }
    bool any = false;
    for (size_t i = 0; i < nvml.count; i++) {
        any |=
            nvml.nvmlDeviceRegisterEvents(nvml.devices[i], nvmlEventTypeXidCriticalError, nvml.events) == NVML_SUCCESS;
    }
    if (any) return;
    nvml.nvmlEventSetFree(nvml.events);
    nvml.events = NULL;
}

static int nvml_open(const char *driver_dir, char *note, size_t cap)
{
    nvml_close();
    if (resolve(driver_dir, note, cap) != 0) {
        /* Nothing was initialized yet, so nvmlShutdown must not be called. */
        nvml.nvmlShutdown = NULL;
        nvml_close();
        return -1;
    }
    nvmlReturn_t result = nvml.nvmlInit_v2();
    unsigned count = 0;
    if (result != NVML_SUCCESS)
        nvml.nvmlShutdown = NULL;
    else
        result = nvml.nvmlDeviceGetCount_v2(&count);
    if (result != NVML_SUCCESS) {
        snprintf(note, cap, "%s (NVML error %d)", error_sentence(result), (int)result);
        nvml_close();
        return -1;
    }
    if (!nvml.nvmlSystemGetDriverVersion ||
        nvml.nvmlSystemGetDriverVersion(nvml.driver, sizeof nvml.driver) != NVML_SUCCESS)
        nvml.driver[0] = '\0';
    for (unsigned i = 0; i < count && nvml.count < GPU_MAX; i++) {
        /* A GPU that is lost is left out; the others work on. */
        if (nvml.nvmlDeviceGetHandleByIndex_v2(i, &nvml.devices[nvml.count]) == NVML_SUCCESS) nvml.count++;
    }
    if (nvml.count == 0) {
        snprintf(note, cap, "the NVIDIA driver %s sees no GPU", nvml.driver);
        nvml_close();
        return -1;
    }
    register_events();
    return 0;
}

static const char *nvml_driver_version(void)
{
    return nvml.driver[0] ? nvml.driver : NULL;
}

static const struct tranche_sim_api *nvml_simulation(void)
{
    return nvml.simulation;
}

static void fill_modes(nvmlDevice_t device, struct gpu_info *info)
{
    nvmlComputeMode_t mode;
    if (nvml.nvmlDeviceGetComputeMode && nvml.nvmlDeviceGetComputeMode(device, &mode) == NVML_SUCCESS) {
        text_copy(info->compute_mode, sizeof info->compute_mode,
                  mode == NVML_COMPUTEMODE_DEFAULT             ? "default"
                  : mode == NVML_COMPUTEMODE_EXCLUSIVE_PROCESS ? "exclusive-process"
                  : mode == NVML_COMPUTEMODE_PROHIBITED        ? "prohibited"
                                                               : "exclusive-thread");
    }
    unsigned current = 0, pending = 0;
    if (nvml.nvmlDeviceGetMigMode) {
        nvmlReturn_t result = nvml.nvmlDeviceGetMigMode(device, &current, &pending);
        /* A GPU without MIG has it off for sure. */
        info->partitioned_known = result == NVML_SUCCESS || result == NVML_ERROR_NOT_SUPPORTED;
        info->partitioned = result == NVML_SUCCESS && current == NVML_DEVICE_MIG_ENABLE;
    }
}

static size_t nvml_list(struct gpu_info *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < nvml.count && n < max; i++) {
        struct gpu_info *info = &out[n];
        char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = "";
        memset(info, 0, sizeof *info);
        if (nvml.nvmlDeviceGetUUID(nvml.devices[i], text, sizeof text) != NVML_SUCCESS) text[0] = '\0';
        text[sizeof text - 1] = '\0';
        text_copy(info->uuid, sizeof info->uuid, text);
        char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = "";
        if (!nvml.nvmlDeviceGetName || nvml.nvmlDeviceGetName(nvml.devices[i], name, sizeof name) != NVML_SUCCESS)
            text_copy(name, sizeof name, "NVIDIA GPU");
        text_sanitize(info->name, sizeof info->name, name, strnlen(name, sizeof name));
        nvmlMemory_t memory = {0};
        if (nvml.nvmlDeviceGetMemoryInfo(nvml.devices[i], &memory) == NVML_SUCCESS)
            info->capacity_bytes = memory.total;
        info->index = (uint32_t)i;
        info->simulated = nvml.simulation;
        fill_modes(nvml.devices[i], info);
        n++;
    }
    return n;
}

/* false: not known. */
static bool read_slowed(nvmlDevice_t device, enum gpu_slowed *out)
{
    unsigned long long reasons = 0;
    nvmlReturn_t result = NVML_ERROR_FUNCTION_NOT_FOUND;
    if (nvml.nvmlDeviceGetCurrentClocksEventReasons)
        result = nvml.nvmlDeviceGetCurrentClocksEventReasons(device, &reasons);
    else if (nvml.nvmlDeviceGetCurrentClocksThrottleReasons) /* its name before r535 */
        result = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device, &reasons);
    bool heat = (reasons & (NVML_CLOCKS_SW_THERMAL | NVML_CLOCKS_HW_THERMAL)) != 0;
    bool power = (reasons & (NVML_CLOCKS_SW_POWER_CAP | NVML_CLOCKS_HW_POWER_BRAKE | NVML_CLOCKS_HW_SLOWDOWN)) != 0;
    *out = heat ? GPU_SLOWED_BY_HEAT : power ? GPU_SLOWED_BY_POWER : GPU_SLOWED_BY_NOTHING;
    return result == NVML_SUCCESS;
}

static void nvml_read(size_t gpu, uint32_t wanted, struct gpu_reading *out)
{
    out->valid &= ~wanted;
    if (gpu >= nvml.count) return;
    nvmlDevice_t device = nvml.devices[gpu];
    nvmlMemory_t memory;
    nvmlUtilization_t rates;
    unsigned value = 0;
    unsigned long long errors = 0;
    if ((wanted & GPU_MEMORY) && nvml.nvmlDeviceGetMemoryInfo(device, &memory) == NVML_SUCCESS) {
        out->memory_used_bytes = memory.used;
        out->valid |= GPU_MEMORY;
    }
    if ((wanted & GPU_UTILIZATION) && nvml.nvmlDeviceGetUtilizationRates &&
        nvml.nvmlDeviceGetUtilizationRates(device, &rates) == NVML_SUCCESS && rates.gpu <= 100) {
        out->utilization_percent = rates.gpu;
        out->valid |= GPU_UTILIZATION;
    }
    if ((wanted & GPU_TEMPERATURE) && nvml.nvmlDeviceGetTemperature &&
        nvml.nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &value) == NVML_SUCCESS) {
        out->temperature_c = (int32_t)value;
        out->valid |= GPU_TEMPERATURE;
    }
    if ((wanted & GPU_POWER) && nvml.nvmlDeviceGetPowerUsage &&
        nvml.nvmlDeviceGetPowerUsage(device, &value) == NVML_SUCCESS) {
        out->power_milliwatts = value;
        out->valid |= GPU_POWER;
    }
    if ((wanted & GPU_CLOCK) && nvml.nvmlDeviceGetClockInfo &&
        nvml.nvmlDeviceGetClockInfo(device, NVML_CLOCK_SM, &value) == NVML_SUCCESS) {
        out->sm_clock_mhz = value;
        out->valid |= GPU_CLOCK;
    }
    if ((wanted & GPU_SLOWED) && read_slowed(device, &out->slowed)) out->valid |= GPU_SLOWED;
    if ((wanted & GPU_ECC) && nvml.nvmlDeviceGetTotalEccErrors &&
        nvml.nvmlDeviceGetTotalEccErrors(device, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, &errors) ==
            NVML_SUCCESS) {
        out->ecc_errors = errors;
        out->valid |= GPU_ECC;
    }
}

/* A process can be on both lists with the same memory, or with compute and graphics memory apart: the larger figure
 * is the one that is certainly held. */
static int merge(struct gpu_process *out, size_t max, int n, unsigned pid, unsigned long long bytes)
{
    bool known = bytes != NVML_VALUE_NOT_AVAILABLE_U64;
    if (pid == 0) return n;
    for (int i = 0; i < n; i++) {
        if (out[i].pid != pid) continue;
        if (known && (!out[i].bytes_known || bytes > out[i].bytes)) {
            out[i].bytes = bytes;
            out[i].bytes_known = true;
        }
        return n;
    }
    if ((size_t)n >= max) return n;
    out[n] = (struct gpu_process){.pid = pid, .bytes_known = known, .bytes = known ? bytes : 0};
    return n + 1;
}

static int nvml_processes(size_t gpu, struct gpu_process *out, size_t max)
{
    static nvmlProcessInfo_t infos[GPU_PROCESSES_MAX];
    static nvmlProcessInfo_v1_t old[GPU_PROCESSES_MAX];
    if (gpu >= nvml.count) return -1;
    int n = 0;
    bool known = false;
    for (int kind = 0; kind < 2; kind++) {
        nvmlReturn_t (*list)(nvmlDevice_t, unsigned *, nvmlProcessInfo_t *) =
            kind == 0 ? nvml.nvmlDeviceGetComputeRunningProcesses_v3 : nvml.nvmlDeviceGetGraphicsRunningProcesses_v3;
        nvmlReturn_t (*list_old)(nvmlDevice_t, unsigned *, nvmlProcessInfo_v1_t *) =
            kind == 0 ? nvml.nvmlDeviceGetComputeRunningProcesses : nvml.nvmlDeviceGetGraphicsRunningProcesses;
        unsigned count = GPU_PROCESSES_MAX;
        if (list && list(nvml.devices[gpu], &count, infos) == NVML_SUCCESS) {
            for (unsigned i = 0; i < count && i < GPU_PROCESSES_MAX; i++)
                n = merge(out, max, n, infos[i].pid, infos[i].usedGpuMemory);
            known |= kind == 0;
        } else if (!list && list_old && list_old(nvml.devices[gpu], &count, old) == NVML_SUCCESS) {
            for (unsigned i = 0; i < count && i < GPU_PROCESSES_MAX; i++)
                n = merge(out, max, n, old[i].pid, old[i].usedGpuMemory);
            known |= kind == 0;
        }
    }
    return known ? n : -1;
}

static int nvml_process_use(size_t gpu, struct gpu_process_use *out, size_t max)
{
    static nvmlProcessUtilizationSample_t samples[USE_SAMPLES_MAX];
    static unsigned long long stamps[GPU_PROCESSES_MAX];
    if (gpu >= nvml.count || !nvml.nvmlDeviceGetProcessUtilization) return -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned long long now_us =
        (unsigned long long)now.tv_sec * 1000000ULL + (unsigned long long)now.tv_nsec / 1000ULL;
    unsigned count = USE_SAMPLES_MAX;
    nvmlReturn_t result =
        nvml.nvmlDeviceGetProcessUtilization(nvml.devices[gpu], samples, &count, now_us - USE_WINDOW_US);
    if (result == NVML_ERROR_NOT_FOUND) return 0; /* nobody was busy */
    if (result != NVML_SUCCESS) return -1;
    if (max > GPU_PROCESSES_MAX) max = GPU_PROCESSES_MAX;
    size_t n = 0;
    for (unsigned i = 0; i < count && i < USE_SAMPLES_MAX; i++) {
        /* The driver's buffer is known to hold absurd and stale values. */
        if (samples[i].pid == 0 || samples[i].smUtil > 100 || samples[i].timeStamp + USE_WINDOW_US < now_us) continue;
        size_t k = 0;
        while (k < n && out[k].pid != samples[i].pid) k++;
        if (k == n) {
            if (n == max) continue;
            n++;
            stamps[k] = 0;
        }
        if (samples[i].timeStamp < stamps[k]) continue;
        out[k] = (struct gpu_process_use){.pid = samples[i].pid, .percent = samples[i].smUtil};
        stamps[k] = samples[i].timeStamp;
    }
    return (int)n;
}

static int nvml_faults(struct gpu_fault *out, size_t max)
{
    if (!nvml.events) return -1;
    nvmlReturn_t (*wait)(nvmlEventSet_t, nvmlEventData_t *, unsigned int) =
        nvml.nvmlEventSetWait_v2 ? nvml.nvmlEventSetWait_v2 : nvml.nvmlEventSetWait;
    size_t n = 0;
    nvmlEventData_t event = {0};
    for (size_t looks = 0; looks < max && wait(nvml.events, &event, 0) == NVML_SUCCESS; looks++) {
        if (event.eventType != nvmlEventTypeXidCriticalError) continue;
        for (size_t i = 0; i < nvml.count; i++) {
            if (nvml.devices[i] != event.device) continue;
            out[n++] = (struct gpu_fault){.gpu = (uint32_t)i, .code = (uint32_t)event.eventData};
            break;
        }
    }
    return (int)n;
}

static size_t nvml_partitions(struct gpu_partition *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < nvml.count; i++) {
        unsigned current = 0, pending = 0, count = 0;
        bool on = nvml.nvmlDeviceGetMigMode && nvml.nvmlDeviceGetMaxMigDeviceCount &&
                  nvml.nvmlDeviceGetMigDeviceHandleByIndex &&
                  nvml.nvmlDeviceGetMigMode(nvml.devices[i], &current, &pending) == NVML_SUCCESS &&
                  current == NVML_DEVICE_MIG_ENABLE &&
                  nvml.nvmlDeviceGetMaxMigDeviceCount(nvml.devices[i], &count) == NVML_SUCCESS;
        for (unsigned k = 0; on && k < count && n < max; k++) {
            nvmlDevice_t mig;
            char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = "";
            nvmlMemory_t memory;
            /* Places without an instance are not found. */
            if (nvml.nvmlDeviceGetMigDeviceHandleByIndex(nvml.devices[i], k, &mig) != NVML_SUCCESS) continue;
            struct gpu_partition *at = &out[n++];
            memset(at, 0, sizeof *at);
            at->gpu = (uint32_t)i;
            if (nvml.nvmlDeviceGetUUID(mig, text, sizeof text) != NVML_SUCCESS) text[0] = '\0';
            text_sanitize(at->uuid, sizeof at->uuid, text, strnlen(text, sizeof text));
            if (!nvml.nvmlDeviceGetName || nvml.nvmlDeviceGetName(mig, text, sizeof text) != NVML_SUCCESS)
                text_copy(text, sizeof text, "MIG slice");
            text_sanitize(at->name, sizeof at->name, text, strnlen(text, sizeof text));
            if (nvml.nvmlDeviceGetMemoryInfo(mig, &memory) == NVML_SUCCESS) at->capacity_bytes = memory.total;
        }
    }
    return n;
}

/* A node is called by its minor number, which need not be the GPU's index. */
static size_t nvml_nodes(struct gpu_node *out, size_t max)
{
    uint32_t minors[GPU_MAX];
    for (size_t i = 0; i < nvml.count; i++) {
        unsigned minor = (unsigned)i;
        if (!nvml.nvmlDeviceGetMinorNumber || nvml.nvmlDeviceGetMinorNumber(nvml.devices[i], &minor) != NVML_SUCCESS)
            minor = (unsigned)i;
        minors[i] = minor;
    }
    return nodes_list(minors, nvml.count, nvml.simulation, out, max);
}

/* As the packages of the driver, of DCGM and of the fabric manager call them. */
static const char *const nvidia_services[] = {"nvidia-persistenced.service", "nvidia-fabricmanager.service",
                                              "nvidia-dcgm.service", "nvidia-powerd.service", NULL};

static void nvml_shared_mode_command(uint32_t gpu, char *out, size_t cap)
{
    snprintf(out, cap, "nvidia-smi -i %u -c DEFAULT", gpu);
}

static int nvml_limit_group(size_t gpu, const char *path, uint64_t most_bytes, char *why, size_t cap)
{
    nvmlMemory_t memory = {0};
    if (gpu >= nvml.count) return memory_limits_absent(why, cap);
    uint64_t capacity = nvml.nvmlDeviceGetMemoryInfo(nvml.devices[gpu], &memory) == NVML_SUCCESS ? memory.total : 0;
    return memory_limits_set(nvml.nvmlDeviceSetMemoryLimits_v1, nvml.devices[gpu], path, most_bytes, capacity, why,
                             cap);
}

static int nvml_group_limit(size_t gpu, const char *path, struct gpu_group_limit *out, char *why, size_t cap)
{
    if (gpu >= nvml.count) return memory_limits_absent(why, cap);
    return memory_limits_get(nvml.nvmlDeviceGetMemoryLimits_v1, nvml.devices[gpu], path, out, why, cap);
}

const struct gpu_backend gpu_nvml = {
    .id = "nvidia",
    .words = {.vendor = "NVIDIA",
              .reader = "NVML",
              .tool = "nvidia-smi",
              .faults = "XID",
              .partitions = "MIG",
              .concurrent = "MPS"},
    .can = {[GPU_CAN_LIMIT_MEMORY] = true,
            [GPU_CAN_LIMIT_COMPUTE] = true,
            [GPU_CAN_RUN_CONCURRENTLY] = true,
            [GPU_CAN_TELL_FAULTS] = true,
            [GPU_CAN_LIST_PARTITIONS] = true,
            [GPU_CAN_GATE] = true},
    .open = nvml_open,
    .close = nvml_close,
    .driver_version = nvml_driver_version,
    .simulation = nvml_simulation,
    .list = nvml_list,
    .read = nvml_read,
    .processes = nvml_processes,
    .process_use = nvml_process_use,
    .faults = nvml_faults,
    .fault_meaning = xid_meaning,
    .fault_notice = "xid",
    .shared_mode_command = nvml_shared_mode_command,
    .limit_group = nvml_limit_group,
    .group_limit = nvml_group_limit,
    .services = nvidia_services,
    .nodes = nvml_nodes,
    .partitions = nvml_partitions,
    .device_prefix = "nvidia",
    .display_driver = "nvidia",
};
