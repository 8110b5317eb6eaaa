/* What the agent knows about GPUs, behind a table so that another vendor is another file. A reading that could not be
 * had is not in `valid`: it is shown as unknown, never as 0. All calls block for as long as the driver takes. */
#ifndef TRANCHE_GPU_H
#define TRANCHE_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "region.h"
#include "sim_api.h"

#define GPU_MAX 16
#define GPU_PROCESSES_MAX 1024

struct gpu_info {
    char uuid[REGION_UUID_BYTES];
    char name[100];
    uint32_t index;
    uint64_t capacity_bytes;
    bool simulated;
    char compute_mode[24]; /* "" = unknown */
    bool mig_known, mig_enabled;
};

enum gpu_valid {
    GPU_MEMORY = 1u << 0,
    GPU_UTILIZATION = 1u << 1,
    GPU_TEMPERATURE = 1u << 2,
    GPU_POWER = 1u << 3,
    GPU_CLOCK = 1u << 4,
    GPU_ECC = 1u << 5,
    GPU_SLOWED = 1u << 6,
};
#define GPU_CHEAP (GPU_MEMORY | GPU_UTILIZATION)
#define GPU_DETAILS (GPU_TEMPERATURE | GPU_POWER | GPU_CLOCK | GPU_ECC | GPU_SLOWED)

/* Why a GPU's clocks are lower than they could be; the graver one where there are several. */
enum gpu_slowed { GPU_SLOWED_BY_NOTHING, GPU_SLOWED_BY_POWER, GPU_SLOWED_BY_HEAT };

struct gpu_reading {
    uint32_t valid; /* enum gpu_valid */
    uint64_t memory_used_bytes;
    uint32_t utilization_percent;
    int32_t temperature_c;
    uint32_t power_milliwatts;
    uint32_t sm_clock_mhz;
    enum gpu_slowed slowed;
    uint64_t ecc_errors;
};

struct gpu_process {
    uint32_t pid;
    bool bytes_known;
    uint64_t bytes;
};

struct gpu_process_use {
    uint32_t pid;
    uint32_t percent;
};

/* An error that the driver reports of a GPU (NVIDIA calls them XID). */
struct gpu_fault {
    uint32_t gpu; /* index */
    uint32_t xid;
};

/* A MIG slice: a part of a GPU that the hardware keeps apart. We list them and leave them alone. */
#define GPU_MIG_MAX (GPU_MAX * 8)
struct gpu_mig {
    uint32_t gpu;            /* index of the GPU that it is a part of */
    char uuid[80];           /* "MIG-…"; before r470 with the GPU's UUID in it */
    char name[64];           /* "NVIDIA H100 80GB HBM3 MIG 1g.10gb" */
    uint64_t capacity_bytes; /* 0: not known */
};

struct gpu_backend {
    /* 0, or -1 with one sentence on why there is no GPU to manage. May be called again after close. */
    int (*open)(const char *driver_dir, char *note, size_t cap);
    void (*close)(void);
    const char *(*driver_version)(void);
    /* NULL unless the driver is simulated. */
    const struct tranche_sim_api *(*simulation)(void);
    size_t (*list)(struct gpu_info *out, size_t max);
    /* Reads those of `wanted` and sets or clears their bits in out->valid; the others are left as they are. */
    void (*read)(size_t gpu, uint32_t wanted, struct gpu_reading *out);
    /* Number of processes (each pid once, compute and graphics added up), or -1 when unknown. */
    int (*processes)(size_t gpu, struct gpu_process *out, size_t max);
    int (*process_use)(size_t gpu, struct gpu_process_use *out, size_t max);
    /* Those reported since the last call, without waiting; -1 when this driver does not tell. */
    int (*faults)(struct gpu_fault *out, size_t max);
    /* The MIG slices of GPUs in MIG mode. */
    size_t (*migs)(struct gpu_mig *out, size_t max);
};

extern const struct gpu_backend gpu_nvml;

#endif
