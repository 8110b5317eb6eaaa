#include "asker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Threads whose process is remembered. One that is not costs a look into /proc. */
#define THREADS_KNOWN 1024u

/* Processes of a host that are looked at for descendants: more than pid_max is by default on a small one. */
#define PROCESSES_SEEN_MAX 32768u

/* Generations between a process and its supervisor: a chain that is longer was made to be. */
#define GENERATIONS_MAX 256

/* Of /proc/PID/maps, up to where a path begins, and most paths. */
#define MAPPING_LINE_BYTES 512

#define STAT_FIELD_STATE 3
#define STAT_FIELD_PARENT 4
#define STAT_FIELD_STACK 28

struct askers {
    struct gate_devices devices;
    int epoll_fd;
    uint32_t high; /* entries at and above were never used */
    struct asker all[ASKERS_MAX];
    struct {
        pid_t tid;
        uint32_t index;
    } threads[THREADS_KNOWN];
};

struct askers *askers_new(const struct gate_devices *devices)
{
    struct askers *askers = calloc(1, sizeof *askers);
    if (!askers) return NULL;
    askers->devices = *devices;
    askers->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (askers->epoll_fd < 0) {
        free(askers);
        return NULL;
    }
    return askers;
}

void askers_delete(struct askers *askers)
{
    if (!askers) return;
    for (uint32_t i = 0; i < askers->high; i++) askers_forget(askers, i);
    close(askers->epoll_fd);
    free(askers);
}

int askers_end_fd(const struct askers *askers)
{
    return askers->epoll_fd;
}

const struct asker *askers_at(const struct askers *askers, uint32_t index)
{
    return &askers->all[index];
}

static int enter(struct askers *askers, uint32_t index, pid_t pid)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = index}};
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
    if (pidfd < 0 || epoll_ctl(askers->epoll_fd, EPOLL_CTL_ADD, pidfd, &event) != 0) {
        int error = errno == ESRCH || errno == EINVAL ? ESRCH : ENOSPC;
        if (pidfd >= 0) close(pidfd);
        return -error;
    }
    askers->all[index] = (struct asker){.pid = pid, .pidfd = pidfd, .stack_start = asker_stack_start(pid)};
    askers->high = index < askers->high ? askers->high : index + 1;
    return (int)index;
}

int askers_of_process(struct askers *askers, pid_t pid)
{
    uint32_t free_index = ASKERS_MAX;
    for (uint32_t i = 0; i < askers->high; i++) {
        if (askers->all[i].pid == pid && !askers->all[i].is_over) return (int)i;
        free_index = askers->all[i].pid == 0 && free_index == ASKERS_MAX ? i : free_index;
    }
    free_index = free_index == ASKERS_MAX ? askers->high : free_index;
    return free_index < ASKERS_MAX ? enter(askers, free_index, pid) : -ENOSPC;
}

/* The process of a thread; 0: there is no such thread. */
static pid_t process_of(pid_t tid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    const char *line = strstr(text, "\nTgid:");
    return !line ? 0 : (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10);
}

int askers_of_thread(struct askers *askers, pid_t tid)
{
    uint32_t place = (uint32_t)tid % THREADS_KNOWN;
    if (askers->threads[place].tid == tid) {
        uint32_t index = askers->threads[place].index;
        const struct asker *known = &askers->all[index];
        /* The number may be another thread's by now; that it is one of this process, the kernel says. */
        if (known->pid != 0 && !known->is_over && (syscall(SYS_tgkill, known->pid, tid, 0) == 0 || errno == EPERM))
            return (int)index;
    }
    pid_t pid = process_of(tid);
    int index = pid > 0 ? askers_of_process(askers, pid) : -ESRCH;
    if (index >= 0) {
        askers->threads[place].tid = tid;
        askers->threads[place].index = (uint32_t)index;
    }
    return index;
}

int askers_next_ended(struct askers *askers)
{
    struct epoll_event event;
    return epoll_wait(askers->epoll_fd, &event, 1, 0) == 1 ? (int)event.data.u32 : -1;
}

void askers_set_over(struct askers *askers, uint32_t index, pid_t heir)
{
    struct asker *asker = &askers->all[index];
    asker->is_over = true;
    asker->heir = heir;
    if (asker->pidfd >= 0) close(asker->pidfd); /* which takes it out of the epoll set */
    asker->pidfd = -1;
}

void askers_forget(struct askers *askers, uint32_t index)
{
    if (askers->all[index].pid != 0) askers_set_over(askers, index, 0);
    askers->all[index] = (struct asker){.pidfd = -1};
}

static int outcome(ssize_t moved, size_t size)
{
    return moved == (ssize_t)size ? 0 : moved >= 0 ? EFAULT : errno;
}

int asker_read(pid_t tid, uint64_t address, void *out, size_t size)
{
    struct iovec here = {.iov_base = out, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return outcome(process_vm_readv(tid, &here, 1, &there, 1, 0), size);
}

int asker_write(pid_t tid, uint64_t address, const void *data, size_t size)
{
    struct iovec here = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return outcome(process_vm_writev(tid, &here, 1, &there, 1, 0), size);
}

static enum asker_file file_of(const struct gate_devices *devices, const struct stat *status)
{
    if (!S_ISCHR(status->st_mode) || major(status->st_rdev) != devices->major_number) return ASKER_ELSEWHERE;
    return minor(status->st_rdev) == devices->control_minor ? ASKER_CONTROL : ASKER_GPU;
}

enum asker_file asker_file_of(const struct gate_devices *devices, pid_t tid, uint32_t fd)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/fd/%u", (int)tid, fd);
    if (stat(path, &status) != 0) return errno == ENOENT || errno == ESRCH ? ASKER_ELSEWHERE : ASKER_UNREADABLE;
    return file_of(devices, &status);
}

