#include "records/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/line.h"
#include "base/now.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "json.h"
#include "log.h"
#include "region.h"
#include "slices/measure.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

static const struct tier {
    int64_t seconds;
    size_t records;
    size_t parts; /* records of the tier before that make one of this */
} tiers[] = {
    {1, 15 * 60, 0},
    {15, 24 * 3600 / 15, 15},
    {120, 7 * 24 * 3600 / 120, 8},
};
#define TIER_COUNT (sizeof tiers / sizeof tiers[0])
/* "The last 15 minutes", asked a moment ago by another clock, is still for the seconds. */
#define RANGE_SLACK_S 10

enum record_valid { RECORD_MEMORY = 1, RECORD_COMPUTE = 2, RECORD_THROTTLED = 4, RECORD_LIMITS = 8 };

/* On disk, in the host's byte order: the file never leaves the host. */
struct record {
    uint32_t seconds; /* Unix time of its beginning, a multiple of the tier's length */
    uint8_t valid;
    uint8_t compute_limit_percent;
    uint16_t compute_tenths;
    uint16_t throttled_tenths;
    uint16_t reserved;
    uint32_t checksum; /* over the record with 0 here: a torn record is not one */
    uint64_t memory_used_bytes;
    uint64_t memory_limit_bytes;
};
_Static_assert(sizeof(struct record) == 32, "record layout");

static uint32_t checksum(const struct record *record)
{
    struct record copy = *record;
    copy.checksum = 0;
    const unsigned char *bytes = (const unsigned char *)&copy;
    uint32_t hash = 0x811c9dc5u; /* FNV-1a; a hole in the file (all 0) does not match */
    for (size_t i = 0; i < sizeof copy; i++) hash = (hash ^ bytes[i]) * 0x01000193u;
    return hash;
}

static int ring_path(const struct agent *agent, const char *subject, size_t tier, char out[FS_PATH_BYTES])
{
    int n = snprintf(out, FS_PATH_BYTES, "%s/history/%s.%llds", agent->places.state, subject,
                     (long long)tiers[tier].seconds);
    return n < FS_PATH_BYTES ? 0 : -1;
}

static int ring_open(const struct agent *agent, const char *subject, size_t tier, int flags)
{
    char path[FS_PATH_BYTES];
    if (ring_path(agent, subject, tier, path) != 0) return -1;
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static off_t slot_of(size_t tier, int64_t seconds)
{
    return (off_t)((size_t)(seconds / tiers[tier].seconds) % tiers[tier].records * sizeof(struct record));
}

int history_open(struct agent *agent)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, agent->places.state, "history") != 0) return ENAMETOOLONG;
    return fs_make_directories(path, 0700);
}

static void put(int fd, size_t tier, struct record *record)
{
    record->checksum = checksum(record);
    /* A full disk costs history, nothing else. */
    ssize_t n = pwrite(fd, record, sizeof *record, slot_of(tier, record->seconds));
    (void)n;
}

struct total {
    uint64_t memory_max, memory_limit, compute_sum, throttled_sum;
    uint32_t compute_count, throttled_count, compute_limit;
    uint8_t valid;
};

static void total_add(struct total *total, const struct record *r)
{
    total->valid |= r->valid;
    if ((r->valid & RECORD_MEMORY) && r->memory_used_bytes > total->memory_max)
        total->memory_max = r->memory_used_bytes;
    if (r->valid & RECORD_COMPUTE) total->compute_sum += r->compute_tenths, total->compute_count++;
    if (r->valid & RECORD_THROTTLED) total->throttled_sum += r->throttled_tenths, total->throttled_count++;
    if (r->valid & RECORD_LIMITS) {
        total->memory_limit = r->memory_limit_bytes;
        total->compute_limit = r->compute_limit_percent;
    }
}

static void total_end(const struct total *total, struct record *out)
{
    out->valid = total->valid;
    out->memory_used_bytes = total->memory_max;
    out->memory_limit_bytes = total->memory_limit;
    out->compute_limit_percent = (uint8_t)total->compute_limit;
    if (total->compute_count) out->compute_tenths = (uint16_t)(total->compute_sum / total->compute_count);
    if (total->throttled_count) out->throttled_tenths = (uint16_t)(total->throttled_sum / total->throttled_count);
}

