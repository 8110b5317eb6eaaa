#include "journal/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/line.h"
#include "base/now.h"
#include "fs.h"
#include "hash.h"
#include "journal/notices.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "state/slice_settings.h"
#include "text.h"

#define CHECKSUM_BYTES 17 /* 16 digits and a blank before each record */
#define RECORD_MAX_BYTES 4096
#define ANSWER_MAX_BYTES (AGENT_LINE_MAX_BYTES - 4096)
/* Refusals are kept at most this often: a loop of them must not keep the disk busy. */
#define REFUSED_MAX 20
#define REFUSED_WINDOW_MS 10000

/* Each file and the one before it (.1). An edit takes about 800 bytes. */
static const struct log_kind {
    const char *name, *older;
    off_t max_bytes;
} kinds[] = {
    {"audit.jsonl", "audit.1.jsonl", 1 << 20},
    {"audit-refused.jsonl", "audit-refused.1.jsonl", 256 << 10},
    {"audit-acts.jsonl", "audit-acts.1.jsonl", 512 << 10},
};
enum { ACCEPTED, REFUSED, ACTS, KIND_COUNT };

/* ---- one record as JSON: the same on disk, in an answer and in an event ------------------------------------ */

static void put_slice(struct json_writer *w, const char *key, const struct slice_record *r)
{
    json_key(w, key);
    if (!r) {
        json_null(w);
        return;
    }
    json_open(w, '{');
    json_put_text(w, "name", r->name);
    json_put_text(w, "owner", r->owner);
    json_put_text(w, "gpuUuid", r->gpu_uuid);
    slice_settings_put(w, r);
    json_close(w, '}');
}

struct entry {
    const struct editor *editor;
    const char *refusal, *detail;
    const struct slice_record *subject, *before, *after;
    int64_t omitted;
};

static void put_record(struct json_writer *w, const struct entry *e, uint64_t seq, int64_t at_ms)
{
    char detail[TEXT_SHOWN_BYTES + 1] = "";
    if (e->detail) text_sanitize(detail, sizeof detail, e->detail, strlen(e->detail));
    json_open(w, '{');
    json_put_integer(w, "seq", (int64_t)seq);
    json_put_integer(w, "atMs", at_ms);
    json_put_text(w, "action", e->editor->action);
    json_put_text(w, "refusal", e->refusal);
    json_put_text(w, "sliceId", e->subject ? e->subject->id : NULL);
    json_put_text(w, "sliceName", e->subject ? e->subject->name : NULL);
    json_put_text(w, "gpuUuid", e->subject ? e->subject->gpu_uuid : NULL);
    json_put_integer(w, "uid", e->editor->uid);
    json_put_text(w, "user", e->editor->name);
    json_put_text(w, "claimedFrom", e->editor->claimed_from[0] ? e->editor->claimed_from : NULL);
    json_put_text(w, "detail", e->detail ? detail : NULL);
    json_put_integer(w, "refusalsOmitted", e->omitted);
    put_slice(w, "before", e->before);
    put_slice(w, "after", e->after);
    json_close(w, '}');
}

/* ---- the files ---------------------------------------------------------------------------------------------- */

static int append(struct agent *agent, const struct log_kind *kind, const char *data, size_t len, bool sync)
{
    char path[FS_PATH_BYTES], older[FS_PATH_BYTES];
    struct stat st;
    if (fs_join(path, agent->places.state, kind->name) != 0 || fs_join(older, agent->places.state, kind->older) != 0)
        return ENAMETOOLONG;
    if (stat(path, &st) == 0 && st.st_size + (off_t)len > kind->max_bytes && rename(path, older) != 0) return errno;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    int error = fstat(fd, &st) != 0 ? errno : 0;
    if (error == 0) {
        ssize_t n = write(fd, data, len);
        if (n != (ssize_t)len) {
            /* A full disk: what was written of it goes again, so that the next record begins a line. */
            error = n < 0 ? errno : ENOSPC;
            if (ftruncate(fd, st.st_size) != 0) log_line("%s: %s", path, strerror(errno));
        }
    }
    if (error == 0 && sync && fdatasync(fd) != 0) error = errno;
    close(fd);
    return error;
}

