#include "wire/events.h"

#include <stdio.h>
#include <string.h>

#include "base/groups.h"
#include "base/line.h"
#include "base/now.h"
#include "base/people.h"
#include "base/procs.h"
#include "base/workload.h"
#include "cards/escapes.h"
#include "cards/faults.h"
#include "cards/concurrent.h"
#include "cards/doorman.h"
#include "gpu/gpu.h"
#include "jobs/jobs.h"
#include "json.h"
#include "region.h"
#include "slices/enforcement.h"
#include "slices/measure.h"
#include "state/agent_state.h"
#include "state/quota.h"
#include "state/slice.h"
#include "state/slice_settings.h"
#include "text.h"

#define PEOPLE_MAX 200
#define GROUP_QUESTIONS_MAX 16
#define ROWS_FIRST 16       /* rows of each slice that come first, before slices with more get the rest */
#define LINE_TAIL_BYTES 256 /* room for the end of a line after the last list */

/* ---- state ---------------------------------------------------------------------------------------------- */

/* Under these names clients of before look for the two; docs/protocol.md says until when. */
#define PARTITIONED_BEFORE "migEnabled"
#define PARTITIONS_BEFORE "migSlices"

static void put_partitioned(struct json_writer *w, const char *key, const struct gpu_info *info)
{
    json_key(w, key);
    if (info->partitioned_known)
        json_bool(w, info->partitioned);
    else
        json_null(w);
}

static const char *gate_word(enum gate_standing gate)
{
    return gate == GATE_PROVED ? "proved" : gate == GATE_NOT_PROVED ? "not-proved" : "untried";
}

/* NULL: there is no such limit here, which the note says. */
static const char *kernel_word(enum kernel_standing kernel)
{
    return kernel == KERNEL_PROVED       ? "proved"
           : kernel == KERNEL_NOT_PROVED ? "not-proved"
           : kernel == KERNEL_UNTRIED    ? "untried"
                                         : NULL;
}

