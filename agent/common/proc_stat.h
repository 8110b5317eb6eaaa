/* What the kernel says of a process in /proc/PID/stat. Thread-safe; keeps errno of what failed. */
#ifndef TRANCHE_PROC_STAT_H
#define TRANCHE_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>

struct proc_stat {
    char state;           /* as in ps: R S D Z T X … */
    uint32_t parent;      /* its pid; 0: none that can be seen from here */
    uint64_t threads;     /* of the process */
    uint64_t start_ticks; /* clock ticks after boot, in the time namespace of who asks */
};

/* tid: a thread of it, 0: the process. 0, or -1 (errno): it is gone, hidden, or cannot be read for want of something. */
int proc_stat_read(uint32_t pid, uint32_t tid, struct proc_stat *out);

/* A dead first thread shows as Z while other threads run on: then the program is alive. */
static inline bool proc_stat_is_dead(const struct proc_stat *stat)
{
    return (stat->state == 'Z' || stat->state == 'X') && stat->threads <= 1;
}

#endif
