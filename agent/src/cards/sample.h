/* Looks at GPUs and slices. How much is asked depends on whether somebody listens: NVML's lists are not free. */
#ifndef TRANCHE_SAMPLE_H
#define TRANCHE_SAMPLE_H

#include "state/agent_state.h"

void sample_take(struct agent *agent, int64_t mono_ms, bool listened);

/* The next look asks the driver for its lists of processes, whenever that was done last. */
void sample_lists_due(struct agent *agent);

/* Watched processes have died: their entries are reaped, what they held is given back to their slices, and the next
 * line is measured anew. */
void sample_deaths(struct agent *agent, int64_t mono_ms);

/* Slices whose time has begun or ended get their policy. */
void sample_check_times(struct agent *agent);

#endif
