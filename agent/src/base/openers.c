#include "base/openers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

/* A process may hold a file of a network whose server is gone: what the kernel knows already must do. */
static bool look(int directory, const char *name, struct statx *out)
{
    return syscall(SYS_statx, directory, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO, out) == 0;
}

static uint64_t matches(const struct statx *seen, const struct openers_node *nodes, size_t count)
{
    uint64_t bits = 0;
    if (!S_ISCHR(seen->stx_mode)) return 0;
    dev_t device = makedev(seen->stx_dev_major, seen->stx_dev_minor);
    dev_t number = makedev(seen->stx_rdev_major, seen->stx_rdev_minor);
    for (size_t i = 0; i < count; i++) {
        const struct openers_node *node = &nodes[i];
        if (!node->is_there) continue;
        bool is_it =
            node->by_number ? node->number == number : node->device == device && node->inode == (ino_t)seen->stx_ino;
        if (is_it) bits |= UINT64_C(1) << i;
    }
    return bits;
}

int openers_of(pid_t pid, const struct openers_node *nodes, size_t count, size_t *looked, uint64_t *bits_out)
{
    char path[48];
    *bits_out = 0;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *directory = opendir(path);
    if (!directory) return errno;
    int error = 0;
    size_t here = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        struct statx seen;
        if (entry->d_name[0] == '.') continue;
        if (here++ == OPENERS_DESCRIPTORS_MAX) {
            error = EFBIG;
            break;
        }
        if (look(dirfd(directory), entry->d_name, &seen)) *bits_out |= matches(&seen, nodes, count);
    }
    closedir(directory);
    *looked += here;
    return error;
}

/* By its files in /proc: a process that hides its memory belongs to root there, and is closed to us as well. */
static bool may_be_ours(int proc, const char *pid, uid_t uid)
{
    struct stat status;
    return uid == 0 || (fstatat(proc, pid, &status, 0) == 0 && status.st_uid == uid);
}

void openers_step(struct openers_scan *scan, const struct openers_node *nodes, size_t count,
                  void (*take)(void *context, pid_t pid, uint64_t bits), void *context)
{
    DIR *directory = opendir("/proc");
    size_t looked = 0;
    uid_t uid = geteuid();
    uint32_t from = scan->after;
    scan->runs = false;
    scan->after = 0;
    if (!directory) return;
    /* /proc lists pids in ascending order. */
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10); /* 0: not a process */
        if (pid <= from) continue;
        if (looked >= OPENERS_AT_ONCE) {
            scan->runs = true;
            scan->after = pid - 1;
            break;
        }
        uint64_t bits;
        looked++;
        if (!may_be_ours(dirfd(directory), entry->d_name, uid)) continue;
        int error = openers_of((pid_t)pid, nodes, count, &looked, &bits);
        if ((error == 0 || error == EFBIG) && bits != 0) take(context, (pid_t)pid, bits);
    }
    closedir(directory);
}
