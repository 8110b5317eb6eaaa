#include "slices/kernel_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/places.h"
#include "fs.h"
#include "log.h"
#include "slices/kernel_proof.h"
#include "slices/policy.h"
#include "slices/scopes.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

#define CHECK_INTERVAL_MS 10000 /* whether it is still what it was set to: root can change it */

/* ---- told to programs --------------------------------------------------------------------------------------- */

static int mark_path(const struct agent *agent, const char *id, char path[FS_PATH_BYTES])
{
    char name[FS_PATH_BYTES];
    return fs_join(name, KERNEL_LIMIT_FOLDER, id) != 0 || fs_join(path, agent->places.runtime, name) != 0;
}

/* `run` looks for it, so that it starts nothing outside of the group, also while no agent answers. 0 or errno. */
static int mark(const struct agent *agent, const char *id, bool holds)
{
    char folder[FS_PATH_BYTES], path[FS_PATH_BYTES];
    if (fs_join(folder, agent->places.runtime, KERNEL_LIMIT_FOLDER) != 0 || mark_path(agent, id, path) != 0)
        return ENAMETOOLONG;
    if (!holds) return unlink(path) == 0 || errno == ENOENT ? 0 : errno;
    int error = fs_make_directories(folder, 0755);
    int fd = error == 0 ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;
    if (fd < 0) return error != 0 ? error : errno;
    close(fd);
    return 0;
}

static void become(struct agent *agent, struct slice *slice, bool holds, const char *why)
{
    if (slice->kernel.holds != holds) {
        log_line("slice %s: %s", slice->r.name, holds ? "its limit is kept by the driver" : why);
        agent->state_dirty = true;
    }
    slice->kernel.holds = holds;
    text_copy(slice->kernel.why, sizeof slice->kernel.why, why);
}

/* ---- told to the driver ------------------------------------------------------------------------------------- */

static uint64_t target(const struct agent *agent, const struct slice_record *r)
{
    return slice_is_open(&agent->slices, r, now_wall_ms()) ? r->memory_limit_bytes : 0;
}

static bool has_limits(const struct gpu_state *gpu)
{
    /* Where the hardware cuts a GPU there is no such limit, and no slice. */
    return gpu->kind->backend->limit_group && gpu_is_open(gpu) && !gpu->info.partitioned;
}

/* The limit on the slice's GPU, and nothing on the others: what leads a program to its own is its environment alone. */
static int tell(const struct agent *agent, const char *name, const struct slice_record *r, bool *waits,
                char why[KERNEL_WHY_BYTES])
{
    char path[FS_PATH_BYTES], other[KERNEL_WHY_BYTES];
    struct gpu_group_limit found;
    *waits = false;
    if (scope_path(agent, name, path) != 0) {
        snprintf(why, KERNEL_WHY_BYTES, "%s", scopes_why_not(agent) ? scopes_why_not(agent) : "Its path is too long.");
        return -1;
    }
    int error = 0;
    for (size_t i = 0; i < agent->gpu_count && error == 0; i++) {
        const struct gpu_state *gpu = &agent->gpus[i];
        bool own = r && strcmp(r->gpu_uuid, gpu->info.uuid) == 0;
        if (!has_limits(gpu)) continue;
        if (own) {
            error = kernel_proof_hold(agent, gpu, path, target(agent, r), &found, why);
            *waits = error == 0 && found.most_bytes > target(agent, r) + KERNEL_ROUNDING_BYTES;
        } else if (kernel_proof_hold(agent, gpu, path, 0, &found, other) != 0) {
            log_line("%s on GPU %u: %s", path, gpu->info.index, other);
        }
    }
    return error == 0 ? 0 : -1;
}

static int apply(struct agent *agent, struct slice *slice, const struct slice_record *r, char why[KERNEL_WHY_BYTES])
{
    bool made, waits = false;
    int fd = scope_make(agent, slice, &made);
    int error = fd < 0 ? -fd : 0;
    if (fd >= 0) close(fd);
    /* Before the limit is there: a program that begins meanwhile is in the group all the same. */
    if (error == 0) error = mark(agent, slice->r.id, true);
    if (error != 0) snprintf(why, KERNEL_WHY_BYTES, "Its control group cannot be had: %s.", strerror(error));
    if (error != 0 || tell(agent, slice->r.id, r, &waits, why) != 0) {
        if (!slice->kernel.holds)
            (void)mark(agent, slice->r.id, false); /* one that stays keeps nothing from running */
        return -1;
    }
    slice->kernel.waits = waits;
    slice->kernel.most_bytes = target(agent, r);
    text_copy(slice->kernel.gpu_uuid, sizeof slice->kernel.gpu_uuid, r->gpu_uuid);
    slice->kernel.checked_at_ms = now_mono_ms();
    become(agent, slice, true, "");
    return 0;
}

