#include "attach/attach_jobs.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/places.h"
#include "base/reply.h"
#include "env.h"
#include "fs.h"
#include "json.h"
#include "launch/environment_list.h"
#include "launch/job_folder.h"
#include "launch/job_log.h"
#include "launch/job_start.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "text.h"

#define LOG_LEAST_BYTES 16 /* more than a character */

void attach_jobs_init(struct attach_jobs *jobs)
{
    memset(jobs, 0, sizeof *jobs);
    json_writer_init(&jobs->replies, 4 * ATTACH_REPLIES_HIGH_BYTES);
    for (size_t i = 0; i < ATTACH_STARTS_MAX; i++) jobs->starts[i].fd = -1;
}

static void answer_start(struct attach_jobs *jobs, int64_t id, const struct job_record *r,
                         const struct failure *failure)
{
    struct json_writer *w = &jobs->replies;
    if (failure->code) {
        reply_refuse(w, id, failure);
        return;
    }
    reply_begin(w, id);
    json_put_text(w, "jobId", r->id);
    json_put_text(w, "name", r->name);
    json_end_line(w);
}

/* ---- start ---------------------------------------------------------------------------------------------- */

/* The command line is one argument of the user's own shell, in the environment of the user's interactive login shell
 * (environment.h), and no quoting of ours is between what was typed and what is run. */
static void command_argv(char *exe, const char *command, const char *environment, char *argv[6])
{
    size_t n = 0;
    argv[n++] = exe;
    argv[n++] = (char *)"in-shell";
    if (environment) argv[n++] = (char *)"--environment";
    if (environment) argv[n++] = (char *)environment;
    argv[n++] = (char *)command;
    argv[n] = NULL;
}

static int folder_for(const char *asked, char out[FS_PATH_BYTES], struct failure *failure)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *home = getenv(ENV_HOME);
    if (!home || home[0] != '/') home = pw ? pw->pw_dir : "/";
    int n;
    if (!asked || !asked[0] || strcmp(asked, "~") == 0)
        n = snprintf(out, FS_PATH_BYTES, "%s", home);
    else if (asked[0] == '/')
        n = snprintf(out, FS_PATH_BYTES, "%s", asked);
    else
        n = snprintf(out, FS_PATH_BYTES, "%s/%s", home, strncmp(asked, "~/", 2) == 0 ? asked + 2 : asked);
    if (n < FS_PATH_BYTES) return 0;
    return fail(failure, "bad-request", "The folder's path is too long. Nothing was started.");
}

static int bad(struct failure *failure, const char *key, const char *what)
{
    return fail(failure, "bad-request", "The field %s of the request must be %s; nothing was started.", key, what);
}

static int take_start(const struct json_object *o, struct job_record *r, const char **command,
                      const char **environment, char cwd[FS_PATH_BYTES], struct failure *failure)
{
    const char *slice, *name = NULL, *priority = "normal", *folder = NULL;
    *r = (struct job_record){.grace_ms = JOB_GRACE_DEFAULT_MS};
    if (json_get_text(o, "sliceId", &slice) != 1) return bad(failure, "sliceId", "text");
    text_sanitize(r->slice_id, sizeof r->slice_id, slice, strlen(slice));
    if (json_get_text(o, "command", command) != 1 || (*command)[strspn(*command, " \t\n")] == '\0' ||
        strlen(*command) > JOB_COMMAND_MAX_BYTES)
        return bad(failure, "command", "1 to 4000 bytes of text");
    job_command_shown(*command, r->command);
    if (json_get_text(o, "name", &name) < 0 || (name && !text_is_slice_name(name)))
        return bad(failure, "name", "1 to 40 of A-Z a-z 0-9 . _ -, the first a letter or digit");
    if (name)
        text_copy(r->name, sizeof r->name, name);
    else
        job_name_from(*command, r->name);
    if (json_get_text(o, "priority", &priority) < 0 || job_priority_parse(priority, &r->priority) != 0)
        return bad(failure, "priority", "\"low\", \"normal\" or \"high\"");
    if (json_get_bool(o, "preemptible", &r->preemptible) < 0 || json_get_bool(o, "requeue", &r->requeue) < 0 ||
        json_get_bool(o, "preempts", &r->preempts) < 0)
        return bad(failure, "preemptible, requeue and preempts", "true or false");
    r->preemptible |= r->requeue;
    if (json_get_integer(o, "minFreeBytes", 0, JSON_INTEGER_MAX, &r->min_free_bytes) < 0)
        return bad(failure, "minFreeBytes", "a number of bytes or null");
    if (json_get_integer(o, "graceMs", 0, JOB_GRACE_MAX_MS, &r->grace_ms) < 0)
        return bad(failure, "graceMs", "a whole number from 0 to 600000");
    *environment = NULL;
    if (json_get_text(o, "environment", environment) < 0 || (*environment && (*environment)[0] != '/'))
        return bad(failure, "environment", "the path of an environment, or null");
    if (json_get_text(o, "cwd", &folder) < 0) return bad(failure, "cwd", "text or null");
    return folder_for(folder, cwd, failure);
}

