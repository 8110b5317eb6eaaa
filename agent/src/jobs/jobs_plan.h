/* Which job starts when. */
#ifndef TRANCHE_JOBS_PLAN_H
#define TRANCHE_JOBS_PLAN_H

#include "state/agent_state.h"

/* Plans if something changed, and once a second: starts and displaces jobs, finds lost ones, tells subscribers. */
void jobs_serve(struct agent *agent, int64_t mono_ms);

#endif
