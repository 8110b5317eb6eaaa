/* What the agent knows about GPUs, behind a table for each kind of driver: another vendor is another folder beside
 * nvidia/, and a line in backends.c. Each GPU knows its backend. A reading that could not be had is not in `valid`: it is
 * shown as unknown, never as 0. All calls block for as long as the driver takes. */
#ifndef TRANCHE_GPU_H
#define TRANCHE_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "region.h"
#include "sim_api.h"

#define GPU_MAX 16
#define GPU_BACKENDS_MAX 4
#define GPU_PROCESSES_MAX 1024

/* What Tranche can do with GPUs of a backend. */
enum gpu_ability {
#define GPU_ABILITY(name, word) GPU_CAN_##name,
#include "gpu/abilities.def"
#undef GPU_ABILITY
    GPU_ABILITIES
};

struct gpu_info {
    char uuid[REGION_UUID_BYTES];
    char name[100];
    uint32_t index; /* the backend's own, from 0 */
    uint64_t capacity_bytes;
    bool simulated;
    char compute_mode[24]; /* "" = unknown */
    bool partitioned_known, partitioned;
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

/* An error that the driver reports of a GPU. */
struct gpu_fault {
    uint32_t gpu; /* index */
    uint32_t code;
};

/* Whose fault it mostly is. */
enum gpu_fault_kind { GPU_FAULT_OTHER, GPU_FAULT_PROGRAM, GPU_FAULT_HARDWARE };

struct gpu_fault_meaning {
    uint32_t code;
    enum gpu_fault_kind kind;
    const char *text; /* one sentence */
};

/* A part of a GPU that the hardware keeps apart. We list them and leave them alone. */
#define GPU_PARTITIONS_MAX (GPU_MAX * 8)
struct gpu_partition {
    uint32_t gpu;            /* index of the GPU that it is a part of */
    char uuid[80];           /* as the driver names it */
    char name[64];           /* as the driver says it, with the model */
    uint64_t capacity_bytes; /* 0: not known */
};

/* What the processes of a control group hold of a GPU together, and the most that the driver lets them. */
#define GPU_NO_GROUP_LIMIT UINT64_MAX
struct gpu_group_limit {
    uint64_t reserved_bytes, most_bytes, used_bytes;
};

/* A device node by which programs reach GPUs. */
#define GPU_NODES_MAX (GPU_MAX + 4)
#define GPU_NODE_OF_ALL UINT32_MAX
struct gpu_node {
    char path[192];
    uint32_t gpu; /* which GPU of the backend's it is of, or GPU_NODE_OF_ALL */
    /* Whoever has it open is about to use a GPU; false: programs that only read figures open it, too. */
    bool is_for_work;
    /* Its device number is this driver's alone, whatever a node is called and wherever it lies; false: the file alone
     * says what it is. */
    bool is_numbered;
};

/* What people call things of this vendor; NULL where it has none. The one place where the rest of the agent, and over
 * the wire the window, has these words from. */
struct gpu_words {
    const char *vendor;     /* "NVIDIA" */
    const char *reader;     /* what its readings come from: "NVML" */
    const char *tool;       /* the program that people read its GPUs with: "nvidia-smi" */
    const char *faults;     /* how its errors are numbered: "XID" */
    const char *partitions; /* what the hardware cuts a GPU into: "MIG" */
    const char *concurrent; /* by what programs run at the same time: "MPS" */
};

struct gpu_backend {
    const char *id; /* on the wire and in files: "nvidia" */
    struct gpu_words words;
    bool can[GPU_ABILITIES];
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
    /* Never NULL: of an unknown one it says where it is explained. NULL where a backend tells no faults. */
    const struct gpu_fault_meaning *(*fault_meaning)(uint32_t code);
    const char *fault_notice; /* the code of a notice of one, as older clients know it; NULL: "gpu-fault" */
    /* The command by which root lets several processes use a GPU at once. NULL: it is always so. */
    void (*shared_mode_command)(uint32_t gpu, char *out, size_t cap);
    /* Has the driver itself hold the processes of a control group, by its folder, to that much of a GPU, without keeping
     * any of it free for them. Memory that they hold already stays. 0: it was told so; whether it is so says group_limit.
     * Otherwise errno, with a sentence. ENOTSUP: this driver keeps none, or none is set. ENOENT: it knows no such group, or
     * the group is without the kernel's controller. Root alone may. NULL: no driver of this make can. */
    int (*limit_group)(size_t gpu, const char *path, uint64_t most_bytes, char *why, size_t cap);
    int (*group_limit)(size_t gpu, const char *path, struct gpu_group_limit *out, char *why, size_t cap);
    /* The system's units by which GPUs of this make are served, and which are no program of anybody's; up to NULL. */
    const char *const *services;
    /* The device nodes of its GPUs, there or not; NULL where it names none. */
    size_t (*nodes)(struct gpu_node *out, size_t max);
    /* The partitions of GPUs that are cut; NULL where there are none. */
    size_t (*partitions)(struct gpu_partition *out, size_t max);
    /* How the names of its devices begin in /proc/devices, and of its nodes; NULL: it has none that can be guarded. */
    const char *device_prefix;
    /* The driver that is behind its nodes of /dev/dri, as sysfs calls it; NULL: it has none there. */
    const char *display_driver;
};

/* All that this build knows, in the order in which their GPUs are counted; ends with NULL. */
extern const struct gpu_backend *const gpu_backends[];
/* For a sentence: its own word, or one that fits any vendor. */
const char *gpu_partitions_word(const struct gpu_backend *backend);
/* On the wire. */
const char *gpu_ability_word(enum gpu_ability ability);

#endif
