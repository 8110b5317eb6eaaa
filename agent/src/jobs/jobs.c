#include "jobs/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/failure.h"
#include "base/now.h"
#include "base/procs.h"
#include "jobs/jobs_store.h"
#include "journal/audit.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/job_record.h"
#include "state/peer.h"
#include "state/queue.h"
#include "state/rights.h"
#include "state/slice.h"
#include "text.h"

const char *jobs_of_process(const struct agent *agent, pid_t pid, uid_t uid)
{
    if (agent->jobs->count == 0) return NULL;
    pid_t group = getpgid(pid);
    for (size_t i = 0; i < agent->jobs->count && group > 0; i++) {
        const struct job *job = agent->jobs->items[i];
        /* The pid is what its supervisor says: believed for processes of the same user. */
        if (!job_is_over(job->r.state) && job->r.pid == group && job->uid == uid) return job->r.id;
    }
    return NULL;
}

void jobs_tell(struct job *job, const char *act, const char *why)
{
    if (!job->peer) return;
    struct json_writer *w = &job->peer->replies;
    json_open(w, '{');
    json_put_text(w, "ev", "job-do");
    json_put_text(w, "jobId", job->r.id);
    json_put_text(w, "act", act);
    json_put_text(w, "why", why);
    json_end_line(w);
}

void jobs_changed(struct agent *agent)
{
    agent->jobs->changed = true;
    agent->jobs->unsaved = true;
}

void jobs_save_now(struct agent *agent)
{
    agent->jobs->save_due = true;
}

void jobs_commit(struct agent *agent)
{
    if (!agent->jobs->save_due) return;
    int64_t start_ns = now_mono_ns();
    int error = jobs_save(agent);
    agent->jobs->unsaved = error != 0;
    agent->jobs->save_due = false;
    if (error != 0) log_line("the list of jobs in %s could not be written: %s", agent->places.state, strerror(error));
    int64_t now_ns = now_mono_ns();
    for (size_t i = 0; i < agent->peer_count; i++) {
        struct peer *peer = agent->peers[i];
        if (peer->awaits_save) accounts_spend(&agent->accounts, peer->account, now_ns, now_ns - start_ns);
        peer->awaits_save = false;
    }
}

static void unbind(struct job *job)
{
    if (job->peer) job->peer->supervises = NULL;
    job->peer = NULL;
}

static void drop(struct agent *agent, size_t at)
{
    struct jobs *jobs = agent->jobs;
    unbind(jobs->items[at]);
    free(jobs->items[at]);
    memmove(&jobs->items[at], &jobs->items[at + 1], (jobs->count - at - 1) * sizeof jobs->items[0]);
    jobs->count--;
}

static size_t over_of(const struct jobs *jobs, uid_t account)
{
    size_t count = 0;
    for (size_t i = 0; i < jobs->count; i++)
        count += job_is_over(jobs->items[i]->r.state) && jobs->items[i]->account == account;
    return count;
}

void jobs_forget_old(struct agent *agent)
{
    struct jobs *jobs = agent->jobs;
    for (;;) {
        size_t over = 0, most = 0, oldest = 0;
        for (size_t i = 0; i < jobs->count; i++) over += job_is_over(jobs->items[i]->r.state);
        if (over <= JOBS_OVER_MAX) return;
        /* Of whoever has the most: nobody's list is pushed out by somebody else's jobs. */
        for (size_t i = 0; i < jobs->count; i++) {
            const struct job *job = jobs->items[i];
            size_t count = job_is_over(job->r.state) ? over_of(jobs, job->account) : 0;
            bool older = count == most && job->r.ended_at_ms < jobs->items[oldest]->r.ended_at_ms;
            if (count > most || (count > 0 && older)) oldest = i;
            if (count > most) most = count;
        }
        drop(agent, oldest);
    }
}

/* How a job ended, for the audit: by the exit of its program, or by the word of its state. */
static void keep_end(struct agent *agent, const struct job *job)
{
    char detail[TEXT_SHOWN_BYTES + 1], how[48] = "";
    const char *by = job->r.state == JOB_CANCELLED ? job->by : "";
    if (job->r.signal > 0)
        snprintf(how, sizeof how, ": signal %lld", (long long)job->r.signal);
    else if (job->r.exit_code >= 0)
        snprintf(how, sizeof how, ": exit %lld", (long long)job->r.exit_code);
    bool failed = job->r.state == JOB_ENDED && (job->r.signal > 0 || job->r.exit_code > 0);
    snprintf(detail, sizeof detail, "%s (%s) %s%s%s%s", job->r.name, job->r.id,
             failed ? "failed" : job_state_name(job->r.state), by[0] ? " by " : "", by, how);
    struct editor editor = {.uid = job->uid, .name = job->user, .action = "job-end", .claimed_from = ""};
    audit_act(agent, &editor, slice_find(&agent->slices, job->r.slice_id), detail);
}

