#include "slices/scopes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/places.h"
#include "base/procs.h"
#include "env.h"
#include "fs.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

#define OWN_LEAF "agent" /* also DelegateSubgroup= of tranche.service */
#define SLICES_FOLDER "slices"
#define BASE_NAME "tranche" /* where nobody has given us a group */

struct scopes {
    char path[FS_PATH_BYTES]; /* BASE/slices */
    int fd;                   /* -1: there are none */
    size_t top;               /* of the path: where controllers are handed down from, */
    size_t mount;             /* and where it begins for the kernel */
    bool may_control;
    char why[SCOPES_WHY_BYTES];
};

static void say_none(struct scopes *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
}

static const char *describe(int error)
{
    return error == EPERM     ? "somebody other than root could change it"
           : error == ENOTSUP ? "it is no group of a cgroup v2 hierarchy"
                              : strerror(error);
}

/* Our own group, if systemd has given it over to us (Delegate=yes): its path, or "". A group with controllers has no
 * processes of its own, so the agent goes to a leaf; where systemd is new enough it was started there. */
static int open_delegated(struct scopes *s, const char *mount, char path[FS_PATH_BYTES])
{
    char own[FS_PATH_BYTES];
    bool made;
    if (cgroup_own(own) != 0) return -1;
    char *leaf = strrchr(own, '/');
    bool in_leaf = leaf && strcmp(leaf, "/" OWN_LEAF) == 0;
    if (in_leaf) *leaf = '\0';
    if (own[0] == '\0' || own[1] == '\0' || snprintf(path, FS_PATH_BYTES, "%s%s", mount, own) >= FS_PATH_BYTES)
        return -1;
    int base = cgroup_open(AT_FDCWD, path);
    if (base < 0) return -1;
    if (!cgroup_is_delegated(base)) {
        close(base);
        return -1;
    }
    int fd = cgroup_make(base, OWN_LEAF, &made);
    int error = fd < 0 ? -fd : cgroup_put(fd, getpid());
    if (fd >= 0) close(fd);
    if (error != 0) log_line("%s/" OWN_LEAF ": %s", path, describe(error));
    /* Without a leaf to be started in, the next start would fail: systemd puts a service into its own group. */
    s->may_control = in_leaf && error == 0;
    return base;
}

/* The base: what was named, what systemd gave us, or a group of our own at the root. */
static int open_base(struct scopes *s, const struct places *places, char path[FS_PATH_BYTES])
{
    const char *named = getenv(ENV_CGROUP_ROOT), *mount = cgroup_mount();
    bool made;
    if (named && named[0] == '/') {
        text_copy(path, FS_PATH_BYTES, named);
        s->may_control = true;
        s->top = strlen(path);
        return cgroup_open(AT_FDCWD, path);
    }
    if (places->scope != SCOPE_SYSTEM || places->root[0]) {
        say_none(s, "This agent does not manage the whole host, and was not told of a group (" ENV_CGROUP_ROOT ").");
        return -1;
    }
    if (!mount) {
        say_none(s, "There is no cgroup v2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified.");
        return -1;
    }
    s->top = strlen(mount);
    int base = open_delegated(s, mount, path);
    if (base >= 0) return base;
    int root = cgroup_open(AT_FDCWD, mount);
    snprintf(path, FS_PATH_BYTES, "%s/" BASE_NAME, mount);
    base = root < 0 ? root : cgroup_make(root, BASE_NAME, &made);
    if (root >= 0) close(root);
    s->may_control = true;
    return base;
}

void scopes_open(struct agent *agent)
{
    char path[FS_PATH_BYTES] = "";
    bool made;
    struct scopes *s = calloc(1, sizeof *s);
    agent->scopes = s;
    if (!s) return;
    s->fd = -1;
    if (geteuid() != 0) {
        say_none(s, "The agent is not root.");
        return;
    }
    int base = open_base(s, &agent->places, path);
    if (s->why[0]) return;
    s->fd = base < 0 ? base : cgroup_make(base, SLICES_FOLDER, &made);
    if (base >= 0) close(base);
    int error = s->fd < 0 ? -s->fd : fs_join(s->path, path, SLICES_FOLDER) != 0 ? ENAMETOOLONG : 0;
    const char *mount = cgroup_mount();
    if (mount && strncmp(path, mount, strlen(mount)) == 0) s->mount = strlen(mount);
    if (error == 0) return;
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    say_none(s, "Groups cannot be made in %.100s: %s.", path, describe(error));
    log_line("no control groups for slices: %s", s->why);
}

const char *scopes_why_not(const struct agent *agent)
{
    if (!agent->scopes) return "The agent is out of memory.";
    return agent->scopes->fd >= 0 ? NULL : agent->scopes->why;
}

const char *scopes_base_path(const struct agent *agent)
{
    return scopes_why_not(agent) ? NULL : agent->scopes->path;
}

int scopes_base_fd(const struct agent *agent)
{
    return scopes_why_not(agent) ? -1 : agent->scopes->fd;
}

int scopes_enable(const struct agent *agent, const char *controller)
{
    char path[FS_PATH_BYTES];
    if (scopes_why_not(agent)) return ENOENT;
    const struct scopes *s = agent->scopes;
    int error = s->may_control ? 0 : EPERM;
    for (size_t n = s->top; error == 0 && n <= strlen(s->path); n += 1 + strcspn(s->path + n + 1, "/")) {
        snprintf(path, sizeof path, "%.*s", (int)n, s->path);
        int group = cgroup_open(AT_FDCWD, path);
        error = group < 0 ? -group : cgroup_enable(group, controller);
        if (group >= 0) close(group);
        if (s->path[n] == '\0') break;
    }
    return error;
}

int scope_make(const struct agent *agent, const struct slice *slice, bool *new_out)
{
    *new_out = false;
    int base = scopes_base_fd(agent);
    return base < 0 ? -ENOENT : cgroup_make(base, slice_base_id(&slice->r), new_out);
}

int scope_path(const struct agent *agent, const char *name, char out[FS_PATH_BYTES])
{
    const char *base = scopes_base_path(agent);
    return base && fs_join(out, base, name) == 0 ? 0 : ENOENT;
}

bool scope_has(const struct agent *agent, const struct slice *slice, struct proc *proc, int64_t mono_ms)
{
    char path[FS_PATH_BYTES];
    return scope_path(agent, slice_base_id(&slice->r), path) == 0 &&
           procs_is_in_group(proc, path + agent->scopes->mount, mono_ms);
}