/* The record in a line, or false where the checksum says that it is none. */
static bool take_line(char *line, size_t len, struct json_span *record)
{
    char sum[CHECKSUM_BYTES];
    if (len <= CHECKSUM_BYTES || len > RECORD_MAX_BYTES || line[CHECKSUM_BYTES - 1] != ' ') return false;
    *record = (struct json_span){line + CHECKSUM_BYTES, line + len};
    snprintf(sum, sizeof sum, "%016" PRIx64, hash_bytes(record->start, len - CHECKSUM_BYTES));
    return memcmp(sum, line, CHECKSUM_BYTES - 1) == 0;
}

static int64_t integer_of(struct json_span record, const char *key)
{
    struct json_span value;
    char digits[24];
    int64_t number;
    if (json_member(record, key, &value) != 0 || value.end - value.start >= (ptrdiff_t)sizeof digits) return -1;
    memcpy(digits, value.start, (size_t)(value.end - value.start));
    digits[value.end - value.start] = '\0';
    return text_parse_integer(digits, 0, JSON_INTEGER_MAX, &number) == 0 ? number : -1;
}

struct found {
    int64_t seq;
    struct json_span record;
};

struct harvest {
    char *data[2 * KIND_COUNT];
    size_t file_count;
    struct found *found;
    size_t count, cap;
};

static bool is_wanted(const struct audit_query *q, const struct found *f)
{
    struct json_span id;
    int64_t at_ms = integer_of(f->record, "atMs");
    if (f->seq < 0 || f->seq >= q->before_seq || at_ms < q->from_ms || at_ms > q->to_ms) return false;
    if (!q->slice_id) return true;
    size_t n = strlen(q->slice_id);
    return json_member(f->record, "sliceId", &id) == 0 && (size_t)(id.end - id.start) == n + 2 && id.start[0] == '"' &&
           memcmp(id.start + 1, q->slice_id, n) == 0;
}

static int harvest_file(struct harvest *h, const char *path, off_t max_bytes, const struct audit_query *q)
{
    char *data;
    size_t len;
    int error = fs_read_file(path, (size_t)max_bytes + RECORD_MAX_BYTES, &data, &len);
    if (error != 0) return error == ENOENT ? 0 : error;
    h->data[h->file_count++] = data;
    for (size_t at = 0; at < len;) {
        char *newline = memchr(data + at, '\n', len - at);
        if (!newline) break; /* a torn tail */
        size_t n = (size_t)(newline - (data + at));
        struct found f = {0};
        bool whole = take_line(data + at, n, &f.record);
        at += n + 1;
        if (!whole) continue;
        f.seq = integer_of(f.record, "seq");
        if (!is_wanted(q, &f)) continue;
        if (h->count == h->cap) {
            size_t cap = h->cap ? h->cap * 2 : 256;
            struct found *more = realloc(h->found, cap * sizeof *more);
            if (!more) return ENOMEM;
            h->found = more;
            h->cap = cap;
        }
        h->found[h->count++] = f;
    }
    return 0;
}