void jobs_end(struct agent *agent, struct job *job, enum job_state state, const char *message)
{
    job->r.state = state;
    if (job->r.ended_at_ms == NO_TIME) job->r.ended_at_ms = now_wall_ms();
    if (message) text_copy(job->r.message, sizeof job->r.message, message);
    job->kill_at_ms = NO_TIME;
    jobs_changed(agent);
    log_line("job %s (%s of %s): %s", job->r.id, job->r.name, job->user, job_state_name(state));
    keep_end(agent, job);
}

/* ---- what supervisors say ------------------------------------------------------------------------------- */

bool jobs_may_use(const struct agent *agent, const struct slice *slice, uid_t uid)
{
    return rights_may(agent, uid, VERB_USE_SLICE, slice->r.suspended ? OWNED_BY_NOBODY : slice->r.owner_uid);
}

static int check_new(struct agent *agent, const struct peer *peer, const struct job_record *r, struct failure *failure)
{
    struct slice *slice = slice_find(&agent->slices, r->slice_id);
    size_t live = 0, own = 0;
    if (!slice || slice->r.deleted) {
        return fail(failure, "unknown-slice", "There is no such slice on %s. The job was not taken.",
                    agent->host_name);
    }
    if (!jobs_may_use(agent, slice, peer->uid)) {
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
    for (size_t i = 0; i < agent->jobs->count; i++) {
        const struct job *job = agent->jobs->items[i];
        if (job_is_over(job->r.state)) continue;
        live++;
        own += job->account == peer->account;
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
    struct jobs *jobs = agent->jobs;
    jobs_forget_old(agent);
    struct job *job = jobs->count < JOBS_TABLE_MAX ? calloc(1, sizeof *job) : NULL;
    if (!job) return NULL;
    job->r = *r;
    job->uid = peer->uid;
    job->account = peer->account;
    job->kill_at_ms = NO_TIME;
    text_copy(job->user, sizeof job->user, peer->name);
    /* The agent's own clock: nobody gets ahead by the time they say. */
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
        if (!job_is_over(now) || now == JOB_LOST) jobs_end(agent, job, said, NULL);
        return;
    }
    if (job_is_over(now) && now != JOB_LOST) {
        jobs_tell(job, "stop", "cancelled");
    } else if (said == JOB_QUEUED) {
        bool keeps = now == JOB_HELD || (now == JOB_STARTING && same_connection);
        if (!keeps) job->r.state = JOB_QUEUED;
        job->kill_at_ms = NO_TIME;
    } else if (now != JOB_STOPPING) {
        job->r.state = said;
        job->r.ended_at_ms = NO_TIME;
        if (said == JOB_STOPPING) job->kill_at_ms = now_wall_ms() + job->r.grace_ms;
    } else if (!same_connection) {
        jobs_tell(job, "stop", job_state_name(job->stop_as));
    }
}

static void merge(struct agent *agent, struct job *job, const struct job_record *said, bool same_connection)
{
    bool over = job_is_over(job->r.state) && job->r.state != JOB_LOST;
    job->r.started_at_ms = said->started_at_ms;
    int64_t now_ms = now_wall_ms();
    if (!over) job->r.ended_at_ms = said->ended_at_ms < now_ms ? said->ended_at_ms : now_ms;
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
    if (job && job->uid != peer->uid)
        return fail(failure, "not-permitted", "Job %s is not yours. Nothing was changed.", record->id);
    if (peer->supervises && peer->supervises != job)
        return fail(failure, "bad-request", "A connection speaks for one job. Nothing was changed.");
    bool is_new = !job, same_connection = job && job->peer == peer;
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
    jobs_changed(agent);
    /* What was taken into the line is in it, whatever becomes of us; and a supervisor leaves after the reply to its
     * last word: from then on the journal is all there is. */
    if (is_new || job_is_over(record->state)) jobs_save_now(agent);
    return 0;
}

void jobs_peer_gone(struct agent *agent, struct peer *peer)
{
    struct job *job = peer->supervises;
    if (!job) return;
    unbind(job);
    job->away_until_ms = now_mono_ms() + JOB_RETURN_MS;
    if (!job_is_over(job->r.state)) jobs_changed(agent);
}
