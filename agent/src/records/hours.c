#include "records/hours.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "fs.h"
#include "json.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

#define FILE_NAME "hours"
#define FILE_MAX_BYTES (512 * 1024)
#define SAVE_INTERVAL_MS (5 * 60 * 1000)
/* A longer pause (the computer slept, the agent was stopped with SIGSTOP) is nobody's use. */
#define GAP_MAX_MS 5000

static struct hours_person *person(struct hours *h, uid_t uid, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->people[i].uid == uid) return &h->people[i];
    if (!h->people) h->people = calloc(HOURS_PEOPLE_MAX, sizeof *h->people);
    if (!h->people) return NULL;
    size_t at = h->count;
    if (at == HOURS_PEOPLE_MAX) {
        at = 0;
        for (size_t i = 1; i < h->count; i++)
            if (h->people[i].last_day < h->people[at].last_day) at = i;
    } else {
        h->count++;
    }
    memset(&h->people[at], 0, sizeof h->people[at]);
    h->people[at].uid = uid;
    text_copy(h->people[at].name, sizeof h->people[at].name, name);
    return &h->people[at];
}

static struct hours_day *day_of(struct hours_person *p, int64_t day)
{
    struct hours_day *d = &p->days[day % HOURS_DAYS];
    if (d->day != day) *d = (struct hours_day){.day = day};
    if (p->last_day < day) p->last_day = day;
    return d;
}

static bool take_line(struct hours *h, char *line)
{
    struct json_object o;
    const char *name;
    int64_t uid, day, used, held;
    if (json_parse_flat(line, strlen(line), &o, NULL) != 0 || json_get_text(&o, "name", &name) != 1 ||
        json_get_integer(&o, "uid", 0, UINT32_MAX, &uid) != 1 || json_get_integer(&o, "day", 1, 1000000, &day) != 1 ||
        json_get_integer(&o, "usedUs", 0, JSON_INTEGER_MAX, &used) != 1 ||
        json_get_integer(&o, "heldUs", 0, JSON_INTEGER_MAX, &held) != 1)
        return false;
    struct hours_person *p = person(h, (uid_t)uid, name);
    if (!p) return false;
    struct hours_day *d = day_of(p, day);
    d->used_us = (uint64_t)used;
    d->held_us = (uint64_t)held;
    return true;
}

void hours_load(struct agent *agent)
{
    static struct hours hours; /* the agent's only book */
    char path[FS_PATH_BYTES], *data, *line;
    size_t len;
    agent->hours = &hours;
    if (fs_join(path, agent->places.state, FILE_NAME) != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; GPU-hours are counted from now on", path, strerror(error));
        return;
    }
    for (char *rest = data; (line = strsep(&rest, "\n"));)
        if (line[0] != '\0' && !take_line(agent->hours, line)) log_line("%s: a line is not right", path);
    free(data);
}

int hours_save(struct agent *agent, int64_t mono_ms)
{
    struct hours *h = agent->hours;
    if (!h->dirty) return 0;
    struct json_writer w;
    json_writer_init(&w, FILE_MAX_BYTES);
    for (size_t i = 0; i < h->count; i++) {
        for (size_t k = 0; k < HOURS_DAYS; k++) {
            const struct hours_day *d = &h->people[i].days[k];
            if (d->day == 0 || d->day + HOURS_DAYS <= h->people[i].last_day) continue;
            json_open(&w, '{');
            json_put_text(&w, "name", h->people[i].name);
            json_put_integer(&w, "uid", h->people[i].uid);
            json_put_integer(&w, "day", d->day);
            json_put_integer(&w, "usedUs", (int64_t)d->used_us);
            json_put_integer(&w, "heldUs", (int64_t)d->held_us);
            json_end_line(&w);
        }
    }
    int error = w.failed ? EFBIG : fs_write_atomic(agent->places.state, FILE_NAME, w.data, w.len, 0600, false);
    json_writer_free(&w);
    h->saved_at_ms = mono_ms;
    h->dirty = error != 0;
    if (error != 0) log_line("GPU-hours not saved: %s", strerror(error));
    return error;
}

void hours_count(struct agent *agent, int64_t mono_ms)
{
    struct hours *h = agent->hours;
    int64_t day = now_wall_ms() / DAY_MS;
    int64_t passed_ms = h->counted_at_ms == 0 ? 0 : mono_ms - h->counted_at_ms;
    if (passed_ms > GAP_MAX_MS || passed_ms < 0) passed_ms = 0;
    h->counted_at_ms = mono_ms;
    if (h->saved_at_ms == 0) h->saved_at_ms = mono_ms;
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        uint64_t used_us = slice->uncounted_ns / 1000;
        slice->uncounted_ns %= 1000;
        /* A slice before its start or after its end holds nothing from others. */
        bool holds = slice_active(&slice->r, now_wall_ms());
        struct gpu_state *gpu = holds ? agent_gpu(agent, slice->r.gpu_uuid) : NULL;
        uint64_t capacity = gpu ? gpu->info.capacity_bytes : 0;
        double part = capacity > 0 ? (double)slice->r.memory_limit_bytes / (double)capacity : 0;
        uint64_t held_us = (uint64_t)((double)passed_ms * 1000.0 * part);
        if (used_us == 0 && held_us == 0) continue;
        /* What an earlier owner's programs use is the slice's, and so its present owner's. */
        const struct slice *whose = slice_is_left(&slice->r) ? slice_find(&agent->slices, slice->r.successor) : slice;
        struct hours_person *p = whose ? person(h, whose->r.owner_uid, whose->r.owner) : NULL;
        if (!p) continue;
        struct hours_day *d = day_of(p, day);
        d->used_us += used_us;
        d->held_us += held_us;
        h->dirty = true;
    }
    if (mono_ms - h->saved_at_ms >= SAVE_INTERVAL_MS) hours_save(agent, mono_ms);
}

struct sum {
    const struct hours_person *person;
    uint64_t used_us, held_us;
};

static int more_first(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;
    if (x->used_us != y->used_us) return x->used_us < y->used_us ? 1 : -1;
    return x->held_us < y->held_us ? 1 : x->held_us > y->held_us ? -1 : 0;
}

void hours_put(const struct agent *agent, int64_t today, int64_t days, struct json_writer *w)
{
    struct sum sums[HOURS_PEOPLE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < agent->hours->count; i++) {
        struct sum sum = {.person = &agent->hours->people[i]};
        for (size_t k = 0; k < HOURS_DAYS; k++) {
            const struct hours_day *d = &sum.person->days[k];
            if (d->day <= today - days || d->day > today) continue;
            sum.used_us += d->used_us;
            sum.held_us += d->held_us;
        }
        if (sum.used_us > 0 || sum.held_us > 0) sums[count++] = sum;
    }
    if (count > 0) qsort(sums, count, sizeof sums[0], more_first);
    json_key(w, "people");
    json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(w, '{');
        json_put_text(w, "name", sums[i].person->name);
        json_put_integer(w, "uid", sums[i].person->uid);
        json_put_integer(w, "usedMs", (int64_t)(sums[i].used_us / 1000));
        json_put_integer(w, "heldMs", (int64_t)(sums[i].held_us / 1000));
        json_close(w, '}');
    }
    json_close(w, ']');
}
