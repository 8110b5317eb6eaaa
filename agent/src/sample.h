/* Looks at GPUs and slices. How much is asked depends on whether somebody listens: NVML's lists are not free. */
#ifndef TRANCHE_SAMPLE_H
#define TRANCHE_SAMPLE_H

#include "agent.h"

void sample_take(struct agent *agent, int64_t mono_ms, bool listened);

/* Slices whose time has begun or ended get their policy. */
void sample_check_times(struct agent *agent);

#endif
