/* What is asked of jobs, by their supervisors and by people. Each is answered by no more than that it was done. */

#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/people.h"
#include "jobs/jobs.h"
#include "jobs/jobs_acts.h"
#include "jobs/jobs_store.h"
#include "journal/audit.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "state/rights.h"
#include "state/settings.h"
#include "state/slice.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

static int bad(struct request *r, const char *key)
{
    return fail(&r->failure, "bad-request", "The field %s of the request is not right; nothing was done.", key);
}

static bool is(const struct request *r, const char *op)
{
    return strcmp(r->op, op) == 0;
}

static int put(struct request *r)
{
    struct job_record record;
    const char *field = "";
    if (job_record_take(&r->object, &record, &field) != 0) return bad(r, field);
    return jobs_put(r->agent, r->peer, &record, &r->failure);
}

static struct job *target(struct request *r)
{
    const char *id;
    if (json_get_text(&r->object, "jobId", &id) != 1 || !job_id_is_good(id)) {
        bad(r, "jobId");
        return NULL;
    }
    struct job *job = jobs_find(r->agent, id);
    if (!job) {
        fail(&r->failure, "unknown-job", "There is no job %s on %s (any more). Nothing was changed.", id,
             r->agent->host_name);
        return NULL;
    }
    if (rights_may(r->agent, r->peer->uid, VERB_CHANGE_JOB, job->uid)) return job;
    fail(&r->failure, "not-permitted", "%s is a job of %s, not yours. Nothing was changed. Ask %s, or %s.",
         job->r.name, job->user, job->user, r->agent->manager_name);
    return NULL;
}

/* What somebody did to a job of somebody else is kept with the signals and the ends of jobs. */
static void keep(const struct request *r, const struct job *job)
{
    char detail[SLICE_NAME_BYTES + OWNER_BYTES + 8];
    struct editor editor = request_editor(r);
    snprintf(detail, sizeof detail, "%s of %s", job->r.name, job->user);
    audit_act(r->agent, &editor, slice_find(&r->agent->slices, job->r.slice_id), detail);
}

static int slots(struct request *r)
{
    struct agent *agent = r->agent;
    int64_t count;
    if (json_get_integer(&r->object, "slots", 1, QUEUE_SLOTS_MAX, &count) != 1) return bad(r, "slots");
    int64_t before = agent->job_slots_per_slice;
    agent->job_slots_per_slice = count;
    if (settings_save(agent, &r->failure) != 0) {
        agent->job_slots_per_slice = before;
        return -1;
    }
    agent->jobs->changed = true;
    char detail[32];
    snprintf(detail, sizeof detail, "%lld at once", (long long)count);
    struct editor editor = request_editor(r);
    audit_setting(agent, &editor, detail);
    return 0;
}

/* What an owner or an operator asks of one job. */
static int act(struct request *r)
{
    struct agent *agent = r->agent;
    const char *by = r->peer->name;
    struct job *job = target(r);
    if (!job) return -1;
    if (is(r, "job-cancel")) {
        bool kill = false;
        if (json_get_bool(&r->object, "kill", &kill) < 0) return bad(r, "kill");
        if (jobs_cancel(agent, job, by, kill, &r->failure) != 0) return -1;
    } else if (is(r, "job-hold") || is(r, "job-release")) {
        if (jobs_hold(agent, job, by, is(r, "job-hold"), &r->failure) != 0) return -1;
    } else if (is(r, "job-first")) {
        if (jobs_first(agent, job, rights_may(agent, r->peer->uid, VERB_ORDER_JOBS, OWNED_BY_NOBODY), &r->failure) !=
            0)
            return -1;
    } else {
        const char *word = "";
        enum job_priority priority;
        if (json_get_text(&r->object, "priority", &word) != 1 || job_priority_parse(word, &priority) != 0)
            return bad(r, "priority");
        if (jobs_set_priority(agent, job, priority, &r->failure) != 0) return -1;
    }
    log_line("%s: %s %s", by, r->op, job->r.id);
    if (r->peer->uid != job->uid) keep(r, job);
    return 0;
}

static int run(struct request *r)
{
    if (is(r, "job-put")) return put(r);
    if (is(r, "job-slots")) return slots(r);
    if (is(r, "job-start") || is(r, "job-log") || is(r, "environments")) {
        return fail(&r->failure, "upgrade-needed",
                    "Jobs are started, and their logs read, by the tranche in your own account on %s, and that one is "
                    "older than the agent. Nothing was done; install Tranche there again.",
                    r->agent->host_name);
    }
    return act(r);
}

int op_job(struct request *r)
{
    /* The reply stands before what the supervisor is told because of its own request. */
    struct json_mark mark = json_mark(r->out);
    request_ok(r);
    if (run(r) == 0) {
        r->peer->awaits_save |= r->agent->jobs->save_due;
        return 0;
    }
    json_rewind(r->out, mark);
    return -1;
}
