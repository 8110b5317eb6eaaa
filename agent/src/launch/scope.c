#include "launch/scope.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/complain.h"
#include "base/places.h"
#include "fs.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"

/* The agent says so by a file, so that it is known while no agent answers, too. */
static bool is_needed(const char *runtime_dir, const char *slices)
{
    for (const char *id = slices; *id; id += strcspn(id, ",") + (id[strcspn(id, ",")] == ',')) {
        char path[FS_PATH_BYTES];
        struct stat status;
        int n = snprintf(path, sizeof path, "%s/" KERNEL_LIMIT_FOLDER "/%.*s", runtime_dir, (int)strcspn(id, ","), id);
        if (n < 0 || n >= (int)sizeof path || lstat(path, &status) == 0) return true;
    }
    return false;
}

/* 0, or -1 with a sentence. */
static int ask(const char *slices, char *why, size_t cap)
{
    struct client client;
    struct json_writer fields;
    struct json_object object;
    char id[128], *line;
    size_t len;
    snprintf(id, sizeof id, "%.*s", (int)strcspn(slices, ","), slices);
    if (client_open(&client, false, why, cap) != 0) return -1;
    json_writer_init(&fields, 256);
    json_put_text(&fields, "sliceId", id);
    int result = client_ask(&client, "scope-enter", &fields, &line, &len, why, cap);
    json_writer_free(&fields);
    const char *failure = result == 0 ? reply_failure(line, len, &object) : NULL;
    if (failure) snprintf(why, cap, "%s", failure);
    client_close(&client);
    return result == 0 && !failure ? 0 : -1;
}

int scope_enter_first(const char *slices, const char *runtime_dir, bool has_scopes)
{
    char why[1024] = "No agent answers that could put it into its slice’s control group.";
    bool needed = is_needed(runtime_dir, slices);
    if (needed && strchr(slices, ',')) {
        return complain(
            "the driver itself keeps the limit of one of these slices, by a control group, and a program "
            "can be in one group only. Nothing was started; take one slice, or have the gate of these slices "
            "set to off, with which the library alone keeps their limits");
    }
    if (!has_scopes && !needed) return 0;
    if (has_scopes && ask(slices, why, sizeof why) == 0) return 0;
    if (needed) {
        return complain(
            "%s The driver keeps this slice’s limit by that group, so nothing was started. `tranche doctor` "
            "says more",
            why);
    }
    complain("%s The program runs in the control group of this shell, with its slice’s limits", why);
    return 0;
}
