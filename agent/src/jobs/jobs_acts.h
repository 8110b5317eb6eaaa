/* What people ask of jobs. */
#ifndef TRANCHE_JOBS_ACTS_H
#define TRANCHE_JOBS_ACTS_H

#include "base/failure.h"
#include "jobs/jobs.h"
#include "state/agent_state.h"
#include "state/queue.h"

/* 0, or -1 with the reason. */
int jobs_cancel(struct agent *agent, struct job *job, const char *by, bool kill, struct failure *failure);
int jobs_hold(struct agent *agent, struct job *job, const char *by, bool hold, struct failure *failure);
int jobs_first(struct agent *agent, struct job *job, bool before_all, struct failure *failure);
int jobs_set_priority(struct agent *agent, struct job *job, enum job_priority priority, struct failure *failure);
/* Asks a running job to end: as JOB_CANCELLED, or as JOB_PREEMPTED to make room. */
void jobs_stop(struct agent *agent, struct job *job, enum job_state as, const char *by);

#endif
