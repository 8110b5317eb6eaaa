#include "proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The numbers of the fields in proc(5). */
#define FIELD_STATE 3
#define FIELD_PARENT 4
#define FIELD_THREADS 20
#define FIELD_START 22

int proc_stat_read(uint32_t pid, uint32_t tid, struct proc_stat *out)
{
    char path[64];
    char text[1024];
    if (tid != 0)
        snprintf(path, sizeof path, "/proc/%u/task/%u/stat", pid, tid);
    else
        snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t got = read(fd, text, sizeof text - 1);
    int error = got < 0 ? errno : ESRCH;
    close(fd);
    text[got > 0 ? got : 0] = 0;
    errno = error;
    /* The second field is the command in brackets, and may hold brackets and spaces itself. */
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ') return -1;
    at += 2;
    out->state = *at;
    for (int field = FIELD_STATE; field < FIELD_START; field++) {
        at = strchr(at, ' ');
        if (!at) return -1;
        at++;
        if (field + 1 == FIELD_PARENT) out->parent = (uint32_t)strtoul(at, NULL, 10);
        if (field + 1 == FIELD_THREADS) out->threads = strtoull(at, NULL, 10);
    }
    char *end;
    errno = 0;
    out->start_ticks = strtoull(at, &end, 10);
    if (errno != 0 || end == at) {
        errno = ESRCH;
        return -1;
    }
    return 0;
}
