#include "cards/doorman_holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/now.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "proc_stat.h"
#include "text.h"

#define AT_ONCE_MAX 256  /* holders that are looked at in one call: a file of /proc each */
#define LOOK_MAX_MS 3000 /* for all processes of a host: some open a million files */
#define STATUS_BYTES 4096
#define CGROUPS_BYTES 8192
/* As in <fcntl.h> of newer C libraries. */
#define STAT_WITHOUT_ASKING 0x4000 /* AT_STATX_DONT_SYNC: nothing is asked of a file server, nor of a user's own one */
#define STAT_NO_AUTOMOUNT 0x800
#define STAT_TYPE_WANTED 1 /* STATX_TYPE */

/* The kernel's struct statx (include/uapi/linux/stat.h), which older C libraries do not have and newer ones have twice. */
struct stat_answer {
    uint32_t mask, block_bytes;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, spare;
    uint64_t inode, bytes, blocks, attributes_mask, times[8];
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t rest[14];
};

/* In a service of the system's, or below one; not in one of a person's own. */
static bool is_of_unit(const char *below)
{
    static const char persons[] = "user.slice/", unit[] = ".service";
    if (strncmp(below, persons, sizeof persons - 1) == 0) return false;
    const char *at = strstr(below, unit);
    return at && (at[sizeof unit - 1] == '\0' || at[sizeof unit - 1] == '/');
}

uint64_t holders_group_of(int root_fd, pid_t pid, bool *is_unit_out)
{
    char path[64], text[CGROUPS_BYTES];
    if (is_unit_out) *is_unit_out = false;
    snprintf(path, sizeof path, "/proc/%ld/cgroup", (long)pid);
    if (fs_read_small(path, text, sizeof text) <= 0) return 0;
    char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (!line) return 0;
    line += line[0] == '\n';
    line[strcspn(line, "\n")] = '\0';
    const char *below = line + strlen("0::/");
    if (is_unit_out) *is_unit_out = is_of_unit(below);
    int fd = openat(root_fd, below[0] ? below : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t id = fd >= 0 ? door_group_id(fd) : 0;
    if (fd >= 0) close(fd);
    return id;
}

/* The real uid, as the kernel compares it. */
static bool read_uid(pid_t pid, uint32_t *out)
{
    char path[64], text[STATUS_BYTES];
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    const char *line = fs_read_small(path, text, sizeof text) > 0 ? strstr(text, "\nUid:") : NULL;
    return line && sscanf(line, "\nUid: %u", out) == 1;
}

int holders_add(struct door *door, int root_fd, pid_t pid)
{
    struct proc_stat stat;
    struct door_holder holder = {0};
    if (proc_stat_read((uint32_t)pid, 0, &stat) != 0 || !read_uid(pid, &holder.uid)) return 0; /* it has ended */
    holder.group = holders_group_of(root_fd, pid, NULL);
    holder.start_ticks = stat.start_ticks;
    return -door_hold(door, (uint32_t)pid, &holder);
}

/* By its name it may be a device: the rest is not looked at, so that nothing is asked of files on a server. */
static bool may_be_device(const char *path)
{
    if (strncmp(path, "/dev/", 5) == 0) return true;
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; path[0] == '/' && gpu_backends[i]; i++) {
        const char *prefix = gpu_backends[i]->device_prefix;
        if (prefix && strncmp(slash + 1, prefix, strlen(prefix)) == 0) return true;
    }
    return false;
}

_Static_assert(sizeof(struct stat_answer) == 256 && offsetof(struct stat_answer, rdev_major) == 128, "statx");

static bool holds_one(pid_t pid, const struct guarded *guarded, int64_t until_ms)
{
    char path[64], link[FS_PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool holds = false;
    while (folder && !holds && now_mono_ms() < until_ms && (entry = readdir(folder))) {
        struct stat_answer st;
        ssize_t n = readlinkat(dirfd(folder), entry->d_name, link, sizeof link - 1);
        if (n <= 0) continue;
        link[n] = '\0';
        if (!may_be_device(link)) continue;
        int flags = STAT_WITHOUT_ASKING | STAT_NO_AUTOMOUNT;
        if (syscall(__NR_statx, dirfd(folder), entry->d_name, flags, STAT_TYPE_WANTED, &st) != 0) continue;
        holds = S_ISCHR(st.mode) && guarded_has(guarded, st.rdev_major, st.rdev_minor);
    }
    if (folder) closedir(folder);
    return holds;
}

int holders_find(struct door *door, int root_fd, const struct guarded *guarded)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    int found = 0, error = folder ? 0 : errno;
    int64_t until_ms = now_mono_ms() + LOOK_MAX_MS;
    while (folder && (entry = readdir(folder))) {
        int64_t pid;
        if (now_mono_ms() >= until_ms) error = ETIMEDOUT;
        if (error == ETIMEDOUT) break;
        if (text_parse_integer(entry->d_name, 1, INT32_MAX, &pid) != 0) continue;
        if (!holds_one((pid_t)pid, guarded, until_ms)) continue;
        int failed = holders_add(door, root_fd, (pid_t)pid);
        if (failed != 0) error = failed;
        found++;
    }
    if (folder) closedir(folder);
    return error == 0 ? found : -error;
}

void holders_prune(struct door *door, uint32_t *at)
{
    uint32_t gone = 0; /* goes once it is known who follows: after one that is not there the map begins anew */
    for (int i = 0; i < AT_ONCE_MAX; i++) {
        uint32_t pid;
        struct door_holder holder;
        struct proc_stat stat;
        bool more = door_next_holder(door, *at, &pid, &holder);
        if (gone != 0) door_release(door, gone);
        gone = 0;
        *at = more ? pid : 0;
        if (!more) return;
        bool lives = proc_stat_read(pid, 0, &stat) == 0 && !proc_stat_is_dead(&stat);
        bool other = lives && holder.start_ticks != 0 && holder.start_ticks != stat.start_ticks;
        if (lives && holder.start_ticks == 0) {
            /* The kernel wrote it down while the door was being shut. */
            holder.start_ticks = stat.start_ticks;
            door_hold(door, pid, &holder);
        }
        if (!lives || other) gone = pid;
    }
    if (gone != 0) door_release(door, gone);
}
