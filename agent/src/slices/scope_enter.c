#include "slices/scope_enter.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/failure.h"
#include "fs.h"
#include "slices/kernel_limit.h"
#include "slices/scopes.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/slice.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define STATUS_BYTES 4096
#define NAMESPACE_BYTES 64

/* The user of a process, as the kernel says it now. false: it is gone. */
static bool uid_of(pid_t pid, uid_t *uid)
{
    char path[64], text[STATUS_BYTES];
    unsigned real, effective;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    if (fs_read_small(path, text, sizeof text) <= 0) return false;
    const char *line = strstr(text, "\nUid:");
    if (!line || sscanf(line, "\nUid: %u %u", &real, &effective) != 2) return false;
    *uid = effective;
    return true;
}

/* A handle of the process that made the connection, and not of one that has its number by now: the kernel keeps one with
 * the connection (6.5); before that a handle of the number is taken, and looked whether it is the same person's: somebody
 * who gives her number to another process of hers moves a process of hers. -errno: none. */
static int process_of(const struct peer *peer)
{
    int fd;
    uid_t uid;
    socklen_t len = sizeof fd;
    if (peer->pid <= 0) return -ESRCH;
    if (getsockopt(peer->fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0) return fd;
    if (errno != ENOPROTOOPT) return -errno;
    fd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
    if (fd < 0) return -errno;
    if (uid_of(peer->pid, &uid) && uid == peer->uid) return fd;
    close(fd);
    return -ESRCH;
}

static bool is_alive(int process)
{
    struct pollfd p = {.fd = process, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* Whether it sees the same groups and process numbers as we do: one in a container does not, and must not leave the
 * group that its container's limits are on. */
static bool shares_namespaces(pid_t pid)
{
    static const char *const kinds[] = {"cgroup", "pid"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char path[64], own[NAMESPACE_BYTES] = "", its[NAMESPACE_BYTES] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        if (readlink(path, own, sizeof own - 1) <= 0) return false;
        snprintf(path, sizeof path, "/proc/%ld/ns/%s", (long)pid, kinds[i]);
        if (readlink(path, its, sizeof its - 1) <= 0 || strcmp(own, its) != 0) return false;
    }
    return true;
}

/* 0, or an errno value. The number means this process as long as the handle says that it lives; one that dies while it is
 * moved may have left its number to another one, which no kernel tells beforehand: looked at once more afterwards. */
static int move(struct agent *agent, struct slice *slice, pid_t pid, int process)
{
    bool is_new;
    int group = scope_make(agent, slice, &is_new);
    if (group < 0) return -group;
    int error = is_new && !kernel_limit_renew(agent, slice) ? EIO : 0;
    if (error == 0) error = is_alive(process) ? cgroup_put(group, pid) : ESRCH;
    close(group);
    return error == 0 && !is_alive(process) ? ESRCH : error;
}

int scope_enter(struct agent *agent, struct slice *slice, const struct peer *peer, struct failure *failure)
{
    const char *none = scopes_why_not(agent);
    if (none) {
        return fail(failure, "scope-refused", "There are no control groups for slices on %s: %s Nothing was moved.",
                    agent->host_name, none);
    }
    int process = process_of(peer);
    if (process < 0) {
        return fail(failure, "scope-refused",
                    "The process that asks cannot be told from others (%s), and stays in its control group.",
                    strerror(-process));
    }
    int error = shares_namespaces(peer->pid) ? move(agent, slice, peer->pid, process) : EXDEV;
    close(process);
    if (error == 0) return 0;
    if (error == EXDEV) {
        return fail(failure, "scope-refused",
                    "Process %ld is in a container, and stays in that container’s control group: %s’s is outside of "
                    "it.",
                    (long)peer->pid, slice->r.name);
    }
    return fail(failure, "scope-refused", "Process %ld could not be moved into the control group of %s: %s.",
                (long)peer->pid, slice->r.name, strerror(error));
}
