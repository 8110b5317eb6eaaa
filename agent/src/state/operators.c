#include "state/operators.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/people.h"
#include "base/sealed.h"
#include "fs.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "text.h"

bool agent_is_operator(const struct agent *agent, uid_t uid)
{
    if (uid == 0 || uid == agent->places.uid) return true;
    for (size_t i = 0; i < agent->operator_count; i++)
        if (agent->operators[i].uid == uid) return !agent->operators[i].is_other;
    return false;
}

/* *of: how many there should be; -1: a line of a file of before, which has the uid alone. */
static bool take(char *line, struct operator* out, int64_t *of)
{
    struct json_object object;
    const char *name;
    int64_t uid;
    int sealed = sealed_open(line);
    *of = -1;
    memset(out, 0, sizeof *out);
    if (sealed == 0 && text_parse_integer(line, 0, UINT32_MAX - 1, &uid) == 0) {
        out->uid = (uid_t)uid;
        return true;
    }
    if (sealed != 1 || json_parse_flat(line, strlen(line), &object, NULL) != 0 ||
        json_get_integer(&object, "of", 0, OPERATORS_MAX, of) != 1)
        return false;
    if (*of == 0) return true; /* none are named */
    if (json_get_integer(&object, "uid", 0, UINT32_MAX - 1, &uid) != 1 || json_get_text(&object, "name", &name) != 1 ||
        !text_copy(out->name, sizeof out->name, name))
        return false;
    out->uid = (uid_t)uid;
    return true;
}

void operators_load(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data;
    size_t len, wrong = 0, old = 0;
    int64_t of = -1, said;
    agent->operator_count = 0;
    if (fs_join(path, agent->places.state, "operators") != 0) return;
    int error = fs_read_file(path, 64 * 1024, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; nobody but the managing user is an operator", path, strerror(error));
        return;
    }
    char *rest = data, *line;
    while (agent->operator_count < OPERATORS_MAX && (line = strsep(&rest, "\n"))) {
        struct operator one;
        if (line[0] == '\0') continue;
        if (!take(line, &one, &said)) {
            wrong++;
            continue;
        }
        if (said > of) of = said;
        old += said < 0;
        if (said != 0) agent->operators[agent->operator_count++] = one;
    }
    free(data);
    /* A file of before has no counts; one of ours is never empty. */
    bool missing = of >= 0 ? agent->operator_count < (size_t)of : old == 0 && wrong == 0;
    if (wrong == 0 && !missing && (of < 0 || old == 0)) return;
    log_line("%s is damaged; who is named in a line that is not right is no operator", path);
    sealed_note(agent->state_notes, sizeof agent->state_notes,
                "Of the operators in %s some are damaged or missing, and are none now. Name them again.", path);
}

void operators_check(struct agent *agent)
{
    for (size_t i = 0; i < agent->operator_count; i++) {
        struct operator* one = & agent->operators[i];
        bool is_other = one->name[0] && !people_agree(one->uid, one->name);
        if (is_other && !one->is_other)
            log_line("uid %u is not %s any more: no operator", (unsigned)one->uid, one->name);
        one->is_other = is_other;
    }
}

static int save(const struct agent *agent, const struct operator* operators, size_t count)
{
    struct json_writer w;
    json_writer_init(&w, 64 * 1024);
    for (size_t i = 0; i < (count > 0 ? count : 1); i++) {
        size_t start = w.len;
        json_open(&w, '{');
        if (count > 0) {
            json_put_integer(&w, "uid", operators[i].uid);
            json_put_text(&w, "name", operators[i].name);
        }
        json_put_integer(&w, "of", (int64_t)count);
        sealed_end(&w, start);
    }
    int error = w.failed ? EFBIG : fs_write_atomic(agent->places.state, "operators", w.data, w.len, 0600, false);
    json_writer_free(&w);
    return error;
}

int operators_set(struct agent *agent, const char *names, struct failure *failure)
{
    struct operator next[OPERATORS_MAX] = {0};
    size_t count = 0;
    char copy[REQUEST_LINE_MAX_BYTES + 1];
    text_copy(copy, sizeof copy, names);
    char *rest = copy, *name;
    while ((name = strsep(&rest, ","))) {
        name += strspn(name, " ");
        name[strcspn(name, " ")] = '\0';
        if (name[0] == '\0') continue;
        if (count == OPERATORS_MAX) {
            return fail(failure, "bad-request", "At most %d operators can be named; nothing was changed.",
                        OPERATORS_MAX);
        }
        if (people_uid_of(name, &next[count].uid) != 0) {
            char shown[80];
            text_sanitize(shown, sizeof shown, name, strlen(name));
            return fail(failure, "unknown-owner", "There is no user %s on this host; nothing was changed.", shown);
        }
        text_copy(next[count].name, sizeof next[count].name, name);
        count++;
    }
    int error = save(agent, next, count);
    if (error != 0) {
        return fail(failure, "state-not-saved", "The operators could not be written to %s (%s); nothing was changed.",
                    agent->places.state, strerror(error));
    }
    memcpy(agent->operators, next, count * sizeof next[0]);
    agent->operator_count = count;
    return 0;
}
