/* Errors that drivers report of their GPUs, the last ones of the host, kept over restarts. */
#ifndef TRANCHE_FAULTS_H
#define TRANCHE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/gpu.h"
#include "json.h"
#include "region.h"

struct agent;

#define FAULT_SOURCE_BYTES 16
#define FAULTS_MAX 16 /* all in the state line; one that comes again within ten minutes is the same */

struct fault {
    char gpu_uuid[REGION_UUID_BYTES];
    char source[FAULT_SOURCE_BYTES]; /* whose number `code` is: a backend's word for its faults */
    uint32_t code, count;
    int64_t first_at_ms, at_ms; /* wall clock, when it was seen */
    int64_t told_at_ms;         /* monotonic, not kept; 0: not since the agent started */
};

struct fault_log {
    struct fault items[FAULTS_MAX]; /* the one seen longest ago first */
    size_t count;
    int64_t saved_at_ms; /* monotonic */
    bool dirty;
};

/* Reads the state file `faults`. */
void faults_load(struct agent *agent);

/* Takes what the driver has to tell; called once a second. */
void faults_watch(struct agent *agent, int64_t mono_ms);

/* What it means, by the backend that numbers its faults so. Never NULL: of one that this build does not know it says so. */
const struct gpu_fault_meaning *faults_meaning(const struct fault *fault);
const char *faults_kind_name(enum gpu_fault_kind kind);

/* "faults":[…newest first…] of the state line. */
void faults_put(const struct agent *agent, struct json_writer *w);

#endif