/* What this agent knows of each kind of GPU, with the words for it: clients have them from here. */
static void put_backends(const struct agent *agent, struct json_writer *w)
{
    json_key(w, "backends");
    json_open(w, '[');
    for (size_t i = 0; i < agent->backend_count; i++) {
        const struct backend_state *kind = &agent->backends[i];
        const struct gpu_words *words = &kind->backend->words;
        char can[256] = "";
        for (int a = 0; a < GPU_ABILITIES; a++) {
            size_t n = strlen(can);
            if (!kind->backend->can[a]) continue;
            snprintf(can + n, sizeof can - n, "%s%s", n ? " " : "", gpu_ability_word((enum gpu_ability)a));
        }
        json_open(w, '{');
        json_put_text(w, "id", kind->backend->id);
        json_put_text(w, "can", can);
        json_put_text(w, "vendor", words->vendor);
        json_put_text(w, "reader", words->reader);
        json_put_text(w, "tool", words->tool);
        json_put_text(w, "faults", words->faults);
        json_put_text(w, "partitions", words->partitions);
        json_put_text(w, "concurrent", words->concurrent);
        json_put_text(w, "driver", kind->open && kind->driver[0] ? kind->driver : NULL);
        json_put_text(w, "note", kind->note[0] ? kind->note : NULL);
        json_put_text(w, "gate", kind->backend->can[GPU_CAN_GATE] ? gate_word(kind->gate) : NULL);
        json_put_text(w, "gateNote", kind->gate_note[0] ? kind->gate_note : NULL);
        json_put_text(w, "kernelLimit", kernel_word(kind->kernel));
        json_put_text(w, "kernelLimitNote", kind->kernel_note[0] ? kind->kernel_note : NULL);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_gpu(struct agent *agent, struct json_writer *w, const struct gpu_state *gpu)
{
    const struct gpu_info *info = &gpu->info;
    json_open(w, '{');
    json_put_text(w, "uuid", info->uuid);
    json_put_text(w, "backend", gpu->kind->backend->id);
    json_put_integer(w, "index", info->index);
    json_put_text(w, "name", info->name);
    json_put_integer(w, "capacityBytes", (int64_t)info->capacity_bytes);
    json_put_bool(w, "simulated", info->simulated);
    json_put_text(w, "computeMode", info->compute_mode[0] ? info->compute_mode : NULL);
    put_partitioned(w, "partitioned", info);
    put_partitioned(w, PARTITIONED_BEFORE, info);
    concurrent_put(agent, info->uuid, w);
    json_close(w, '}');
}

static void put_partitions(const struct agent *agent, struct json_writer *w, const char *key)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < agent->partition_count; i++) {
        const struct gpu_partition *part = &agent->partitions[i];
        const struct gpu_state *gpu = NULL;
        for (size_t k = 0; k < agent->gpu_count; k++)
            if (agent->gpus[k].info.index == part->gpu) gpu = &agent->gpus[k];
        if (!gpu) continue;
        json_open(w, '{');
        json_put_text(w, "gpuUuid", gpu->info.uuid);
        json_put_text(w, "uuid", part->uuid);
        json_put_text(w, "name", part->name);
        json_put_known(w, "capacityBytes", part->capacity_bytes > 0, (int64_t)part->capacity_bytes);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_slice(struct agent *agent, struct json_writer *w, const struct slice_record *r)
{
    bool shrinks = r->shrinks_from_bytes != 0;
    json_open(w, '{');
    json_put_text(w, "id", r->id);
    json_put_text(w, "name", r->name);
    json_put_text(w, "gpuUuid", r->gpu_uuid);
    /* While a shrink waits, the limit before it is the one that holds. */
    struct slice_record now = *r;
    if (shrinks) now.memory_limit_bytes = r->shrinks_from_bytes;
    slice_settings_put(w, &now);
    json_put_known(w, "pendingMemoryLimitBytes", shrinks, (int64_t)r->memory_limit_bytes);
    json_put_text(w, "owner", r->owner);
    json_put_integer(w, "ownerUid", r->owner_uid);
    json_put_integer(w, "createdAtMs", r->created_at_ms);
    json_put_integer(w, "revision", (int64_t)r->revision);
    char why[TEXT_SHOWN_BYTES + 1];
    snprintf(why, sizeof why, "uid %u is not %s any more; assign the slice to somebody to open it again",
             (unsigned)r->owner_uid, r->owner);
    json_put_text(w, "suspendedReason", r->suspended ? why : NULL);
    json_put_text(w, "enforcement", enforcement_of(agent, r));
    json_close(w, '}');
}

struct people_writer {
    struct agent *agent;
    struct json_writer *w;
    size_t asked; /* people whose groups the directory was asked for in this line */
    uid_t seen[PEOPLE_MAX];
    size_t count;
};

/* Writes the subject of the quota that holds for this person; null: none does, as far as was asked. A directory may be
 * slow, so a line asks for a few people only; the rest follows with the next line. */
static void put_quota_subject(struct people_writer *p, const char *name)
{
    const struct quota *quota = NULL;
    if (p->agent->quota_count > 0) {
        bool asks = quota_for_groups(p->agent) && !groups_remembers(name, now_mono_ms());
        bool may_ask = !asks || p->asked < GROUP_QUESTIONS_MAX;
        if (asks && may_ask) p->asked++;
        if (!may_ask) p->agent->people_dirty = true;
        quota = quota_of(p->agent, name, may_ask);
    }
    json_put_text(p->w, "quota", quota ? quota->subject : NULL);
}

static void put_person(struct people_writer *p, uid_t uid, const char *name, const char *source)
{
    if (!name || p->count >= PEOPLE_MAX || p->w->len > AGENT_LINE_MAX_BYTES - LINE_TAIL_BYTES - OWNER_BYTES * 6)
        return;
    for (size_t i = 0; i < p->count; i++)
        if (p->seen[i] == uid) return;
    p->seen[p->count++] = uid;
    json_open(p->w, '{');
    json_put_text(p->w, "name", name);
    json_put_integer(p->w, "uid", uid);
    json_put_text(p->w, "source", source);
    put_quota_subject(p, name);
    json_close(p->w, '}');
}

static void put_people(struct agent *agent, struct json_writer *w)
{
    struct people_writer people = {.agent = agent, .w = w};
    int64_t mono_ms = now_mono_ms();
    for (size_t i = 0; i < agent->gpu_count; i++) {
        for (size_t k = 0; k < agent->gpus[i].process_count; k++) {
            struct proc *proc = procs_get(&agent->procs, (pid_t)agent->gpus[i].processes[k].pid, mono_ms);
            if (proc && proc->uid_known) put_person(&people, proc->uid, people_name_of(proc->uid), "process");
        }
    }
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice_record *r = &agent->slices.items[i]->r;
        if (!r->deleted) put_person(&people, r->owner_uid, r->owner, "slice");
    }
    const struct person *logins;
    size_t n = people_logins(&logins);
    for (size_t i = 0; i < n; i++) put_person(&people, logins[i].uid, logins[i].name, "login");
}

struct shared_line *events_state(struct agent *agent)
{
    struct json_writer *w = &agent->scratch;
    json_writer_clear(w);
    json_open(w, '{');
    json_put_text(w, "ev", "state");
    json_put_integer(w, "revision", (int64_t)agent->slices.revision);
    json_put_known(w, "memoryOvercommitMaxPercent", agent->memory_overcommit_max_percent > 0,
                   agent->memory_overcommit_max_percent);
    doorman_put_object(agent, w);
    quota_put(agent, w);
    faults_put(agent, w);
    escapes_put_state(agent, w);
    put_backends(agent, w);
    json_key(w, "gpus");
    json_open(w, '[');
    for (size_t i = 0; i < agent->gpu_count; i++) put_gpu(agent, w, &agent->gpus[i]);
    json_close(w, ']');
    put_partitions(agent, w, "partitions");
    put_partitions(agent, w, PARTITIONS_BEFORE);
    json_key(w, "slices");
    json_open(w, '[');
    for (size_t i = 0; i < agent->slices.count; i++)
        if (!agent->slices.items[i]->r.deleted) put_slice(agent, w, &agent->slices.items[i]->r);
    json_close(w, ']');
    json_key(w, "people");
    json_open(w, '[');
    put_people(agent, w);
    json_close(w, ']');
    return line_from(w);
}

/* ---- sample --------------------------------------------------------------------------------------------- */

static const char *slowed_name(enum gpu_slowed slowed)
{
    return slowed == GPU_SLOWED_BY_HEAT ? "heat" : slowed == GPU_SLOWED_BY_POWER ? "power" : "nothing";
}

static void put_gpu_sample(struct json_writer *w, const struct gpu_state *gpu)
{
    const struct gpu_reading *r = &gpu->reading;
    json_open(w, '{');
    json_put_text(w, "uuid", gpu->info.uuid);
    json_put_known(w, "memoryUsedBytes", r->valid & GPU_MEMORY, (int64_t)r->memory_used_bytes);
    json_put_known(w, "utilizationPercent", r->valid & GPU_UTILIZATION, r->utilization_percent);
    json_put_known(w, "temperatureC", r->valid & GPU_TEMPERATURE, r->temperature_c);
    json_put_known(w, "powerMilliwatts", r->valid & GPU_POWER, r->power_milliwatts);
    json_put_known(w, "smClockMhz", r->valid & GPU_CLOCK, r->sm_clock_mhz);
    if (r->valid & GPU_SLOWED) {
        json_put_text(w, "slowedBy", slowed_name(r->slowed));
    } else {
        json_key(w, "slowedBy");
        json_null(w);
    }
    json_put_known(w, "eccErrors", (r->valid & GPU_ECC) && r->ecc_errors <= (uint64_t)JSON_INTEGER_MAX,
                   (int64_t)r->ecc_errors);
    json_put_known(w, "unmanagedBytes", gpu->unmanaged_known, (int64_t)gpu->unmanaged_bytes);
    json_close(w, '}');
}

/* Writes what slows this slice down, in one word: a wait first, then a GPU that runs slower for all. */
static void put_held_by(struct json_writer *w, const struct slice_measure *m, const struct gpu_state *gpu)
{
    static const char *const waits[] = {
        [REGION_HELD_BY_LIMIT] = "own-limit",
        [REGION_HELD_BY_PRIORITY] = "higher-priority",
        [REGION_HELD_BY_GUARANTEE] = "guarantee",
        [REGION_HELD_BY_PEER] = "other-gpu",
    };
    bool clocks_known = gpu && (gpu->reading.valid & GPU_SLOWED) != 0;
    const char *word = "nothing";
    if (m->held_by != REGION_HELD_BY_NOTHING)
        word = waits[m->held_by];
    else if (m->compute_tenths > 0 && clocks_known && gpu->reading.slowed != GPU_SLOWED_BY_NOTHING)
        word = slowed_name(gpu->reading.slowed);
    if (m->rates_known) {
        json_put_text(w, "heldBy", word);
    } else {
        json_key(w, "heldBy");
        json_null(w);
    }
}

struct row {
    uint32_t pid;
    const char *slice_id;
    const char *gpu_uuid;
    bool is_escape, is_beyond;   /* outside every slice; or in this one, and holds more than was counted */
    const struct escape *escape; /* what is known of it; NULL: only that the driver lists it */
    bool memory_known, compute_known, throttled_known;
    uint64_t memory_bytes;
    uint32_t compute_tenths, throttled_tenths;
    int gated; /* -1: not known, or in no slice */
};

struct rows {
    struct agent *agent;
    struct json_writer *w;
    int64_t mono_ms;
    size_t written, omitted;
};

static void put_slice_sample(struct rows *rows, const struct slice *slice)
{
    const struct slice_measure *m = &slice->m;
    const struct gpu_state *gpu = agent_gpu(rows->agent, slice->r.gpu_uuid);
    struct json_writer *w = rows->w;
    json_open(w, '{');
    json_put_text(w, "id", slice->r.id);
    json_put_known(w, "memoryUsedBytes", m->usage_known, (int64_t)measure_believed(gpu, slice));
    /* What a supervisor counted and the program did not is shown with what the driver shows beyond the program's count:
     * it is the same thing, seen earlier. */
    uint64_t ledger = measure_believed_ledger(gpu, slice), gate = m->gate_bytes < ledger ? m->gate_bytes : ledger;
    json_put_known(w, "ledgerBytes", m->usage_known, (int64_t)(ledger - gate));
    json_put_known(w, "residueBytes", m->residue_known || gate > 0 || slice->escaped_bytes > 0,
                   (int64_t)(m->residue_bytes + gate + slice->inherited_used_bytes + slice->escaped_bytes));
    uint32_t compute_tenths = m->compute_tenths + slice->inherited_tenths;
    /* Where the driver shows that the slice uses more than it may, the driver's figure replaces a lower one of its
     * own. */
    if (slice->outside.uses_more && slice->outside.average_tenths > compute_tenths)
        compute_tenths = slice->outside.average_tenths;
    json_put_known(w, "computeUsedTenths", m->rates_known, compute_tenths < 1000 ? compute_tenths : 1000);
    json_put_known(w, "throttledTenths", m->rates_known, m->throttled_tenths);
    put_held_by(w, m, gpu);
    json_put_known(w, "deniedAllocations", m->usage_known, (int64_t)m->denied_count);
    json_put_known(w, "deniedBytes", m->usage_known, (int64_t)m->denied_bytes);
    json_put_known(w, "deniedAtMs", m->denied_at_ms != NO_TIME, m->denied_at_ms);
    json_key(w, "limitHeld");
    if (m->usage_known)
        json_bool(w, m->limit_held);
    else
        json_null(w);
    json_put_known(w, "processCount", m->usage_known, m->process_count + slice->inherited_count);
    json_put_known(w, "ungatedCount", m->usage_known, enforcement_ungated(rows->agent, slice, rows->mono_ms));
    json_close(w, '}');
}

static void put_row(struct rows *rows, const struct row *row)
{
    struct proc *proc = procs_get(&rows->agent->procs, (pid_t)row->pid, rows->mono_ms);
    if (!proc) return; /* it has ended since it was seen */
    struct json_writer *w = rows->w;
    struct json_mark mark = json_mark(w);
    char ticks[24];
    snprintf(ticks, sizeof ticks, "%llu", (unsigned long long)proc->start_ticks);
    json_open(w, '{');
    json_put_integer(w, "pid", row->pid);
    json_put_text(w, "startTicks", ticks);
    json_put_known(w, "uid", proc->uid_known, proc->uid);
    json_put_text(w, "user", proc->uid_known ? people_name_of(proc->uid) : NULL);
    json_put_text(w, "command", procs_command(proc, rows->mono_ms));
    const struct workload *workload = procs_workload(proc, rows->mono_ms);
    json_put_text(w, "container", workload->container[0] ? workload->container : NULL);
    json_put_text(w, "unit", workload->unit[0] ? workload->unit : NULL);
    json_put_text(w, "sliceId", row->slice_id);
    json_put_text(w, "gpuUuid", row->gpu_uuid);
    json_put_text(w, "jobId", proc->uid_known ? jobs_of_process(rows->agent, proc->pid, proc->uid) : NULL);
    json_put_known(w, "memoryUsedBytes", row->memory_known, (int64_t)row->memory_bytes);
    json_put_known(w, "computeUsedTenths", row->compute_known, row->compute_tenths);
    json_put_known(w, "throttledTenths", row->throttled_known, row->throttled_tenths);
    json_key(w, "gated");
    if (row->gated >= 0)
        json_bool(w, row->gated == 1);
    else
        json_null(w);
    json_put_known(w, "startedAtMs", rows->agent->procs.boot_time_ms > 0, proc->started_at_ms);
    if (row->is_escape) escapes_put_row(row->escape, row->is_beyond, w);
    json_close(w, '}');
    if (rows->written >= PROCESS_ROWS_MAX || w->failed || w->len > AGENT_LINE_MAX_BYTES - LINE_TAIL_BYTES) {
        json_rewind(w, mark);
        rows->omitted++;
    } else {
        rows->written++;
    }
}

static bool is_managed(const struct agent *agent, const char *gpu_uuid, uint32_t pid)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu_uuid) == 0 && slice_holds(slice, pid)) return true;
    }
    return false;
}

