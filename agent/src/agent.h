/* The agent: one process, one thread, one loop. Everything it knows hangs off struct agent. */
#ifndef TRANCHE_AGENT_H
#define TRANCHE_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounts.h"
#include "failure.h"
#include "faults.h"
#include "gpu.h"
#include "hours.h"
#include "jobs.h"
#include "json.h"
#include "mps.h"
#include "places.h"
#include "procs.h"
#include "quota.h"
#include "slice.h"

#define AGENT_LINE_MAX_BYTES (256u * 1024)
#define REQUEST_LINE_MAX_BYTES (8u * 1024)
#define CLIENTS_MAX 128
#define CLIENTS_RESERVED 32 /* beside them, for root, the manager and operators */
#define PEERS_MAX (CLIENTS_MAX + CLIENTS_RESERVED + QUEUE_JOBS_MAX)
#define OPERATORS_MAX 64
#define PROCESS_ROWS_MAX 512
#define CONTEXT_LEAST_BYTES (UINT64_C(16) << 20) /* no CUDA context is smaller; the rest is noise */
#define CONTEXT_MOST_BYTES (UINT64_C(2) << 30)   /* nor larger: who stands still with more holds something else */

struct peer;

struct gpu_state {
    struct gpu_info info;
    struct gpu_reading reading;
    struct gpu_process *processes; /* last list */
    size_t process_count, process_cap;
    bool processes_known;
    uint64_t context_bytes; /* the least that a process was seen to hold beyond its ledger; 0: none was */
    uint64_t context_now_bytes, context_before_bytes;  /* the same, of this window and of the one before */
    int64_t context_since_ms;                          /* monotonic: when this window began */
    int64_t processes_at_ms, details_at_ms, use_at_ms; /* monotonic */
    struct gpu_process_use *use;
    size_t use_count;
    bool use_known;
    uint64_t unmanaged_bytes;
    bool unmanaged_known;
    int history_fd;
};

/* A line shared by the peers that have yet to get it. */
struct shared_line {
    size_t references, len;
    bool is_minor; /* somebody without rights can cause it at will: the first to go where there is no room */
    char data[];
};

struct agent {
    struct places places;
    char manager_name[OWNER_BYTES];
    char host_name[72];
    int epoll_fd, listen_fd, signal_fd, lock_fd;
    bool leaving;
    const char *leave_reason;

    const struct gpu_backend *backend;
    bool backend_open;
    char gpu_note[256]; /* why there is no GPU, or "" */
    char driver[88];
    int64_t retry_at_ms; /* monotonic: when the driver is looked for again */
    struct gpu_state gpus[GPU_MAX];
    size_t gpu_count;
    struct gpu_mig migs[GPU_MIG_MAX];
    size_t mig_count;
    int64_t migs_at_ms; /* monotonic: when they were looked for last; 0: not yet */
    const struct tranche_sim_api *simulation;

    struct fault_log faults;
    struct hours hours;
    struct jobs jobs;

    struct mps mps[GPU_MAX];
    size_t mps_count;

    struct slice_table slices;
    int64_t prune_at_ms;
    bool pending_unsaved; /* a waiting shrink took effect; saved with the next edit or prune */

    struct procs procs;
    bool deaths_waiting;
    int64_t deaths_at_ms; /* monotonic, when deaths were last dealt with */
    struct operator
    {
        uid_t uid;
        char name[OWNER_BYTES]; /* when he was named; "" in files of before */
        bool is_other;          /* that uid is somebody else by now: he is none */
    }
    operators[OPERATORS_MAX];
    size_t operator_count;
    int64_t people_checked_ms; /* monotonic: when uids were last compared with names */
    char state_notes[1024];    /* what was not right in the small files of the state, in sentences, or "" */
    struct quota quotas[QUOTAS_MAX];
    size_t quota_count;
    int64_t memory_overcommit_max_percent; /* of a GPU, by which memory limits may add up; 0: no guard */

    struct peer *peers[PEERS_MAX];
    size_t peer_count, next_peer; /* who is served first in this turn */
    struct accounts accounts;
    int64_t refused_told_ms; /* monotonic, when the log last had a refused connection, */
    size_t refused_untold;   /* and how many there were since */
    bool state_dirty;
    bool people_dirty; /* the same, but worth a line only every few seconds */
    int64_t people_at_ms;

    uint64_t audit_seq;       /* of the last record */
    int64_t refused_since_ms; /* monotonic; refusals since then, and those that were not recorded */
    int64_t refused_count, refused_omitted;

