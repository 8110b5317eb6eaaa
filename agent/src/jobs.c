#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "events.h"
#include "log.h"
#include "measure.h"
#include "peer.h"

#define PLAN_EVERY_MS 1000
#define FREE_STEP_BYTES (INT64_C(16) << 20) /* free memory is told in such steps: not a line for every page */

struct job *jobs_find(struct agent *agent, const char *id)
{
    for (size_t i = 0; i < agent->jobs.count; i++) {
        if (strcmp(agent->jobs.items[i]->r.id, id) == 0) return agent->jobs.items[i];
    }
    return NULL;
}

/* To the supervisor, as a line among the replies: these are neither dropped nor overtaken. */
static void tell(struct job *job, const char *act, const char *why)
{
    if (!job->peer) return;
    struct json_writer *w = &job->peer->replies;
    w->comma = false;
    json_open(w, '{');
    json_put_text(w, "ev", "job-do");
    json_put_text(w, "jobId", job->r.id);
    json_put_text(w, "act", act);
    json_put_text(w, "why", why);
    json_close(w, '}');
    json_raw(w, "\n", 1);
    w->comma = false;
}

static void changed(struct agent *agent)
{
    agent->jobs.changed = true;
    agent->jobs.unsaved = true;
}

/* What must not be forgotten by a kill -9 right after the reply. */
static void save_now(struct agent *agent)
{
    int error = jobs_save(agent);
    agent->jobs.unsaved = error != 0;
    if (error != 0) log_line("the list of jobs in %s could not be written: %s", agent->places.state, strerror(error));
}

static void unbind(struct job *job)
{
    if (job->peer) job->peer->supervises = NULL;
    job->peer = NULL;
}

static void drop(struct agent *agent, size_t at)
{
    struct jobs *jobs = &agent->jobs;
    unbind(jobs->items[at]);
    free(jobs->items[at]);
    memmove(&jobs->items[at], &jobs->items[at + 1], (jobs->count - at - 1) * sizeof jobs->items[0]);
    jobs->count--;
}

/* The oldest that is over goes when there are more of them than are listed. */
static void forget_old(struct agent *agent)
{
    struct jobs *jobs = &agent->jobs;
    for (;;) {
        size_t over = 0, oldest = 0;
        for (size_t i = 0; i < jobs->count; i++) {
            if (!job_is_over(jobs->items[i]->r.state)) continue;
            if (over++ == 0 || jobs->items[i]->r.ended_at_ms < jobs->items[oldest]->r.ended_at_ms) oldest = i;
        }
        if (over <= JOBS_OVER_MAX) return;
        drop(agent, oldest);
    }
}

static void end(struct agent *agent, struct job *job, enum job_state state, const char *message)
{
    job->r.state = state;
    if (job->r.ended_at_ms == NO_TIME) job->r.ended_at_ms = now_wall_ms();
    if (message) text_copy(job->r.message, sizeof job->r.message, message);
    job->kill_at_ms = NO_TIME;
    changed(agent);
    log_line("job %s (%s of %s): %s", job->r.id, job->r.name, job->user, job_state_name(state));
}

/* ---- what supervisors say ------------------------------------------------------------------------------- */

static bool may_use(const struct agent *agent, const struct slice *slice, uid_t uid)
{
    return slice->r.owner_uid == uid || agent_is_operator(agent, uid);
}