/* Writes rows `from` to `to` of this slice: each slice gets its first rows before any gets the rest. */
static void put_managed(struct rows *rows, const struct slice *slice, size_t from, size_t to)
{
    const struct gpu_state *gpu = agent_gpu(rows->agent, slice->r.gpu_uuid);
    uint64_t capacity = gpu ? gpu->info.capacity_bytes : 0, granted = slice_granted_bytes(&slice->r);
    /* An earlier owner's programs are shown in the slice that was theirs. */
    const struct slice *shown =
        slice_is_left(&slice->r) ? slice_find(&rows->agent->slices, slice->r.successor) : slice;
    size_t at = 0;
    for (size_t i = 0; i < slice->track_count && at < to; i++) {
        const struct entry_track *t = &slice->tracks[i];
        if (!t->believed || at++ < from) continue;
        struct row row = {
            .pid = t->pid,
            .slice_id = !shown || shown->r.deleted ? NULL : shown->r.id,
            .gpu_uuid = slice->r.gpu_uuid,
            .escape = escapes_find(rows->agent, t->pid),
            .memory_known = true,
            .memory_bytes = t->memory_bytes,
            .compute_known = t->rates_known && t->is_metered,
            .throttled_known = t->rates_known && t->is_metered,
            .compute_tenths = t->compute_tenths,
            .throttled_tenths = t->throttled_tenths,
            .gated = enforcement_holds(rows->agent, slice, t, rows->mono_ms),
        };
        for (size_t k = 0; gpu && slice->outside.uses_more && k < gpu->use_count; k++) {
            uint32_t tenths = gpu->use[k].percent * 10;
            if (gpu->use[k].pid == row.pid && tenths > row.compute_tenths) row.compute_tenths = tenths;
        }
        row.is_escape = row.is_beyond =
            gpu && row.escape && row.escape->is_beyond && (row.escape->beyond >> (gpu - rows->agent->gpus) & 1);
        /* At most what the slice was granted, or what the driver shows if that is more. */
        uint64_t seen, most = granted < capacity || capacity == 0 ? granted : capacity;
        if (row.memory_bytes > most) row.memory_bytes = most;
        if (gpu && measure_gpu_bytes(gpu, row.pid, &seen) && seen > row.memory_bytes) row.memory_bytes = seen;
        put_row(rows, &row);
    }
}

