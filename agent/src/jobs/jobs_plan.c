/* The plan carried out: who starts, who makes room, who is lost, and who is told. */

#include "jobs/jobs_plan.h"

#include <string.h>

#include "base/line.h"
#include "base/now.h"
#include "base/procs.h"
#include "gpu/gpu.h"
#include "jobs/jobs.h"
#include "jobs/jobs_acts.h"
#include "jobs/jobs_store.h"
#include "log.h"
#include "slices/measure.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/queue.h"
#include "state/rights.h"
#include "state/slice.h"
#include "text.h"

#define PLAN_EVERY_MS 1000
#define FREE_STEP_BYTES (INT64_C(16) << 20) /* free memory is told in such steps: not a line for every page */

static struct queue_slice look_at(struct agent *agent, const char *slice_id, const struct slice **found)
{
    struct slice *slice = slice_find(&agent->slices, slice_id);
    struct queue_slice q = {
        .exists = slice && !slice->r.deleted,
        .now_ms = now_wall_ms(),
        .slots = (size_t)agent->job_slots_per_slice,
        .starts_at_ms = NO_TIME,
        .expires_at_ms = NO_TIME,
    };
    *found = q.exists ? slice : NULL;
    if (!q.exists) return q;
    q.starts_at_ms = slice->r.starts_at_ms;
    q.expires_at_ms = slice->r.expires_at_ms;
    q.slice_free_known = slice->m.usage_known;
    int64_t left = (int64_t)slice->r.memory_limit_bytes - (int64_t)(measure_used(slice) + slice->inherited_bytes);
    q.slice_free_bytes = left > 0 ? left : 0;
    const struct gpu_state *gpu = agent_gpu(agent, slice->r.gpu_uuid);
    q.gpu_free_known = gpu && (gpu->reading.valid & GPU_MEMORY);
    if (q.gpu_free_known) {
        left = (int64_t)gpu->info.capacity_bytes - (int64_t)gpu->reading.memory_used_bytes;
        q.gpu_free_bytes = left > 0 ? left : 0;
    }
    return q;
}

static void act(struct agent *agent, struct job **jobs, const struct queue_job *planned, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct job *job = jobs[i];
        job->wait = planned[i].wait;
        job->wait.free_bytes -= job->wait.free_bytes % FREE_STEP_BYTES;
        text_copy(job->wait_job, sizeof job->wait_job,
                  job->wait.other == QUEUE_NOBODY ? "" : jobs[job->wait.other]->r.id);
        if (planned[i].act == QUEUE_START) {
            job->r.state = JOB_STARTING;
            jobs_tell(job, "start", NULL);
        }
        if (planned[i].act != QUEUE_PREEMPT) continue;
        const char *by = "";
        for (size_t k = 0; k < count; k++)
            if (planned[k].wait.code == WAITS_STOPPING && planned[k].wait.other == i) by = jobs[k]->user;
        jobs_stop(agent, job, JOB_PREEMPTED, by);
        log_line("job %s makes room for one of %s", job->r.id, by);
    }
}

static void plan_slice(struct agent *agent, const char *slice_id)
{
    static struct queue_job planned[QUEUE_JOBS_MAX];
    struct job *jobs[QUEUE_JOBS_MAX];
    const struct slice *slice;
    struct queue_slice q = look_at(agent, slice_id, &slice);
    size_t count = 0;
    for (size_t i = 0; i < agent->jobs->count && count < QUEUE_JOBS_MAX; i++) {
        struct job *job = agent->jobs->items[i];
        if (job_is_over(job->r.state) || strcmp(job->r.slice_id, slice_id) != 0) continue;
        planned[count] = (struct queue_job){
            .state = job->r.state,
            .uid = job->uid,
            .may_displace = rights_may(agent, job->uid, VERB_ORDER_JOBS, OWNED_BY_NOBODY),
            .may_use = slice && jobs_may_use(agent, slice, job->uid),
            .away = !job->peer,
            .preemptible = job->r.preemptible,
            .preempts = job->r.preempts,
            .priority = job->r.priority,
            .order = job->order,
            .min_free_bytes = job->r.min_free_bytes,
            .started_at_ms = job->r.started_at_ms,
        };
        jobs[count++] = job;
    }
    queue_plan(planned, count, &q);
    act(agent, jobs, planned, count);
}

static void find_lost(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->jobs->count; i++) {
        struct job *job = agent->jobs->items[i];
        if (job->peer || job_is_over(job->r.state)) continue;
        uint64_t ticks;
        bool lives = procs_start_ticks(job->supervisor, &ticks) == 0 && ticks == job->supervisor_ticks;
        if (lives && mono_ms < job->away_until_ms) continue;
        jobs_end(agent, job, JOB_LOST,
                 lives ? "Its supervisor did not come back to the agent."
                       : "Its supervisor was killed, or the host was restarted.");
    }
}

static void announce(struct agent *agent)
{
    struct shared_line *line = jobs_line(agent), *before = agent->jobs->line;
    if (!line) return;
    if (before && before->len == line->len && memcmp(before->data, line->data, line->len) == 0) {
        line_release(line);
        return;
    }
    line_release(before);
    agent->jobs->line = line;
    for (size_t i = 0; i < agent->peer_count; i++)
        if (agent->peers[i]->subscribed) agent->peers[i]->wants_jobs = true;
}

/* After a restart a job that the journal has as waiting may run by now: before its supervisor is back, another one could
 * be started beside it. */
static bool is_quiet(struct agent *agent, int64_t mono_ms)
{
    bool away = false;
    if (mono_ms >= agent->jobs->quiet_until_ms) return false;
    for (size_t i = 0; i < agent->jobs->count; i++) {
        struct job *job = agent->jobs->items[i];
        away |= !job->peer && !job_is_over(job->r.state);
        if (job->r.state == JOB_QUEUED) job->wait = (struct queue_wait){.code = WAITS_AWAY, .other = QUEUE_NOBODY};
    }
    return away;
}

static void plan_all(struct agent *agent)
{
    const struct jobs *jobs = agent->jobs;
    for (size_t i = 0; i < jobs->count; i++) {
        bool seen = job_is_over(jobs->items[i]->r.state);
        for (size_t k = 0; k < i && !seen; k++) {
            seen = !job_is_over(jobs->items[k]->r.state) &&
                   strcmp(jobs->items[k]->r.slice_id, jobs->items[i]->r.slice_id) == 0;
        }
        if (!seen) plan_slice(agent, jobs->items[i]->r.slice_id);
    }
}

void jobs_serve(struct agent *agent, int64_t mono_ms)
{
    struct jobs *jobs = agent->jobs;
    bool second = mono_ms - jobs->planned_at_ms >= PLAN_EVERY_MS;
    if (!jobs->changed && !second && jobs->line) return;
    if (second) find_lost(agent, mono_ms);
    jobs->changed = false;
    if (second) jobs->planned_at_ms = mono_ms;
    jobs_forget_old(agent);
    if (!is_quiet(agent, mono_ms)) plan_all(agent);
    announce(agent);
    if (jobs->unsaved && second) jobs_save_now(agent);
}
