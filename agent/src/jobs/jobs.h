/* The agent's list of jobs: those that wait, run, or are over. The supervisors know the truth about programs, the
 * agent about the line of jobs; the journal carries the line over a restart. */
#ifndef TRANCHE_JOBS_H
#define TRANCHE_JOBS_H

#include "base/failure.h"
#include "base/people.h"
#include "state/agent_state.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "state/slice.h"

#define JOBS_PER_UID_MAX 64
#define JOBS_OVER_MAX 100 /* jobs that are over and still listed */
#define JOBS_TABLE_MAX (QUEUE_JOBS_MAX + JOBS_OVER_MAX)
#define JOB_RETURN_MS 15000 /* how long a supervisor has to come back after the agent's start */
#define JOB_QUIET_MS 2000   /* no job starts before that: a returning supervisor may have started it */

struct peer;
struct shared_line;

struct job {
    struct job_record r;
    uid_t uid, account; /* account: whose jobs are counted together (accounts.h) */
    char user[OWNER_BYTES];
    char by[OWNER_BYTES]; /* who held, cancelled or displaced it; "": nobody */
    struct peer *peer;    /* its supervisor's connection; NULL: away */
    pid_t supervisor;
    uint64_t supervisor_ticks;
    int64_t away_until_ms; /* monotonic; only while the supervisor is away */
    int64_t order;
    enum job_state stop_as; /* while it is stopping: JOB_CANCELLED or JOB_PREEMPTED */
    int64_t kill_at_ms;     /* wall clock, while it is stopping */
    struct queue_wait wait; /* of the last plan, of which wait.other is an index; by id that job is wait_job: */
    char wait_job[JOB_ID_BYTES];
};

struct jobs {
    struct job *items[JOBS_TABLE_MAX];
    size_t count;
    bool changed;                          /* plan again at the end of this turn */
    bool save_due;                         /* before the replies of this turn go out */
    bool unsaved;                          /* the journal is behind; written within a second */
    int64_t planned_at_ms, quiet_until_ms; /* monotonic */
    struct shared_line *line;
};

/* The id of this user's job to whose process group this process belongs, or NULL. */
const char *jobs_of_process(const struct agent *agent, pid_t pid, uid_t uid);
/* Takes what a supervisor says about its job. 0, or -1 with the reason. */
int jobs_put(struct agent *agent, struct peer *peer, const struct job_record *record, struct failure *failure);
void jobs_peer_gone(struct agent *agent, struct peer *peer);
bool jobs_may_use(const struct agent *agent, const struct slice *slice, uid_t uid);
void jobs_changed(struct agent *agent); /* plan again at the end of this turn, save within a second */
/* For what a kill -9 right after the reply must not lose: it is written before the replies of this turn go out, once
 * for all of them. */
void jobs_save_now(struct agent *agent);
void jobs_commit(struct agent *agent);
/* Sends a line to the supervisor among the replies, which are neither dropped nor overtaken. */
void jobs_tell(struct job *job, const char *act, const char *why);
void jobs_end(struct agent *agent, struct job *job, enum job_state state, const char *message);
/* Forgets jobs that are over when there are more of them than are listed, first the oldest of the person who has most:
 * no pointer to a job outlives this call. */
void jobs_forget_old(struct agent *agent);

#endif
