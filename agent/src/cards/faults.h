/* Errors that the driver reports of its GPUs (XID), the last ones of the host, kept over restarts. */
#ifndef TRANCHE_FAULTS_H
#define TRANCHE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "region.h"

struct agent;

#define FAULTS_MAX 16 /* all in the state line; one that comes again within ten minutes is the same */

struct fault {
    char gpu_uuid[REGION_UUID_BYTES];
    uint32_t xid, count;
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

/* "faults":[…newest first…] of the state line. */
void faults_put(const struct agent *agent, struct json_writer *w);

#endif
