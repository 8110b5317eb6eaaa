#include "cards/faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "journal/notices.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "text.h"

#define FILE_NAME "faults"
#define FILE_MAX_BYTES (16 * 1024)
#define SAME_MS (10 * 60 * 1000) /* one that comes again within this time is counted, not listed */
#define TOLD_AGAIN_MS 60000      /* a notice of the same no oftener */
#define SAVED_AGAIN_MS 10000     /* a GPU that reports in a loop must not keep the disk busy */
#define FAULTS_AT_ONCE 32

/* Before there were other backends, a fault had its XID and no source; an agent of then still reads what is written. */
#define SOURCE_OF_BEFORE "XID"
#define FIELD_OF_BEFORE "xid"

static void put_number(struct json_writer *w, const struct fault *f)
{
    json_put_text(w, "source", f->source);
    json_put_integer(w, "code", f->code);
    json_put_integer(w, FIELD_OF_BEFORE, strcmp(f->source, SOURCE_OF_BEFORE) == 0 ? f->code : 0);
}

static bool take_number(const struct json_object *object, struct fault *f, int64_t *code)
{
    const char *source;
    if (json_get_text(object, "source", &source) != 1) {
        text_copy(f->source, sizeof f->source, SOURCE_OF_BEFORE);
        return json_get_integer(object, FIELD_OF_BEFORE, 0, UINT32_MAX, code) == 1;
    }
    return text_copy(f->source, sizeof f->source, source) &&
           json_get_integer(object, "code", 0, UINT32_MAX, code) == 1;
}

void faults_load(struct agent *agent)
{
    static struct fault_log faults; /* the agent's only log */
    struct fault_log *log = agent->faults = &faults;
    char path[FS_PATH_BYTES], *data, *line;
    size_t len;
    log->count = 0;
    if (fs_join(path, agent->places.state, FILE_NAME) != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; earlier errors of the GPUs are forgotten", path, strerror(error));
        return;
    }
    for (char *rest = data; (line = strsep(&rest, "\n")) && log->count < FAULTS_MAX;) {
        struct json_object object;
        struct fault f = {0};
        const char *uuid;
        int64_t code, count;
        bool whole = json_parse_flat(line, strlen(line), &object, NULL) == 0 &&
                     json_get_text(&object, "gpuUuid", &uuid) == 1 && text_copy(f.gpu_uuid, sizeof f.gpu_uuid, uuid) &&
                     take_number(&object, &f, &code) &&
                     json_get_integer(&object, "count", 1, UINT32_MAX, &count) == 1 &&
                     json_get_integer(&object, "firstAtMs", 0, JSON_INTEGER_MAX, &f.first_at_ms) == 1 &&
                     json_get_integer(&object, "atMs", 0, JSON_INTEGER_MAX, &f.at_ms) == 1;
        if (!whole) continue; /* they tell of the past and limit nothing */
        f.code = (uint32_t)code;
        f.count = (uint32_t)count;
        log->items[log->count++] = f;
    }
    free(data);
}

static void save(struct agent *agent, int64_t mono_ms)
{
    struct fault_log *log = agent->faults;
    struct json_writer w;
    json_writer_init(&w, FILE_MAX_BYTES);
    for (size_t i = 0; i < log->count; i++) {
        json_open(&w, '{');
        json_put_text(&w, "gpuUuid", log->items[i].gpu_uuid);
        put_number(&w, &log->items[i]);
        json_put_integer(&w, "count", log->items[i].count);
        json_put_integer(&w, "firstAtMs", log->items[i].first_at_ms);
        json_put_integer(&w, "atMs", log->items[i].at_ms);
        json_end_line(&w);
    }
    int error = w.failed ? EFBIG : fs_write_atomic(agent->places.state, FILE_NAME, w.data, w.len, 0600, false);
    json_writer_free(&w);
    log->saved_at_ms = mono_ms;
    log->dirty = error != 0;
    if (error != 0) log_line("errors of the GPUs not saved: %s", strerror(error));
}

static const char *source_of(const struct gpu_backend *backend)
{
    return backend->words.faults ? backend->words.faults : backend->id;
}

