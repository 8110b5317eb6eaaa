#include "base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef CGROUP2_SUPER_MAGIC
#define CGROUP2_SUPER_MAGIC 0x63677270
#endif

#define SMALL_FILE_BYTES 4096

const char *cgroup_mount(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) return places[i];
    return NULL;
}

int cgroup_own(char out[FS_PATH_BYTES])
{
    char text[SMALL_FILE_BYTES];
    if (fs_read_small("/proc/self/cgroup", text, sizeof text) <= 0) return EIO;
    /* The line of v2 has no number of a hierarchy and no controllers. */
    const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line) return ENOENT;
    line = strchr(line, '/');
    size_t n = line ? strcspn(line, "\n") : FS_PATH_BYTES;
    if (n >= FS_PATH_BYTES) return ENAMETOOLONG;
    memcpy(out, line, n);
    out[n] = '\0';
    return 0;
}

int cgroup_open(int parent, const char *name)
{
    struct stat status;
    struct statfs fs;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    int error = fstatfs(fd, &fs) != 0 || fstat(fd, &status) != 0               ? errno
                : fs.f_type != CGROUP2_SUPER_MAGIC                             ? ENOTSUP
                : status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) ? EPERM
                                                                               : 0;
    /* Who may write there may put processes in. */
    if (error == 0 && fstatat(fd, "cgroup.procs", &status, AT_SYMLINK_NOFOLLOW) != 0) error = errno;
    if (error == 0 && (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)))) error = EPERM;
    if (error == 0) return fd;
    close(fd);
    return -error;
}

int cgroup_make(int parent, const char *name, bool *new_out)
{
    *new_out = mkdirat(parent, name, 0755) == 0;
    if (!*new_out && errno != EEXIST) return -errno;
    return cgroup_open(parent, name);
}

bool cgroup_is_delegated(int group)
{
    char word[4] = "";
    /* trusted. since systemd 236, user. since 251. */
    return (fgetxattr(group, "trusted.delegate", word, sizeof word) == 1 ||
            fgetxattr(group, "user.delegate", word, sizeof word) == 1) &&
           word[0] == '1';
}

int cgroup_put(int group, pid_t pid)
{
    int fd = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno;
    int error = dprintf(fd, "%ld\n", (long)pid) > 0 ? 0 : errno;
    close(fd);
    return error;
}

static int read_file(int group, const char *name, char text[SMALL_FILE_BYTES])
{
    int fd = openat(group, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno;
    ssize_t n = read(fd, text, SMALL_FILE_BYTES - 1);
    int error = n < 0 ? errno : 0;
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return error;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = text; *at; at += strcspn(at, " \n"), at += strspn(at, " \n"))
        if (strncmp(at, word, n) == 0 && (at[n] == '\0' || at[n] == ' ' || at[n] == '\n')) return true;
    return false;
}

int cgroup_enable(int group, const char *controller)
{
    char text[SMALL_FILE_BYTES];
    int error = read_file(group, "cgroup.controllers", text);
    if (error != 0 || !has_word(text, controller)) return error != 0 ? error : ENOENT;
    error = read_file(group, "cgroup.subtree_control", text);
    if (error != 0 || has_word(text, controller)) return error;
    int fd = openat(group, "cgroup.subtree_control", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno;
    if (dprintf(fd, "+%s\n", controller) < 0) error = errno;
    close(fd);
    return error;
}

int cgroup_is_populated(int group, bool *populated_out)
{
    char text[SMALL_FILE_BYTES];
    int error = read_file(group, "cgroup.events", text);
    if (error != 0) return error;
    const char *word = strstr(text, "populated ");
    if (!word) return EPROTO;
    *populated_out = word[strlen("populated ")] != '0';
    return 0;
}

int cgroup_remove(int parent, const char *name)
{
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}
