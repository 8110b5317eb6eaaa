#include "state/queue.h"

#include <string.h>

static const char *const state_names[] = {
    [JOB_QUEUED] = "queued",     [JOB_HELD] = "held",   [JOB_STARTING] = "queued",     [JOB_RUNNING] = "running",
    [JOB_STOPPING] = "stopping", [JOB_ENDED] = "ended", [JOB_CANCELLED] = "cancelled", [JOB_PREEMPTED] = "preempted",
    [JOB_FAILED] = "failed",     [JOB_LOST] = "lost",
};

static const char *const priority_names[] = {[JOB_LOW] = "low", [JOB_NORMAL] = "normal", [JOB_HIGH] = "high"};

static const char *const code_names[] = {
    [WAITS_NOT] = NULL,
    [WAITS_HELD] = "held",
    [WAITS_SLICE_GONE] = "slice-gone",
    [WAITS_NOT_YOURS] = "not-yours",
    [WAITS_SLICE_NOT_OPEN] = "slice-not-open",
    [WAITS_SLICE_OVER] = "slice-over",
    [WAITS_RUNNING] = "running",
    [WAITS_STOPPING] = "stopping",
    [WAITS_BEHIND] = "behind",
    [WAITS_SLICE_MEMORY] = "slice-memory",
    [WAITS_GPU_MEMORY] = "gpu-memory",
    [WAITS_MEMORY_UNKNOWN] = "memory-unknown",
    [WAITS_STARTING] = "starting",
    [WAITS_AWAY] = "away",
};

bool job_is_over(enum job_state state)
{
    return state >= JOB_ENDED;
}

const char *job_state_name(enum job_state state)
{
    return state_names[state];
}

int job_state_parse(const char *text, enum job_state *out)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++) {
        if (strcmp(state_names[i], text) != 0) continue;
        *out = (enum job_state)i;
        return 0;
    }
    return -1;
}

const char *job_priority_name(enum job_priority priority)
{
    return priority_names[priority];
}

int job_priority_parse(const char *text, enum job_priority *out)
{
    for (size_t i = 0; i < sizeof priority_names / sizeof priority_names[0]; i++) {
        if (strcmp(priority_names[i], text) != 0) continue;
        *out = (enum job_priority)i;
        return 0;
    }
    return -1;
}

const char *queue_code_name(enum queue_code code)
{
    return code_names[code];
}

static bool goes_before(const struct queue_job *a, const struct queue_job *b)
{
    if (a->priority != b->priority) return a->priority > b->priority;
    return a->order < b->order;
}

/* The waiting ones in the order of the line; held ones are not in it. Insertion keeps equals as they stand. */
static size_t line_up(const struct queue_job *jobs, size_t count, size_t *line)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].state != JOB_QUEUED) continue;
        size_t at = length++;
        for (; at > 0 && goes_before(&jobs[i], &jobs[line[at - 1]]); at--) line[at] = line[at - 1];
        line[at] = i;
    }
    return length;
}

struct plan {
    struct queue_job *jobs;
    size_t count;
    const struct queue_slice *slice;
    size_t free_slots;
    int64_t slice_free, gpu_free; /* less what young jobs may still take */
};

static bool takes_slot(enum job_state state)
{
    return state == JOB_STARTING || state == JOB_RUNNING || state == JOB_STOPPING;
}

static void count_taken(struct plan *plan)
{
    size_t taken = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct queue_job *job = &plan->jobs[i];
        if (!takes_slot(job->state)) continue;
        taken++;
        bool young = job->state == JOB_STARTING || plan->slice->now_ms - job->started_at_ms < QUEUE_SETTLE_MS;
        if (!young) continue;
        plan->slice_free -= job->min_free_bytes;
        plan->gpu_free -= job->min_free_bytes;
    }
    plan->free_slots = taken < plan->slice->slots ? plan->slice->slots - taken : 0;
}

/* Something about the slice or the job keeps it out of the line, whoever else is there. */
static enum queue_code barred(const struct queue_job *job, const struct queue_slice *slice)
{
    if (!slice->exists) return WAITS_SLICE_GONE;
    if (!job->may_use) return WAITS_NOT_YOURS;
    if (slice->expires_at_ms >= 0 && slice->now_ms >= slice->expires_at_ms) return WAITS_SLICE_OVER;
    if (slice->starts_at_ms >= 0 && slice->now_ms < slice->starts_at_ms) return WAITS_SLICE_NOT_OPEN;
    return job->away ? WAITS_AWAY : WAITS_NOT;
}

static size_t longest_running(const struct plan *plan)
{
    size_t found = QUEUE_NOBODY;
    for (size_t i = 0; i < plan->count; i++) {
        if (!takes_slot(plan->jobs[i].state)) continue;
        if (found == QUEUE_NOBODY || plan->jobs[i].started_at_ms < plan->jobs[found].started_at_ms) found = i;
    }
    return found;
}