const struct gpu_fault_meaning *faults_meaning(const struct fault *fault)
{
    static const struct gpu_fault_meaning unknown = {
        0, GPU_FAULT_OTHER, "This agent does not know the driver that reported it; its vendor says what it means."};
    for (size_t i = 0; gpu_backends[i]; i++) {
        const struct gpu_backend *backend = gpu_backends[i];
        if (backend->fault_meaning && strcmp(source_of(backend), fault->source) == 0)
            return backend->fault_meaning(fault->code);
    }
    return &unknown;
}

const char *faults_kind_name(enum gpu_fault_kind kind)
{
    return kind == GPU_FAULT_PROGRAM ? "program" : kind == GPU_FAULT_HARDWARE ? "hardware" : "other";
}

/* The entry that counts it, at the end of the list. */
static struct fault *note(struct fault_log *log, const struct gpu_state *gpu, uint32_t code, int64_t now_ms)
{
    struct fault f = {.code = code, .first_at_ms = now_ms};
    const char *gpu_uuid = gpu->info.uuid;
    text_copy(f.source, sizeof f.source, source_of(gpu->kind->backend));
    text_copy(f.gpu_uuid, sizeof f.gpu_uuid, gpu_uuid);
    size_t at = 0;
    while (at < log->count &&
           (log->items[at].code != code || strcmp(log->items[at].gpu_uuid, gpu_uuid) != 0 ||
            strcmp(log->items[at].source, f.source) != 0 || now_ms - log->items[at].at_ms >= SAME_MS))
        at++;
    if (at < log->count) f = log->items[at];
    if (at == log->count && log->count == FAULTS_MAX) at = 0; /* the oldest makes room */
    if (at < log->count) {
        memmove(&log->items[at], &log->items[at + 1], (log->count - at - 1) * sizeof f);
        log->count--;
    }
    f.at_ms = now_ms;
    if (f.count < UINT32_MAX) f.count++;
    log->items[log->count++] = f;
    return &log->items[log->count - 1];
}

static void take(struct agent *agent, const struct gpu_state *gpu, uint32_t code, int64_t mono_ms)
{
    struct fault_log *log = agent->faults;
    struct fault *f = note(log, gpu, code, now_wall_ms());
    log->dirty = true;
    agent->state_dirty = true;
    if (f->told_at_ms != 0 && mono_ms - f->told_at_ms < TOLD_AGAIN_MS) return;
    f->told_at_ms = mono_ms;
    char message[512];
    const struct gpu_backend *backend = gpu->kind->backend;
    snprintf(message, sizeof message, "GPU %u reported %s %u. %s", gpu->info.index, f->source, code,
             faults_meaning(f)->text);
    log_line("%s", message);
    notices_tell_gpu(agent, backend->fault_notice ? backend->fault_notice : "gpu-fault", gpu->info.uuid, message);
}

void faults_watch(struct agent *agent, int64_t mono_ms)
{
    struct gpu_fault found[FAULTS_AT_ONCE];
    struct fault_log *log = agent->faults;
    for (size_t i = 0; i < agent->backend_count; i++) {
        const struct backend_state *kind = &agent->backends[i];
        int n = kind->open && kind->backend->faults ? kind->backend->faults(found, FAULTS_AT_ONCE) : 0;
        for (int k = 0; k < n; k++) {
            const struct gpu_state *gpu = agent_gpu_at(agent, kind, found[k].gpu);
            if (gpu) take(agent, gpu, found[k].code, mono_ms);
        }
    }
    if (log->dirty && (log->saved_at_ms == 0 || mono_ms - log->saved_at_ms >= SAVED_AGAIN_MS)) save(agent, mono_ms);
}

void faults_put(const struct agent *agent, struct json_writer *w)
{
    json_key(w, "faults");
    json_open(w, '[');
    for (size_t i = agent->faults->count; i-- > 0;) {
        const struct fault *f = &agent->faults->items[i];
        const struct gpu_fault_meaning *meaning = faults_meaning(f);
        json_open(w, '{');
        json_put_text(w, "gpuUuid", f->gpu_uuid);
        put_number(w, f);
        json_put_text(w, "kind", faults_kind_name(meaning->kind));
        json_put_text(w, "text", meaning->text);
        json_put_integer(w, "count", f->count);
        json_put_integer(w, "firstAtMs", f->first_at_ms);
        json_put_integer(w, "atMs", f->at_ms);
        json_close(w, '}');
    }
    json_close(w, ']');
}
