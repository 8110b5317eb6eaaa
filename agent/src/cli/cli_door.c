/* `tranche door`: who may open the GPUs of this host at all. Off is a kill switch: root takes the door away also where no
 * agent answers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/complain.h"
#include "cli/commands.h"
#include "door.h"
#include "env.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "text.h"

#define LIST_BYTES 8192

struct options {
    const char *mode;
    char services[LIST_BYTES], exempt[LIST_BYTES];
    bool sets_services, sets_exempt;
};

/* ---- past the agent ----------------------------------------------------------------------------------------- */

/* 1: one stands; 0: none does; -1 with a sentence. */
static int look(struct door *door, char *why, size_t cap)
{
    const char *place = getenv(ENV_DOOR_CGROUP);
    if (!place && getenv(ENV_ROOT)) {
        snprintf(why, cap, "a private root (" ENV_ROOT ") has no door, and the host's is not its");
        return -1;
    }
    int fd = place ? open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : door_root(why, cap);
    if (fd < 0 && place) snprintf(why, cap, "%s cannot be opened: %s", place, strerror(errno));
    if (fd < 0) return -1;
    int found = door_open(door, fd);
    if (found >= 0) return found;
    snprintf(why, cap, "the kernel does not tell which device programs there are: %s", strerror(-found));
    door_close(door);
    return -1;
}

