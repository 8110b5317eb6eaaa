#include "base/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/workload.h"
#include "env.h"
#include "fs.h"
#include "life.h"
#include "proc_stat.h"
#include "text.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define COMMAND_AGE_MS 10000
#define FILTER_AGE_MS 1000
#define GROUP_AGE_MS 1000
#define DEATHS_AT_ONCE 64
#define POLL_AGE_MS 1000 /* without a pidfd: how often a process is looked at again */

int procs_init(struct procs *procs)
{
    memset(procs, 0, sizeof *procs);
    procs->pid_namespace = life_pid_namespace();
    procs->deaths_fd = epoll_create1(EPOLL_CLOEXEC);
    procs->ticks_per_second = sysconf(_SC_CLK_TCK);
    if (procs->ticks_per_second <= 0) procs->ticks_per_second = 100;
    char *data = malloc(64 * 1024); /* /proc/stat has a line per CPU before btime */
    if (!data) return ENOMEM;
    FILE *stat_file = fopen("/proc/stat", "re");
    while (stat_file && fgets(data, 64 * 1024, stat_file)) {
        long long seconds;
        if (sscanf(data, "btime %lld", &seconds) == 1) procs->boot_time_ms = seconds * 1000;
    }
    if (stat_file) fclose(stat_file);
    free(data);
    return 0;
}

static bool is_polled(const struct procs *procs, const struct proc *proc)
{
    return proc->watched && (proc->pidfd < 0 || procs->deaths_fd < 0);
}

/* Closing the pidfd takes it out of the epoll set: nobody else has this open file. */
static void release(struct procs *procs, struct proc *proc)
{
    if (is_polled(procs, proc)) procs->polled_count--;
    if (proc->pidfd >= 0) close(proc->pidfd);
    free(proc);
}

void procs_free(struct procs *procs)
{
    for (size_t i = 0; i < procs->count; i++) release(procs, procs->items[i]);
    if (procs->deaths_fd >= 0) close(procs->deaths_fd);
    free(procs->items);
    memset(procs, 0, sizeof *procs);
}

int procs_start_ticks(pid_t pid, uint64_t *out)
{
    struct proc_stat stat;
    if (proc_stat_read((uint32_t)pid, 0, &stat) != 0 || proc_stat_is_dead(&stat)) return -1;
    *out = stat.start_ticks;
    return 0;
}

signed char procs_names_slice(const struct proc *proc, const char *slice_id)
{
    char path[64];
    static char data[64 * 1024];
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)proc->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t len = 0;
    ssize_t n;
    while (len < sizeof data - 1 && (n = read(fd, data + len, sizeof data - 1 - len)) > 0) len += (size_t)n;
    close(fd);
    data[len] = '\0';
    errno = 0;
    for (size_t at = 0; at < len; at += strlen(data + at) + 1) {
        if (strncmp(data + at, ENV_SLICES "=", sizeof ENV_SLICES) != 0) continue;
        char *save = NULL;
        for (char *id = strtok_r(data + at + sizeof ENV_SLICES, ",", &save); id; id = strtok_r(NULL, ",", &save))
            if (!slice_id || strcmp(id, slice_id) == 0) return 1;
        break;
    }
    return -1;
}

static void read_command(struct proc *proc)
{
    char path[64], buf[1024];
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)proc->pid);
    ssize_t n = fs_read_small(path, buf, sizeof buf);
    if (n > 0) {
        while (n > 0 && (buf[n - 1] == '\0' || buf[n - 1] == ' ')) n--;
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] == '\0') buf[i] = ' ';
    }
    if (n <= 0) {
        snprintf(path, sizeof path, "/proc/%ld/comm", (long)proc->pid);
        n = fs_read_small(path, buf, sizeof buf);
        if (n > 0 && buf[n - 1] == '\n') n--;
    }
    text_sanitize(proc->command, sizeof proc->command, buf, n > 0 ? (size_t)n : 0);
    if (proc->command[0] == '\0') text_copy(proc->command, sizeof proc->command, "?");
}

/* A group is left out of sight by no rights but by a namespace of its own: then it tells nothing. */
static void read_workload(struct proc *proc)
{
    char path[64], buf[4096];
    snprintf(path, sizeof path, "/proc/%ld/cgroup", (long)proc->pid);
    ssize_t n = fs_read_small(path, buf, sizeof buf);
    workload_of_cgroup(buf, n > 0 ? (size_t)n : 0, &proc->workload);
}

