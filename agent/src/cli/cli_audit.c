/* `tranche audit`: who changed which slice, newest first, as text, JSON lines or CSV. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/complain.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "region.h"
#include "state/slice_settings.h"
#include "text.h"

#define ELEMENT_MAX 8192
#define PAGES_MAX 1000 /* far more than the files can hold; bounds an agent that never says it is done */

enum format { AS_TEXT, AS_JSON, AS_CSV };

static const char *const change_keys[] = {"name", "owner",
#define SETTING(kind, member, wire, absent, least, most, code, option) wire,
#include "state/slice_settings.def"
#undef SETTING
                                          "gpuUuid"};
#define CHANGE_KEYS (sizeof change_keys / sizeof change_keys[0])

/* The value of a member as text that may go to a terminal; "" for null and for what is not there. */
static const char *value_of(struct json_span object, const char *key, char out[TEXT_SHOWN_BYTES + 1])
{
    static char buf[ELEMENT_MAX];
    struct json_span value;
    struct json_object parsed;
    const char *text;
    out[0] = '\0';
    if (json_member(object, key, &value) != 0) return out;
    size_t n = (size_t)(value.end - value.start);
    if (n + 8 > sizeof buf || (n > 0 && value.start[0] == '{') || (n == 4 && memcmp(value.start, "null", 4) == 0))
        return out;
    int len = snprintf(buf, sizeof buf, "{\"v\":%.*s}", (int)n, value.start);
    if (json_parse_flat(buf, (size_t)len, &parsed, NULL) == 0 && json_get_text(&parsed, "v", &text) == 1)
        text_sanitize(out, TEXT_SHOWN_BYTES + 1, text, strlen(text));
    else
        text_sanitize(out, TEXT_SHOWN_BYTES + 1, value.start, n);
    return out;
}

static struct json_span member_or_none(struct json_span object, const char *key)
{
    static const char none[] = "{}";
    struct json_span value;
    if (json_member(object, key, &value) != 0 || value.start == value.end || value.start[0] != '{')
        return (struct json_span){none, none + 2};
    return value;
}

static void print_time(const char *ms_text, char out[32])
{
    int64_t ms;
    struct tm tm;
    time_t seconds;
    out[0] = '\0';
    if (text_parse_integer(ms_text, 0, JSON_INTEGER_MAX, &ms) != 0) return;
    seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &tm)) strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* A spreadsheet takes a cell that begins with one of these for a formula; a quote before it keeps it text. */
static void print_cell(const char *text, bool last)
{
    putchar('"');
    if (text[0] != '\0' && strchr("=+-@\t\r", text[0])) putchar('\'');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
    fputs(last ? "\r\n" : ",", stdout);
}

static const char *const plain_keys[] = {"seq",     "action", "refusal", "sliceName",   "sliceId",
                                         "gpuUuid", "user",   "uid",     "claimedFrom", "detail"};
#define PLAIN_KEYS (sizeof plain_keys / sizeof plain_keys[0])

static void print_csv_head(void)
{
    char name[64];
    print_cell("time", false);
    for (size_t i = 0; i < PLAIN_KEYS; i++) print_cell(plain_keys[i], false);
    for (size_t i = 0; i < 2 * CHANGE_KEYS; i++) {
        snprintf(name, sizeof name, "%s.%s", i % 2 == 0 ? "before" : "after", change_keys[i / 2]);
        print_cell(name, i + 1 == 2 * CHANGE_KEYS);
    }
}

static void print_csv(struct json_span record)
{
    char value[TEXT_SHOWN_BYTES + 1], when[32];
    struct json_span sides[2] = {member_or_none(record, "before"), member_or_none(record, "after")};
    print_time(value_of(record, "atMs", value), when);
    print_cell(when, false);
    for (size_t i = 0; i < PLAIN_KEYS; i++) print_cell(value_of(record, plain_keys[i], value), false);
    for (size_t i = 0; i < 2 * CHANGE_KEYS; i++)
        print_cell(value_of(sides[i % 2], change_keys[i / 2], value), i + 1 == 2 * CHANGE_KEYS);
}

