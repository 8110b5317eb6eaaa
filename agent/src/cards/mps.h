/* Concurrent mode: NVIDIA's stock MPS daemon, one per GPU, started and watched by the agent for programs of its own user.
 * Their kernels then run at the same time; what is given up is that a fault of one ends them all. The GPU's compute mode
 * is never touched. What goes wrong falls back to turns, and says so in one sentence. */
#ifndef TRANCHE_MPS_H
#define TRANCHE_MPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"
#include "region.h"

struct agent;
struct json_writer;

#define MPS_CONTROL "nvidia-cuda-mps-control"
/* The control program answers at once; a daemon that was told to end waits for its clients, and they may take long. */
#define MPS_START_MS 10000
#define MPS_STOP_MS 60000

enum mps_state { MPS_OFF, MPS_STARTING, MPS_ON, MPS_STOPPING, MPS_FAILED };

struct mps {
    char uuid[REGION_UUID_BYTES];
    enum mps_state state;
    pid_t command;       /* the control program while it runs, or 0 */
    pid_t daemon;        /* while on */
    int64_t deadline_ms; /* monotonic, of STARTING and STOPPING */
    char note[240];      /* why it failed, or "" */
};

/* After the GPUs are known: takes over daemons that run, starts those that were wanted before. */
void mps_open(struct agent *agent);
/* Goes by the last sample, which should be fresh. 0, or -1 with a refusal; what follows is told by the state line. */
int mps_set(struct agent *agent, const char *gpu_uuid, bool on, struct failure *failure);
/* Once a second: has a command ended, does a daemon still live? */
void mps_watch(struct agent *agent, int64_t mono_ms);
/* The fields of a GPU in the state line. */
void mps_put(struct agent *agent, const char *gpu_uuid, struct json_writer *out);
const struct mps *mps_find(const struct agent *agent, const char *gpu_uuid); /* NULL: never asked for */

#endif
