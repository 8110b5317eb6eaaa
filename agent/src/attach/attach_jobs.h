/* What `tranche attach` answers itself, because it runs as the user whose connection it is: starting a job, reading the
 * log of one, and terminals (attach_terminals.h). Everything else is the agent's. */
#ifndef TRANCHE_ATTACH_JOBS_H
#define TRANCHE_ATTACH_JOBS_H

#include <poll.h>
#include <stdbool.h>

#include "json.h"
#include "launch/job_start.h"
#include "state/job_record.h"

#define ATTACH_STARTS_MAX 4
#define ATTACH_REPLIES_HIGH_BYTES (256 * 1024) /* above it no more requests are read */

struct attach_start {
    int fd; /* -1: none */
    int64_t request_id, deadline_ms;
    struct job_record record;
    char text[JOB_VERDICT_BYTES];
};

struct attach_jobs {
    struct json_writer replies; /* whole lines that wait to be sent */
    struct attach_start starts[ATTACH_STARTS_MAX];
};

void attach_jobs_init(struct attach_jobs *jobs);
/* True: this request was ours, and is or will be answered. */
bool attach_jobs_take(struct attach_jobs *jobs, int64_t id, const char *op, const struct json_object *o);
/* Nothing is being started. */
bool attach_jobs_idle(const struct attach_jobs *jobs);
/* Fills ATTACH_STARTS_MAX entries and returns how long may be waited, -1: for ever. */
int attach_jobs_poll(const struct attach_jobs *jobs, struct pollfd *p);
void attach_jobs_serve(struct attach_jobs *jobs, const struct pollfd *p);

#endif
