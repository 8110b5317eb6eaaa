/* Opening and closing drivers, each backend on its own. The list of GPUs is kept while one is closed, so that slices stay visible. */
#ifndef TRANCHE_GPUS_H
#define TRANCHE_GPUS_H

#include "state/agent_state.h"

/* Takes all backends of this build, and opens those whose driver is there. */
void gpus_begin(struct agent *agent);
void gpus_open(struct agent *agent);
void gpus_close(struct agent *agent, const char *note, int64_t retry_in_ms);
/* Looks now and then for what the hardware cuts GPUs into: administrators make and destroy it at any time. */
void gpus_watch_partitions(struct agent *agent, int64_t mono_ms);
void gpus_retry(struct agent *agent, int64_t mono_ms);
/* Now, whenever it was to be next. */
void gpus_look(struct agent *agent, int64_t mono_ms);

#endif