    uint64_t sample_seq;
    int64_t sampled_at_ms; /* monotonic, the last look at slices and GPUs */
    int64_t history_at_ms; /* wall clock, the next second to record */
    struct json_writer scratch;
};

/* clocks (agent.c): monotonic and wall milliseconds of the host, and the clock that shim and regions use */
int64_t now_mono_ms(void);
int64_t now_wall_ms(void);
int64_t now_mono_ns(void);
uint64_t now_region_ns(const struct agent *agent);

/* agent.c */
/* Runs the agent until it is told to leave. ready_fd >= 0: where to write "ready", "taken" or why it failed; the log
 * then goes to the state directory. Returns the exit status. */
int agent_main(int ready_fd);
struct gpu_state *agent_gpu(struct agent *agent, const char *uuid);
bool agent_is_operator(const struct agent *agent, uid_t uid);

/* gpus.c: opening and closing the driver */
void gpus_open(struct agent *agent);
void gpus_close(struct agent *agent, const char *note, int64_t retry_in_ms);
/* Looks for MIG slices now and then, where a GPU is in MIG mode: administrators make and destroy them at any time. */
void gpus_watch_migs(struct agent *agent, int64_t mono_ms);
void gpus_retry(struct agent *agent, int64_t mono_ms);

/* policy.c: the files that tenants map */
int policy_open(struct agent *agent, struct slice *slice); /* 0 or errno */
void policy_apply(struct agent *agent, struct slice *slice);
/* Whoever has the page open gets nothing more through it, until policy_apply. */
void policy_shut(struct slice *slice);
/* New files for another GPU, closed until policy_apply; the page that was open stays shut for who has it. 0 or errno:
 * then policy_close and policy_open bring back what the slice's record says. */
int policy_move(struct agent *agent, struct slice *slice, const struct slice_record *to);
/* The slice gets another owner: a new usage file, a new line, a new page, closed until policy_apply. `left`: what goes on
 * with the old ones, for programs of the earlier owner, a slice that is in the table already; NULL: nobody is in it.
 * 0 or errno: then policy_take_back brings back what was. */
int policy_hand_over(struct agent *agent, struct slice *slice, const struct slice_record *to, struct slice *left);
void policy_take_back(struct agent *agent, struct slice *slice, const struct slice_record *to, struct slice *left);
/* What is set aside for an earlier owner's programs: it counts against the slice's limit as residue does. */
void policy_set_inherited(struct slice *slice, uint64_t bytes);
void policy_set_limit(struct slice *slice, uint64_t bytes);
/* Tells the slices of a GPU about each other; done by the others wherever a slice of that GPU changes. */
void policy_meet(struct agent *agent, const char *gpu_uuid);
void policy_close(struct agent *agent, struct slice *slice, bool remove_files);
void policy_open_all(struct agent *agent);
int policy_board(struct agent *agent, const char *gpu_uuid); /* makes the board if needed: 0 or errno */
/* A comparison was made: its result, also when it is the same as before. */
void policy_set_residue(struct slice *slice, uint64_t bytes);
/* Tells those who have files of the slice open that were removed, and those who have the new ones, of each other. */
void policy_tell_strays(struct slice *slice);
/* Tells the slice's tenants what a context is known to take on its GPU. */
void policy_set_context(struct agent *agent, struct slice *slice);
void policy_update_access(struct agent *agent, struct slice *slice);
/* Empties an entry of the usage file, if it still bears this token and nobody holds its lock. */
void policy_reap(const struct slice *slice, int usage_fd, unsigned index, uint64_t token);
/* Names its line on the board. */
uint64_t policy_tag(const struct slice *slice);

/* settings.c: what operators set for the whole host. The first keeps defaults and says so if the file is not right. */
#define OVERCOMMIT_MAX_PERCENT 1000
void settings_load(struct agent *agent);
int settings_save(const struct agent *agent, struct failure *failure);
int settings_set_overcommit(struct agent *agent, int64_t max_percent, struct failure *failure);

/* operators.c */
void operators_load(struct agent *agent);
int operators_set(struct agent *agent, const char *names, struct failure *failure);
/* Uids are given out again: compares owners and operators with the system's directory, at the start and now and then. */
#define PEOPLE_CHECK_MS (10 * 60 * 1000)
void people_check(struct agent *agent, int64_t mono_ms);

#endif
