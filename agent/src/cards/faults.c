#include "cards/faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "gpu/xid.h"
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
    for (char *rest = data; (line = strsep(&rest, "\n")) != NULL && log->count < FAULTS_MAX;) {
        struct json_object object;
        struct fault f = {0};
        const char *uuid;
        int64_t xid, count;
        bool whole = json_parse_flat(line, strlen(line), &object, NULL) == 0 &&
                     json_get_text(&object, "gpuUuid", &uuid) == 1 && text_copy(f.gpu_uuid, sizeof f.gpu_uuid, uuid) &&
                     json_get_integer(&object, "xid", 0, UINT32_MAX, &xid) == 1 &&
                     json_get_integer(&object, "count", 1, UINT32_MAX, &count) == 1 &&
                     json_get_integer(&object, "firstAtMs", 0, JSON_INTEGER_MAX, &f.first_at_ms) == 1 &&
                     json_get_integer(&object, "atMs", 0, JSON_INTEGER_MAX, &f.at_ms) == 1;
        if (!whole) continue; /* they tell of the past and limit nothing */
        f.xid = (uint32_t)xid;
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
        json_put_integer(&w, "xid", log->items[i].xid);
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

/* The entry that counts it, at the end of the list. */
static struct fault *note(struct fault_log *log, const char *gpu_uuid, uint32_t xid, int64_t now_ms)
{
    struct fault f = {.xid = xid, .first_at_ms = now_ms};
    text_copy(f.gpu_uuid, sizeof f.gpu_uuid, gpu_uuid);
    size_t at = 0;
    while (at < log->count && (log->items[at].xid != xid || strcmp(log->items[at].gpu_uuid, gpu_uuid) != 0 ||
                               now_ms - log->items[at].at_ms >= SAME_MS)) {
        at++;
    }
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

void faults_watch(struct agent *agent, int64_t mono_ms)
{
    struct gpu_fault found[FAULTS_AT_ONCE];
    struct fault_log *log = agent->faults;
    int n = agent->backend_open ? agent->backend->faults(found, FAULTS_AT_ONCE) : 0;
    for (int i = 0; i < n; i++) {
        const struct gpu_state *gpu = NULL;
        for (size_t k = 0; k < agent->gpu_count; k++) {
            if (agent->gpus[k].info.index == found[i].gpu) gpu = &agent->gpus[k];
        }
        if (!gpu) continue;
        struct fault *f = note(log, gpu->info.uuid, found[i].xid, now_wall_ms());
        log->dirty = true;
        agent->state_dirty = true;
        if (f->told_at_ms != 0 && mono_ms - f->told_at_ms < TOLD_AGAIN_MS) continue;
        f->told_at_ms = mono_ms;
        char message[512];
        snprintf(message, sizeof message, "GPU %u reported XID %u. %s", gpu->info.index, found[i].xid,
                 xid_of(found[i].xid)->text);
        log_line("%s", message);
        notices_tell_gpu(agent, "xid", gpu->info.uuid, message);
    }
    if (log->dirty && (log->saved_at_ms == 0 || mono_ms - log->saved_at_ms >= SAVED_AGAIN_MS)) save(agent, mono_ms);
}

void faults_put(const struct agent *agent, struct json_writer *w)
{
    json_key(w, "faults");
    json_open(w, '[');
    for (size_t i = agent->faults->count; i-- > 0;) {
        const struct fault *f = &agent->faults->items[i];
        const struct xid *xid = xid_of(f->xid);
        json_open(w, '{');
        json_put_text(w, "gpuUuid", f->gpu_uuid);
        json_put_integer(w, "xid", f->xid);
        json_put_text(w, "kind", xid_kind_name(xid->kind));
        json_put_text(w, "text", xid->text);
        json_put_integer(w, "count", f->count);
        json_put_integer(w, "firstAtMs", f->first_at_ms);
        json_put_integer(w, "atMs", f->at_ms);
        json_close(w, '}');
    }
    json_close(w, ']');
}
