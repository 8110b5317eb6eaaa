#include "launch/fetch.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/complain.h"
#include "base/places.h"
#include "base/version.h"
#include "fs.h"
#include "json.h"
#include "launch/client.h"
#include "region.h"
#include "region_file.h"
#include "state/slice.h"
#include "text.h"

#define ELEMENT_MAX 2048 /* one GPU or slice of the state line */

static void take_text(const struct json_object *o, const char *key, char *out, size_t cap)
{
    const char *text = "";
    json_get_text(o, key, &text);
    /* An agent of another user wrote this: it goes to a terminal. */
    text_sanitize(out, cap, text, strlen(text));
}

static int64_t take_integer(const struct json_object *o, const char *key, int64_t otherwise)
{
    int64_t value;
    return json_get_integer(o, key, 0, JSON_INTEGER_MAX, &value) == 1 ? value : otherwise;
}

const char *reply_failure(char *line, size_t len, struct json_object *object)
{
    bool ok = false;
    const char *why = NULL, *message = NULL;
    if (json_parse_flat(line, len, object, &why) != 0) return "The agent's answer could not be read.";
    if (json_get_bool(object, "ok", &ok) == 1 && ok) return NULL;
    return json_get_text(object, "message", &message) == 1 ? message : "The agent refused without a reason.";
}

int element_parse(struct json_span element, char *buf, size_t cap, struct json_object *object)
{
    size_t n = (size_t)(element.end - element.start);
    if (n >= cap) return -1;
    memcpy(buf, element.start, n);
    buf[n] = '\0';
    return json_parse_flat(buf, n, object, NULL);
}

static void take_gpu(struct fetched *out, const struct json_object *o)
{
    if (out->gpu_count == sizeof out->gpus / sizeof out->gpus[0]) return;
    struct fetched_gpu *gpu = &out->gpus[out->gpu_count++];
    take_text(o, "uuid", gpu->uuid, sizeof gpu->uuid);
    take_text(o, "name", gpu->name, sizeof gpu->name);
    gpu->index = take_integer(o, "index", -1);
    gpu->capacity_bytes = take_integer(o, "capacityBytes", 0);
    take_text(o, "backend", gpu->backend, sizeof gpu->backend);
    take_text(o, "mpsPipeDirectory", gpu->concurrent_at, sizeof gpu->concurrent_at);
}

static struct fetched_slice *add_slice(struct fetched *out)
{
    struct fetched_slice *slices = realloc(out->slices, (out->slice_count + 1) * sizeof *slices);
    if (!slices) return NULL;
    out->slices = slices;
    memset(&slices[out->slice_count], 0, sizeof *slices);
    return &slices[out->slice_count++];
}

static int take_slice(struct fetched *out, const struct json_object *o)
{
    struct fetched_slice *s = add_slice(out);
    if (!s) return -1;
    take_text(o, "id", s->id, sizeof s->id);
    take_text(o, "name", s->name, sizeof s->name);
    take_text(o, "gpuUuid", s->gpu_uuid, sizeof s->gpu_uuid);
    take_text(o, "owner", s->owner, sizeof s->owner);
    s->owner_uid = take_integer(o, "ownerUid", -1);
    s->revision = take_integer(o, "revision", 0);
    s->memory_limit_bytes = take_integer(o, "memoryLimitBytes", 0);
    s->pending_bytes = take_integer(o, "pendingMemoryLimitBytes", -1);
    s->compute_limit_percent = take_integer(o, "computeLimitPercent", 0);
    s->compute_guarantee_percent = take_integer(o, "computeGuaranteePercent", 0);
    s->starts_at_ms = take_integer(o, "startsAtMs", NO_TIME);
    s->expires_at_ms = take_integer(o, "expiresAtMs", NO_TIME);
    take_text(o, "enforcement", s->enforcement, sizeof s->enforcement);
    take_text(o, "gate", s->gate, sizeof s->gate);
    take_text(o, "suspendedReason", s->suspended, sizeof s->suspended);
    char priority[16] = "";
    take_text(o, "priority", priority, sizeof priority);
    s->is_preferred = strcmp(priority, "high") == 0;
    return 0;
}

/* What is proved needs no note here. */
static void take_note(const struct json_object *o, const char *standing, const char *note, char *out, size_t cap)
{
    char word[16];
    take_text(o, standing, word, sizeof word);
    if (strcmp(word, "proved") != 0) take_text(o, note, out, cap);
}

/* An agent of before has none; one that is too long here is left out. */
static void take_backends(struct fetched *out, struct json_span state)
{
    struct json_span list, at = {NULL, NULL}, element;
    static char buf[ELEMENT_MAX];
    static struct json_object object;
    char id[24];
    if (json_member(state, "backends", &list) != 0) return;
    while (json_next(list, &at, &element) == 1) {
        if (element_parse(element, buf, sizeof buf, &object) != 0) continue;
        take_text(&object, "id", id, sizeof id);
        for (size_t i = 0; i < out->gpu_count; i++) {
            struct fetched_gpu *gpu = &out->gpus[i];
            if (strcmp(gpu->backend, id) != 0) continue;
            take_note(&object, "gate", "gateNote", gpu->no_gate, sizeof gpu->no_gate);
            take_note(&object, "kernelLimit", "kernelLimitNote", gpu->no_kernel_limit, sizeof gpu->no_kernel_limit);
        }
    }
}