static void start(struct attach_jobs *jobs, int64_t id, const struct json_object *o)
{
    struct failure failure = {.code = NULL};
    struct job_record record;
    const char *command, *environment;
    char cwd[FS_PATH_BYTES], exe[FS_PATH_BYTES], *argv[6];
    struct attach_start *slot = NULL;
    for (size_t i = 0; i < ATTACH_STARTS_MAX && !slot; i++)
        if (jobs->starts[i].fd < 0) slot = &jobs->starts[i];
    int result = take_start(o, &record, &command, &environment, cwd, &failure);
    if (result == 0 && !slot) {
        result = fail(&failure, "busy", "%d jobs are being started already; this one was not. Try again.",
                      ATTACH_STARTS_MAX);
    }
    int fd = -1;
    if (result == 0) {
        if (places_own_exe(exe) != 0) text_copy(exe, sizeof exe, "/proc/self/exe");
        command_argv(exe, command, environment, argv);
        fd = job_start(&record, argv, cwd, &failure);
    }
    if (fd < 0) {
        answer_start(jobs, id, &record, &failure);
        return;
    }
    *slot = (struct attach_start){.fd = fd, .request_id = id, .record = record};
    slot->deadline_ms = now_mono_ms() + JOB_VERDICT_TIMEOUT_MS;
}

/* ---- log ------------------------------------------------------------------------------------------------ */

/* Bytes as UTF-8: what is none, and NUL, becomes U+FFFD. A character that is cut off at the end is left for the next
 * time, unless nothing will follow. Returns how many bytes were taken. */
static size_t as_text(const char *data, size_t len, bool is_end, char *out)
{
    size_t at = 0, n = 0;
    while (at < len) {
        uint32_t code;
        size_t taken = text_utf8_next(data + at, len - at, &code);
        unsigned char lead = (unsigned char)data[at];
        size_t needs = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
        if (taken == 0 && needs > len - at && !is_end) break;
        if (taken > 0 && code != 0) {
            memcpy(out + n, data + at, taken);
            n += taken;
        } else {
            memcpy(out + n, "\xef\xbf\xbd", 3);
            n += 3;
        }
        at += taken > 0 ? taken : 1;
    }
    out[n] = '\0';
    return at;
}

static int read_log(struct json_writer *w, int64_t id, const struct json_object *o, struct failure *failure)
{
    static char data[JOB_LOG_CHUNK_BYTES], text[JOB_LOG_CHUNK_BYTES * 3 + 1];
    char directory[FS_PATH_BYTES];
    struct job_record record;
    struct job_log_part part;
    const char *job_id;
    int64_t offset = -1, max = JOB_LOG_CHUNK_BYTES;
    if (json_get_text(o, "jobId", &job_id) != 1 || !job_id_is_good(job_id)) return bad(failure, "jobId", "a job's id");
    if (json_get_integer(o, "offset", 0, JSON_INTEGER_MAX, &offset) < 0) return bad(failure, "offset", "a number");
    if (json_get_integer(o, "maxBytes", LOG_LEAST_BYTES, JOB_LOG_CHUNK_BYTES, &max) < 0)
        return bad(failure, "maxBytes", "a whole number from 16 to 32768");
    if (job_folder_of(job_id, directory) != 0) {
        return fail(failure, "unknown-job",
                    "Your account on this host has no log of that job: it is somebody else's, or it was removed after "
                    "%d newer ones.",
                    JOB_FOLDERS_MAX);
    }
    /* Looked at first: when it is over, what is read after that is all there is. */
    bool over = job_folder_load(directory, &record) == 0 && job_folder_is_over(directory, &record);
    int error = job_log_read(directory, offset, data, (size_t)max, &part);
    if (error != 0 && error != EAGAIN)
        return fail(failure, "internal", "The log in %s could not be read: %s.", directory, strerror(error));
    bool is_end = over && part.offset + (int64_t)part.len >= part.end;
    size_t taken = as_text(data, part.len, is_end, text);
    reply_begin(w, id);
    json_put_text(w, "data", text);
    json_put_integer(w, "offset", part.offset);
    json_put_integer(w, "nextOffset", part.offset + (int64_t)taken);
    json_put_integer(w, "endOffset", part.end);
    json_put_integer(w, "skippedBytes", part.skipped);
    json_put_bool(w, "over", over);
    json_end_line(w);
    return 0;
}

