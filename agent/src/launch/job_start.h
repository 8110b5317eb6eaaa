/* Starting a job as its user: a folder, a detached supervisor, and its first word. */
#ifndef TRANCHE_JOB_START_H
#define TRANCHE_JOB_START_H

#include "base/failure.h"
#include "state/job_record.h"

#define JOB_VERDICT_TIMEOUT_MS 8000 /* agent start (3 s) and a host that swaps; less than a client waits for a reply */
#define JOB_VERDICT_BYTES 768

/* Checks cwd, fills in what the record lacks (id, name, times) and starts the supervisor. Returns the descriptor from
 * which its verdict comes, or -1 with a code and a sentence. */
int job_start(struct job_record *record, char *const argv[], const char *cwd, struct failure *failure);

/* Reads what is there. 1: *failure has the verdict (no code: the job is in the line), 0: it has not come yet. `text`
 * gathers it and starts empty. */
int job_verdict(int fd, char text[JOB_VERDICT_BYTES], struct failure *failure);
/* The verdict did not come in time: the supervisor may still get there. */
int job_verdict_late(const struct job_record *record, struct failure *failure);

#endif