static enum queue_code memory_lacks(const struct plan *plan, struct queue_job *job)
{
    if (job->min_free_bytes <= 0) return WAITS_NOT;
    if (!plan->slice->slice_free_known) return WAITS_MEMORY_UNKNOWN;
    job->wait.need_bytes = job->min_free_bytes;
    job->wait.free_bytes = plan->slice_free > 0 ? plan->slice_free : 0;
    if (plan->slice_free < job->min_free_bytes) return WAITS_SLICE_MEMORY;
    job->wait.free_bytes = plan->gpu_free > 0 ? plan->gpu_free : 0;
    if (plan->slice->gpu_free_known && plan->gpu_free < job->min_free_bytes) return WAITS_GPU_MEMORY;
    return WAITS_NOT;
}

/* The lowest that this job may stop, of those the youngest: it loses least. */
static size_t victim_for(const struct plan *plan, const struct queue_job *job)
{
    size_t found = QUEUE_NOBODY;
    for (size_t i = 0; i < plan->count; i++) {
        const struct queue_job *other = &plan->jobs[i];
        bool may = (other->uid == job->uid || job->may_displace) && (other->preemptible || job->preempts);
        bool runs = other->state == JOB_RUNNING && !other->away && other->act == QUEUE_LEAVE;
        if (!may || !runs || other->priority >= job->priority) continue;
        const struct queue_job *best = found == QUEUE_NOBODY ? NULL : &plan->jobs[found];
        if (!best || other->priority < best->priority ||
            (other->priority == best->priority && other->started_at_ms > best->started_at_ms))
            found = i;
    }
    return found;
}

/* The nth of those whose slot is about to be free. */
static size_t nth_leaving(const struct plan *plan, size_t nth)
{
    for (size_t i = 0; i < plan->count; i++) {
        bool leaves = plan->jobs[i].state == JOB_STOPPING || plan->jobs[i].act == QUEUE_PREEMPT;
        if (leaves && nth-- == 0) return i;
    }
    return QUEUE_NOBODY;
}

void queue_plan(struct queue_job *jobs, size_t count, const struct queue_slice *slice)
{
    size_t line[QUEUE_JOBS_MAX];
    struct plan plan = {
        .jobs = jobs,
        .count = count,
        .slice = slice,
        .slice_free = slice->slice_free_bytes,
        .gpu_free = slice->gpu_free_bytes,
    };
    for (size_t i = 0; i < count; i++) {
        jobs[i].act = QUEUE_LEAVE;
        jobs[i].wait = (struct queue_wait){.code = WAITS_NOT, .other = QUEUE_NOBODY};
        if (jobs[i].state == JOB_HELD) jobs[i].wait.code = WAITS_HELD;
        if (jobs[i].state == JOB_STARTING) jobs[i].wait.code = WAITS_STARTING;
    }
    count_taken(&plan);
    size_t length = line_up(jobs, count, line), position = 0, claimed = 0, blocked_by = QUEUE_NOBODY;
    for (size_t k = 0; k < length; k++) {
        struct queue_job *job = &jobs[line[k]];
        job->wait.code = barred(job, slice);
        if (job->wait.code != WAITS_NOT) continue;
        job->wait.position = ++position;
        if (blocked_by != QUEUE_NOBODY) {
            job->wait.code = WAITS_BEHIND;
            job->wait.other = blocked_by;
        } else if (plan.free_slots > 0) {
            job->wait.code = memory_lacks(&plan, job);
            if (job->wait.code == WAITS_NOT) {
                job->act = QUEUE_START;
                plan.free_slots--;
                position--;
                job->wait = (struct queue_wait){.code = WAITS_STARTING, .other = QUEUE_NOBODY};
                plan.slice_free -= job->min_free_bytes;
                plan.gpu_free -= job->min_free_bytes;
                continue;
            }
            job->wait.other = longest_running(&plan);
            blocked_by = line[k];
        } else {
            size_t leaving = nth_leaving(&plan, claimed);
            size_t victim = leaving == QUEUE_NOBODY ? victim_for(&plan, job) : QUEUE_NOBODY;
            if (victim != QUEUE_NOBODY) jobs[victim].act = QUEUE_PREEMPT;
            bool soon = leaving != QUEUE_NOBODY || victim != QUEUE_NOBODY;
            job->wait.code = soon ? WAITS_STOPPING : WAITS_RUNNING;
            job->wait.other = leaving != QUEUE_NOBODY ? leaving : soon ? victim : longest_running(&plan);
            claimed += soon;
        }
    }
}
