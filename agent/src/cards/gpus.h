/* Opening and closing the driver. The list of GPUs is kept while it is closed, so that slices stay visible. */
#ifndef TRANCHE_GPUS_H
#define TRANCHE_GPUS_H

#include "state/agent_state.h"

void gpus_open(struct agent *agent);
void gpus_close(struct agent *agent, const char *note, int64_t retry_in_ms);
/* Looks for MIG slices now and then, where a GPU is in MIG mode: administrators make and destroy them at any time. */
void gpus_watch_migs(struct agent *agent, int64_t mono_ms);
void gpus_retry(struct agent *agent, int64_t mono_ms);

#endif