/* The major of nvidia-uvm; 0: it is not loaded. Asked anew each time: a module that is loaded again may get another. */
static unsigned managed_major(void)
{
    char line[128], name[64];
    unsigned number = 0, found = 0;
    FILE *list = fopen("/proc/devices", "re");
    while (list && found == 0 && fgets(line, sizeof line, list))
        if (sscanf(line, "%u %63s", &number, name) == 2 && strcmp(name, "nvidia-uvm") == 0) found = number;
    if (list) fclose(list);
    return found;
}

int asker_has_managed(const struct gate_devices *devices, pid_t tid, uint32_t fd)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/fd/%u", (int)tid, fd);
    if (stat(path, &status) != 0) return errno == ENOENT || errno == ESRCH ? 0 : -1;
    if (!S_ISCHR(status.st_mode)) return 0;
    if (devices->managed_major == 0) return major(status.st_rdev) == managed_major();
    return major(status.st_rdev) == devices->managed_major && minor(status.st_rdev) == devices->managed_minor;
}

bool asker_managed_bytes(pid_t pid, uint64_t *out)
{
    char path[64], line[MAPPING_LINE_BYTES];
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *list = fopen(path, "re");
    if (!list) return false;
    for (bool is_start = true; fgets(line, sizeof line, list);) {
        unsigned long long start, end, offset;
        char rights[5];
        /* A path may be longer than the line: what comes of it then is no mapping. */
        bool is_line = is_start && sscanf(line, "%llx-%llx %4s %llx", &start, &end, rights, &offset) == 4;
        if (is_line && rights[3] == 's' && offset == start) bytes += end - start;
        is_start = strchr(line, '\n');
    }
    bool whole = ferror(list) == 0;
    fclose(list);
    *out = bytes;
    return whole;
}

bool asker_is_same_file(pid_t left, int left_fd, pid_t right, int right_fd)
{
    if (left == right && left_fd == right_fd) return true;
    return syscall(SYS_kcmp, left, right, KCMP_FILE, (unsigned long)left_fd, (unsigned long)right_fd) == 0;
}

int asker_has_control(const struct gate_devices *devices, pid_t pid)
{
    char path[64];
    int has = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (!directory) return errno == ENOENT || errno == ESRCH ? 0 : -1;
    for (struct dirent *entry = readdir(directory); entry && has == 0; entry = readdir(directory)) {
        struct stat status;
        has = fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && file_of(devices, &status) == ASKER_CONTROL;
    }
    closedir(directory);
    return has;
}

/* A number of /proc/PID/stat, by the fields' numbers in proc(5). false: it cannot be read. */
static bool stat_field(pid_t pid, int wanted, uint64_t *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    /* The second field is the command in brackets, and may hold brackets and spaces itself. */
    const char *at = strrchr(text, ')');
    at = !at ? NULL : strchr(at, ' ');
    for (int field = STAT_FIELD_STATE; at && field < wanted; field++) at = strchr(at + 1, ' ');
    *out = !at ? 0 : strtoull(at + 1, NULL, 10);
    return at;
}

uint64_t asker_stack_start(pid_t pid)
{
    uint64_t start;
    return stat_field(pid, STAT_FIELD_STACK, &start) ? start : 0;
}

struct kinship {
    pid_t pid, parent;
};

static int by_pid(const void *left, const void *right)
{
    pid_t a = ((const struct kinship *)left)->pid, b = ((const struct kinship *)right)->pid;
    return a < b ? -1 : a > b;
}

/* Whether one of a process's forebears is `top`, in a sorted table. */
static bool descends(const struct kinship *all, size_t count, pid_t parent, pid_t top)
{
    for (int generation = 0; generation < GENERATIONS_MAX && parent > 1; generation++) {
        if (parent == top) return true;
        struct kinship key = {.pid = parent};
        const struct kinship *found = bsearch(&key, all, count, sizeof *all, by_pid);
        parent = !found ? 0 : found->parent;
    }
    return false;
}

size_t asker_descendants(pid_t *out, size_t max)
{
    struct kinship *all = malloc(PROCESSES_SEEN_MAX * sizeof *all);
    DIR *directory = !all ? NULL : opendir("/proc");
    size_t count = 0, found = 0;
    pid_t self = getpid();
    for (struct dirent *entry = !directory ? NULL : readdir(directory); entry && count < PROCESSES_SEEN_MAX;
         entry = readdir(directory)) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        uint64_t parent;
        if (pid > 0 && stat_field(pid, STAT_FIELD_PARENT, &parent))
            all[count++] = (struct kinship){.pid = pid, .parent = (pid_t)parent};
    }
    if (directory) closedir(directory);
    if (count > 0) qsort(all, count, sizeof *all, by_pid);
    for (size_t i = 0; i < count && found < max; i++)
        if (descends(all, count, all[i].parent, self)) out[found++] = all[i].pid;
    free(all);
    return found;
}
