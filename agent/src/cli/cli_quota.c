/* `tranche quota`: who may hold how much on this host, and who holds what of it. */
#include <stdio.h>
#include <string.h>

#include "base/complain.h"
#include "base/people.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "state/quota.h"
#include "state/slice.h"
#include "text.h"

#define ELEMENT_MAX 1024

struct options {
    const char *subject, *memory, *slices;
    bool removes;
};

static int take_options(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--memory") == 0   ? &o->memory
                             : strcmp(argv[i], "--slices") == 0 ? &o->slices
                                                                : NULL;
        if (value) {
            if (i + 1 == argc) return complain("%s needs a value, or “none”", argv[i]);
            *value = argv[++i];
        } else if (strcmp(argv[i], "--remove") == 0) {
            o->removes = true;
        } else if (argv[i][0] == '-' || o->subject) {
            return complain("quota does not know “%s”: tranche quota [NAME|@GROUP|default] [--memory 40g|none] "
                            "[--slices N|none] [--remove]",
                            argv[i]);
        } else {
            o->subject = argv[i];
        }
    }
    return 0;
}

/* What one quota of the state line says; -1 for none. */
static bool take_quota(struct json_span element, struct quota *q)
{
    char buf[ELEMENT_MAX];
    struct json_object object;
    const char *subject = "";
    q->memory_bytes_max = q->slices_max = QUOTA_NONE;
    if (element_parse(element, buf, sizeof buf, &object) != 0 || json_get_text(&object, "subject", &subject) != 1)
        return false;
    text_sanitize(q->subject, sizeof q->subject, subject, strlen(subject));
    json_get_integer(&object, "memoryBytesMax", 0, JSON_INTEGER_MAX, &q->memory_bytes_max);
    json_get_integer(&object, "slicesMax", 0, JSON_INTEGER_MAX, &q->slices_max);
    return true;
}

static size_t take_quotas(struct json_span state, struct quota out[QUOTAS_MAX])
{
    struct json_span list, at = {NULL, NULL}, element;
    size_t count = 0;
    if (json_member(state, "quotas", &list) != 0) return 0;
    while (count < QUOTAS_MAX && json_next(list, &at, &element) == 1) count += take_quota(element, &out[count]);
    return count;
}

static const struct quota *find(const struct quota *quotas, size_t count, const char *subject)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(quotas[i].subject, subject) == 0) return &quotas[i];
    return NULL;
}

static const char *memory_text(char *buf, size_t cap, int64_t bytes)
{
    return bytes < 0 ? "any memory" : text_gib(buf, cap, (uint64_t)bytes);
}

static void print_quota(const struct quota *q)
{
    char memory[32];
    printf("%-20s %12s  ", q->subject, memory_text(memory, sizeof memory, q->memory_bytes_max));
    if (q->slices_max < 0)
        puts("any number of slices");
    else
        printf("%lld slice%s\n", (long long)q->slices_max, q->slices_max == 1 ? "" : "s");
}

/* One line for each person who owns a slice or has a quota of their own in force. */
static void print_people(struct json_span state, const struct fetched *f, const struct quota *quotas, size_t count)
{
    struct json_span list, at = {NULL, NULL}, element;
    if (json_member(state, "people", &list) != 0) return;
    while (json_next(list, &at, &element) == 1) {
        char buf[ELEMENT_MAX], name[OWNER_BYTES], held[32], memory[32];
        struct json_object object;
        const char *text = "", *subject = NULL;
        if (element_parse(element, buf, sizeof buf, &object) != 0 || json_get_text(&object, "name", &text) != 1)
            continue;
        text_sanitize(name, sizeof name, text, strlen(text));
        int64_t bytes = 0, slices = 0;
        for (size_t i = 0; i < f->slice_count; i++) {
            if (strcmp(f->slices[i].owner, name) != 0) continue;
            bytes += f->slices[i].pending_bytes >= 0 ? f->slices[i].pending_bytes : f->slices[i].memory_limit_bytes;
            slices++;
        }
        if (slices == 0) continue;
        const struct quota *q = json_get_text(&object, "quota", &subject) == 1 ? find(quotas, count, subject) : NULL;
        printf("  %-18s holds %s", name, text_gib(held, sizeof held, (uint64_t)bytes));
        if (q && q->memory_bytes_max >= 0) printf(" of %s", memory_text(memory, sizeof memory, q->memory_bytes_max));
        printf(" in %lld", (long long)slices);
        if (q && q->slices_max >= 0) printf(" of %lld", (long long)q->slices_max);
        printf(" slice%s%s%s%s\n", slices == 1 && !(q && q->slices_max >= 0) ? "" : "s", q ? " (" : "",
               q ? q->subject : "", q ? ")" : "");
    }
}

