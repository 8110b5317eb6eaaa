/* `tranche hours`: who used and held how much of this host's GPUs. */
#include <stdio.h>
#include <string.h>

#include "base/complain.h"
#include "base/people.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "records/hours.h"
#include "text.h"

#define ELEMENT_MAX 1024
#define DAYS_DEFAULT 7

static void print_people(struct json_span reply)
{
    struct json_span list, at = {NULL, NULL}, element;
    size_t count = 0;
    if (json_member(reply, "people", &list) != 0) return;
    while (json_next(list, &at, &element) == 1) {
        char buf[ELEMENT_MAX], name[OWNER_BYTES];
        struct json_object object;
        const char *text = "";
        int64_t used = 0, held = 0;
        if (element_parse(element, buf, sizeof buf, &object) != 0 || json_get_text(&object, "name", &text) != 1)
            continue;
        json_get_integer(&object, "usedMs", 0, JSON_INTEGER_MAX, &used);
        json_get_integer(&object, "heldMs", 0, JSON_INTEGER_MAX, &held);
        text_sanitize(name, sizeof name, text, strlen(text));
        if (count++ == 0) printf("%-20s %12s %12s\n", "", "used GPU-h", "held GPU-h");
        printf("%-20s %12.2f %12.2f\n", name, (double)used / 3.6e6, (double)held / 3.6e6);
    }
    if (count == 0) puts("Nobody has held a slice in that time.");
}

int command_hours(int argc, char **argv)
{
    struct client client;
    struct json_writer fields;
    struct json_object object;
    char why[2048], *line;
    size_t len;
    int64_t days = DAYS_DEFAULT;
    bool given = argc == 3 && strcmp(argv[1], "--days") == 0;
    if ((argc != 1 && !given) || (given && text_parse_integer(argv[2], 1, HOURS_DAYS, &days) != 0))
        return complain("hours takes --days 1 to %d only", HOURS_DAYS);
    if (client_open(&client, true, why, sizeof why) != 0) return complain("%s", why);
    json_writer_init(&fields, 256);
    json_put_integer(&fields, "days", days);
    int result = 0;
    if (client_ask(&client, "hours", &fields, &line, &len, why, sizeof why) != 0) {
        result = complain("%s", why);
    } else {
        struct json_span reply = {line, line + len}, people;
        /* The list is nested: only a refusal is flat. */
        if (json_member(reply, "people", &people) == 0) {
            print_people(reply);
        } else {
            const char *failure = reply_failure(line, len, &object);
            result = complain("%s", failure ? failure : "The agent's answer could not be read.");
        }
    }
    json_writer_free(&fields);
    client_close(&client);
    return fflush(stdout) == 0 ? result : EXIT_OWN_FAILURE;
}
