#include "state/escape_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/people.h"
#include "base/sealed.h"
#include "base/workload.h"
#include "fs.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "text.h"

#define STATE_FILE "escapes"
#define FILE_MAX_BYTES 8192

static const char *const names[] = {
    [ESCAPE_REPORT] = "report", [ESCAPE_CHARGE] = "charge", [ESCAPE_STOP] = "stop", [ESCAPE_END] = "end"};

const char *escape_rule_name(enum escape_rule rule)
{
    return names[rule];
}

int escape_rule_parse(const char *name, enum escape_rule *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum escape_rule)i;
        return 0;
    }
    return -1;
}

size_t escape_rule_next_exempt(const char **at, const char **name)
{
    *at += strspn(*at, ", ");
    *name = *at;
    *at += strcspn(*at, ", ");
    return (size_t)(*at - *name);
}

/* As systemd names them, and with the ending that the group of one has. */
static bool is_unit_name(const char *text)
{
    size_t n = strlen(text);
    bool ends = (n > 8 && strcmp(text + n - 8, ".service") == 0) || (n > 6 && strcmp(text + n - 6, ".scope") == 0);
    return ends && !strpbrk(text, "/\"\\") && n < WORKLOAD_BYTES;
}

static int check_exempt(const struct escape_settings *next, struct failure *failure)
{
    const char *at = next->exempt, *name;
    char one[ESCAPE_EXEMPT_BYTES], shown[WORKLOAD_BYTES];
    for (size_t n; (n = escape_rule_next_exempt(&at, &name)) > 0;) {
        uid_t uid;
        snprintf(one, sizeof one, "%.*s", (int)n, name);
        bool is_unit = strncmp(one, ESCAPE_UNIT_PREFIX, strlen(ESCAPE_UNIT_PREFIX)) == 0;
        if (is_unit ? is_unit_name(one + strlen(ESCAPE_UNIT_PREFIX)) : people_uid_of(one, &uid) == 0) continue;
        text_sanitize(shown, sizeof shown, one, n);
        return fail(failure, "unknown-owner",
                    "%s is neither a user of this host nor " ESCAPE_UNIT_PREFIX "NAME.service; nothing was changed.",
                    shown);
    }
    return 0;
}

static bool take(char *line, struct escape_settings *s)
{
    struct json_object object;
    const char *rule, *exempt;
    return sealed_open(line) == 1 && json_parse_flat(line, strlen(line), &object, NULL) == 0 &&
           json_get_text(&object, "rule", &rule) == 1 && escape_rule_parse(rule, &s->rule) == 0 &&
           json_get_integer(&object, "graceSeconds", 0, ESCAPE_GRACE_MAX_S, &s->grace_seconds) == 1 &&
           json_get_text(&object, "exempt", &exempt) == 1 && text_copy(s->exempt, sizeof s->exempt, exempt);
}

void escape_rule_load(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data;
    size_t len;
    struct escape_settings *s = &agent->escape_settings;
    s->grace_seconds = ESCAPE_GRACE_DEFAULT_S;
    if (fs_join(path, agent->places.state, STATE_FILE) != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    if (error == ENOENT) return;
    if (error == 0) {
        data[strcspn(data, "\n")] = '\0';
        bool good = take(data, s);
        free(data);
        if (good) return;
    }
    memset(s, 0, sizeof *s);
    s->grace_seconds = ESCAPE_GRACE_DEFAULT_S;
    sealed_note(agent->state_notes, sizeof agent->state_notes,
                "The rule for processes outside of slices in %s is damaged: they are reported. Set it again.", path);
}

int escape_rule_set(struct agent *agent, const struct escape_settings *next, struct failure *failure)
{
    struct json_writer w;
    if (check_exempt(next, failure) != 0) return -1;
    json_writer_init(&w, FILE_MAX_BYTES);
    json_open(&w, '{');
    json_put_text(&w, "rule", names[next->rule]);
    json_put_integer(&w, "graceSeconds", next->grace_seconds);
    json_put_text(&w, "exempt", next->exempt);
    sealed_end(&w, 0);
    int error = w.failed ? EFBIG : fs_write_atomic(agent->places.state, STATE_FILE, w.data, w.len, 0600, false);
    json_writer_free(&w);
    if (error != 0) {
        return fail(failure, "state-not-saved", "The rule could not be written to %s (%s); nothing was changed.",
                    agent->places.state, strerror(error));
    }
    agent->escape_settings = *next;
    return 0;
}
