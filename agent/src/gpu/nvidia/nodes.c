#include "gpu/nvidia/nodes.h"

#include <stdio.h>
#include <stdlib.h>

#include "env.h"

#define DEVICES "/dev"
#define CONTROL "nvidiactl"
#define GPU_PREFIX "nvidia"
/* Memory that host and GPU share: every CUDA program opens it when it starts, and NVML never does. */
#define SHARED_MEMORY "nvidia-uvm"

struct list {
    const char *folder;
    bool is_numbered;
    struct gpu_node *out;
    size_t count, max;
};

static void add(struct list *list, const char *name, uint32_t gpu, bool is_for_work)
{
    if (list->count == list->max) return;
    struct gpu_node *node = &list->out[list->count];
    *node = (struct gpu_node){.gpu = gpu, .is_for_work = is_for_work, .is_numbered = list->is_numbered};
    bool fits = snprintf(node->path, sizeof node->path, "%s/%s", list->folder, name) < (int)sizeof node->path;
    list->count += fits;
}

/* A stand-in is made with the number of some other device, so that its file alone says what it is; and the simulated
 * library, which reads no figures by it, opens a GPU's for work only. */
size_t nodes_list(const uint32_t *minors, size_t gpus, bool simulated, struct gpu_node *out, size_t max)
{
    const char *stand_ins = simulated ? getenv(ENV_SIM_RM_DEVICES) : NULL;
    struct list list = {.folder = simulated ? stand_ins : DEVICES, .is_numbered = !simulated, .out = out, .max = max};
    if (!list.folder || list.folder[0] != '/') return 0;
    add(&list, CONTROL, GPU_NODE_OF_ALL, false);
    if (!simulated) add(&list, SHARED_MEMORY, GPU_NODE_OF_ALL, true);
    for (size_t i = 0; i < gpus; i++) {
        char name[32];
        snprintf(name, sizeof name, GPU_PREFIX "%u", (unsigned)minors[i]);
        add(&list, name, (uint32_t)i, simulated);
    }
    return list.count;
}
