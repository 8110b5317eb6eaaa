/* The list of jobs as the event that clients get, and as the journal that the next agent starts from. */

#include "jobs/jobs_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/accounts.h"
#include "base/line.h"
#include "base/now.h"
#include "base/people.h"
#include "fs.h"
#include "jobs/jobs.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "state/slice.h"
#include "text.h"

#define JOURNAL "jobs.jsonl"
#define JOURNAL_MAX_BYTES (4u << 20)
#define LINE_TAIL_BYTES 64

struct job *jobs_find(struct agent *agent, const char *id)
{
    for (size_t i = 0; i < agent->jobs->count; i++)
        if (strcmp(agent->jobs->items[i]->r.id, id) == 0) return agent->jobs->items[i];
    return NULL;
}

/* ---- event ---------------------------------------------------------------------------------------------- */

static void put_wait(struct agent *agent, struct json_writer *w, const struct job *job)
{
    const struct queue_wait *wait = &job->wait;
    const char *code = queue_code_name(wait->code);
    json_key(w, "waits");
    bool in_line = job->r.state == JOB_QUEUED || job->r.state == JOB_HELD || job->r.state == JOB_STARTING;
    if (!code || !in_line) {
        json_null(w);
        return;
    }
    struct job *other = job->wait_job[0] ? jobs_find(agent, job->wait_job) : NULL;
    struct slice *slice = slice_find(&agent->slices, job->r.slice_id);
    int64_t until_ms = wait->code == WAITS_STOPPING && other         ? other->kill_at_ms
                       : wait->code == WAITS_SLICE_NOT_OPEN && slice ? slice->r.starts_at_ms
                                                                     : NO_TIME;
    const char *user = wait->code == WAITS_HELD ? job->by : other ? other->user : NULL;
    json_open(w, '{');
    json_put_text(w, "code", code);
    json_put_known(w, "position", wait->position > 0, (int64_t)wait->position);
    json_put_text(w, "jobId", other ? other->r.id : NULL);
    json_put_text(w, "jobName", other ? other->r.name : NULL);
    json_put_text(w, "user", user && user[0] ? user : NULL);
    json_put_known(w, "sinceMs", other && other->r.started_at_ms != NO_TIME, other ? other->r.started_at_ms : 0);
    json_put_known(w, "untilMs", until_ms != NO_TIME, until_ms);
    json_put_known(w, "needBytes", wait->need_bytes > 0, wait->need_bytes);
    json_put_known(w, "freeBytes", wait->need_bytes > 0, wait->free_bytes);
    json_close(w, '}');
}

static bool put_row(struct agent *agent, struct json_writer *w, const struct job *job)
{
    struct json_mark mark = json_mark(w);
    json_open(w, '{');
    json_put_text(w, "id", job->r.id);
    job_record_put(w, &job->r);
    json_put_integer(w, "uid", job->uid);
    json_put_text(w, "user", job->user);
    json_put_text(w, "byUser", job->by[0] ? job->by : NULL);
    json_put_known(w, "killAtMs", job->kill_at_ms != NO_TIME, job->kill_at_ms);
    put_wait(agent, w, job);
    json_close(w, '}');
    if (!w->failed && w->len <= AGENT_LINE_MAX_BYTES - LINE_TAIL_BYTES) return true;
    json_rewind(w, mark);
    return false;
}

static int newest_first(const void *a, const void *b)
{
    const struct job *x = *(const struct job *const *)a, *y = *(const struct job *const *)b;
    return x->r.ended_at_ms < y->r.ended_at_ms ? 1 : x->r.ended_at_ms > y->r.ended_at_ms ? -1 : 0;
}

struct shared_line *jobs_line(struct agent *agent)
{
    struct jobs *jobs = agent->jobs;
    struct job *over[JOBS_TABLE_MAX];
    size_t over_count = 0, omitted = 0;
    struct json_writer *w = &agent->scratch;
    json_writer_clear(w);
    json_open(w, '{');
    json_put_text(w, "ev", "jobs");
    json_put_integer(w, "slotsPerSlice", agent->job_slots_per_slice);
    json_key(w, "jobs");
    json_open(w, '[');
    for (size_t i = 0; i < jobs->count; i++)
        if (job_is_over(jobs->items[i]->r.state))
            over[over_count++] = jobs->items[i];
        else
            omitted += !put_row(agent, w, jobs->items[i]);
    qsort(over, over_count, sizeof over[0], newest_first);
    for (size_t i = 0; i < over_count; i++) omitted += !put_row(agent, w, over[i]);
    json_close(w, ']');
    json_put_integer(w, "jobsOmitted", (int64_t)omitted);
    json_end_line(w);
    return w->failed ? NULL : line_new(w->data, w->len);
}