static int newer_first(const void *a, const void *b)
{
    int64_t x = ((const struct found *)a)->seq, y = ((const struct found *)b)->seq;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int harvest_all(struct agent *agent, struct harvest *h, const struct audit_query *q)
{
    for (size_t k = 0; k < KIND_COUNT; k++) {
        const char *const names[] = {kinds[k].older, kinds[k].name};
        for (size_t i = 0; i < 2; i++) {
            char path[FS_PATH_BYTES];
            if (fs_join(path, agent->places.state, names[i]) != 0) return ENAMETOOLONG;
            int error = harvest_file(h, path, kinds[k].max_bytes, q);
            if (error != 0) return error;
        }
    }
    if (h->count > 0) qsort(h->found, h->count, sizeof h->found[0], newer_first);
    return 0;
}

static void harvest_free(struct harvest *h)
{
    for (size_t i = 0; i < h->file_count; i++) free(h->data[i]);
    free(h->found);
}

int audit_read(struct agent *agent, const struct audit_query *query, struct json_writer *out)
{
    struct harvest h = {0};
    int error = harvest_all(agent, &h, query);
    if (error == 0) {
        size_t i = 0, start = out->len;
        json_key(out, "records");
        json_open(out, '[');
        for (; i < h.count && i < query->max; i++) {
            size_t n = (size_t)(h.found[i].record.end - h.found[i].record.start);
            if (out->len - start + n > ANSWER_MAX_BYTES) break;
            if (i > 0) json_raw(out, ",", 1);
            json_raw(out, h.found[i].record.start, n);
        }
        json_close(out, ']');
        json_put_known(out, "nextBeforeSeq", i<h.count, i> 0 ? h.found[i - 1].seq : query->before_seq);
    }
    harvest_free(&h);
    return error;
}

/* A line that a crash cut off is ended, so that the next record does not become a part of it. */
static int end_torn_line(const struct agent *agent, const struct log_kind *kind)
{
    char path[FS_PATH_BYTES], last;
    struct stat st;
    if (fs_join(path, agent->places.state, kind->name) != 0) return ENAMETOOLONG;
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? 0 : errno;
    int error = fstat(fd, &st) != 0 ? errno : 0;
    if (error == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
        write(fd, "\n", 1) != 1)
        error = errno;
    close(fd);
    return error;
}

int audit_open(struct agent *agent)
{
    struct harvest h = {0};
    const struct audit_query all = {.to_ms = JSON_INTEGER_MAX, .before_seq = JSON_INTEGER_MAX};
    int error = 0;
    for (size_t k = 0; k < KIND_COUNT && error == 0; k++) error = end_torn_line(agent, &kinds[k]);
    if (error == 0) error = harvest_all(agent, &h, &all);
    agent->audit_seq = h.count > 0 ? (uint64_t)h.found[0].seq : 0;
    harvest_free(&h);
    return error;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void announce(struct agent *agent, const struct entry *e, uint64_t seq, int64_t at_ms)
{
    struct json_writer w;
    json_writer_init(&w, RECORD_MAX_BYTES * 2);
    json_open(&w, '{');
    json_put_text(&w, "ev", "audit");
    json_key(&w, "record");
    put_record(&w, e, seq, at_ms);
    notices_send(agent, &w, e->refusal);
}

static void record(struct agent *agent, const struct entry *e, int kind)
{
    struct json_writer w;
    int64_t at_ms = now_wall_ms();
    uint64_t seq = ++agent->audit_seq;
    json_writer_init(&w, RECORD_MAX_BYTES);
    json_raw(&w, "0000000000000000 ", CHECKSUM_BYTES);
    put_record(&w, e, seq, at_ms);
    int error = w.failed ? EMSGSIZE : 0;
    if (error == 0) {
        char sum[CHECKSUM_BYTES];
        snprintf(sum, sizeof sum, "%016" PRIx64, hash_bytes(w.data + CHECKSUM_BYTES, w.len - CHECKSUM_BYTES));
        memcpy(w.data, sum, CHECKSUM_BYTES - 1);
        json_raw(&w, "\n", 1);
        error = w.failed ? EMSGSIZE : append(agent, &kinds[kind], w.data, w.len, kind == ACCEPTED);
    }
    json_writer_free(&w);
    announce(agent, e, seq, at_ms);
    if (error == 0) return;
    char message[512];
    snprintf(message, sizeof message,
             "%s by %s could not be written to the audit in %.200s (%s); the slices are as they are shown. Free some "
             "space.",
             e->editor->action, e->editor->name, agent->places.state, strerror(error));
    log_line("%s", message);
    notices_tell(agent, "audit-not-saved", e->subject ? e->subject->id : NULL, 0, message);
}

void audit_edit(struct agent *agent, const struct editor *editor, const struct slice_record *before,
                const struct slice_record *after)
{
    struct entry e = {.editor = editor,
                      .detail = editor->over_quota ? "over the quota" : NULL,
                      .subject = after ? after : before,
                      .before = before,
                      .after = after};
    record(agent, &e, ACCEPTED);
}

void audit_setting(struct agent *agent, const struct editor *editor, const char *detail)
{
    record(agent, &(struct entry){.editor = editor, .detail = detail}, ACCEPTED);
}

void audit_act(struct agent *agent, const struct editor *editor, const struct slice *slice, const char *detail)
{
    record(agent, &(struct entry){.editor = editor, .detail = detail, .subject = slice ? &slice->r : NULL}, ACTS);
}

void audit_refused(struct agent *agent, const struct editor *editor, const char *code, const struct slice *slice)
{
    int64_t mono_ms = now_mono_ms();
    if (agent->refused_since_ms == 0 || mono_ms - agent->refused_since_ms >= REFUSED_WINDOW_MS) {
        agent->refused_since_ms = mono_ms;
        agent->refused_count = 0;
    }
    if (++agent->refused_count > REFUSED_MAX) {
        agent->refused_omitted++;
        return;
    }
    const struct slice_record *r = slice ? &slice->r : NULL;
    struct entry e = {
        .editor = editor, .refusal = code, .subject = r, .before = r, .after = r, .omitted = agent->refused_omitted};
    agent->refused_omitted = 0;
    record(agent, &e, REFUSED);
}