static void put_unmanaged(struct rows *rows, const struct gpu_state *gpu)
{
    for (size_t i = 0; i < gpu->process_count; i++) {
        const struct gpu_process *p = &gpu->processes[i];
        if (is_managed(rows->agent, gpu->info.uuid, p->pid)) continue;
        struct row row = {.pid = p->pid,
                          .gpu_uuid = gpu->info.uuid,
                          .is_escape = true,
                          .escape = escapes_find(rows->agent, p->pid),
                          .memory_known = p->bytes_known,
                          .memory_bytes = p->bytes,
                          .gated = -1};
        /* The list was read: a process that is not on it is idle. */
        row.compute_known = gpu->use_known;
        for (size_t k = 0; k < gpu->use_count; k++)
            if (gpu->use[k].pid == p->pid) row.compute_tenths = gpu->use[k].percent * 10;
        put_row(rows, &row);
    }
}

/* Those that have a GPU open, and that the driver lists on none: nobody knows yet what they hold. */
static void put_held_only(struct rows *rows)
{
    const struct escapes *all = rows->agent->escapes;
    for (size_t i = 0; i < all->count; i++) {
        const struct escape *e = &all->items[i];
        if (!escapes_is_held_only(e)) continue;
        uint32_t at = (uint32_t)__builtin_ctz(e->held);
        if (at >= rows->agent->gpu_count) continue;
        put_row(rows, &(struct row){.pid = (uint32_t)e->pid,
                                    .gpu_uuid = rows->agent->gpus[at].info.uuid,
                                    .is_escape = true,
                                    .escape = e,
                                    .gated = -1});
    }
}