static int check_new(struct agent *agent, const struct peer *peer, const struct job_record *r, struct failure *failure)
{
    struct slice *slice = slice_find(&agent->slices, r->slice_id);
    size_t live = 0, own = 0;
    if (!slice || slice->r.deleted) {
        return fail(failure, "unknown-slice", "There is no such slice on %s. The job was not taken.",
                    agent->host_name);
    }
    if (!may_use(agent, slice, peer->uid)) {
        return fail(failure, "not-permitted",
                    "Slice %s belongs to %s, not to you. The job was not taken; ask %s for a slice.", slice->r.name,
                    slice->r.owner, agent->manager_name);
    }
    if (r->min_free_bytes > (int64_t)slice->r.memory_limit_bytes) {
        char need[32], limit[32];
        return fail(failure, "bad-request",
                    "The job asks for %s of free memory, and slice %s has a limit of %s. It was not taken.",
                    text_gib(need, sizeof need, (uint64_t)r->min_free_bytes), slice->r.name,
                    text_gib(limit, sizeof limit, slice->r.memory_limit_bytes));
    }
    for (size_t i = 0; i < agent->jobs.count; i++) {
        const struct job *job = agent->jobs.items[i];
        if (job_is_over(job->r.state)) continue;
        live++;
        own += job->uid == peer->uid;
    }
    if (own >= JOBS_PER_UID_MAX) {
        return fail(failure, "too-many-jobs",
                    "%zu jobs of yours wait or run on %s, the most for one user. This one was not taken; cancel one "
                    "or wait.",
                    own, agent->host_name);
    }
    if (live >= QUEUE_JOBS_MAX) {
        return fail(failure, "too-many-jobs", "%zu jobs wait or run on %s, the most there can be. Try again later.",
                    live, agent->host_name);
    }
    return 0;
}

static struct job *add(struct agent *agent, const struct peer *peer, const struct job_record *r)
{
    struct jobs *jobs = &agent->jobs;
    struct job *job = jobs->count < JOBS_TABLE_MAX ? calloc(1, sizeof *job) : NULL;
    if (!job) return NULL;
    job->r = *r;
    job->uid = peer->uid;
    job->kill_at_ms = NO_TIME;
    text_copy(job->user, sizeof job->user, peer->name);
    /* The agent's own clock: nobody gets ahead by what he says. */
    job->order = now_wall_ms();
    jobs->items[jobs->count++] = job;
    log_line("job %s (%s of %s) for slice %s", r->id, r->name, job->user, r->slice_id);
    return job;
}

/* What a supervisor may say of the state, given what the agent has decided meanwhile. */
static void merge_state(struct agent *agent, struct job *job, enum job_state said, bool same_connection)
{
    enum job_state now = job->r.state;
    if (said == JOB_HELD || said == JOB_STARTING) said = JOB_QUEUED;
    if (job_is_over(said)) {
        /* One that the agent declared lost has come back to say how it went. */
        if (!job_is_over(now) || now == JOB_LOST) end(agent, job, said, NULL);
        return;
    }
    if (job_is_over(now) && now != JOB_LOST) {
        tell(job, "stop", "cancelled");
    } else if (said == JOB_QUEUED) {
        bool keeps = now == JOB_HELD || (now == JOB_STARTING && same_connection);
        if (!keeps) job->r.state = JOB_QUEUED;
        job->kill_at_ms = NO_TIME;
    } else if (now != JOB_STOPPING) {
        job->r.state = said;
        job->r.ended_at_ms = NO_TIME;
        if (said == JOB_STOPPING) job->kill_at_ms = now_wall_ms() + job->r.grace_ms;
    } else if (!same_connection) {
        tell(job, "stop", job_state_name(job->stop_as));
    }
}

static void merge(struct agent *agent, struct job *job, const struct job_record *said, bool same_connection)
{
    bool over = job_is_over(job->r.state) && job->r.state != JOB_LOST;
    job->r.started_at_ms = said->started_at_ms;
    if (!over) job->r.ended_at_ms = said->ended_at_ms;
    job->r.pid = said->pid;
    job->r.exit_code = said->exit_code;
    job->r.signal = said->signal;
    job->r.runs = said->runs;
    if (said->message[0] || job->r.state == JOB_LOST) text_copy(job->r.message, sizeof job->r.message, said->message);
    merge_state(agent, job, said->state, same_connection);
}

