/* Lines that the agent sends unasked: state and samples. */
#ifndef TRANCHE_EVENTS_H
#define TRANCHE_EVENTS_H

#include "base/line.h"
#include "state/agent_state.h"

/* The whole seldom-changing state as one line, or NULL (no memory). The caller holds one reference. */
struct shared_line *events_state(struct agent *agent);

/* The newest sample from what was measured last. */
struct shared_line *events_sample(struct agent *agent);

#endif
