/* The few NVML declarations that Tranche needs, written from NVIDIA's public documentation. Each group names the
 * driver branch in which the entry point appeared; a caller resolves them one by one and lives without any of them. */
#ifndef TRANCHE_NVML_MIN_H
#define TRANCHE_NVML_MIN_H

#include <stdint.h>

typedef int nvmlReturn_t;
typedef struct nvmlDevice_st *nvmlDevice_t;

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_LIBRARY_NOT_FOUND = 12,
    NVML_ERROR_FUNCTION_NOT_FOUND = 13,
    NVML_ERROR_GPU_IS_LOST = 15,
    NVML_ERROR_OPERATING_SYSTEM = 17,
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18,
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
    NVML_ERROR_UNKNOWN = 999,
};

#define NVML_DEVICE_NAME_V2_BUFFER_SIZE 96
#define NVML_DEVICE_UUID_V2_BUFFER_SIZE 96
#define NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE 80
#define NVML_VALUE_NOT_AVAILABLE (-1)
#define NVML_VALUE_NOT_AVAILABLE_U64 UINT64_MAX

typedef struct {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_t;

/* version = sizeof(nvmlMemory_v2_t) | 2 << 24 (r510) */
typedef struct {
    unsigned int version;
    unsigned long long total;
    unsigned long long reserved;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_v2_t;
#define NVML_MEMORY_V2 ((unsigned int)(sizeof(nvmlMemory_v2_t) | (2u << 24)))

typedef struct {
    unsigned int gpu;
    unsigned int memory;
} nvmlUtilization_t;

/* Before r510 (the unversioned and _v2 lists differ: _v2 has the instance ids). */
typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
} nvmlProcessInfo_v1_t;

/* The form of _v2 (r455) and _v3 (r510). */
typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlProcessInfo_t;

typedef struct {
    unsigned int pid;
    unsigned long long timeStamp; /* µs of Unix time */
    unsigned int smUtil;
    unsigned int memUtil;
    unsigned int encUtil;
    unsigned int decUtil;
} nvmlProcessUtilizationSample_t;

typedef int nvmlTemperatureSensors_t;
enum { NVML_TEMPERATURE_GPU = 0 };
typedef int nvmlClockType_t;
enum { NVML_CLOCK_GRAPHICS = 0, NVML_CLOCK_SM = 1, NVML_CLOCK_MEM = 2 };
typedef int nvmlMemoryErrorType_t;
enum { NVML_MEMORY_ERROR_TYPE_CORRECTED = 0, NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1 };
typedef int nvmlEccCounterType_t;
enum { NVML_VOLATILE_ECC = 0, NVML_AGGREGATE_ECC = 1 };
typedef int nvmlComputeMode_t;
enum {
    NVML_COMPUTEMODE_DEFAULT = 0,
    NVML_COMPUTEMODE_EXCLUSIVE_THREAD = 1,
    NVML_COMPUTEMODE_PROHIBITED = 2,
    NVML_COMPUTEMODE_EXCLUSIVE_PROCESS = 3,
};
enum { NVML_DEVICE_MIG_DISABLE = 0, NVML_DEVICE_MIG_ENABLE = 1 };

typedef struct nvmlEventSet_st *nvmlEventSet_t;
#define nvmlEventTypeXidCriticalError 0x8ULL

/* Without the last two before r450, which wrote less. */
typedef struct {
    nvmlDevice_t device;
    unsigned long long eventType;
    unsigned long long eventData; /* the XID */
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlEventData_t;

/* Limits of a control group on one GPU (r615), from NVIDIA's NVML API reference, "nvmlSetMemoryLimits_v1_t" and
 * "nvmlGetMemoryLimits_v1_t" of docs.nvidia.com/deploy/nvml-api: members, their order and their types stand there. The
 * value of NVML_DEVICE_MEMORY_LIMIT_MAX does not; it is that of nvml.h in cuda-nvml-dev 13.4 as others report it, and what
 * goes by it is checked by reading back. docs/kernel-limit.md. */
#define NVML_DEVICE_MEMORY_LIMIT_MAX UINT64_MAX
typedef struct {
    const char *nameSpace; /* full path of the group's folder */
    unsigned long long softLimit;
    unsigned long long hardLimit;
} nvmlSetMemoryLimits_v1_t;
typedef struct {
    const char *nameSpace;
    unsigned long long softLimit;
    unsigned long long hardLimit;
    unsigned long long currentUsed;
} nvmlGetMemoryLimits_v1_t;

/* X(name, arguments): all return nvmlReturn_t. Expand it to declare members, resolve symbols, or list names. */
/* Why the clocks are lower than they could be. */
#define NVML_CLOCKS_SW_POWER_CAP 0x4ULL
#define NVML_CLOCKS_HW_SLOWDOWN 0x8ULL
#define NVML_CLOCKS_SW_THERMAL 0x20ULL
#define NVML_CLOCKS_HW_THERMAL 0x40ULL
#define NVML_CLOCKS_HW_POWER_BRAKE 0x80ULL

#define NVML_FUNCTIONS(X)                                                                                             \
    X(nvmlInit_v2, (void))                                                             /* r319 */                     \
    X(nvmlShutdown, (void))                                                            /* r265 */                     \
    X(nvmlSystemGetDriverVersion, (char *version, unsigned int length))                /* r265 */                     \
    X(nvmlDeviceGetCount_v2, (unsigned int *count))                                    /* r319 */                     \
    X(nvmlDeviceGetHandleByIndex_v2, (unsigned int index, nvmlDevice_t *device))       /* r319 */                     \
    X(nvmlDeviceGetHandleByUUID, (const char *uuid, nvmlDevice_t *device))             /* r280 */                     \
    X(nvmlDeviceGetUUID, (nvmlDevice_t device, char *uuid, unsigned int length))       /* r275 */                     \
    X(nvmlDeviceGetName, (nvmlDevice_t device, char *name, unsigned int length))       /* r265 */                     \
    X(nvmlDeviceGetMinorNumber, (nvmlDevice_t device, unsigned int *number))           /* r325 */                     \
    X(nvmlDeviceGetMemoryInfo, (nvmlDevice_t device, nvmlMemory_t * memory))           /* r265 */                     \
    X(nvmlDeviceGetMemoryInfo_v2, (nvmlDevice_t device, nvmlMemory_v2_t * memory))     /* r510 */                     \
    X(nvmlDeviceGetUtilizationRates, (nvmlDevice_t device, nvmlUtilization_t * rates)) /* r265 */                     \
    X(nvmlDeviceGetTemperature,                                                        /* r265 */                     \
      (nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius))                                  \
    X(nvmlDeviceGetPowerUsage, (nvmlDevice_t device, unsigned int *milliwatts))                      /* r265 */       \
    X(nvmlDeviceGetClockInfo, (nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz))        /* r270 */       \
    X(nvmlDeviceGetCurrentClocksEventReasons, (nvmlDevice_t device, unsigned long long *reasons))    /* r535 */       \
    X(nvmlDeviceGetCurrentClocksThrottleReasons, (nvmlDevice_t device, unsigned long long *reasons)) /* r352 */       \
    X(nvmlDeviceGetTotalEccErrors,                                                                   /* r275 */       \
      (nvmlDevice_t device, nvmlMemoryErrorType_t error, nvmlEccCounterType_t counter, unsigned long long *count))    \
    X(nvmlDeviceGetComputeMode, (nvmlDevice_t device, nvmlComputeMode_t * mode))                 /* r265 */           \
    X(nvmlDeviceGetMigMode, (nvmlDevice_t device, unsigned int *current, unsigned int *pending)) /* r450 */           \
    X(nvmlDeviceGetMaxMigDeviceCount, (nvmlDevice_t device, unsigned int *count))                                     \
    X(nvmlDeviceGetMigDeviceHandleByIndex, (nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig))              \
    X(nvmlDeviceGetComputeRunningProcesses, /* r304, v1 structs */                                                    \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos))                                        \
    X(nvmlDeviceGetComputeRunningProcesses_v3, /* r510 */                                                             \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos))                                           \
    X(nvmlDeviceGetGraphicsRunningProcesses, /* r331, v1 structs */                                                   \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos))                                        \
    X(nvmlDeviceGetGraphicsRunningProcesses_v3, /* r510 */                                                            \
      (nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos))                                           \
    X(nvmlEventSetCreate, (nvmlEventSet_t * set)) /* r270 */                                                          \
    X(nvmlDeviceRegisterEvents,                   /* r270 */                                                          \
      (nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set))                                            \
    X(nvmlEventSetWait, (nvmlEventSet_t set, nvmlEventData_t * data, unsigned int timeout_ms))    /* r270 */          \
    X(nvmlEventSetWait_v2, (nvmlEventSet_t set, nvmlEventData_t * data, unsigned int timeout_ms)) /* r450 */          \
    X(nvmlEventSetFree, (nvmlEventSet_t set))                                                     /* r270 */          \
    X(nvmlDeviceSetMemoryLimits_v1, (nvmlDevice_t device, nvmlSetMemoryLimits_v1_t * limits))     /* r615 */          \
    X(nvmlDeviceGetMemoryLimits_v1, (nvmlDevice_t device, nvmlGetMemoryLimits_v1_t * limits))     /* r615 */          \
    X(nvmlDeviceGetProcessUtilization,                                                            /* r375 */          \
      (nvmlDevice_t device, nvmlProcessUtilizationSample_t * samples, unsigned int *count,                            \
       unsigned long long last_seen_us))

#endif