struct shared_line *events_sample(struct agent *agent)
{
    struct json_writer *w = &agent->scratch;
    struct rows rows = {.agent = agent, .w = w, .mono_ms = now_mono_ms()};
    json_writer_clear(w);
    json_open(w, '{');
    json_put_text(w, "ev", "sample");
    json_put_integer(w, "seq", (int64_t)agent->sample_seq);
    json_put_integer(w, "atMs", now_wall_ms());
    json_key(w, "gpus");
    json_open(w, '[');
    for (size_t i = 0; i < agent->gpu_count; i++) put_gpu_sample(w, &agent->gpus[i]);
    json_close(w, ']');
    json_key(w, "slices");
    json_open(w, '[');
    for (size_t i = 0; i < agent->slices.count; i++) {
        if (!agent->slices.items[i]->r.deleted) {
            struct slice *slice = agent->slices.items[i];
            put_slice_sample(&rows, slice);
        }
    }
    json_close(w, ']');
    json_key(w, "processes");
    json_open(w, '[');
    /* Processes outside every slice come first: nobody hides one behind many rows of its own. */
    for (size_t i = 0; i < agent->gpu_count; i++) put_unmanaged(&rows, &agent->gpus[i]);
    put_held_only(&rows);
    for (size_t i = 0; i < agent->slices.count; i++) put_managed(&rows, agent->slices.items[i], 0, ROWS_FIRST);
    for (size_t i = 0; i < agent->slices.count; i++) put_managed(&rows, agent->slices.items[i], ROWS_FIRST, SIZE_MAX);
    json_close(w, ']');
    json_put_integer(w, "processesOmitted", (int64_t)rows.omitted);
    return line_from(w);
}