/* The driver was told what that record says. */
static bool is_told(const struct agent *agent, const struct slice *slice, const struct slice_record *r)
{
    return slice->kernel.holds && slice->kernel.most_bytes == target(agent, r) &&
           strcmp(slice->kernel.gpu_uuid, r->gpu_uuid) == 0;
}

/* Why the driver is not to keep it; NULL: it is. A slice whose gate is off is held by what its programs load, and by
 * nothing else: so that a program may be in several slices. */
static const char *missing(struct agent *agent, const struct slice_record *r)
{
    const struct gpu_state *gpu = agent_gpu(agent, r->gpu_uuid);
    if (slice_is_left(r)) return "It is what an earlier owner’s programs hold.";
    if (!gpu) return "Its GPU is not there.";
    return r->gate == SLICE_GATE_OFF ? "Its gate is off." : kernel_proof_missing(agent, gpu);
}

static bool is_ready(struct agent *agent, const struct slice_record *r)
{
    const struct gpu_state *gpu = agent_gpu(agent, r->gpu_uuid);
    return !missing(agent, r) && gpu_is_open(gpu);
}

/* What is left of limits would not move any more. */
static void let_go(struct agent *agent, struct slice *slice, const char *why)
{
    bool cleared = kernel_limit_clear(agent, slice->r.id);
    become(agent, slice, false, why);
    if (!cleared) log_line("slice %s: what the driver was told of it cannot be taken back", slice->r.name);
}

int kernel_limit_prepare(struct agent *agent, struct slice *slice, const struct slice_record *next,
                         struct failure *failure)
{
    char why[KERNEL_WHY_BYTES], again[KERNEL_WHY_BYTES];
    if (next->deleted || !is_ready(agent, next) || is_told(agent, slice, next)) return 0;
    uint64_t page_bytes = slice->policy ? atomic_load(&slice->policy->memory_limit_bytes) : 0;
    if (next->memory_limit_bytes < page_bytes) policy_set_limit(slice, next->memory_limit_bytes);
    if (apply(agent, slice, next, why) == 0) return 0;
    if (next->memory_limit_bytes < page_bytes) policy_set_limit(slice, page_bytes);
    /* The one before is in force, unless half of it was set. */
    if (slice->kernel.holds && apply(agent, slice, &slice->r, again) != 0) become(agent, slice, false, again);
    return fail(
        failure, "kernel-limit-refused",
        "The limit of %s is kept by the driver, which did not take the new one: %s Slice and driver were left as "
        "they were. `tranche doctor` says more.",
        next->name, why);
}

void kernel_limit_settle(struct agent *agent, struct slice *slice)
{
    char why[KERNEL_WHY_BYTES];
    if (slice->r.deleted) {
        if (slice->kernel.holds) kernel_limit_close(agent, slice->r.id);
        slice->kernel.holds = false;
    } else if (is_ready(agent, &slice->r)) {
        if (!is_told(agent, slice, &slice->r) && apply(agent, slice, &slice->r, why) != 0)
            become(agent, slice, false, why);
    } else if (slice->kernel.holds && missing(agent, &slice->r)) {
        let_go(agent, slice, missing(agent, &slice->r)); /* where the driver is only closed, it is told later */
    }
}

bool kernel_limit_renew(struct agent *agent, struct slice *slice)
{
    char why[KERNEL_WHY_BYTES];
    if (!slice->kernel.holds) return true;
    bool told = is_ready(agent, &slice->r) && apply(agent, slice, &slice->r, why) == 0;
    if (!told)
        become(agent, slice, false, "Its control group was removed, and the driver was not told of the new one.");
    return told;
}

/* Whether the driver has what it was told, or is on its way there, and programs are told of it. */
static bool is_in_force(struct agent *agent, const struct slice *slice)
{
    char path[FS_PATH_BYTES], why[KERNEL_WHY_BYTES];
    struct gpu_group_limit found;
    if (mark_path(agent, slice->r.id, path) != 0 || access(path, F_OK) != 0) return false;
    if (scope_path(agent, slice->r.id, path) != 0) return false;
    for (size_t i = 0; i < agent->gpu_count; i++) {
        const struct gpu_state *gpu = &agent->gpus[i];
        bool own = strcmp(gpu->info.uuid, slice->r.gpu_uuid) == 0;
        if (!has_limits(gpu)) continue;
        if (gpu->kind->backend->group_limit(gpu->handle, path, &found, why, sizeof why) != 0) {
            if (own) return false;
            continue; /* said when it was told */
        }
        uint64_t most = own ? slice->kernel.most_bytes : found.used_bytes;
        if (found.most_bytes > most + KERNEL_ROUNDING_BYTES || found.reserved_bytes != 0) return false;
        if (own && found.most_bytes + KERNEL_ROUNDING_BYTES < most) return false;
    }
    return true;
}

