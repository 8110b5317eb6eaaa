#include "state/job_record.h"

#include <string.h>

#include "json.h"
#include "state/queue.h"
#include "state/slice.h"
#include "text.h"

bool job_id_is_good(const char *id)
{
    return strlen(id) == 18 && id[0] == 'j' && id[1] == '-' && strspn(id + 2, "0123456789abcdef") == 16;
}

void job_record_put(struct json_writer *w, const struct job_record *r)
{
    json_put_text(w, "name", r->name);
    json_put_text(w, "sliceId", r->slice_id);
    json_put_text(w, "command", r->command);
    json_put_text(w, "priority", job_priority_name(r->priority));
    json_put_bool(w, "preemptible", r->preemptible);
    json_put_bool(w, "requeue", r->requeue);
    json_put_bool(w, "preempts", r->preempts);
    json_put_known(w, "minFreeBytes", r->min_free_bytes > 0, r->min_free_bytes);
    json_put_integer(w, "graceMs", r->grace_ms);
    json_put_text(w, "state", job_state_name(r->state));
    json_put_integer(w, "submittedAtMs", r->submitted_at_ms);
    json_put_known(w, "startedAtMs", r->started_at_ms != NO_TIME, r->started_at_ms);
    json_put_known(w, "endedAtMs", r->ended_at_ms != NO_TIME, r->ended_at_ms);
    json_put_known(w, "pid", r->pid > 0, r->pid);
    json_put_known(w, "exitCode", r->exit_code >= 0, r->exit_code);
    json_put_known(w, "signal", r->signal > 0, r->signal);
    json_put_integer(w, "runs", r->runs);
    json_put_text(w, "message", r->message[0] ? r->message : NULL);
}

static bool take_text(const struct json_object *o, const char *key, char *out, size_t cap)
{
    const char *text = NULL;
    if (json_get_text(o, key, &text) != 1) return false;
    text_sanitize(out, cap, text, strlen(text));
    return true;
}

/* Absent and null leave `otherwise`. */
static bool take_integer(const struct json_object *o, const char *key, int64_t max, int64_t otherwise, int64_t *out)
{
    int found = json_get_integer(o, key, 0, max, out);
    if (found == 0) *out = otherwise;
    return found >= 0;
}

int job_record_take(const struct json_object *o, struct job_record *r, const char **field)
{
    const char *priority = "normal", *state = "";
    *r = (struct job_record){.exit_code = -1};
    const struct {
        const char *key;
        bool good;
    } taken[] = {
        {"jobId", take_text(o, "jobId", r->id, sizeof r->id) && job_id_is_good(r->id)},
        {"name", take_text(o, "name", r->name, sizeof r->name) && text_is_slice_name(r->name)},
        {"sliceId", take_text(o, "sliceId", r->slice_id, sizeof r->slice_id)},
        {"command", take_text(o, "command", r->command, sizeof r->command)},
        {"priority", json_get_text(o, "priority", &priority) >= 0 && job_priority_parse(priority, &r->priority) == 0},
        {"state", json_get_text(o, "state", &state) == 1 && job_state_parse(state, &r->state) == 0},
        {"preemptible", json_get_bool(o, "preemptible", &r->preemptible) >= 0},
        {"requeue", json_get_bool(o, "requeue", &r->requeue) >= 0},
        {"preempts", json_get_bool(o, "preempts", &r->preempts) >= 0},
        {"minFreeBytes", take_integer(o, "minFreeBytes", JSON_INTEGER_MAX, 0, &r->min_free_bytes)},
        {"graceMs", take_integer(o, "graceMs", JOB_GRACE_MAX_MS, JOB_GRACE_DEFAULT_MS, &r->grace_ms)},
        {"submittedAtMs", json_get_integer(o, "submittedAtMs", 0, JSON_INTEGER_MAX, &r->submitted_at_ms) == 1},
        {"startedAtMs", take_integer(o, "startedAtMs", JSON_INTEGER_MAX, NO_TIME, &r->started_at_ms)},
        {"endedAtMs", take_integer(o, "endedAtMs", JSON_INTEGER_MAX, NO_TIME, &r->ended_at_ms)},
        {"pid", take_integer(o, "pid", INT32_MAX, 0, &r->pid)},
        {"exitCode", take_integer(o, "exitCode", 255, -1, &r->exit_code)},
        {"signal", take_integer(o, "signal", 128, 0, &r->signal)},
        {"runs", take_integer(o, "runs", 1000, 0, &r->runs)},
    };
    take_text(o, "message", r->message, sizeof r->message);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (taken[i].good) continue;
        *field = taken[i].key;
        return -1;
    }
    return 0;
}

void job_command_shown(const char *command, char out[TEXT_SHOWN_BYTES + 1])
{
    char line[TEXT_SHOWN_BYTES + 8];
    size_t len = 0;
    for (; command[len] && len < sizeof line - 1; len++)
        line[len] = command[len] == '\n' || command[len] == '\t' ? ' ' : command[len];
    text_sanitize(out, TEXT_SHOWN_BYTES + 1, line, len);
}

static size_t word(const char *text, const char **start)
{
    *start = text + strspn(text, " \t\n");
    return strcspn(*start, " \t\n");
}

static bool starts_others(const char *base, size_t len)
{
    static const char *const runners[] = {"python", "python3", "bash", "sh", "env",
                                          "nohup",  "exec",    "time", "uv", "torchrun"};
    for (size_t i = 0; i < sizeof runners / sizeof runners[0]; i++)
        if (strlen(runners[i]) == len && strncmp(runners[i], base, len) == 0) return true;
    return false;
}

void job_name_from(const char *command, char out[SLICE_NAME_BYTES])
{
    const char *at = command, *start;
    size_t len, n = 0;
    /* What an interpreter is given says more than its own name; its options and assignments before it say less. */
    while ((len = word(at, &start)) > 0) {
        at = start + len;
        if (start[0] == '-' || memchr(start, '=', len)) continue;
        const char *slash = memrchr(start, '/', len);
        if (slash) {
            len -= (size_t)(slash + 1 - start);
            start = slash + 1;
        }
        const char *dot = memrchr(start, '.', len);
        if (dot && dot > start) len = (size_t)(dot - start);
        n = 0;
        for (size_t i = 0; i < len && n < 40; i++) {
            char c = start[i];
            bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (plain || (n > 0 && (c == '.' || c == '_' || c == '-'))) out[n++] = c;
        }
        out[n] = '\0';
        if (n > 0 && !starts_others(out, n)) break;
    }
    if (n == 0) text_copy(out, SLICE_NAME_BYTES, "job");
}
