#include "slices/scope_upkeep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "fs.h"
#include "log.h"
#include "region.h"
#include "slices/kernel_limit.h"
#include "slices/kernel_proof.h"
#include "slices/scopes.h"
#include "state/agent_state.h"
#include "state/slice.h"

#define LOOK_INTERVAL_MS 30000 /* for what somebody else has put there or taken away */
#define LEFTOVERS_AT_ONCE 64   /* removed in one look; each takes the kernel some 20 us */

static void make_all(struct agent *agent)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        bool is_new;
        if (slice->r.deleted) continue;
        int fd = scope_make(agent, slice, &is_new);
        if (fd >= 0)
            close(fd);
        else
            log_line("the control group of slice %s cannot be made: %s", slice->r.name, strerror(-fd));
        if (is_new) kernel_limit_renew(agent, slice); /* where it fails, `doctor` says so */
    }
}

/* A group that no slice has any more. true: it is still there, because somebody is in it. */
static bool remove_leftover(const struct agent *agent, int base, const char *name)
{
    bool populated = true;
    int fd = cgroup_open(base, name);
    int error = fd < 0 ? -fd : cgroup_is_populated(fd, &populated);
    if (fd >= 0) close(fd);
    if (error == 0 && populated) {
        kernel_limit_close(agent, name);
        return true;
    }
    /* Without that the driver would go on keeping memory free for it: looked at again with the other ones. */
    if (error == 0 && !kernel_limit_clear(agent, name)) return false;
    if (error == 0) error = cgroup_remove(base, name);
    if (error == 0 || error == ENOENT) return false;
    if (error != EBUSY) log_line("the control group %s cannot be removed: %s", name, strerror(error));
    return error == EBUSY;
}

static bool is_leftover(const struct agent *agent, const char *name)
{
    const struct slice *slice = slice_find(&agent->slices, name);
    if (strcmp(name, KERNEL_PROOF_NAME) == 0) return !kernel_proof_runs();
    return !slice || slice->r.deleted;
}

/* Whether one is left that goes later. */
static bool sweep(const struct agent *agent)
{
    int base = scopes_base_fd(agent), count = 0;
    bool waits = false;
    int copy = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) {
        if (copy >= 0) close(copy);
        return true;
    }
    for (struct dirent *e = readdir(directory); e && count < LEFTOVERS_AT_ONCE; e = readdir(directory)) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.' || !is_leftover(agent, e->d_name)) continue;
        count++;
        waits |= remove_leftover(agent, base, e->d_name);
    }
    closedir(directory);
    return waits || count == LEFTOVERS_AT_ONCE;
}

void scopes_look_soon(struct agent *agent)
{
    agent->scopes_at_ms = agent->scopes_swept_ms = 0;
}

void scopes_watch(struct agent *agent, int64_t mono_ms)
{
    if (scopes_why_not(agent)) return;
    if (mono_ms >= agent->scopes_at_ms) {
        agent->scopes_at_ms = mono_ms + LOOK_INTERVAL_MS;
        make_all(agent);
    }
    if (mono_ms >= agent->scopes_swept_ms)
        agent->scopes_swept_ms = sweep(agent) ? mono_ms : mono_ms + LOOK_INTERVAL_MS;
}