int procs_status(pid_t pid, uid_t *real_uid, pid_t *parent)
{
    char path[64], buf[4096];
    unsigned long uid;
    long up;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    if (fs_read_small(path, buf, sizeof buf) <= 0) return -1;
    const char *at = strstr(buf, "\nPPid:"), *uids = strstr(buf, "\nUid:");
    if (!at || !uids || sscanf(at + 6, "%ld", &up) != 1 || sscanf(uids + 5, "%lu", &uid) != 1) return -1;
    *real_uid = (uid_t)uid;
    *parent = (pid_t)up;
    return 0;
}

bool procs_in_group(pid_t pid, const char *group)
{
    char path[64], buf[4096];
    snprintf(path, sizeof path, "/proc/%ld/cgroup", (long)pid);
    ssize_t n = fs_read_small(path, buf, sizeof buf);
    return n > 0 && workload_in_group(buf, (size_t)n, group);
}

static bool pidfd_is_dead(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

static bool still_alive(struct proc *proc, int64_t mono_ms)
{
    if (proc->pidfd >= 0) return !pidfd_is_dead(proc->pidfd);
    if (proc->gone) return false;
    if (mono_ms - proc->checked_at_ms < POLL_AGE_MS) return true;
    uint64_t ticks;
    if (procs_start_ticks(proc->pid, &ticks) != 0 || ticks != proc->start_ticks) return false;
    proc->checked_at_ms = mono_ms;
    return true;
}

/* The descriptor comes first: if the start time is then read while the descriptor is still silent, both belong to
 * one process. */
static struct proc *open_process(struct procs *procs, pid_t pid, int64_t mono_ms)
{
    struct proc *proc = calloc(1, sizeof *proc);
    if (!proc) return NULL;
    proc->pid = pid;
    proc->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (proc->pidfd >= 0) fcntl(proc->pidfd, F_SETFD, FD_CLOEXEC);
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%ld", (long)pid);
    if (procs_start_ticks(pid, &proc->start_ticks) != 0 || (proc->pidfd >= 0 && pidfd_is_dead(proc->pidfd))) {
        release(procs, proc);
        return NULL;
    }
    if (stat(path, &st) == 0) {
        proc->uid = st.st_uid;
        proc->uid_known = true;
    }
    proc->checked_at_ms = mono_ms;
    proc->started_at_ms =
        procs->boot_time_ms + (int64_t)(proc->start_ticks * 1000 / (uint64_t)procs->ticks_per_second);
    return proc;
}

struct proc *procs_get(struct procs *procs, pid_t pid, int64_t mono_ms)
{
    if (pid <= 0) return NULL;
    for (size_t i = 0; i < procs->count; i++) {
        struct proc *proc = procs->items[i];
        if (proc->pid != pid) continue;
        if (still_alive(proc, mono_ms)) {
            proc->used_at_ms = mono_ms;
            return proc;
        }
        release(procs, proc);
        procs->items[i] = procs->items[--procs->count];
        break;
    }
    if (procs->count >= PROCS_MAX) procs_prune(procs, mono_ms, POLL_AGE_MS);
    if (procs->count >= PROCS_MAX) return NULL;
    if (procs->count == procs->cap) {
        size_t cap = procs->cap ? procs->cap * 2 : 32;
        struct proc **items = realloc(procs->items, cap * sizeof *items);
        if (!items) return NULL;
        procs->items = items;
        procs->cap = cap;
    }
    struct proc *proc = open_process(procs, pid, mono_ms);
    if (!proc) return NULL;
    proc->used_at_ms = mono_ms;
    procs->items[procs->count++] = proc;
    return proc;
}

void procs_watch(struct procs *procs, struct proc *proc)
{
    if (proc->watched) return;
    if (proc->pidfd >= 0 && procs->deaths_fd >= 0) {
        /* One shot: a death that was told must not wake us again before the table lets go of the descriptor. */
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)proc->pid};
        if (epoll_ctl(procs->deaths_fd, EPOLL_CTL_ADD, proc->pidfd, &event) != 0) return; /* tried at the next look */
    } else {
        procs->polled_count++;
    }
    proc->watched = true;
}

