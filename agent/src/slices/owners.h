/* Systems reuse uids: owners of slices and operators are compared with the system's directory. */
#ifndef TRANCHE_OWNERS_H
#define TRANCHE_OWNERS_H

#include "state/agent_state.h"

#define PEOPLE_CHECK_MS (10 * 60 * 1000)
/* Runs at the start, and every PEOPLE_CHECK_MS. */
void owners_check(struct agent *agent, int64_t mono_ms);

#endif