static void print_text(struct json_span record)
{
    char a[TEXT_SHOWN_BYTES + 1], b[TEXT_SHOWN_BYTES + 1], when[32];
    struct json_span before = member_or_none(record, "before"), after = member_or_none(record, "after");
    print_time(value_of(record, "atMs", a), when);
    printf("%s  %-14s ", when, value_of(record, "user", a));
    if (value_of(record, "claimedFrom", a)[0]) printf("(says from %s) ", a);
    printf("%s %s", value_of(record, "action", a), value_of(record, "sliceName", b));
    if (value_of(record, "refusal", a)[0]) {
        printf("  REFUSED: %s\n", a);
        return;
    }
    if (value_of(record, "detail", a)[0]) printf(" %s", a);
    for (size_t i = 0; i < CHANGE_KEYS; i++) {
        value_of(before, change_keys[i], a);
        value_of(after, change_keys[i], b);
        if (strcmp(a, b) != 0) printf("  %s %s → %s", change_keys[i], a[0] ? a : "—", b[0] ? b : "—");
    }
    putchar('\n');
}

static int print_page(char *line, size_t len, enum format format, int64_t *before_seq)
{
    struct json_span list, at = {NULL, NULL}, element, whole = {line, line + len};
    char value[TEXT_SHOWN_BYTES + 1];
    if (json_member(whole, "records", &list) != 0) {
        struct json_object object;
        const char *failure = reply_failure(line, len, &object);
        return complain("%s", failure ? failure : "The agent's answer could not be read.");
    }
    while (json_next(list, &at, &element) == 1)
        if (format == AS_JSON)
            printf("%.*s\n", (int)(element.end - element.start), element.start);
        else if (format == AS_CSV)
            print_csv(element);
        else
            print_text(element);
    if (text_parse_integer(value_of(whole, "nextBeforeSeq", value), 0, JSON_INTEGER_MAX, before_seq) != 0)
        *before_seq = -1;
    return 0;
}

/* The id of a slice that is there by this name; a name that is none is taken for an id, also of a deleted slice. */
static int find_id(struct client *client, const char *name, char id[REGION_ID_BYTES])
{
    struct fetched fetched;
    char why[512];
    if (strncmp(name, "s-", 2) == 0) {
        text_copy(id, REGION_ID_BYTES, name);
        return 0;
    }
    if (fetch_all(client, &fetched, why, sizeof why) != 0) return complain("%s", why);
    id[0] = '\0';
    for (size_t i = 0; i < fetched.slice_count; i++)
        if (strcmp(fetched.slices[i].name, name) == 0) text_copy(id, REGION_ID_BYTES, fetched.slices[i].id);
    fetched_free(&fetched);
    return id[0] ? 0 : complain("there is no slice %s; of a deleted one say the id (s-…), as audit shows it", name);
}

static int print_all(struct client *client, const char *id, enum format format)
{
    int64_t before_seq = JSON_INTEGER_MAX;
    int result = 0;
    if (format == AS_CSV) print_csv_head();
    for (int page = 0; page < PAGES_MAX && result == 0 && before_seq >= 0; page++) {
        struct json_writer fields;
        char *line, why[512];
        size_t len;
        json_writer_init(&fields, 512);
        if (id[0]) json_put_text(&fields, "sliceId", id);
        json_put_integer(&fields, "beforeSeq", before_seq);
        result = client_ask(client, "audit", &fields, &line, &len, why, sizeof why) != 0
                     ? complain("%s", why)
                     : print_page(line, len, format, &before_seq);
        json_writer_free(&fields);
    }
    return result;
}

int command_audit(int argc, char **argv)
{
    struct client client;
    enum format format = AS_TEXT;
    const char *name = NULL;
    char why[2048], id[REGION_ID_BYTES] = "";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            format = AS_JSON;
        else if (strcmp(argv[i], "--csv") == 0)
            format = AS_CSV;
        else if (strcmp(argv[i], "--slice") == 0 && i + 1 < argc)
            name = argv[++i];
        else
            return complain("audit does not know “%s”; it takes --slice NAME, --json, --csv", argv[i]);
    if (client_open(&client, true, why, sizeof why) != 0) return complain("%s", why);
    int result = name ? find_id(&client, name, id) : 0;
    if (result == 0) result = print_all(&client, id, format);
    client_close(&client);
    return fflush(stdout) == 0 ? result : EXIT_OWN_FAILURE;
}