/* ---- environments --------------------------------------------------------------------------------------- */

static int list_environments(struct json_writer *w, int64_t id, const struct json_object *o, struct failure *failure)
{
    static struct environment_found found[ENVIRONMENTS_MAX];
    char folder[FS_PATH_BYTES], shown[TEXT_SHOWN_BYTES * 4 + 1];
    const char *cwd = NULL;
    if (json_get_text(o, "cwd", &cwd) < 0) return bad(failure, "cwd", "text or null");
    if (folder_for(cwd, folder, failure) != 0) return -1;
    size_t count = environment_list(folder, found);
    reply_begin(w, id);
    json_key(w, "environments");
    json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        /* A path that cannot be said as text cannot be asked for as text either. */
        text_sanitize(shown, sizeof shown, found[i].path, strlen(found[i].path));
        if (strcmp(shown, found[i].path) != 0) continue;
        json_open(w, '{');
        json_put_text(w, "kind", environment_kind_name(found[i].kind));
        json_put_text(w, "path", found[i].path);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_end_line(w);
    return 0;
}

/* ---- requests ------------------------------------------------------------------------------------------- */

bool attach_jobs_take(struct attach_jobs *jobs, int64_t id, const char *op, const struct json_object *o)
{
    struct failure failure = {.code = NULL};
    if (strcmp(op, "job-start") == 0) {
        start(jobs, id, o);
        return true;
    }
    if (strcmp(op, "environments") == 0) {
        if (list_environments(&jobs->replies, id, o, &failure) != 0) answer_start(jobs, id, NULL, &failure);
        return true;
    }
    if (strcmp(op, "job-log") != 0) return false;
    if (read_log(&jobs->replies, id, o, &failure) != 0) answer_start(jobs, id, NULL, &failure);
    return true;
}

bool attach_jobs_idle(const struct attach_jobs *jobs)
{
    for (size_t i = 0; i < ATTACH_STARTS_MAX; i++)
        if (jobs->starts[i].fd >= 0) return false;
    return true;
}

int attach_jobs_poll(const struct attach_jobs *jobs, struct pollfd *p)
{
    int64_t wait = -1, mono_ms = now_mono_ms();
    for (size_t i = 0; i < ATTACH_STARTS_MAX; i++) {
        p[i] = (struct pollfd){.fd = jobs->starts[i].fd, .events = POLLIN};
        if (jobs->starts[i].fd < 0) continue;
        int64_t left = jobs->starts[i].deadline_ms - mono_ms;
        if (left < 0) left = 0;
        if (wait < 0 || left < wait) wait = left;
    }
    return (int)wait;
}

void attach_jobs_serve(struct attach_jobs *jobs, const struct pollfd *p)
{
    int64_t mono_ms = now_mono_ms();
    for (size_t i = 0; i < ATTACH_STARTS_MAX; i++) {
        struct attach_start *s = &jobs->starts[i];
        struct failure failure = {.code = NULL};
        if (s->fd < 0) continue;
        bool late = mono_ms >= s->deadline_ms;
        bool said = p[i].fd == s->fd && p[i].revents && job_verdict(s->fd, s->text, &failure) == 1;
        if (!said && !late) continue;
        if (!said) job_verdict_late(&s->record, &failure);
        answer_start(jobs, s->request_id, &s->record, &failure);
        close(s->fd);
        s->fd = -1;
    }
}
