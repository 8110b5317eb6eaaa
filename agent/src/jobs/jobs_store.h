/* The list of jobs on disk, and as an event. */
#ifndef TRANCHE_JOBS_STORE_H
#define TRANCHE_JOBS_STORE_H

#include "base/line.h"
#include "jobs/jobs.h"
#include "state/agent_state.h"

struct job *jobs_find(struct agent *agent, const char *id);
/* Reads and writes the journal. 0 or errno. */
int jobs_load(struct agent *agent, int64_t mono_ms);
int jobs_save(struct agent *agent);
/* The list as one line; the caller gets a reference. NULL: no memory. */
struct shared_line *jobs_line(struct agent *agent);

#endif
