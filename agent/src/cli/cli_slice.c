/* `tranche slice …`: one verb, one request. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/complain.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "state/slice_settings.h"
#include "text.h"

struct options {
    const char *positional[3];
    size_t positional_count;
    const char *setting[SETTING_COUNT];
    const char *gpu, *owner, *name, *below_use;
    bool with_processes, over_quota, json;
};

static int take_options(struct options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **value;
        bool *flag;
    } known[] = {
#define SETTING(kind, member, wire, absent, least, most, code, option) {option, &o->setting[SETTING_##member], NULL},
#include "state/slice_settings.def"
#undef SETTING
        {"--gpu", &o->gpu, NULL},
        {"--owner", &o->owner, NULL},
        {"--name", &o->name, NULL},
        {"--below-use", &o->below_use, NULL},
        {"--with-processes", NULL, &o->with_processes},
        {"--over-quota", NULL, &o->over_quota},
        {"--json", NULL, &o->json},
    };
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (o->positional_count == 3) return complain("“%s” is one word too many", argv[i]);
            o->positional[o->positional_count++] = argv[i];
            continue;
        }
        size_t k = 0, name_len = strcspn(argv[i], "=");
        while (k < sizeof known / sizeof known[0] &&
               (strlen(known[k].name) != name_len || strncmp(known[k].name, argv[i], name_len) != 0))
            k++;
        if (k == sizeof known / sizeof known[0]) return complain("slice does not know “%s”", argv[i]);
        if (known[k].flag)
            *known[k].flag = true;
        else if (argv[i][name_len] == '=')
            *known[k].value = argv[i] + name_len + 1;
        else if (i + 1 < argc)
            *known[k].value = argv[++i];
        else
            return complain("%s needs a value", argv[i]);
    }
    return 0;
}

static int put_size(struct json_writer *w, const char *option, const char *key, const char *text)
{
    int64_t value;
    if (!text) return 0;
    if (text_parse_bytes(text, &value) != 0) {
        return complain("%s: “%s” is not a size, so nothing was changed; write one such as 20g or 20480m", option,
                        text);
    }
    json_put_integer(w, key, value);
    return 0;
}

static int put_percent(struct json_writer *w, const char *option, const char *key, const char *text, int least)
{
    int64_t value;
    if (!text) return 0;
    if (text_parse_percent(text, &value) != 0) {
        return complain("%s: “%s” is not a share, so nothing was changed; shares are whole percents, from %d to 100",
                        option, text, least);
    }
    json_put_integer(w, key, value);
    return 0;
}

/* Unix milliseconds, or "never". */
static int put_time(struct json_writer *w, const char *option, const char *key, const char *text)
{
    int64_t value;
    if (!text) return 0;
    if (strcmp(text, "never") == 0) {
        json_put_known(w, key, false, 0);
        return 0;
    }
    if (text_parse_integer(text, 0, JSON_INTEGER_MAX, &value) != 0) {
        return complain("%s: “%s” is not a time, so nothing was changed; write Unix milliseconds or “never” (date "
                        "+%%s000 prints now)",
                        option, text);
    }
    json_put_integer(w, key, value);
    return 0;
}

static int put_setting(struct json_writer *w, const struct setting_info *info, const char *text)
{
    switch (info->kind) {
    case SETTING_BYTES: return put_size(w, info->option, info->wire, text);
    case SETTING_PERCENT: return put_percent(w, info->option, info->wire, text, info->least);
    case SETTING_TIME: return put_time(w, info->option, info->wire, text);
    case SETTING_PRIORITY:
    case SETTING_GATE:
        if (text) json_put_text(w, info->wire, text);
        return 0;
    }
    return 0;
}

static int put_settings(struct json_writer *w, const struct options *o)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (put_setting(w, &slice_settings[i], o->setting[i]) != 0) return EXIT_OWN_FAILURE;
    if (o->below_use) json_put_text(w, "belowUse", o->below_use);
    return 0;
}

static int put_gpu(struct json_writer *w, const struct options *o, const struct fetched *f)
{
    int64_t index;
    if (!o->gpu && f->gpu_count == 1) {
        json_put_text(w, "gpuUuid", f->gpus[0].uuid);
        return 0;
    }
    if (!o->gpu) {
        return complain(f->gpu_count == 0 ? "this host has no GPU to cut, so nothing was created"
                                          : "say which GPU: --gpu 0 or --gpu UUID");
    }
    bool is_index = text_parse_integer(o->gpu, 0, 1000, &index) == 0;
    for (size_t i = 0; is_index && i < f->gpu_count; i++) {
        if (f->gpus[i].index == index) {
            json_put_text(w, "gpuUuid", f->gpus[i].uuid);
            return 0;
        }
    }
    if (is_index)
        return complain("there is no GPU %s on this host, so nothing was changed; `tranche ls` lists them", o->gpu);
    json_put_text(w, "gpuUuid", o->gpu);
    return 0;
}

static int prepare_create(struct json_writer *w, const struct options *o, const struct fetched *f)
{
    if (!o->setting[SETTING_memory_limit_bytes] || !o->setting[SETTING_compute_limit_percent])
        return complain("create needs --memory and --compute");
    if (put_gpu(w, o, f) != 0 || put_settings(w, o) != 0) return EXIT_OWN_FAILURE;
    if (o->owner) json_put_text(w, "owner", o->owner);
    const char *name = o->name ? o->name : o->positional_count > 0 ? o->positional[0] : NULL;
    if (name) json_put_text(w, "name", name);
    return 0;
}

