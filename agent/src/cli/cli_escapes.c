/* `tranche escapes`: the rule for processes outside every slice, who they are, and how one that was stopped goes on. */
#include <stdio.h>
#include <string.h>

#include "base/complain.h"
#include "cli/cli_ask.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "text.h"

#define ELEMENT_MAX 4096

static const char *text_of(const struct json_object *object, const char *key, char out[TEXT_SHOWN_BYTES + 1])
{
    const char *text = "";
    json_get_text(object, key, &text);
    text_sanitize(out, TEXT_SHOWN_BYTES + 1, text, strlen(text));
    return out;
}

static int print_rule(struct json_span state)
{
    static struct json_object object;
    struct json_span span;
    char buf[ELEMENT_MAX], rule[TEXT_SHOWN_BYTES + 1], exempt[TEXT_SHOWN_BYTES + 1], by[TEXT_SHOWN_BYTES + 1],
        note[TEXT_SHOWN_BYTES + 1], grace[40] = "";
    int64_t seconds = 0;
    if (json_member(state, "escapes", &span) != 0 || element_parse(span, buf, sizeof buf, &object) != 0)
        return complain("this agent is older and has no such rule");
    text_of(&object, "rule", rule);
    text_of(&object, "exempt", exempt);
    text_of(&object, "watchedBy", by);
    text_of(&object, "watchNote", note);
    if (strcmp(rule, "end") == 0 && json_get_integer(&object, "graceSeconds", 0, JSON_INTEGER_MAX, &seconds) == 1)
        snprintf(grace, sizeof grace, ", %lld s after SIGTERM", (long long)seconds);
    printf("Processes outside every slice: %s%s. Exempt: %s.\n", rule, grace, exempt[0] ? exempt : "nobody");
    printf("Seen: %s (%s)%s%s.\n",
           strcmp(by, "fanotify") == 0  ? "as they open a GPU"
           : strcmp(by, "inotify") == 0 ? "as they open a GPU, if they are the agent's user's; else within 2 s"
                                        : "within 2 s",
           by, note[0] ? ": " : "", note);
    return 0;
}

/* Who is outside; or the start time of the one that is sought, in ticks. */
static bool walk(struct json_span sample, int64_t sought, char ticks[TEXT_SHOWN_BYTES + 1])
{
    struct json_span list, at = {NULL, NULL}, element;
    static struct json_object object;
    char buf[ELEMENT_MAX], user[TEXT_SHOWN_BYTES + 1], command[TEXT_SHOWN_BYTES + 1], answer[TEXT_SHOWN_BYTES + 1],
        why[TEXT_SHOWN_BYTES + 1];
    if (json_member(sample, "processes", &list) != 0) return false;
    while (json_next(list, &at, &element) == 1) {
        int64_t pid = 0;
        if (element_parse(element, buf, sizeof buf, &object) != 0) continue;
        json_get_integer(&object, "pid", 1, INT32_MAX, &pid);
        if (pid == sought) {
            text_of(&object, "startTicks", ticks);
            return true;
        }
        if (sought != 0 || !json_get(&object, "seenBy")) continue;
        text_of(&object, "answerWhy", why);
        printf("  pid %-8lld %-14s %-12s %.60s%s%s\n", (long long)pid, text_of(&object, "user", user),
               text_of(&object, "answer", answer), text_of(&object, "command", command), why[0] ? ": " : "", why);
    }
    return false;
}

static int show(struct client *client, int64_t sought, char ticks[TEXT_SHOWN_BYTES + 1])
{
    struct json_writer none;
    char why[2048], *line;
    size_t len;
    json_writer_init(&none, 16);
    int result = cli_ask(client, "subscribe", &none);
    json_writer_free(&none);
    if (result != 0) return result;
    if (client_event(client, "state", &line, &len, why, sizeof why) != 0) return complain("%s", why);
    if (sought == 0 && print_rule((struct json_span){line, line + len}) != 0) return EXIT_OWN_FAILURE;
    if (client_event(client, "sample", &line, &len, why, sizeof why) != 0) return complain("%s", why);
    if (!walk((struct json_span){line, line + len}, sought, ticks) && sought != 0)
        return complain("process %lld is on no GPU of this host; nothing was done", (long long)sought);
    return 0;
}

static int let_go_on(struct client *client, int64_t pid)
{
    char ticks[TEXT_SHOWN_BYTES + 1];
    struct json_writer fields;
    int result = show(client, pid, ticks);
    if (result != 0) return result;
    json_writer_init(&fields, 256);
    json_put_integer(&fields, "pid", pid);
    json_put_text(&fields, "startTicks", ticks);
    json_put_text(&fields, "signal", "CONT");
    result = cli_ask(client, "process-stop", &fields);
    json_writer_free(&fields);
    return result;
}

/* What the words ask to be set; what they say nothing of stays as it is. 0, or the exit status after a complaint. */
static int take_words(int argc, char **argv, struct json_writer *fields)
{
    for (int i = 1; i < argc; i++) {
        int64_t grace;
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (i == 1 && argv[i][0] != '-') {
            json_put_text(fields, "rule", argv[i]);
        } else if (value && strcmp(argv[i], "--exempt") == 0) {
            json_put_text(fields, "exempt", strcmp(value, "none") == 0 ? "" : value);
            i++;
        } else if (value && strcmp(argv[i], "--grace") == 0 && text_parse_integer(value, 0, 1 << 20, &grace) == 0) {
            json_put_integer(fields, "graceSeconds", grace);
            i++;
        } else {
            return complain(
                "escapes does not know “%s”, so nothing was changed; `tranche escapes --help` has what it knows",
                argv[i]);
        }
    }
    return 0;
}

static int act(bool shows, int64_t go_on, const struct json_writer *fields)
{
    struct client client;
    char why[2048], ticks[TEXT_SHOWN_BYTES + 1];
    if (client_open(&client, true, why, sizeof why) != 0) return complain("%s", why);
    int result = go_on > 0 ? let_go_on(&client, go_on) : shows ? 0 : cli_ask(&client, "escapes-set", fields);
    if (result == 0 && go_on == 0) result = show(&client, 0, ticks);
    client_close(&client);
    return result;
}

int command_escapes(int argc, char **argv)
{
    struct json_writer fields;
    int64_t go_on = 0;
    bool shows = argc == 1 || (argc == 2 && strcmp(argv[1], "status") == 0);
    bool continues = argc == 3 && strcmp(argv[1], "continue") == 0;
    if (continues && text_parse_integer(argv[2], 1, INT32_MAX, &go_on) != 0)
        return complain("“%s” is no process id, so nothing was done", argv[2]);
    json_writer_init(&fields, 4096);
    int result = shows || continues ? 0 : take_words(argc, argv, &fields);
    if (result == 0) result = act(shows, go_on, &fields);
    json_writer_free(&fields);
    return fflush(stdout) == 0 ? result : EXIT_OWN_FAILURE;
}
