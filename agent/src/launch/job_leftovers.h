/* What a job's program leaves behind: a process group is not a job. Workers take sessions and groups of their own, and are
 * the supervisor's descendants all the same, who adopts what loses its parent (PR_SET_CHILD_SUBREAPER); what was started
 * by way of somebody else (a service, a container's daemon) carries the run's TRANCHE_GROUP. One look at /proc finds both,
 * among the processes of this user. */
#ifndef TRANCHE_JOB_LEFTOVERS_H
#define TRANCHE_JOB_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LEFTOVERS_MAX 512

struct leftovers {
    pid_t pids[LEFTOVERS_MAX];
    size_t count;
};

/* Living processes of the run that began with `program` at started_s (Unix seconds), the program itself included, and
 * without its supervisor at the kernel's boundary (0: it has none). */
void leftovers_find(pid_t program, int64_t started_s, pid_t gate, struct leftovers *out);

/* "fill (4711), sleep (4712) and 3 more"; those of process group `group` are not named (0: all are). How many. */
size_t leftovers_names(const struct leftovers *leftovers, pid_t group, char *out, size_t cap);

/* To each of them, but for those of `told`, and of process group `group` (0: none), who have had it: a program that saves
 * its work at the first SIGTERM may end at once at the second. */
void leftovers_signal(const struct leftovers *leftovers, const struct leftovers *told, pid_t group, int number);

#endif