/* Fields of a verb that changes an existing slice, named by the first word. */
static int prepare_change(struct json_writer *w, const char *verb, const struct options *o, const struct fetched *f)
{
    if (o->positional_count < 1) return complain("say which slice: tranche slice %s NAME …", verb);
    const struct fetched_slice *s = fetched_find(f, o->positional[0]);
    if (!s) return complain("there is no slice “%s” on this host; `tranche ls` lists them", o->positional[0]);
    json_put_text(w, "sliceId", s->id);
    json_put_integer(w, "revision", s->revision);
    if (strcmp(verb, "resize") == 0) return put_settings(w, o);
    if (strcmp(verb, "move") == 0) {
        if (!o->gpu) return complain("say where to: tranche slice move NAME --gpu 1 (or --gpu UUID)");
        return put_gpu(w, o, f);
    }
    if (strcmp(verb, "assign") == 0) {
        const char *owner = o->owner ? o->owner : o->positional_count > 1 ? o->positional[1] : NULL;
        if (!owner) return complain("say to whom: tranche slice assign NAME --owner USER");
        json_put_text(w, "owner", owner);
    }
    if (strcmp(verb, "rename") == 0) {
        const char *name = o->name ? o->name : o->positional_count > 1 ? o->positional[1] : NULL;
        if (!name) return complain("say the new name: tranche slice rename NAME NEW-NAME");
        json_put_text(w, "name", name);
    }
    if (strcmp(verb, "delete") == 0) json_put_bool(w, "withProcesses", o->with_processes);
    return 0;
}

static int send_edit(struct client *client, const char *op, const struct json_writer *fields, bool as_json)
{
    char *line, why[512];
    size_t len;
    struct json_object object;
    if (client_ask(client, op, fields, &line, &len, why, sizeof why) != 0) return complain("%s", why);
    if (as_json) printf("%s\n", line);
    const char *failure = reply_failure(line, len, &object);
    if (failure) return as_json ? EXIT_OWN_FAILURE : complain("%s", failure);
    const char *id = "", *token = "";
    json_get_text(&object, "sliceId", &id);
    json_get_text(&object, "undoToken", &token);
    if (!as_json) printf("%s  (undo within 10 minutes: tranche slice undo %s)\n", id, token);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}

/* How far the memory limits of a GPU may add up: "150" or "150%" of it, "off" for as far as anybody likes. */
static int prepare_guard(struct json_writer *w, const struct options *o)
{
    const char *text = o->positional_count == 1 ? o->positional[0] : "";
    char *end;
    errno = 0;
    long percent = strtol(text, &end, 10);
    if (strcmp(text, "off") == 0) {
        json_key(w, "memoryOvercommitMaxPercent");
        json_null(w);
        return 0;
    }
    if (end == text || errno != 0 || (end[0] != '\0' && strcmp(end, "%") != 0))
        return complain("say how much of a GPU limits may add up to: tranche slice guard 150 (or off)");
    json_put_integer(w, "memoryOvercommitMaxPercent", percent);
    return 0;
}

int command_slice(int argc, char **argv)
{
    static const struct {
        const char *verb, *op;
    } verbs[] = {{"create", "slice-create"}, {"resize", "slice-resize"}, {"assign", "slice-assign"},
                 {"rename", "slice-rename"}, {"delete", "slice-delete"}, {"undo", "undo"},
                 {"guard", "settings-set"},  {"move", "slice-move"}};
    struct options options = {0};
    size_t v = 0;
    while (argc > 1 && v < sizeof verbs / sizeof verbs[0] && strcmp(verbs[v].verb, argv[1]) != 0) v++;
    if (argc < 2 || v == sizeof verbs / sizeof verbs[0])
        return complain("slice takes create, resize, assign, move, rename, delete, undo or guard");
    if (take_options(&options, argc, argv) != 0) return EXIT_OWN_FAILURE;
    struct client client;
    struct fetched fetched;
    if (fetch_open(&client, &fetched) != 0) return EXIT_OWN_FAILURE;
    struct json_writer fields;
    json_writer_init(&fields, 7000);
    int result = 0;
    if (strcmp(verbs[v].verb, "undo") == 0) {
        if (options.positional_count != 1) result = complain("say which edit: tranche slice undo TOKEN");
        if (result == 0) json_put_text(&fields, "undoToken", options.positional[0]);
    } else if (strcmp(verbs[v].verb, "guard") == 0) {
        result = prepare_guard(&fields, &options);
    } else if (strcmp(verbs[v].verb, "create") == 0) {
        result = prepare_create(&fields, &options, &fetched);
    } else {
        result = prepare_change(&fields, verbs[v].verb, &options, &fetched);
    }
    if (options.over_quota) json_put_bool(&fields, "overQuota", true);
    if (result == 0) result = send_edit(&client, verbs[v].op, &fields, options.json);
    json_writer_free(&fields);
    fetched_free(&fetched);
    client_close(&client);
    return result;
}
