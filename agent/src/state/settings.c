/* What operators set for the whole host, in the state file `settings`: one JSON object. */

#include "state/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/sealed.h"
#include "fs.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/queue.h"

#define FILE_MAX_BYTES 4096

void settings_load(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data;
    size_t len;
    agent->memory_overcommit_max_percent = 0;
    agent->job_slots_per_slice = 1;
    if (fs_join(path, agent->places.state, "settings") != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; memory may be overcommitted without a guard", path, strerror(error));
        return;
    }
    struct json_object object;
    int64_t percent, slots;
    const char *why = "it is not what was written";
    data[strcspn(data, "\n")] = '\0';
    int sealed = sealed_open(data);
    if (sealed < 0 || json_parse_flat(data, strlen(data), &object, &why) != 0) {
        log_line("%s: %s; memory may be overcommitted without a guard", path, why);
        sealed_note(
            agent->state_notes, sizeof agent->state_notes,
            "The settings in %s are damaged: there is no overcommit guard, and one job of a slice runs at once. "
            "Set them again.",
            path);
    } else {
        /* Both are in it, and nothing else: a word that was changed is not one that was left out. */
        bool known =
            json_get(&object, "memoryOvercommitMaxPercent") && json_get(&object, "jobSlots") && object.count == 2;
        if (sealed == 0 && !known) {
            sealed_note(agent->state_notes, sizeof agent->state_notes,
                        "The settings in %s are not whole. Set them again.", path);
        }
        if (json_get_integer(&object, "memoryOvercommitMaxPercent", 100, OVERCOMMIT_MAX_PERCENT, &percent) == 1)
            agent->memory_overcommit_max_percent = percent;
        if (json_get_integer(&object, "jobSlots", 1, QUEUE_SLOTS_MAX, &slots) == 1) agent->job_slots_per_slice = slots;
    }
    free(data);
}

int settings_save(const struct agent *agent, struct failure *failure)
{
    struct json_writer w;
    json_writer_init(&w, FILE_MAX_BYTES);
    json_open(&w, '{');
    json_put_known(&w, "memoryOvercommitMaxPercent", agent->memory_overcommit_max_percent > 0,
                   agent->memory_overcommit_max_percent);
    json_put_integer(&w, "jobSlots", agent->job_slots_per_slice);
    sealed_end(&w, 0);
    int error = w.failed ? ENOMEM : fs_write_atomic(agent->places.state, "settings", w.data, w.len, 0600, false);
    json_writer_free(&w);
    if (error == 0) return 0;
    return fail(failure, "state-not-saved", "The settings could not be written to %s (%s); nothing was changed.",
                agent->places.state, strerror(error));
}

int settings_set_overcommit(struct agent *agent, int64_t max_percent, struct failure *failure)
{
    int64_t before = agent->memory_overcommit_max_percent;
    agent->memory_overcommit_max_percent = max_percent;
    if (settings_save(agent, failure) == 0) return 0;
    agent->memory_overcommit_max_percent = before;
    return -1;
}
