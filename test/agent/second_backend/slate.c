/* A second kind of GPU, for agent_backends.test.ts: it can be read and nothing else. What it "measures" is in a file that
 * TRANCHE_SLATE names: one line `GPU memory-used-MiB temperature-C` for each, and `fault GPU CODE` for each error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/gpu.h"
#include "slate.h"
#include "text.h"

#define CAPACITY_BYTES (UINT64_C(16) << 30)

static struct {
    unsigned count, faults_told;
} slate;

/* Calls `take` for each line of the file. false: there is no file. */
static bool each_line(void (*take)(const char *line, void *out), void *out)
{
    const char *path = getenv("TRANCHE_SLATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[128];
    if (!file) return false;
    while (fgets(line, sizeof line, file)) take(line, out);
    fclose(file);
    return true;
}

static void count_line(const char *line, void *out)
{
    unsigned gpu, mib;
    int celsius;
    unsigned *count = out;
    if (sscanf(line, "%u %u %d", &gpu, &mib, &celsius) == 3) (*count)++;
}

static int slate_open(const char *driver_dir, char *note, size_t cap)
{
    (void)driver_dir;
    slate.count = 0;
    if (each_line(count_line, &slate.count) && slate.count > 0) return 0;
    snprintf(note, cap, "no slate was found");
    return -1;
}

static void slate_close(void)
{
}

static const char *slate_driver_version(void)
{
    return "slate 1";
}

static size_t slate_list(struct gpu_info *out, size_t max)
{
    size_t n = 0;
    for (; n < slate.count && n < max; n++) {
        out[n] = (struct gpu_info){.index = (uint32_t)n, .capacity_bytes = CAPACITY_BYTES};
        snprintf(out[n].uuid, sizeof out[n].uuid, "SLATE-%zu", n);
        snprintf(out[n].name, sizeof out[n].name, "Slate Grey %zu", n);
    }
    return n;
}

struct wanted {
    size_t gpu;
    struct gpu_reading *out;
};

static void read_line(const char *line, void *context)
{
    unsigned gpu, mib;
    int celsius;
    struct wanted *wanted = context;
    if (sscanf(line, "%u %u %d", &gpu, &mib, &celsius) != 3 || gpu != wanted->gpu) return;
    wanted->out->memory_used_bytes = (uint64_t)mib << 20;
    wanted->out->temperature_c = celsius;
    wanted->out->valid |= GPU_MEMORY | GPU_TEMPERATURE;
}

static void slate_read(size_t gpu, uint32_t wanted, struct gpu_reading *out)
{
    struct gpu_reading all = {0};
    each_line(read_line, &(struct wanted){gpu, &all});
    out->valid &= ~wanted;
    if (all.valid & wanted & GPU_MEMORY) out->memory_used_bytes = all.memory_used_bytes;
    if (all.valid & wanted & GPU_TEMPERATURE) out->temperature_c = all.temperature_c;
    out->valid |= all.valid & wanted;
}

static int slate_processes(size_t gpu, struct gpu_process *out, size_t max)
{
    (void)gpu, (void)out, (void)max;
    return -1;
}

static int slate_process_use(size_t gpu, struct gpu_process_use *out, size_t max)
{
    (void)gpu, (void)out, (void)max;
    return -1;
}

struct heard {
    struct gpu_fault *out;
    size_t max, n;
    unsigned seen;
};

static void fault_line(const char *line, void *context)
{
    struct heard *heard = context;
    struct gpu_fault fault;
    if (sscanf(line, "fault %u %u", &fault.gpu, &fault.code) != 2 || heard->seen++ < slate.faults_told) return;
    if (heard->n < heard->max) heard->out[heard->n++] = fault;
}

static int slate_faults(struct gpu_fault *out, size_t max)
{
    struct heard heard = {.out = out, .max = max};
    each_line(fault_line, &heard);
    slate.faults_told = heard.seen;
    return (int)heard.n;
}

static const struct gpu_fault_meaning *slate_fault_meaning(uint32_t code)
{
    static const struct gpu_fault_meaning cracked = {7, GPU_FAULT_HARDWARE, "The slate is cracked."};
    static const struct gpu_fault_meaning unknown = {0, GPU_FAULT_OTHER, "A scratch."};
    return code == cracked.code ? &cracked : &unknown;
}

const struct gpu_backend gpu_slate = {
    .id = "slate",
    .words = {.vendor = "Slate", .reader = "the slate", .faults = "CRACK"},
    .can = {[GPU_CAN_TELL_FAULTS] = true},
    .open = slate_open,
    .close = slate_close,
    .driver_version = slate_driver_version,
    .list = slate_list,
    .read = slate_read,
    .processes = slate_processes,
    .process_use = slate_process_use,
    .faults = slate_faults,
    .fault_meaning = slate_fault_meaning,
};
