#include "state/job_record.h"

#include <string.h>

#include "json.h"
#include "state/queue.h"
#include "state/slice.h"
#include "text.h"

/* `otherwise` of a number that has to be said; no field can be it. */
#define NEEDED (-2)

bool job_id_is_good(const char *id)
{
    return strlen(id) == 18 && id[0] == 'j' && id[1] == '-' && strspn(id + 2, "0123456789abcdef") == 16;
}

void job_record_put(struct json_writer *w, const struct job_record *r)
{
#define JOB_TEXT(member, wire, is_right) json_put_text(w, wire, r->member);
#define JOB_NOTE(member, wire) json_put_text(w, wire, r->member[0] ? r->member : NULL);
#define JOB_WORD(member, wire, name_of, take) json_put_text(w, wire, name_of(r->member));
#define JOB_FLAG(member, wire) json_put_bool(w, wire, r->member);
#define JOB_NUMBER(member, wire, most, otherwise) json_put_integer(w, wire, r->member);
#define JOB_MAYBE(member, wire, most, none) json_put_known(w, wire, r->member != (none), r->member);
#include "state/job_fields.def"
}

static bool take_text(const struct json_object *o, const char *key, char *out, size_t cap)
{
    const char *text = NULL;
    if (json_get_text(o, key, &text) != 1) return false;
    text_sanitize(out, cap, text, strlen(text));
    return true;
}

static bool is_anything(const char *text)
{
    (void)text;
    return true;
}

/* Absent and null leave `otherwise`; NEEDED: it must be there. */
static bool take_integer(const struct json_object *o, const char *key, int64_t max, int64_t otherwise, int64_t *out)
{
    int found = json_get_integer(o, key, 0, max, out);
    if (found == 0) *out = otherwise;
    return found == 1 || (found == 0 && otherwise != NEEDED);
}

/* A word of an enum; one that is absent is normal. */
static bool take_priority(const struct json_object *o, const char *key, enum job_priority *out)
{
    const char *word = "normal";
    return json_get_text(o, key, &word) >= 0 && job_priority_parse(word, out) == 0;
}

static bool take_state(const struct json_object *o, const char *key, enum job_state *out)
{
    const char *word = "";
    return json_get_text(o, key, &word) == 1 && job_state_parse(word, out) == 0;
}

int job_record_take(const struct json_object *o, struct job_record *r, const char **field)
{
    *r = (struct job_record){.exit_code = -1};
    const struct {
        const char *key;
        bool good;
    } taken[] = {
        {"jobId", take_text(o, "jobId", r->id, sizeof r->id) && job_id_is_good(r->id)},
#define JOB_TEXT(member, wire, is_right)                                                                              \
    {wire, take_text(o, wire, r->member, sizeof r->member) && is_right(r->member)},
#define JOB_NOTE(member, wire) {wire, take_text(o, wire, r->member, sizeof r->member) || true},
#define JOB_WORD(member, wire, name_of, take) {wire, take(o, wire, &r->member)},
#define JOB_FLAG(member, wire) {wire, json_get_bool(o, wire, &r->member) >= 0},
#define JOB_NUMBER(member, wire, most, otherwise) {wire, take_integer(o, wire, most, otherwise, &r->member)},
#define JOB_MAYBE(member, wire, most, none) JOB_NUMBER(member, wire, most, none)
#include "state/job_fields.def"
    };
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
