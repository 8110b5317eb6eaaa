/* Who may change slices: the managing user, root, and the uids in the state file `operators`, one a line. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "fs.h"
#include "log.h"
#include "people.h"

bool agent_is_operator(const struct agent *agent, uid_t uid)
{
    if (uid == 0 || uid == agent->places.uid) return true;
    for (size_t i = 0; i < agent->operator_count; i++) {
        if (agent->operators[i] == uid) return true;
    }
    return false;
}

void operators_load(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data;
    size_t len;
    agent->operator_count = 0;
    if (fs_join(path, agent->places.state, "operators") != 0) return;
    int error = fs_read_file(path, 64 * 1024, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; nobody but the managing user is an operator", path, strerror(error));
        return;
    }
    char *rest = data, *line;
    while (agent->operator_count < OPERATORS_MAX && (line = strsep(&rest, "\n")) != NULL) {
        int64_t uid;
        if (text_parse_integer(line, 0, UINT32_MAX - 1, &uid) == 0) {
            agent->operators[agent->operator_count++] = (uid_t)uid;
        }
    }
    free(data);
}

int operators_set(struct agent *agent, const char *names, struct failure *failure)
{
    uid_t uids[OPERATORS_MAX];
    size_t count = 0;
    char copy[REQUEST_LINE_MAX_BYTES + 1], file[OPERATORS_MAX * 12];
    text_copy(copy, sizeof copy, names);
    char *rest = copy, *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        name += strspn(name, " ");
        name[strcspn(name, " ")] = '\0';
        if (name[0] == '\0') continue;
        if (count == OPERATORS_MAX) {
            return fail(failure, "bad-request", "At most %d operators can be named; nothing was changed.",
                        OPERATORS_MAX);
        }
        if (people_uid_of(name, &uids[count]) != 0) {
            char shown[80];
            text_sanitize(shown, sizeof shown, name, strlen(name));
            return fail(failure, "unknown-owner", "There is no user %s on this host; nothing was changed.", shown);
        }
        count++;
    }
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(file + len, sizeof file - len, "%u\n", (unsigned)uids[i]);
    }
    int error = fs_write_atomic(agent->places.state, "operators", file, len, 0600, false);
    if (error != 0) {
        return fail(failure, "state-not-saved", "The operators could not be written to %s (%s); nothing was changed.",
                    agent->places.state, strerror(error));
    }
    memcpy(agent->operators, uids, count * sizeof uids[0]);
    agent->operator_count = count;
    return 0;
}
