#include "state/door_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sealed.h"
#include "fs.h"
#include "log.h"
#include "text.h"

#define FILE_NAME "door"
#define FILE_MAX_BYTES (16 * 1024)
#define SYSTEM_SLICE "/system.slice/"

const char *door_mode_word(enum door_mode mode)
{
    return mode == DOOR_ON ? "on" : mode == DOOR_WATCH ? "watch" : "off";
}

bool door_mode_of(const char *word, enum door_mode *out)
{
    static const enum door_mode modes[] = {DOOR_OFF, DOOR_WATCH, DOOR_ON};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(word, door_mode_word(modes[i])) != 0) continue;
        *out = modes[i];
        return true;
    }
    return false;
}

/* A path in the hierarchy of cgroups, or a unit's name: of what systemd makes names of, and no way up. */
static bool is_service(const char *word)
{
    size_t len = strlen(word);
    bool names = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:-/\\+") == len;
    return names && len > 1 && word[len - 1] != '/' && !strstr(word, "//") && !strstr(word, "..") &&
           (word[0] == '/' || !strchr(word, '/'));
}

int door_settings_services(struct door_settings *settings, const char *words, struct failure *failure)
{
    char copy[REQUEST_LINE_MAX_BYTES + 1], *rest = copy, *word;
    settings->service_count = 0;
    text_copy(copy, sizeof copy, words);
    while ((word = strsep(&rest, " "))) {
        if (word[0] == '\0') continue;
        bool full = settings->service_count == DOOR_SERVICES_MAX;
        char *at = full ? NULL : settings->services[settings->service_count];
        int n = !full && is_service(word)
                    ? snprintf(at, DOOR_SERVICE_BYTES, "%s%s", word[0] == '/' ? "" : SYSTEM_SLICE, word)
                    : -1;
        if (n > 0 && n < DOOR_SERVICE_BYTES) {
            settings->service_count++;
            continue;
        }
        char shown[80];
        text_sanitize(shown, sizeof shown, word, strlen(word));
        if (full) {
            return fail(failure, "bad-request", "At most %d services can be let through; nothing was changed.",
                        DOOR_SERVICES_MAX);
        }
        return fail(failure, "bad-request",
                    "%s is neither a unit nor the path of a cgroup, so nothing was changed; write one such as "
                    "name.service or /system.slice/name.service.",
                    shown);
    }
    return 0;
}

int door_settings_exempt(struct door_settings *settings, const char *names, struct failure *failure)
{
    char copy[REQUEST_LINE_MAX_BYTES + 1], *rest = copy, *name;
    settings->exempt_count = 0;
    text_copy(copy, sizeof copy, names);
    while ((name = strsep(&rest, " "))) {
        if (name[0] == '\0') continue;
        if (settings->exempt_count == DOOR_EXEMPT_MAX) {
            return fail(failure, "bad-request", "At most %d people can be exempt; nothing was changed.",
                        DOOR_EXEMPT_MAX);
        }
        struct door_person *one = &settings->exempt[settings->exempt_count];
        if (people_uid_of(name, &one->uid) != 0 || !text_copy(one->name, sizeof one->name, name)) {
            char shown[80];
            text_sanitize(shown, sizeof shown, name, strlen(name));
            return fail(failure, "unknown-owner", "There is no user %s on this host; nothing was changed.", shown);
        }
        settings->exempt_count++;
    }
    return 0;
}

static void put_services(const struct door_settings *settings, struct json_writer *w)
{
    char all[DOOR_SERVICES_MAX * DOOR_SERVICE_BYTES];
    size_t len = 0;
    all[0] = '\0';
    for (size_t i = 0; i < settings->service_count; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? " " : "", settings->services[i]);
    json_put_text(w, "services", all);
}