static size_t poll_deaths(struct procs *procs, int64_t mono_ms)
{
    if (procs->polled_count == 0 || mono_ms - procs->polled_at_ms < POLL_DEATHS_MS) return 0;
    procs->polled_at_ms = mono_ms;
    size_t deaths = 0;
    for (size_t i = 0; i < procs->count; i++) {
        struct proc *proc = procs->items[i];
        if (!is_polled(procs, proc) || proc->gone) continue;
        proc->gone = kill(proc->pid, 0) != 0 && errno == ESRCH;
        deaths += proc->gone;
    }
    return deaths;
}

size_t procs_deaths(struct procs *procs, int64_t mono_ms)
{
    size_t deaths = poll_deaths(procs, mono_ms);
    struct epoll_event events[DEATHS_AT_ONCE];
    while (procs->deaths_fd >= 0) {
        int n = epoll_wait(procs->deaths_fd, events, DEATHS_AT_ONCE, 0);
        if (n > 0) deaths += (size_t)n;
        if (n < DEATHS_AT_ONCE) break;
    }
    return deaths;
}

const char *procs_command(struct proc *proc, int64_t mono_ms)
{
    if (proc->command[0] == '\0' || mono_ms - proc->command_at_ms >= COMMAND_AGE_MS) {
        read_command(proc);
        read_workload(proc);
        proc->command_at_ms = mono_ms;
    }
    return proc->command;
}

const struct workload *procs_workload(struct proc *proc, int64_t mono_ms)
{
    procs_command(proc, mono_ms);
    return &proc->workload;
}

bool procs_is_filtered(struct proc *proc, int64_t mono_ms)
{
    char path[64], buf[4096];
    if (proc->is_filtered || (proc->filter_at_ms != 0 && mono_ms - proc->filter_at_ms < FILTER_AGE_MS))
        return proc->is_filtered;
    proc->filter_at_ms = mono_ms;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)proc->pid);
    ssize_t n = fs_read_small(path, buf, sizeof buf);
    const char *line = n > 0 ? strstr(buf, "\nSeccomp:\t") : NULL;
    proc->is_filtered = line && line[sizeof "\nSeccomp:\t" - 1] == '2'; /* SECCOMP_MODE_FILTER, proc(5) */
    return proc->is_filtered;
}

bool procs_is_in_group(struct proc *proc, const char *path, int64_t mono_ms)
{
    char own[64], buf[4096];
    if (proc->group_at_ms == 0 || mono_ms - proc->group_at_ms >= GROUP_AGE_MS) {
        proc->group_at_ms = mono_ms;
        proc->group[0] = '\0';
        snprintf(own, sizeof own, "/proc/%ld/cgroup", (long)proc->pid);
        ssize_t n = fs_read_small(own, buf, sizeof buf);
        const char *line = n <= 0 ? NULL : strncmp(buf, "0::", 3) == 0 ? buf : strstr(buf, "\n0::");
        line = line ? strchr(line, '/') : NULL;
        size_t len = line ? strcspn(line, "\n") : 0;
        if (len < sizeof proc->group) snprintf(proc->group, sizeof proc->group, "%.*s", (int)len, line ? line : "");
    }
    return proc->group[0] && strcmp(proc->group, path) == 0;
}

void procs_prune(struct procs *procs, int64_t mono_ms, int64_t unused_ms)
{
    for (size_t i = 0; i < procs->count;) {
        if (mono_ms - procs->items[i]->used_at_ms < unused_ms) {
            i++;
            continue;
        }
        release(procs, procs->items[i]);
        procs->items[i] = procs->items[--procs->count];
    }
}

bool procs_token_alive(struct procs *procs, uint64_t token, int64_t mono_ms, struct proc **proc)
{
    pid_t pid = (pid_t)token_pid(token);
    uint64_t start_low = token >> 32 & 0x7fffffffu;
    *proc = procs_get(procs, pid, mono_ms);
    if (*proc) {
        if (start_low == 0 || ((*proc)->start_ticks & 0x7fffffffu) == start_low) return true;
        *proc = NULL;
        return false; /* the pid was given to another process */
    }
    /* No room in the table is not death. */
    uint64_t ticks;
    return procs_start_ticks(pid, &ticks) == 0 && (start_low == 0 || (ticks & 0x7fffffffu) == start_low);
}
