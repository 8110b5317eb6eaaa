/* sim.conf: one `key = value` a line, # begins a comment. See the table below for the keys. */
#include "sim_state.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static uint64_t parse_amount(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    while (isspace((unsigned char)*end)) end++;
    switch (tolower((unsigned char)*end)) {
    case 'k': return (uint64_t)(value * 1024.0);
    case 'm': return (uint64_t)(value * (double)MIB);
    case 'g': return (uint64_t)(value * (double)GIB);
    case 't': return (uint64_t)(value * 1024.0 * (double)GIB);
    default: return (uint64_t)value;
    }
}

static void set_gpu(struct sim_gpu *gpu, const char *key, const char *value)
{
    if (strcmp(key, "name") == 0)
        snprintf(gpu->name, sizeof gpu->name, "%s", value);
    else if (strcmp(key, "uuid") == 0)
        snprintf(gpu->uuid, sizeof gpu->uuid, "%s", value);
    else if (strcmp(key, "mig") == 0) /* 1g.10gb 2g.20gb */
        snprintf(gpu->mig, sizeof gpu->mig, "%s", value);
    else if (strcmp(key, "memory") == 0)
        gpu->memory_bytes = parse_amount(value);
    else if (strcmp(key, "reserved") == 0)
        gpu->reserved_bytes = parse_amount(value);
}

static void set_option(struct sim_state *state, const char *key, const char *value)
{
    struct sim_options *options = &state->options;
    unsigned index;
    int length = 0;
    if (strcmp(key, "clock") == 0) { /* wall | virtual */
        options->virtual_clock = strcmp(value, "virtual") == 0;
    } else if (strcmp(key, "gpus") == 0) {
        unsigned long count = strtoul(value, NULL, 10);
        options->gpu_count = count > SIM_GPUS ? SIM_GPUS : (uint32_t)count;
    } else if (strcmp(key, "participants") == 0) {
        options->participants = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(key, "seed") == 0) {
        options->seed = strtoull(value, NULL, 10);
    } else if (strcmp(key, "noise_permille") == 0) {
        options->noise_permille = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(key, "slice_us") == 0) {
        options->slice_ns = strtoull(value, NULL, 10) * 1000;
    } else if (strcmp(key, "launch_ns") == 0) {
        options->launch_ns = strtoull(value, NULL, 10);
    } else if (strcmp(key, "event_ns") == 0) {
        options->event_ns = strtoull(value, NULL, 10);
    } else if (strcmp(key, "gap_ns") == 0) {
        options->gap_ns = strtoull(value, NULL, 10);
    } else if (strcmp(key, "switch_us") == 0) {
        options->switch_ns = strtoull(value, NULL, 10) * 1000;
    } else if (strcmp(key, "lazy_load_us") == 0) {
        options->lazy_load_ns = strtoull(value, NULL, 10) * 1000;
    } else if (strcmp(key, "context_memory") == 0) {
        options->context_bytes = parse_amount(value);
    } else if (strcmp(key, "green_context_memory") == 0) {
        options->green_context_bytes = parse_amount(value);
    } else if (strcmp(key, "clocks_reasons") == 0) {
        options->clocks_reasons = strtoull(value, NULL, 0);
    } else if (strcmp(key, "memory_limits") == 0) {
        options->memory_limits = strtoul(value, NULL, 10) != 0;
    } else if (strcmp(key, "driver") == 0) {
        snprintf(options->driver_version, sizeof options->driver_version, "%s", value);
    } else if (sscanf(key, "gpu%u.%n", &index, &length) == 1 && length > 0 && index < SIM_GPUS) {
        set_gpu(&state->gpus[index], key + length, value);
    } else { /* name, memory, reserved, for all GPUs */
        for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++)
            if (strcmp(key, "uuid") != 0) set_gpu(&state->gpus[gpu], key, value);
    }
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) *--end = 0;
    return text;
}

void sim_config_load(struct sim_state *state, const char *directory)
{
    state->options = (struct sim_options){
        .gpu_count = 2,
        .noise_permille = 20,
        .seed = 1,
        /* These four as measured on an H100 (docs/gpu-results.md, compute facts). */
        .slice_ns = 2240000,
        .event_ns = 1280,
        .gap_ns = 2000,
        .switch_ns = 190000,
        .launch_ns = 2500,
        .lazy_load_ns = 200000,
        .context_bytes = 300 * MIB,
        .green_context_bytes = 6 * MIB, /* measured: its queues, the rest it shares with the primary context */
        .driver_version = "580.00.00",
    };
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++) {
        struct sim_gpu *at = &state->gpus[gpu];
        snprintf(at->name, sizeof at->name, "Simulated H100 80GB");
        snprintf(at->uuid, sizeof at->uuid, "GPU-51000000-0000-4000-8000-%012x", gpu);
        at->memory_bytes = 80 * GIB;
        at->reserved_bytes = 480 * MIB;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sim.conf", directory);
    FILE *file = fopen(path, "re");
    if (!file) return;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "#")] = 0;
        char *value = strchr(line, '=');
        if (value) {
            *value++ = 0;
            set_option(state, trim(line), trim(value));
        }
    }
    fclose(file);
}