/* The coarser record is made from the finer ones on disk, so that a restart in between loses nothing. */
static void fold(const struct agent *agent, const char *subject, size_t tier, int64_t begin)
{
    int from = ring_open(agent, subject, tier - 1, O_RDONLY);
    if (from < 0) return;
    struct total total = {0};
    size_t found = 0;
    for (size_t i = 0; i < tiers[tier].parts; i++) {
        int64_t seconds = begin + (int64_t)i * tiers[tier - 1].seconds;
        struct record r;
        if (pread(from, &r, sizeof r, slot_of(tier - 1, seconds)) != (ssize_t)sizeof r) continue;
        if (r.seconds != seconds || r.checksum != checksum(&r)) continue;
        total_add(&total, &r);
        found++;
    }
    close(from);
    if (found == 0) return;
    int to = ring_open(agent, subject, tier, O_WRONLY | O_CREAT);
    if (to < 0) return;
    struct record out = {.seconds = (uint32_t)begin};
    total_end(&total, &out);
    put(to, tier, &out);
    close(to);
}

static void record_subject(const struct agent *agent, const char *subject, int *fd, struct record *record)
{
    if (*fd < 0) *fd = ring_open(agent, subject, 0, O_WRONLY | O_CREAT);
    if (*fd < 0) return;
    put(*fd, 0, record);
    int64_t next = (int64_t)record->seconds + 1;
    for (size_t tier = 1; tier < TIER_COUNT && next % tiers[tier].seconds == 0; tier++)
        fold(agent, subject, tier, next - tiers[tier].seconds);
}

void history_record(struct agent *agent, int64_t at_ms)
{
    uint32_t seconds = (uint32_t)(at_ms / 1000);
    for (size_t i = 0; i < agent->gpu_count; i++) {
        struct gpu_state *gpu = &agent->gpus[i];
        struct record r = {.seconds = seconds};
        if (gpu->reading.valid & GPU_MEMORY) {
            r.valid |= RECORD_MEMORY;
            r.memory_used_bytes = gpu->reading.memory_used_bytes;
        }
        if (gpu->reading.valid & GPU_UTILIZATION) {
            r.valid |= RECORD_COMPUTE;
            r.compute_tenths = (uint16_t)(gpu->reading.utilization_percent * 10);
        }
        record_subject(agent, gpu->info.uuid, &gpu->history_fd, &r);
    }
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (slice->r.deleted) continue;
        struct record r = {.seconds = seconds, .valid = RECORD_LIMITS};
        r.memory_limit_bytes = slice->r.memory_limit_bytes;
        r.compute_limit_percent = (uint8_t)slice->r.compute_limit_percent;
        if (slice->m.usage_known) {
            r.valid |= RECORD_MEMORY;
            r.memory_used_bytes = measure_believed(agent_gpu(agent, slice->r.gpu_uuid), slice);
        }
        if (slice->m.rates_known) {
            r.valid |= RECORD_COMPUTE | RECORD_THROTTLED;
            uint32_t tenths = slice->m.compute_tenths + slice->inherited_tenths;
            r.compute_tenths = (uint16_t)(tenths < 1000 ? tenths : 1000);
            r.throttled_tenths = (uint16_t)slice->m.throttled_tenths;
        }
        record_subject(agent, slice->r.id, &slice->history_fd, &r);
    }
}

void history_remove(struct agent *agent, const char *subject)
{
    char path[FS_PATH_BYTES];
    for (size_t tier = 0; tier < TIER_COUNT; tier++)
        if (ring_path(agent, subject, tier, path) == 0 && unlink(path) != 0 && errno != ENOENT)
            log_line("unlink %s: %s", path, strerror(errno));
}

void history_sweep(struct agent *agent)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, agent->places.state, "history") != 0) return;
    DIR *directory = opendir(path);
    if (!directory) return;
    for (struct dirent *e = readdir(directory); e; e = readdir(directory)) {
        char id[64];
        if (strncmp(e->d_name, "s-", 2) != 0) continue;
        size_t n = strcspn(e->d_name, ".");
        if (n >= sizeof id) continue;
        memcpy(id, e->d_name, n);
        id[n] = '\0';
        if (!slice_find(&agent->slices, id)) history_remove(agent, id);
    }
    closedir(directory);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static size_t choose_tier(int64_t from_s, int64_t now_s)
{
    for (size_t tier = 0; tier < TIER_COUNT; tier++)
        if (now_s - from_s <= tiers[tier].seconds * (int64_t)tiers[tier].records + RANGE_SLACK_S) return tier;
    return TIER_COUNT - 1;
}

static struct record *read_ring(const struct agent *agent, const char *subject, size_t tier, size_t *records)
{
    *records = 0;
    struct record *ring = calloc(tiers[tier].records, sizeof *ring);
    if (!ring) return NULL;
    int fd = ring_open(agent, subject, tier, O_RDONLY);
    if (fd < 0) return ring;
    ssize_t n = pread(fd, ring, tiers[tier].records * sizeof *ring, 0);
    close(fd);
    if (n > 0) *records = (size_t)n / sizeof *ring;
    return ring;
}

