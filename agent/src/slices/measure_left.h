/* What is set aside in a slice for its earlier owners' programs that still run. */
#ifndef TRANCHE_MEASURE_LEFT_H
#define TRANCHE_MEASURE_LEFT_H

#include "state/agent_state.h"

/* Runs after the slices of a GPU were looked at: how much is set aside in each for its earlier owners' programs. */
void measure_inherited(struct agent *agent, const char *gpu_uuid, int64_t mono_ms);

#endif
