/* The operations that begin with job-: parse, check rights, act. Each is answered by no more than whether it was done. */
#include "jobs.h"

#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "audit.h"
#include "log.h"
#include "peer.h"

static int bad(struct failure *failure, const char *key)
{
    return fail(failure, "bad-request", "The field %s of the request is not right; nothing was done.", key);
}

static int put(struct agent *agent, struct peer *peer, const struct json_object *o, struct failure *failure)
{
    struct job_record record;
    const char *field = "";
    if (job_record_take(o, &record, &field) != 0) return bad(failure, field);
    return jobs_put(agent, peer, &record, failure);
}

static struct job *target(struct agent *agent, const struct peer *peer, const struct json_object *o,
                          struct failure *failure)
{
    const char *id;
    if (json_get_text(o, "jobId", &id) != 1 || !job_id_is_good(id)) {
        bad(failure, "jobId");
        return NULL;
    }
    struct job *job = jobs_find(agent, id);
    if (!job) {
        fail(failure, "unknown-job", "There is no job %s on %s (any more). Nothing was changed.", id,
             agent->host_name);
        return NULL;
    }
    if (peer->is_operator || job->uid == peer->uid) return job;
    fail(failure, "not-permitted", "%s is a job of %s, not yours. Nothing was changed. Ask %s, or %s.", job->r.name,
         job->user, job->user, agent->manager_name);
    return NULL;
}

/* What somebody did to a job of somebody else, or to all of them, is kept like an edit. */
static void note(struct agent *agent, const struct peer *peer, const char *op, const char *detail)
{
    struct editor editor = {.uid = peer->uid, .name = peer->name, .action = op, .claimed_from = peer->claimed_from};
    audit_setting(agent, &editor, detail);
}

static int slots(struct agent *agent, const struct peer *peer, const struct json_object *o, struct failure *failure)
{
    int64_t count;
    if (json_get_integer(o, "slots", 1, QUEUE_SLOTS_MAX, &count) != 1) return bad(failure, "slots");
    if (!peer->is_operator) {
        return fail(failure, "not-permitted", "%s sets how many jobs of a slice run at once. Nothing was changed.",
                    agent->manager_name);
    }
    int64_t before = agent->jobs.slots_per_slice;
    agent->jobs.slots_per_slice = count;
    if (settings_save(agent, failure) != 0) {
        agent->jobs.slots_per_slice = before;
        return -1;
    }
    agent->jobs.changed = true;
    char detail[32];
    snprintf(detail, sizeof detail, "%lld at once", (long long)count);
    note(agent, peer, "job-slots", detail);
    return 0;
}

int jobs_request(struct agent *agent, struct peer *peer, const char *op, const struct json_object *o,
                 struct failure *failure)
{
    if (strcmp(op, "job-put") == 0) return put(agent, peer, o, failure);
    if (strcmp(op, "job-slots") == 0) return slots(agent, peer, o, failure);
    if (strcmp(op, "job-start") == 0 || strcmp(op, "job-log") == 0) {
        return fail(failure, "upgrade-needed",
                    "Jobs are started, and their logs read, by the tranche in your own account on %s, and that one is "
                    "older than the agent. Nothing was done; install Tranche there again.",
                    agent->host_name);
    }
    struct job *job = target(agent, peer, o, failure);
    if (!job) return -1;
    if (strcmp(op, "job-cancel") == 0) {
        bool kill = false;
        if (json_get_bool(o, "kill", &kill) < 0) return bad(failure, "kill");
        if (jobs_cancel(agent, job, peer->name, kill, failure) != 0) return -1;
    } else if (strcmp(op, "job-hold") == 0 || strcmp(op, "job-release") == 0) {
        if (jobs_hold(agent, job, peer->name, strcmp(op, "job-hold") == 0, failure) != 0) return -1;
    } else if (strcmp(op, "job-first") == 0) {
        if (jobs_first(agent, job, peer->is_operator, failure) != 0) return -1;
    } else {
        const char *word = "";
        enum job_priority priority;
        if (json_get_text(o, "priority", &word) != 1 || job_priority_parse(word, &priority) != 0) {
            return bad(failure, "priority");
        }
        if (jobs_set_priority(agent, job, priority, failure) != 0) return -1;
    }
    log_line("%s: %s %s", peer->name, op, job->r.id);
    if (peer->uid != job->uid) {
        char detail[SLICE_NAME_BYTES + OWNER_BYTES + 8];
        snprintf(detail, sizeof detail, "%s of %s", job->r.name, job->user);
        note(agent, peer, op, detail);
    }
    return 0;
}
