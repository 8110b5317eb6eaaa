#include "launch/job_leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"
#include "fs.h"
#include "text.h"

#define PROCESSES_MAX 32768
#define ENVIRON_BYTES (256 * 1024)
#define NAMED_MAX 3

struct seen {
    pid_t pid, parent;
};

/* Of a living process: its parent. -1: it has ended. */
static pid_t parent_of(pid_t pid)
{
    char path[64], buf[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (fs_read_small(path, buf, sizeof buf) <= 0) return -1;
    const char *at = strrchr(buf, ')');
    char state;
    long parent;
    if (!at || sscanf(at + 1, " %c %ld", &state, &parent) != 2 || state == 'Z' || state == 'X') return -1;
    return (pid_t)parent;
}

/* Does its environment say that it belongs to this run? `run` made the text of its own pid and the time (new_group). */
static bool carries(pid_t pid, pid_t program, int64_t started_s)
{
    static char data[ENVIRON_BYTES];
    char path[64];
    long long second;
    long first;
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t len = 0;
    ssize_t n;
    while (len < sizeof data - 1 && (n = read(fd, data + len, sizeof data - 1 - len)) > 0) len += (size_t)n;
    close(fd);
    data[len] = '\0';
    for (size_t at = 0; at < len; at += strlen(data + at) + 1) {
        if (strncmp(data + at, ENV_GROUP "=", sizeof ENV_GROUP) != 0) continue;
        return sscanf(data + at + sizeof ENV_GROUP, "%ld.%lld.", &first, &second) == 2 && first == (long)program &&
               second >= started_s - 1;
    }
    return false;
}

static bool is_in(const struct leftovers *list, pid_t pid)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (list->pids[i] == pid) return true;
    return false;
}

void leftovers_find(pid_t program, int64_t started_s, pid_t gate, struct leftovers *out)
{
    static struct seen seen[PROCESSES_MAX];
    size_t count = 0;
    pid_t self = getpid();
    out->count = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && count < PROCESSES_MAX; e = readdir(dir)) {
        if (!isdigit((unsigned char)e->d_name[0])) continue;
        pid_t pid = (pid_t)atol(e->d_name), parent = parent_of(pid);
        if (pid != self && parent >= 0) seen[count++] = (struct seen){pid, parent};
    }
    if (dir) closedir(dir);
    /* Children of ours, then theirs, until a round finds none. */
    for (size_t before = 1; before != 0;) {
        before = 0;
        for (size_t i = 0; i < count && out->count < LEFTOVERS_MAX; i++) {
            bool ours = seen[i].parent == self || is_in(out, seen[i].parent);
            if (!ours || is_in(out, seen[i].pid)) continue;
            out->pids[out->count++] = seen[i].pid;
            before++;
        }
    }
    for (size_t i = 0; i < count && out->count < LEFTOVERS_MAX; i++)
        if (!is_in(out, seen[i].pid) && carries(seen[i].pid, program, started_s))
            out->pids[out->count++] = seen[i].pid;
    for (size_t i = 0; gate > 0 && i < out->count; i++)
        if (out->pids[i] == gate) out->pids[i--] = out->pids[--out->count];
}

size_t leftovers_names(const struct leftovers *leftovers, pid_t group, char *out, size_t cap)
{
    size_t len = 0, count = 0;
    out[0] = '\0';
    for (size_t i = 0; i < leftovers->count; i++) {
        char path[64], comm[64], shown[64];
        pid_t pid = leftovers->pids[i];
        if (group > 0 && getpgid(pid) == group) continue;
        if (count++ >= NAMED_MAX) continue;
        snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
        ssize_t n = fs_read_small(path, comm, sizeof comm);
        text_sanitize(shown, sizeof shown, n > 0 ? comm : "?", n > 0 ? strcspn(comm, "\n") : 1);
        int more = snprintf(out + len, cap - len, "%s%s (%ld)", len > 0 ? ", " : "", shown, (long)pid);
        len += more > 0 && (size_t)more < cap - len ? (size_t)more : 0;
    }
    if (count > NAMED_MAX) snprintf(out + len, cap - len, " and %zu more", count - NAMED_MAX);
    return count;
}

void leftovers_signal(const struct leftovers *leftovers, const struct leftovers *told, pid_t group, int number)
{
    for (size_t i = 0; i < leftovers->count; i++) {
        pid_t pid = leftovers->pids[i];
        if (!is_in(told, pid) && (group == 0 || getpgid(pid) != group)) kill(pid, number);
    }
}