int jobs_put(struct agent *agent, struct peer *peer, const struct job_record *record, struct failure *failure)
{
    struct job *job = jobs_find(agent, record->id);
    if (job && job->uid != peer->uid) {
        return fail(failure, "not-permitted", "Job %s is not yours. Nothing was changed.", record->id);
    }
    if (peer->supervises && peer->supervises != job) {
        return fail(failure, "bad-request", "A connection speaks for one job. Nothing was changed.");
    }
    bool is_new = job == NULL, same_connection = job && job->peer == peer;
    if (!job) {
        if (check_new(agent, peer, record, failure) != 0) return -1;
        job = add(agent, peer, record);
        if (!job) return fail(failure, "internal", "The agent is out of memory; the job was not taken.");
        if (job->r.state == JOB_HELD) job->r.state = JOB_QUEUED;
    }
    if (!same_connection) {
        unbind(job);
        job->peer = peer;
        peer->supervises = job;
        job->supervisor = peer->pid;
        if (procs_start_ticks(peer->pid, &job->supervisor_ticks) != 0) job->supervisor_ticks = 0;
    }
    merge(agent, job, record, same_connection);
    changed(agent);
    /* What was taken into the line is in it, whatever becomes of us; and a supervisor leaves after the reply to its
     * last word: from then on the journal is all there is. */
    if (job_is_over(record->state)) forget_old(agent);
    if (is_new || job_is_over(record->state)) save_now(agent);
    return 0;
}

void jobs_peer_gone(struct agent *agent, struct peer *peer)
{
    struct job *job = peer->supervises;
    if (!job) return;
    unbind(job);
    job->away_until_ms = now_mono_ms() + JOB_RETURN_MS;
    if (!job_is_over(job->r.state)) changed(agent);
}

/* ---- what people ask ------------------------------------------------------------------------------------ */

static int is_over(const struct job *job, struct failure *failure)
{
    return fail(failure, "job-over", "%s is over already (%s). Nothing was changed.", job->r.name,
                job_state_name(job->r.state));
}

static void stop(struct agent *agent, struct job *job, enum job_state as, const char *by)
{
    job->r.state = JOB_STOPPING;
    job->stop_as = as;
    job->kill_at_ms = now_wall_ms() + job->r.grace_ms;
    text_copy(job->by, sizeof job->by, by);
    tell(job, "stop", job_state_name(as));
    changed(agent);
}

int jobs_cancel(struct agent *agent, struct job *job, const char *by, bool kill, struct failure *failure)
{
    switch (job->r.state) {
    case JOB_QUEUED:
    case JOB_HELD:
        text_copy(job->by, sizeof job->by, by);
        end(agent, job, JOB_CANCELLED, NULL);
        tell(job, "stop", "cancelled");
        forget_old(agent);
        break;
    case JOB_STARTING:
    case JOB_RUNNING: stop(agent, job, JOB_CANCELLED, by); break;
    case JOB_STOPPING:
        /* One that was to go back in the line no longer does. */
        job->stop_as = JOB_CANCELLED;
        text_copy(job->by, sizeof job->by, by);
        tell(job, "stop", "cancelled");
        changed(agent);
        break;
    default: return is_over(job, failure);
    }
    if (kill && !job_is_over(job->r.state)) {
        job->kill_at_ms = now_wall_ms();
        tell(job, "kill", "cancelled");
    }
    save_now(agent);
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
    changed(agent);
    save_now(agent);
    return 0;
}

int jobs_first(struct agent *agent, struct job *job, bool before_all, struct failure *failure)
{
    if (need_waiting(job, failure) != 0) return -1;
    for (size_t i = 0; i < agent->jobs.count; i++) {
        const struct job *other = agent->jobs.items[i];
        bool in_line = other->r.state == JOB_QUEUED || other->r.state == JOB_HELD;
        if (other == job || !in_line || strcmp(other->r.slice_id, job->r.slice_id) != 0) continue;
        if (other->r.priority != job->r.priority || (!before_all && other->uid != job->uid)) continue;
        if (other->order <= job->order) job->order = other->order - 1;
    }
    changed(agent);
    save_now(agent);
    return 0;
}