/* With their uids in the file: a name may be another person's one day. */
static void put_exempt(const struct door_settings *settings, struct json_writer *w, bool with_uids)
{
    char all[DOOR_EXEMPT_MAX * (OWNER_BYTES + 12)];
    size_t len = 0;
    all[0] = '\0';
    for (size_t i = 0; i < settings->exempt_count; i++) {
        const struct door_person *one = &settings->exempt[i];
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? " " : "", one->name);
        if (with_uids) len += (size_t)snprintf(all + len, sizeof all - len, ":%u", (unsigned)one->uid);
    }
    json_put_text(w, "exempt", all);
}

void door_settings_put(const struct door_settings *settings, struct json_writer *w)
{
    put_services(settings, w);
    put_exempt(settings, w, false);
}

static bool take_exempt(struct door_settings *settings, const char *text)
{
    char copy[FILE_MAX_BYTES], *rest = copy, *word;
    if (!text_copy(copy, sizeof copy, text)) return false;
    while ((word = strsep(&rest, " "))) {
        int64_t uid;
        char *colon = strrchr(word, ':');
        if (word[0] == '\0') continue;
        if (!colon || settings->exempt_count == DOOR_EXEMPT_MAX ||
            text_parse_integer(colon + 1, 0, UINT32_MAX - 1, &uid) != 0)
            return false;
        *colon = '\0';
        struct door_person *one = &settings->exempt[settings->exempt_count++];
        one->uid = (uid_t)uid;
        if (!text_copy(one->name, sizeof one->name, word)) return false;
    }
    return true;
}

static bool take(struct door_settings *settings, char *line)
{
    struct json_object object;
    struct failure failure = {0};
    const char *mode, *services, *exempt, *boot;
    line[strcspn(line, "\n")] = '\0';
    return sealed_open(line) == 1 && json_parse_flat(line, strlen(line), &object, NULL) == 0 &&
           json_get_text(&object, "mode", &mode) == 1 && door_mode_of(mode, &settings->mode) &&
           json_get_text(&object, "services", &services) == 1 &&
           door_settings_services(settings, services, &failure) == 0 &&
           json_get_text(&object, "exempt", &exempt) == 1 && take_exempt(settings, exempt) &&
           json_get_text(&object, "bootId", &boot) == 1 &&
           text_copy(settings->boot_id, sizeof settings->boot_id, boot);
}

void door_settings_load(struct agent *agent)
{
    static struct door_settings settings; /* the agent's only ones */
    char path[FS_PATH_BYTES], *data;
    size_t len;
    settings = (struct door_settings){.mode = DOOR_OFF};
    agent->door_settings = &settings;
    if (fs_join(path, agent->places.state, FILE_NAME) != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    settings.is_missing = error == ENOENT;
    if (error == ENOENT) return;
    if (error == 0 && take(&settings, data)) {
        free(data);
        return;
    }
    if (error == 0) free(data);
    log_line("%s: %s", path, error != 0 ? strerror(error) : "it is not what was written");
    door_settings_lost(agent);
}

void door_settings_lost(struct agent *agent)
{
    *agent->door_settings = (struct door_settings){.mode = DOOR_OFF, .is_damaged = true};
    sealed_note(agent->state_notes, sizeof agent->state_notes,
                "What was set for the door in %s/" FILE_NAME
                " cannot be read: a door that stands is left as it is. Set "
                "it again, whole.",
                agent->places.state);
}

int door_settings_save(struct agent *agent, const struct door_settings *next, struct failure *failure)
{
    struct json_writer w;
    json_writer_init(&w, FILE_MAX_BYTES);
    json_open(&w, '{');
    json_put_text(&w, "mode", door_mode_word(next->mode));
    put_services(next, &w);
    put_exempt(next, &w, true);
    json_put_text(&w, "bootId", next->boot_id);
    sealed_end(&w, 0);
    int error = w.failed ? EFBIG : fs_write_atomic(agent->places.state, FILE_NAME, w.data, w.len, 0600, false);
    json_writer_free(&w);
    if (error != 0) {
        return fail(failure, "state-not-saved",
                    "The door's settings could not be written to %s (%s); nothing was "
                    "changed.",
                    agent->places.state, strerror(error));
    }
    *agent->door_settings = *next;
    agent->door_settings->is_damaged = agent->door_settings->is_missing = false;
    return 0;
}
