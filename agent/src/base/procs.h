/* What we know of processes on this host. /proc is read once per process; after that a pidfd tells when it is gone
 * (kernels before 5.3: its start time is compared once a second).
 *
 * Deaths of watched processes make themselves heard: their pidfds are in an epoll set of their own, `deaths_fd`, that
 * becomes readable. Without a pidfd a watched process is asked for by kill(pid, 0) every POLL_DEATHS_MS, 0.3 us each; a
 * zombie, which that does not tell from the living, is found by the comparison once a second. */
#ifndef TRANCHE_PROCS_H
#define TRANCHE_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/workload.h"
#include "text.h"

/* The process of a usage entry's token (agent/common/region.h). Tenants write tokens: whatever one wrote, it is never
 * negative as a pid_t. */
static inline uint32_t token_pid(uint64_t token)
{
    return (uint32_t)(token & 0x7fffffffu);
}

#define PROCS_MAX 1024
#define POLL_DEATHS_MS 50
#define PROC_GROUP_BYTES 160

struct proc {
    pid_t pid;
    uint64_t start_ticks;
    uid_t uid;
    bool uid_known;
    int pidfd; /* -1: none */
    bool watched;
    bool gone; /* kill(pid, 0) said so */
    bool is_filtered;
    int64_t filter_at_ms;         /* when that was asked for last; 0: never */
    char group[PROC_GROUP_BYTES]; /* its control group (v2); "": not known, or a longer path */
    int64_t group_at_ms;          /* as filter_at_ms */
    int64_t checked_at_ms, command_at_ms, used_at_ms;
    int64_t started_at_ms; /* wall clock */
    char command[TEXT_SHOWN_BYTES + 1];
    struct workload workload;
};

struct procs {
    struct proc **items;
    size_t count, cap;
    uint64_t pid_namespace; /* our own, as region_entry has it; 0: not known */
    int64_t boot_time_ms;
    long ticks_per_second;
    int deaths_fd;       /* -1: none; everything is then polled */
    size_t polled_count; /* watched processes that have no pidfd */
    int64_t polled_at_ms;
};

int procs_init(struct procs *procs);
void procs_free(struct procs *procs);

/* The living process with this pid, or NULL when there is none (or no room). Valid until the next call here. */
struct proc *procs_get(struct procs *procs, pid_t pid, int64_t mono_ms);

/* From now on procs_deaths tells when it is gone. */
void procs_watch(struct procs *procs, struct proc *proc);

/* How many watched processes have died since the last call; each is told once. */
size_t procs_deaths(struct procs *procs, int64_t mono_ms);

/* Its command line, read again when it is older than ten seconds: programs rename themselves. */
const char *procs_command(struct proc *proc, int64_t mono_ms);

/* What it belongs to; as old as its command line. */
const struct workload *procs_workload(struct proc *proc, int64_t mono_ms);

/* Whether the kernel keeps it behind a seccomp filter. Once it is, it is for good; until then it is asked again each second. */
bool procs_is_filtered(struct proc *proc, int64_t mono_ms);

/* Whether it is in the control group (v2) of this path, as seen from the hierarchy's root; as old as a second. */
bool procs_is_in_group(struct proc *proc, const char *path, int64_t mono_ms);

/* Forgets what nobody asked for in the last `unused_ms`. */
void procs_prune(struct procs *procs, int64_t mono_ms, int64_t unused_ms);

/* Does its own environment say that it was put into this slice? 1, or -1 (errno EACCES: it may not be read). No path from
 * it is followed. */
/* (slice_id NULL: into any.) */
signed char procs_names_slice(const struct proc *proc, const char *slice_id);

/* Start time in clock ticks (field 22 of /proc/PID/stat), 0 or -1 when there is no such process. */
int procs_start_ticks(pid_t pid, uint64_t *out);

/* What the kernel says of it whether or not it hides its memory (then its files in /proc are root's): the user who runs it,
 * and its parent. 0, or -1: there is no such process. */
int procs_status(pid_t pid, uid_t *real_uid, pid_t *parent);

/* Is it in the control group of this path, or in one below it? */
bool procs_in_group(pid_t pid, const char *group);

/* True while the process that a region token names is alive; *proc may be NULL. */
bool procs_token_alive(struct procs *procs, uint64_t token, int64_t mono_ms, struct proc **proc);

#endif