static int parse_state(struct fetched *out, const char *line, size_t len)
{
    struct json_span state = {line, line + len}, list, at = {NULL, NULL}, element;
    static char buf[ELEMENT_MAX];
    static struct json_object object;
    int more;
    if (json_member(state, "gpus", &list) != 0) return -1;
    while ((more = json_next(list, &at, &element)) == 1) {
        if (element_parse(element, buf, sizeof buf, &object) != 0) return -1;
        take_gpu(out, &object);
    }
    take_backends(out, state);
    if (more < 0 || json_member(state, "slices", &list) != 0) return -1;
    at = (struct json_span){NULL, NULL};
    while ((more = json_next(list, &at, &element)) == 1)
        if (element_parse(element, buf, sizeof buf, &object) != 0 || take_slice(out, &object) != 0) return -1;
    return more;
}

int fetch_all(struct client *client, struct fetched *out, char *why, size_t cap)
{
    struct json_writer fields;
    struct json_object object;
    char *line;
    size_t len;
    memset(out, 0, sizeof *out);
    json_writer_init(&fields, 1024);
    json_put_integer(&fields, "protocolMin", PROTOCOL_VERSION);
    json_put_integer(&fields, "protocolMax", PROTOCOL_VERSION);
    json_put_text(&fields, "client", "tranche " TRANCHE_VERSION);
    int result = client_ask(client, "hello", &fields, &line, &len, why, cap);
    json_writer_free(&fields);
    if (result != 0) return -1;
    const char *failure = reply_failure(line, len, &object);
    if (failure) {
        snprintf(why, cap, "%s", failure);
        return -1;
    }
    take_text(&object, "runtimeDir", out->runtime_dir, sizeof out->runtime_dir);
    take_text(&object, "managerName", out->manager, sizeof out->manager);
    take_text(&object, "gpuNote", out->gpu_note, sizeof out->gpu_note);
    json_get_bool(&object, "operator", &out->is_operator);
    json_get_bool(&object, "simulated", &out->simulated);
    json_get_bool(&object, "scopes", &out->has_scopes);
    json_writer_init(&fields, 256);
    json_put_integer(&fields, "sampleIntervalMs", 500);
    result = client_ask(client, "subscribe", &fields, &line, &len, why, cap);
    json_writer_free(&fields);
    if (result != 0 || client_event(client, "state", &line, &len, why, cap) != 0) return -1;
    if (parse_state(out, line, len) == 0) return 0;
    snprintf(why, cap, "The agent's list of slices could not be read.");
    return -1;
}

int fetch_open(struct client *client, struct fetched *out)
{
    char why[2048];
    if (client_open(client, true, why, sizeof why) == 0 && fetch_all(client, out, why, sizeof why) == 0) return 0;
    return complain("%s", why);
}

int fetch_from_files(struct fetched *out, char *why, size_t cap)
{
    struct places places;
    char path[FS_PATH_BYTES], file[FS_PATH_BYTES];
    memset(out, 0, sizeof *out);
    if (places_find(&places, why, cap) != 0) return -1;
    if (places_recorded_runtime(&places) != 0 || fs_join(path, places.runtime, "policy") != 0) {
        snprintf(why, cap, "no agent has run here yet");
        return -1;
    }
    text_copy(out->runtime_dir, sizeof out->runtime_dir, places.runtime);
    DIR *directory = opendir(path);
    if (!directory) {
        snprintf(why, cap, "%s cannot be read", path);
        return -1;
    }
    for (struct dirent *e = readdir(directory); e; e = readdir(directory)) {
        const struct region_policy *policy;
        if (e->d_name[0] == '.' || fs_join(file, path, e->d_name) != 0) continue;
        if (region_policy_map_ro(file, &policy) != 0) continue;
        struct fetched_slice *s = add_slice(out);
        if (s) {
            text_sanitize(s->id, sizeof s->id, policy->slice_id, strnlen(policy->slice_id, REGION_ID_BYTES));
            text_sanitize(s->name, sizeof s->name, policy->name, strnlen(policy->name, REGION_NAME_BYTES));
            text_sanitize(s->gpu_uuid, sizeof s->gpu_uuid, policy->gpu_uuid,
                          strnlen(policy->gpu_uuid, REGION_UUID_BYTES));
            s->owner_uid = atomic_load(&((struct region_policy *)policy)->owner_uid);
            s->closed = (atomic_load(&((struct region_policy *)policy)->flags) & REGION_POLICY_DELETED) != 0;
            s->starts_at_ms = s->expires_at_ms = NO_TIME;
            s->pending_bytes = -1;
        }
        region_policy_unmap(policy);
    }
    closedir(directory);
    return 0;
}

void fetched_free(struct fetched *fetched)
{
    free(fetched->slices);
    memset(fetched, 0, sizeof *fetched);
}

const struct fetched_slice *fetched_find(const struct fetched *fetched, const char *name)
{
    for (size_t i = 0; i < fetched->slice_count; i++)
        if (strcmp(fetched->slices[i].name, name) == 0) return &fetched->slices[i];
    for (size_t i = 0; i < fetched->slice_count; i++)
        if (strcmp(fetched->slices[i].id, name) == 0) return &fetched->slices[i];
    return NULL;
}