static int put_fields(struct json_writer *w, const struct options *o, const struct quota *known)
{
    int64_t memory = known ? known->memory_bytes_max : QUOTA_NONE, slices = known ? known->slices_max : QUOTA_NONE;
    if (o->memory && strcmp(o->memory, "none") == 0) {
        memory = QUOTA_NONE;
    } else if (o->memory && text_parse_bytes(o->memory, &memory) != 0) {
        return complain("--memory: “%s” is not a size, so nothing was changed; write one such as 40g, or none",
                        o->memory);
    }
    if (o->slices && strcmp(o->slices, "none") == 0) {
        slices = QUOTA_NONE;
    } else if (o->slices && text_parse_integer(o->slices, 0, SLICES_MAX, &slices) != 0) {
        return complain("--slices: “%s” is no number of slices, so nothing was changed; write one, or none",
                        o->slices);
    }
    json_put_text(w, "subject", o->subject);
    json_put_known(w, "memoryBytesMax", memory != QUOTA_NONE, memory);
    json_put_known(w, "slicesMax", slices != QUOTA_NONE, slices);
    if (o->removes) json_put_bool(w, "remove", true);
    return 0;
}

static int send_quota(struct client *client, const struct options *o, const struct quota *known)
{
    struct json_writer fields;
    struct json_object object;
    char why[2048], *line;
    size_t len;
    json_writer_init(&fields, 1024);
    int result = put_fields(&fields, o, known);
    if (result == 0) {
        bool asked = client_ask(client, "quota-set", &fields, &line, &len, why, sizeof why) == 0;
        const char *failure = asked ? reply_failure(line, len, &object) : why;
        if (failure) result = complain("%s", failure);
    }
    json_writer_free(&fields);
    return result;
}

int command_quota(int argc, char **argv)
{
    struct options o = {0};
    struct client client;
    struct fetched fetched;
    struct quota quotas[QUOTAS_MAX];
    char why[2048], *line;
    size_t len;
    if (take_options(&o, argc, argv) != 0) return EXIT_OWN_FAILURE;
    bool sets = o.memory || o.slices || o.removes;
    if (sets && !o.subject) return complain("say for whom: tranche quota NAME|@GROUP|default --memory 40g");
    if (fetch_open(&client, &fetched) != 0) return EXIT_OWN_FAILURE;
    struct json_writer none;
    json_writer_init(&none, 16);
    int result = 0;
    if (client_ask(&client, "subscribe", &none, &line, &len, why, sizeof why) != 0 ||
        client_event(&client, "state", &line, &len, why, sizeof why) != 0) {
        result = complain("%s", why);
    } else {
        struct json_span state = {line, line + len};
        size_t count = take_quotas(state, quotas);
        const struct quota *known = o.subject ? find(quotas, count, o.subject) : NULL;
        if (sets) {
            result = send_quota(&client, &o, known);
        } else if (o.subject) {
            if (known)
                print_quota(known);
            else
                printf("No quota is set for %s itself.\n", o.subject);
        } else {
            if (count == 0) puts("No quota is set: whoever owns slices may hold as much as there is.");
            for (size_t i = 0; i < count; i++) print_quota(&quotas[i]);
            print_people(state, &fetched, quotas, count);
        }
    }
    json_writer_free(&none);
    fetched_free(&fetched);
    client_close(&client);
    return fflush(stdout) == 0 ? result : EXIT_OWN_FAILURE;
}