static int take_away(void)
{
    struct door door;
    char why[DOOR_WHY_BYTES];
    int found = look(&door, why, sizeof why);
    if (found < 0) return complain("%s; the door is as it was", why);
    int gone = found == 1 ? door_detach(&door) : 0;
    door_close(&door);
    if (gone < 0) return complain("the door could not be taken away: %s", strerror(-gone));
    if (gone > 0) puts("The door that stood was taken away, past the agent: everybody may open the GPUs.");
    return 0;
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

/* The list without this word, and with it again at the end if it is to be there. */
static bool change_list(char *list, const char *word, bool wanted)
{
    char next[LIST_BYTES] = "", copy[LIST_BYTES], *rest = copy, *one;
    size_t len = 0;
    text_copy(copy, sizeof copy, list);
    while ((one = strsep(&rest, " "))) {
        /* A unit that was given without its folder is listed with it. */
        const char *name = strchr(word, '/') || !strrchr(one, '/') ? one : strrchr(one, '/') + 1;
        if (one[0] != '\0' && strcmp(name, word) != 0)
            len += (size_t)snprintf(next + len, sizeof next - len, "%s%s", len > 0 ? " " : "", one);
    }
    if (wanted && len + strlen(word) + 2 > sizeof next) return false;
    if (wanted) snprintf(next + len, sizeof next - len, "%s%s", len > 0 ? " " : "", word);
    return text_copy(list, LIST_BYTES, next);
}

static int take_options(struct options *o, int argc, char **argv)
{
    static const struct {
        const char *name;
        bool is_person, wanted;
    } lists[] = {{"--service", false, true},
                 {"--no-service", false, false},
                 {"--exempt", true, true},
                 {"--no-exempt", true, false}};
    for (int i = 1; i < argc; i++) {
        bool taken = false;
        for (size_t k = 0; k < sizeof lists / sizeof lists[0] && !taken; k++) {
            if (strcmp(argv[i], lists[k].name) != 0) continue;
            if (i + 1 == argc) return complain("%s needs a name; nothing was changed", argv[i]);
            char *list = lists[k].is_person ? o->exempt : o->services;
            if (!change_list(list, argv[++i], lists[k].wanted)) return complain("too many names; nothing was changed");
            o->sets_exempt |= lists[k].is_person;
            o->sets_services |= !lists[k].is_person;
            taken = true;
        }
        if (taken) continue;
        bool is_mode = !strcmp(argv[i], "off") || !strcmp(argv[i], "watch") || !strcmp(argv[i], "on");
        if (!o->mode && is_mode)
            o->mode = argv[i];
        else if (o->mode || strcmp(argv[i], "status") != 0)
            return complain("door does not know “%s”: tranche door [status|off|watch|on] [--service UNIT|PATH] "
                            "[--exempt USER] [--no-service …] [--no-exempt …]",
                            argv[i]);
    }
    return 0;
}

/* ---- with the agent ------------------------------------------------------------------------------------------ */

static void print_list(const char *what, const char *list)
{
    char shown[TEXT_SHOWN_BYTES * 4];
    text_sanitize(shown, sizeof shown, list, strlen(list));
    printf("  %-10s %s\n", what, shown[0] ? shown : "none");
}

static void print_status(const struct json_object *object, const struct options *now)
{
    char shown[512] = "";
    const char *mode = "off", *set = "off", *why = NULL;
    int64_t refused = 0, watched = 0;
    json_get_text(object, "mode", &mode);
    json_get_text(object, "set", &set);
    json_get_text(object, "why", &why);
    printf("The door is %s.\n", strcmp(mode, "on") == 0      ? "on: only who is in a slice may open a GPU"
                                : strcmp(mode, "watch") == 0 ? "watched: everybody is let in, and told of"
                                                             : "off: everybody may open the GPUs");
    if (strcmp(set, mode) != 0) printf("It is to be %s.\n", strcmp(set, "on") == 0 ? "on" : "watched");
    if (why) text_sanitize(shown, sizeof shown, why, strlen(why));
    if (shown[0]) printf("%s.\n", shown);
    if (json_get_integer(object, "refusedCount", 0, JSON_INTEGER_MAX, &refused) == 1 &&
        json_get_integer(object, "watchedCount", 0, JSON_INTEGER_MAX, &watched) == 1)
        printf("Refused so far: %lld opens; let in while watching: %lld.\n", (long long)refused, (long long)watched);
    print_list("services", now->services);
    print_list("people", now->exempt);
}

/* What is set now, into `now`; printed, too, if that is what is asked. 0, or the exit status. */
static int ask_now(struct client *client, struct options *now, bool prints)
{
    struct json_writer none;
    struct json_object object;
    char why[2048], *line;
    const char *services, *exempt;
    size_t len;
    json_writer_init(&none, 16);
    int result = client_ask(client, "door", &none, &line, &len, why, sizeof why);
    json_writer_free(&none);
    const char *failure = result == 0 ? reply_failure(line, len, &object) : why;
    if (failure) return complain("%s", failure);
    if (json_get_text(&object, "services", &services) != 1 || json_get_text(&object, "exempt", &exempt) != 1 ||
        !text_copy(now->services, LIST_BYTES, services) || !text_copy(now->exempt, LIST_BYTES, exempt))
        return complain("the agent's answer cannot be read; the door is as it was");
    if (prints) print_status(&object, now);
    return 0;
}

static int send(struct client *client, const struct options *o)
{
    struct json_writer fields;
    struct json_object object;
    char why[2048], *line;
    size_t len;
    json_writer_init(&fields, LIST_BYTES);
    if (o->mode) json_put_text(&fields, "mode", o->mode);
    if (o->sets_services) json_put_text(&fields, "services", o->services);
    if (o->sets_exempt) json_put_text(&fields, "exempt", o->exempt);
    bool asked = client_ask(client, "door-set", &fields, &line, &len, why, sizeof why) == 0;
    json_writer_free(&fields);
    const char *failure = asked ? reply_failure(line, len, &object) : why;
    return failure ? complain("%s", failure) : 0;
}

int command_door(int argc, char **argv)
{
    static struct options o;
    struct client client;
    char why[2048];
    bool is_root = geteuid() == 0;
    int result = 0;
    bool turns_off = argc == 2 && strcmp(argv[1], "off") == 0;
    if (client_open(&client, false, why, sizeof why) != 0) {
        if (turns_off && is_root) return take_away();
        return complain("%s The door is as it was; root can take it away: tranche door off", why);
    }
    result = ask_now(&client, &o, argc == 1 || (argc == 2 && strcmp(argv[1], "status") == 0));
    if (result == 0) result = take_options(&o, argc, argv);
    if (result == 0 && (o.mode || o.sets_services || o.sets_exempt)) result = send(&client, &o);
    client_close(&client);
    /* Whoever answered, it is off afterwards. */
    if (turns_off && is_root) result = take_away();
    return fflush(stdout) == 0 ? result : EXIT_OWN_FAILURE;
}