static void watch_slice(struct agent *agent, struct slice *slice, int64_t mono_ms)
{
    char why[KERNEL_WHY_BYTES];
    const struct gpu_state *gpu = agent_gpu(agent, slice->r.gpu_uuid);
    if (slice->r.deleted || slice_is_left(&slice->r) || !gpu || !gpu_is_open(gpu)) return;
    const char *none = missing(agent, &slice->r);
    if (none) {
        /* As long as it is being found out, what was told stays: it moves with the limit once that is known. */
        if (gpu->kind->kernel == KERNEL_UNTRIED && slice->r.gate != SLICE_GATE_OFF) return;
        if (slice->kernel.holds || !slice->kernel.why[0]) let_go(agent, slice, none);
        return;
    }
    bool due = mono_ms - slice->kernel.checked_at_ms >= CHECK_INTERVAL_MS;
    if (is_told(agent, slice, &slice->r) && !slice->kernel.waits) {
        if (!due) return;
        slice->kernel.checked_at_ms = mono_ms;
        if (is_in_force(agent, slice)) return;
    }
    if (!slice->kernel.holds && slice->kernel.why[0] && !due) return; /* a driver that refuses is asked now and then */
    if (apply(agent, slice, &slice->r, why) == 0) return;
    slice->kernel.checked_at_ms = mono_ms;
    become(agent, slice, false, why);
}

void kernel_limit_watch(struct agent *agent, int64_t mono_ms)
{
    kernel_proof_watch(agent, mono_ms);
    for (size_t i = 0; i < agent->slices.count; i++) watch_slice(agent, agent->slices.items[i], mono_ms);
}

bool kernel_limit_holds(struct agent *agent, const struct slice *slice)
{
    return is_told(agent, slice, &slice->r) && !missing(agent, &slice->r);
}

const char *kernel_limit_why_not(struct agent *agent, const struct slice *slice)
{
    if (kernel_limit_holds(agent, slice)) return NULL;
    const char *none = missing(agent, &slice->r);
    return none ? none : slice->kernel.why[0] ? slice->kernel.why : "The driver has not been told of it yet.";
}

/* ---- after a slice ------------------------------------------------------------------------------------------ */

void kernel_limit_close(const struct agent *agent, const char *name)
{
    char why[KERNEL_WHY_BYTES], path[FS_PATH_BYTES];
    bool waits;
    if (mark_path(agent, name, path) == 0 && access(path, F_OK) == 0) tell(agent, name, NULL, &waits, why);
}

bool kernel_limit_clear(const struct agent *agent, const char *name)
{
    char path[FS_PATH_BYTES], its_mark[FS_PATH_BYTES], why[KERNEL_WHY_BYTES];
    struct gpu_group_limit found;
    bool clear = true, told = mark_path(agent, name, its_mark) != 0 || access(its_mark, F_OK) == 0;
    for (size_t i = 0; i < agent->gpu_count && scope_path(agent, name, path) == 0; i++) {
        const struct gpu_state *gpu = &agent->gpus[i];
        const struct gpu_backend *backend = gpu->kind->backend;
        if (!backend->limit_group || gpu->info.partitioned) continue;
        bool open = gpu_is_open(gpu);
        int error = open ? backend->group_limit(gpu->handle, path, &found, why, sizeof why) : told ? ENODEV : ENOTSUP;
        if (error == ENOTSUP || error == ENOENT) continue; /* it has none of this group */
        if (error == 0 && found.reserved_bytes == 0 && found.most_bytes >= gpu->info.capacity_bytes) continue;
        if (open && backend->limit_group(gpu->handle, path, GPU_NO_GROUP_LIMIT, why, sizeof why) == 0) continue;
        log_line("%s is kept: its limits on GPU %u cannot be taken back: %s", path, gpu->info.index,
                 open ? why : "its driver is not open.");
        clear = false;
    }
    int error = clear ? mark(agent, name, false) : 0;
    if (error != 0) log_line("%s/" KERNEL_LIMIT_FOLDER "/%s: %s", agent->places.runtime, name, strerror(error));
    return clear;
}