int jobs_set_priority(struct agent *agent, struct job *job, enum job_priority priority, struct failure *failure)
{
    if (need_waiting(job, failure) != 0) return -1;
    job->r.priority = priority;
    changed(agent);
    save_now(agent);
    return 0;
}

/* ---- the plan ------------------------------------------------------------------------------------------- */

static struct queue_slice look_at(struct agent *agent, const char *slice_id, const struct slice **found)
{
    struct slice *slice = slice_find(&agent->slices, slice_id);
    struct queue_slice q = {
        .exists = slice && !slice->r.deleted,
        .now_ms = now_wall_ms(),
        .slots = (size_t)agent->jobs.slots_per_slice,
        .starts_at_ms = NO_TIME,
        .expires_at_ms = NO_TIME,
    };
    *found = q.exists ? slice : NULL;
    if (!q.exists) return q;
    q.starts_at_ms = slice->r.starts_at_ms;
    q.expires_at_ms = slice->r.expires_at_ms;
    q.slice_free_known = slice->m.usage_known;
    int64_t left = (int64_t)slice->r.memory_limit_bytes - (int64_t)measure_used(slice);
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
            tell(job, "start", NULL);
        }
        if (planned[i].act != QUEUE_PREEMPT) continue;
        const char *by = "";
        for (size_t k = 0; k < count; k++) {
            if (planned[k].wait.code == WAITS_STOPPING && planned[k].wait.other == i) by = jobs[k]->user;
        }
        stop(agent, job, JOB_PREEMPTED, by);
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
    for (size_t i = 0; i < agent->jobs.count && count < QUEUE_JOBS_MAX; i++) {
        struct job *job = agent->jobs.items[i];
        if (job_is_over(job->r.state) || strcmp(job->r.slice_id, slice_id) != 0) continue;
        planned[count] = (struct queue_job){
            .state = job->r.state,
            .uid = job->uid,
            .is_operator = agent_is_operator(agent, job->uid),
            .may_use = slice && may_use(agent, slice, job->uid),
            .away = job->peer == NULL,
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
    for (size_t i = 0; i < agent->jobs.count; i++) {
        struct job *job = agent->jobs.items[i];
        if (job->peer || job_is_over(job->r.state)) continue;
        uint64_t ticks;
        bool lives = procs_start_ticks(job->supervisor, &ticks) == 0 && ticks == job->supervisor_ticks;
        if (lives && mono_ms < job->away_until_ms) continue;
        end(agent, job, JOB_LOST,
            lives ? "Its supervisor did not come back to the agent."
                  : "Its supervisor was killed, or the host was restarted.");
    }
    forget_old(agent);
}

static void announce(struct agent *agent)
{
    struct shared_line *line = jobs_line(agent), *before = agent->jobs.line;
    if (!line) return;
    if (before && before->len == line->len && memcmp(before->data, line->data, line->len) == 0) {
        line_release(line);
        return;
    }
    line_release(before);
    agent->jobs.line = line;
    for (size_t i = 0; i < agent->peer_count; i++) {
        if (agent->peers[i]->subscribed) agent->peers[i]->wants_jobs = true;
    }
}

void jobs_serve(struct agent *agent, int64_t mono_ms)
{
    struct jobs *jobs = &agent->jobs;
    bool second = mono_ms - jobs->planned_at_ms >= PLAN_EVERY_MS;
    if (!jobs->changed && !second && jobs->line) return;
    if (second) find_lost(agent, mono_ms);
    jobs->changed = false;
    if (second) jobs->planned_at_ms = mono_ms;
    for (size_t i = 0; i < jobs->count; i++) {
        bool seen = job_is_over(jobs->items[i]->r.state);
        for (size_t k = 0; k < i && !seen; k++) {
            seen = !job_is_over(jobs->items[k]->r.state) &&
                   strcmp(jobs->items[k]->r.slice_id, jobs->items[i]->r.slice_id) == 0;
        }
        if (!seen) plan_slice(agent, jobs->items[i]->r.slice_id);
    }
    announce(agent);
    if (jobs->unsaved && second) save_now(agent);
}