/* ---- journal -------------------------------------------------------------------------------------------- */

int jobs_save(struct agent *agent)
{
    struct json_writer w;
    json_writer_init(&w, JOURNAL_MAX_BYTES);
    for (size_t i = 0; i < agent->jobs->count; i++) {
        const struct job *job = agent->jobs->items[i];
        char ticks[24];
        snprintf(ticks, sizeof ticks, "%llu", (unsigned long long)job->supervisor_ticks);
        json_open(&w, '{');
        json_put_text(&w, "jobId", job->r.id);
        job_record_put(&w, &job->r);
        json_put_integer(&w, "uid", job->uid);
        json_put_text(&w, "byUser", job->by[0] ? job->by : NULL);
        json_put_integer(&w, "order", job->order);
        json_put_known(&w, "killAtMs", job->kill_at_ms != NO_TIME, job->kill_at_ms);
        json_put_bool(&w, "displaced", job->r.state == JOB_STOPPING && job->stop_as == JOB_PREEMPTED);
        json_put_integer(&w, "supervisorPid", job->supervisor);
        json_put_text(&w, "supervisorTicks", ticks);
        json_end_line(&w);
    }
    int error =
        w.failed ? ENOMEM : fs_write_atomic(agent->places.state, JOURNAL, w.len > 0 ? w.data : "", w.len, 0600, false);
    json_writer_free(&w);
    return error;
}

static bool load_line(struct agent *agent, char *line, int64_t mono_ms)
{
    struct json_object o;
    struct job_record record;
    const char *why, *text = NULL;
    bool displaced = false;
    int64_t number, ticks;
    if (json_parse_flat(line, strlen(line), &o, &why) != 0 || job_record_take(&o, &record, &why) != 0) return false;
    struct job *job = agent->jobs->count < JOBS_TABLE_MAX ? calloc(1, sizeof *job) : NULL;
    if (!job) return false;
    job->r = record;
    job->uid = json_get_integer(&o, "uid", 0, UINT32_MAX, &number) == 1 ? (uid_t)number : (uid_t)-1;
    job->account = accounts_owner(job->uid, now_mono_ns());
    const char *name = people_name_of(job->uid);
    if (name)
        text_copy(job->user, sizeof job->user, name);
    else
        snprintf(job->user, sizeof job->user, "uid-%u", (unsigned)job->uid);
    if (json_get_text(&o, "byUser", &text) == 1) text_sanitize(job->by, sizeof job->by, text, strlen(text));
    job->order = json_get_integer(&o, "order", 0, JSON_INTEGER_MAX, &number) == 1 ? number : record.submitted_at_ms;
    job->kill_at_ms = json_get_integer(&o, "killAtMs", 0, JSON_INTEGER_MAX, &number) == 1 ? number : NO_TIME;
    json_get_bool(&o, "displaced", &displaced);
    job->stop_as = displaced ? JOB_PREEMPTED : JOB_CANCELLED;
    if (json_get_integer(&o, "supervisorPid", 1, INT32_MAX, &number) == 1) job->supervisor = (pid_t)number;
    if (json_get_text(&o, "supervisorTicks", &text) == 1 && text_parse_integer(text, 0, INT64_MAX, &ticks) == 0)
        job->supervisor_ticks = (uint64_t)ticks;
    job->away_until_ms = mono_ms + JOB_RETURN_MS;
    agent->jobs->items[agent->jobs->count++] = job;
    return true;
}

int jobs_load(struct agent *agent, int64_t mono_ms)
{
    char path[FS_PATH_BYTES], *data, *line;
    size_t len, bad = 0;
    static struct jobs jobs; /* the agent's only list */
    agent->jobs = &jobs;
    jobs.changed = true;
    if (fs_join(path, agent->places.state, JOURNAL) != 0) return ENAMETOOLONG;
    int error = fs_read_file(path, JOURNAL_MAX_BYTES, &data, &len);
    if (error != 0) return error == ENOENT ? 0 : error;
    char *rest = data;
    while ((line = strsep(&rest, "\n"))) bad += line[0] != '\0' && !load_line(agent, line, mono_ms);
    free(data);
    agent->jobs->quiet_until_ms = mono_ms + JOB_QUIET_MS;
    if (bad > 0) log_line("%zu lines of %s could not be read and were left out", bad, path);
    return 0;
}
