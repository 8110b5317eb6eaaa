/* What people ask of jobs: their owners, and operators. */

#include "jobs/jobs_acts.h"

#include <string.h>

#include "base/failure.h"
#include "base/now.h"
#include "jobs/jobs.h"
#include "state/agent_state.h"
#include "state/queue.h"
#include "text.h"

static int is_over(const struct job *job, struct failure *failure)
{
    return fail(failure, "job-over", "%s is over already (%s). Nothing was changed.", job->r.name,
                job_state_name(job->r.state));
}

void jobs_stop(struct agent *agent, struct job *job, enum job_state as, const char *by)
{
    job->r.state = JOB_STOPPING;
    job->stop_as = as;
    job->kill_at_ms = now_wall_ms() + job->r.grace_ms;
    text_copy(job->by, sizeof job->by, by);
    jobs_tell(job, "stop", job_state_name(as));
    jobs_changed(agent);
}

int jobs_cancel(struct agent *agent, struct job *job, const char *by, bool kill, struct failure *failure)
{
    switch (job->r.state) {
    case JOB_QUEUED:
    case JOB_HELD:
        text_copy(job->by, sizeof job->by, by);
        jobs_end(agent, job, JOB_CANCELLED, NULL);
        jobs_tell(job, "stop", "cancelled");
        break;
    case JOB_STARTING:
    case JOB_RUNNING: jobs_stop(agent, job, JOB_CANCELLED, by); break;
    case JOB_STOPPING:
        /* One that was to go back in the line no longer does. */
        job->stop_as = JOB_CANCELLED;
        text_copy(job->by, sizeof job->by, by);
        jobs_tell(job, "stop", "cancelled");
        jobs_changed(agent);
        break;
    default: return is_over(job, failure);
    }
    if (kill && !job_is_over(job->r.state)) {
        job->kill_at_ms = now_wall_ms();
        jobs_tell(job, "kill", "cancelled");
    }
    jobs_save_now(agent);
    return 0;
}

static int need_waiting(const struct job *job, struct failure *failure)
{
    if (job_is_over(job->r.state)) return is_over(job, failure);
    if (job->r.state == JOB_QUEUED || job->r.state == JOB_HELD) return 0;
    return fail(failure, "busy", "%s runs already; that is for jobs that wait. Nothing was changed.", job->r.name);
}

int jobs_hold(struct agent *agent, struct job *job, const char *by, bool hold, struct failure *failure)
{
    if (need_waiting(job, failure) != 0) return -1;
    job->r.state = hold ? JOB_HELD : JOB_QUEUED;
    text_copy(job->by, sizeof job->by, hold ? by : "");
    jobs_changed(agent);
    jobs_save_now(agent);
    return 0;
}

int jobs_first(struct agent *agent, struct job *job, bool before_all, struct failure *failure)
{
    if (need_waiting(job, failure) != 0) return -1;
    for (size_t i = 0; i < agent->jobs->count; i++) {
        const struct job *other = agent->jobs->items[i];
        bool in_line = other->r.state == JOB_QUEUED || other->r.state == JOB_HELD;
        if (other == job || !in_line || strcmp(other->r.slice_id, job->r.slice_id) != 0) continue;
        if (other->r.priority != job->r.priority || (!before_all && other->uid != job->uid)) continue;
        if (other->order <= job->order) job->order = other->order - 1;
    }
    jobs_changed(agent);
    jobs_save_now(agent);
    return 0;
}

int jobs_set_priority(struct agent *agent, struct job *job, enum job_priority priority, struct failure *failure)
{
    if (need_waiting(job, failure) != 0) return -1;
    job->r.priority = priority;
    jobs_changed(agent);
    jobs_save_now(agent);
    return 0;
}
