/* What a backend has to have for concurrent mode. */
#ifndef TRANCHE_CONCURRENT_MODE_H
#define TRANCHE_CONCURRENT_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"

struct agent;
struct gpu_backend;
struct gpu_state;
struct json_writer;

struct concurrent_mode {
    const struct gpu_backend *backend;
    void (*open)(struct agent *agent);
    int (*set)(struct agent *agent, struct gpu_state *gpu, bool on, struct failure *failure);
    void (*watch)(struct agent *agent, int64_t mono_ms);
    /* What `run` needs to know beside the state of the mode. */
    void (*put)(struct agent *agent, const char *gpu_uuid, struct json_writer *out);
};

#endif
