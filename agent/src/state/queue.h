/* Who of a slice's jobs starts now, who makes room, and what each of the others waits for. Pure: no clock, no files, no
 * sockets; one call looks at one slice's jobs as they are and says what is to be done. */
#ifndef TRANCHE_QUEUE_H
#define TRANCHE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QUEUE_SLOTS_MAX 16
#define QUEUE_JOBS_MAX 256    /* in line or running, on a whole host */
#define QUEUE_SETTLE_MS 60000 /* how long a job may take to allocate what it asked for */
#define QUEUE_NOBODY ((size_t)-1)

/* The order counts: everything from JOB_ENDED on is final. */
enum job_state {
    JOB_QUEUED,
    JOB_HELD,
    JOB_STARTING, /* told to start, has not said yet that it runs */
    JOB_RUNNING,
    JOB_STOPPING,
    JOB_ENDED,
    JOB_CANCELLED,
    JOB_PREEMPTED,
    JOB_FAILED,
    JOB_LOST,
};

enum job_priority { JOB_LOW, JOB_NORMAL, JOB_HIGH };

enum queue_code {
    WAITS_NOT, /* it does not wait */
    WAITS_HELD,
    WAITS_SLICE_GONE,
    WAITS_NOT_YOURS,
    WAITS_SLICE_NOT_OPEN,
    WAITS_SLICE_OVER,
    WAITS_RUNNING,
    WAITS_STOPPING,
    WAITS_BEHIND,
    WAITS_SLICE_MEMORY,
    WAITS_GPU_MEMORY,
    WAITS_MEMORY_UNKNOWN,
    WAITS_STARTING,
    WAITS_AWAY,
};

struct queue_wait {
    enum queue_code code;
    size_t position; /* 1: first in line; 0: not in it */
    size_t other;    /* index of the job that it waits for, or QUEUE_NOBODY */
    int64_t need_bytes, free_bytes;
};

enum queue_act { QUEUE_LEAVE, QUEUE_START, QUEUE_PREEMPT };

struct queue_job {
    /* in */
    enum job_state state;
    uid_t uid;
    bool may_displace; /* its user may: also jobs of others */
    bool may_use;      /* its user may use the slice */
    bool away;         /* its supervisor is not connected */
    bool preemptible;  /* agrees to be stopped for a higher one */
    bool preempts;     /* stops lower ones that did not agree, too */
    enum job_priority priority;
    int64_t order; /* smaller goes first among equals; equal ones keep the order of the array */
    int64_t min_free_bytes;
    int64_t started_at_ms;
    /* out */
    enum queue_act act;
    struct queue_wait wait;
};

struct queue_slice {
    bool exists;
    int64_t starts_at_ms, expires_at_ms; /* < 0: none */
    int64_t now_ms;
    size_t slots;
    bool slice_free_known, gpu_free_known;
    int64_t slice_free_bytes, gpu_free_bytes;
};

/* Fills act and wait of every job. At most QUEUE_JOBS_MAX of them, all of one slice, none of them over. */
void queue_plan(struct queue_job *jobs, size_t count, const struct queue_slice *slice);

bool job_is_over(enum job_state state);
const char *job_state_name(enum job_state state); /* as the protocol has it: one that starts is queued */
int job_state_parse(const char *text, enum job_state *out);
const char *job_priority_name(enum job_priority priority);
int job_priority_parse(const char *text, enum job_priority *out);
const char *queue_code_name(enum queue_code code); /* NULL: WAITS_NOT */

#endif
