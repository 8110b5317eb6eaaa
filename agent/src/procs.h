/* What we know of processes on this host. /proc is read once per process; after that a pidfd tells when it is gone
 * (kernels before 5.3: its start time is compared once a second). */
#ifndef TRANCHE_PROCS_H
#define TRANCHE_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "text.h"

#define PROCS_MAX 1024

struct proc {
    pid_t pid;
    uint64_t start_ticks;
    uid_t uid;
    bool uid_known;
    int pidfd; /* -1: none */
    int64_t checked_at_ms, command_at_ms, used_at_ms;
    int64_t started_at_ms; /* wall clock */
    char command[TEXT_SHOWN_BYTES + 1];
};

struct procs {
    struct proc **items;
    size_t count, cap;
    int64_t boot_time_ms;
    long ticks_per_second;
};

int procs_init(struct procs *procs);
void procs_free(struct procs *procs);

/* The living process with this pid, or NULL when there is none (or no room). Valid until the next call here. */
struct proc *procs_get(struct procs *procs, pid_t pid, int64_t mono_ms);

/* Its command line, read again when it is older than ten seconds: programs rename themselves. */
const char *procs_command(struct proc *proc, int64_t mono_ms);

/* Forgets what nobody asked for in the last `unused_ms`. */
void procs_prune(struct procs *procs, int64_t mono_ms, int64_t unused_ms);

/* Start time in clock ticks (field 22 of /proc/PID/stat), 0 or -1 when there is no such process. */
int procs_start_ticks(pid_t pid, uint64_t *out);

/* True while the process that a region token names is alive; *proc may be NULL. */
bool procs_token_alive(struct procs *procs, uint64_t token, int64_t mono_ms, struct proc **proc);

#endif
