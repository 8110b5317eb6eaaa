/* Programs at the same time on one GPU, instead of in turns: how that stands for each GPU for which it was asked. What
 * does it is the backend's own (cards/concurrent.h). */
#ifndef TRANCHE_STATE_CONCURRENT_H
#define TRANCHE_STATE_CONCURRENT_H

#include <stdint.h>
#include <sys/types.h>

#include "region.h"

struct agent;

enum concurrent_state { CONCURRENT_OFF, CONCURRENT_STARTING, CONCURRENT_ON, CONCURRENT_STOPPING, CONCURRENT_FAILED };

struct concurrent {
    char uuid[REGION_UUID_BYTES];
    enum concurrent_state state;
    pid_t command;       /* the control program while it runs, or 0 */
    pid_t daemon;        /* while on */
    int64_t deadline_ms; /* monotonic, of STARTING and STOPPING */
    char note[240];      /* why it failed, or "" */
};

const struct concurrent *concurrent_find(const struct agent *agent, const char *gpu_uuid); /* NULL: never asked for */
/* The same, made where there is none; NULL: there are GPU_MAX. */
struct concurrent *concurrent_entry(struct agent *agent, const char *gpu_uuid);
/* On the wire. */
const char *concurrent_state_name(enum concurrent_state state);

#endif
