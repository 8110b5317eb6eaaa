#include "nested.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MASK UINT64_C(0x7fffffff)
#define STATUS_BYTES 4096

static bool read_file(uint32_t pid, const char *what, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/%s", (unsigned)pid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* "NSpid:" has the pid in our namespace first, then in each one further in, its own last. */
static uint32_t innermost_pid(const char *status)
{
    const char *at = strstr(status, "\nNSpid:");
    uint32_t last = 0;
    unsigned count = 0;
    for (at = !at ? "" : at + 7; *at == '\t' || *at == ' '; count++) {
        char *end;
        last = (uint32_t)strtoul(at, &end, 10);
        at = end;
    }
    return count > 1 ? last : 0;
}

static bool started_at(uint32_t pid, uint64_t start_ticks)
{
    char text[1024];
    if (!read_file(pid, "stat", text, sizeof text)) return false;
    char *at = strrchr(text, ')');
    for (int field = 2; field < 22 && at; field++) at = strchr(at + 1, ' ');
    return at && (start_ticks == 0 || (strtoull(at, NULL, 10) & START_MASK) == (start_ticks & START_MASK));
}

bool nested_is(uint32_t pid, const struct nested_name *name)
{
    char text[STATUS_BYTES];
    char path[64];
    struct stat status;
    if (name->pid == 0 || !read_file(pid, "status", text, sizeof text) || innermost_pid(text) != name->pid)
        return false;
    snprintf(path, sizeof path, "/proc/%u/ns/pid", (unsigned)pid);
    /* Another user's namespace is not ours to see: then pid and start time must do. */
    bool seen = stat(path, &status) == 0;
    return (seen ? (uint64_t)status.st_ino == name->pid_namespace : errno == EACCES || errno == EPERM) &&
           started_at(pid, name->start_ticks);
}

uint32_t nested_find(const struct nested_name *name, uint32_t *after, unsigned most)
{
    DIR *directory = opendir("/proc");
    if (!directory) return 0;
    uint32_t from = *after;
    uint32_t found = 0;
    *after = 0;
    for (struct dirent *entry = readdir(directory); entry && found == 0; entry = readdir(directory)) {
        uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10); /* 0: not a process */
        if (pid <= from) continue;
        if (most-- == 0) {
            *after = pid - 1;
            break;
        }
        found = nested_is(pid, name) ? pid : 0;
    }
    closedir(directory);
    return found;
}
