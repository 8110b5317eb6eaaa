/* What the simulated machine asks of the real one. */
#include "sim_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t sim_real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Field 22 of /proc/PID/stat (of a thread when tid is not 0), 0 if it is gone; *state_out gets field 3. */
uint64_t sim_start_ticks(uint32_t pid, uint32_t tid, char *state_out)
{
    char path[64];
    char text[1024];
    if (tid != 0) {
        snprintf(path, sizeof path, "/proc/%u/task/%u/stat", pid, tid);
    } else {
        snprintf(path, sizeof path, "/proc/%u/stat", pid);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0) {
        return 0;
    }
    text[got] = 0;
    char *at = strrchr(text, ')'); /* the command may hold anything, spaces and brackets too */
    if (at == NULL || at[1] != ' ') {
        return 0;
    }
    at += 2;
    if (state_out != NULL) {
        *state_out = *at;
    }
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return 0;
        }
        at++;
    }
    return strtoull(at, NULL, 10);
}