static void end_point(struct history_job *job, const struct total *total, int64_t seconds)
{
    struct record r = {0};
    total_end(total, &r);
    struct history_point *p = &job->points[job->count++];
    p->at_ms = seconds * 1000;
    p->memory_known = r.valid & RECORD_MEMORY;
    p->compute_known = r.valid & RECORD_COMPUTE;
    p->throttled_known = r.valid & RECORD_THROTTLED;
    p->limits_known = r.valid & RECORD_LIMITS;
    p->memory_used_bytes = r.memory_used_bytes;
    p->memory_limit_bytes = r.memory_limit_bytes;
    p->compute_tenths = r.compute_tenths;
    p->throttled_tenths = r.throttled_tenths;
    p->compute_limit_percent = r.compute_limit_percent;
}

struct history_job *history_query(struct agent *agent, const char *subject, bool is_gpu, int64_t from_ms,
                                  int64_t to_ms, size_t max_points)
{
    struct history_job *job = calloc(1, sizeof *job + max_points * sizeof job->points[0]);
    if (!job) return NULL;
    int64_t now_s = now_wall_ms() / 1000, from = from_ms / 1000, to = to_ms / 1000;
    size_t tier = choose_tier(from, now_s), records;
    int64_t step = tiers[tier].seconds, span = step * (int64_t)tiers[tier].records;
    job->is_gpu = is_gpu;
    job->tier_ms = step * 1000;
    text_copy(job->subject, sizeof job->subject, subject);
    struct record *ring = read_ring(agent, subject, tier, &records);
    if (!ring) {
        free(job);
        return NULL;
    }
    if (from < now_s - span + step) from = now_s - span + step;
    if (to > now_s) to = now_s;
    from = (from + step - 1) / step * step;
    size_t slots = to >= from ? (size_t)((to - from) / step) + 1 : 0;
    size_t group = slots > max_points ? (slots + max_points - 1) / max_points : 1;
    struct total total = {0};
    int64_t first = -1;
    for (size_t i = 0; i < slots; i++) {
        int64_t seconds = from + (int64_t)i * step;
        size_t slot = (size_t)(seconds / step) % tiers[tier].records;
        const struct record *r = &ring[slot];
        if (slot < records && r->seconds == seconds && r->checksum == checksum(r)) {
            total_add(&total, r);
            if (first < 0) first = seconds;
        }
        if ((i + 1) % group != 0 && i + 1 != slots) continue;
        if (first >= 0) end_point(job, &total, first);
        memset(&total, 0, sizeof total);
        first = -1;
    }
    free(ring);
    return job;
}

static void put_series(struct json_writer *w, const char *key, const struct history_job *job, size_t from, size_t to,
                       int column)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = from; i < to; i++) {
        const struct history_point *p = &job->points[i];
        bool known = column == 0   ? true
                     : column == 1 ? p->memory_known
                     : column == 2 ? p->compute_known
                     : column == 3 ? p->throttled_known
                                   : p->limits_known;
        int64_t value = column == 0   ? p->at_ms
                        : column == 1 ? (int64_t)p->memory_used_bytes
                        : column == 2 ? p->compute_tenths
                        : column == 3 ? p->throttled_tenths
                        : column == 4 ? (int64_t)p->memory_limit_bytes
                                      : p->compute_limit_percent;
        if (known)
            json_integer(w, value);
        else
            json_null(w);
    }
    json_close(w, ']');
}

struct shared_line *history_chunk(struct agent *agent, struct history_job *job, bool *last)
{
    size_t to = job->sent + HISTORY_CHUNK_POINTS < job->count ? job->sent + HISTORY_CHUNK_POINTS : job->count;
    static const char *const columns[] = {
        "atMs", "memoryUsedBytes", "computeTenths", "throttledTenths", "memoryLimitBytes", "computeLimitPercent"};
    struct json_writer *w = &agent->scratch;
    json_writer_clear(w);
    json_open(w, '{');
    json_put_text(w, "ev", "history");
    json_put_integer(w, "id", job->request_id);
    json_put_text(w, job->is_gpu ? "gpuUuid" : "sliceId", job->subject);
    json_put_integer(w, "tierMs", job->tier_ms);
    for (int c = 0; c < 6; c++) put_series(w, columns[c], job, job->sent, to, c);
    *last = to == job->count;
    json_put_bool(w, "last", *last);
    json_end_line(w);
    job->sent = to;
    return w->failed ? NULL : line_new(w->data, w->len);
}
