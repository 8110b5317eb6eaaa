/* Everything that the agent knows hangs off struct agent: one process, one thread, one loop. */
#ifndef TRANCHE_AGENT_STATE_H
#define TRANCHE_AGENT_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/accounts.h"
#include "base/people.h"
#include "base/places.h"
#include "base/procs.h"
#include "gpu/gpu.h"
#include "json.h"
#include "region.h"
#include "sim_api.h"
#include "state/escape_rule.h"
#include "state/queue.h"
#include "state/quota.h"
#include "state/slice.h"

#define REQUEST_LINE_MAX_BYTES (8u * 1024)
#define CLIENTS_MAX 128
#define CLIENTS_RESERVED 32 /* beside them, for root, the manager and operators */
#define PEERS_MAX (CLIENTS_MAX + CLIENTS_RESERVED + QUEUE_JOBS_MAX)
#define OPERATORS_MAX 64
#define PROCESS_ROWS_MAX 512
#define CONTEXT_LEAST_BYTES (UINT64_C(16) << 20) /* no CUDA context is smaller; the rest is noise */
#define CONTEXT_MOST_BYTES (UINT64_C(2) << 30)   /* nor larger: who stands still with more holds something else */

struct concurrent;
struct door_settings;
struct doorman;
struct escapes;
struct fault_log;
struct hours;
struct jobs;
struct peer;
struct scopes;
struct shared_line;

/* Whether the gate was seen to hold with a driver (cards/gate_proofs.h). */
enum gate_standing { GATE_UNTRIED, GATE_PROVED, GATE_NOT_PROVED };

/* Whether a driver keeps limits of control groups itself, and was seen to (slices/kernel_proof.h). */
enum kernel_standing { KERNEL_UNTRIED, KERNEL_ABSENT, KERNEL_PROVED, KERNEL_NOT_PROVED };
#define KERNEL_WHY_BYTES 320

/* A backend as it stands on this host. */
struct backend_state {
    const struct gpu_backend *backend;
    bool open;
    char note[256]; /* why its driver is not open, or "" */
    char driver[88];
    int64_t retry_at_ms; /* monotonic: when the driver is looked for again */
    enum gate_standing gate;
    char gate_driver[88];  /* with which it was tried */
    char gate_note[640];   /* what was seen, or why it was not tried, in sentences; "": not yet */
    uint32_t gate_tries;   /* with this driver */
    int64_t gate_again_ms; /* monotonic: when it is tried next, unless it was proved */
    enum kernel_standing kernel;
    char kernel_driver[88];             /* with which it was tried */
    char kernel_note[KERNEL_WHY_BYTES]; /* as gate_note */
    uint32_t kernel_tries;
    int64_t kernel_again_ms;
};

struct gpu_state {
    struct backend_state *kind; /* whose GPU it is; never NULL */
    struct gpu_info info;       /* its index counts all GPUs of the host, */
    uint32_t handle;            /* and this is its index at its backend */
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

/* Somebody who may change slices: operators.h. */
struct operator
{
    uid_t uid;
    char name[OWNER_BYTES]; /* when the operator was named; "" in files of before */
    bool is_other;          /* the uid is another person's by now, who is no operator */
};

struct agent {
    struct places places;
    char manager_name[OWNER_BYTES];
    char host_name[72];
    int epoll_fd, listen_fd, signal_fd, lock_fd;
    bool leaving;
    const char *leave_reason;

    struct backend_state backends[GPU_BACKENDS_MAX];
    size_t backend_count;
    char gpu_note[256]; /* why there is no GPU at all, or "" */
    char driver[88];    /* of the first backend that is open */
    struct gpu_state gpus[GPU_MAX];
    size_t gpu_count;
    struct gpu_partition partitions[GPU_PARTITIONS_MAX];
    size_t partition_count;
    int64_t partitions_at_ms; /* monotonic: when they were looked for last; 0: not yet */
    const struct tranche_sim_api *simulation;

    /* Each is its own floor's: made when that is loaded. */
    struct fault_log *faults;
    struct door_settings *door_settings;
    struct doorman *doorman;
    struct hours *hours;
    struct jobs *jobs;
    struct escapes *escapes;
    struct concurrent *concurrent; /* GPU_MAX of them */
    size_t concurrent_count;
    struct scopes *scopes;
    int64_t scopes_at_ms, scopes_swept_ms; /* monotonic: when scopes are looked at again, missing ones and leftovers */

    struct slice_table slices;
    int64_t prune_at_ms;
    bool pending_unsaved; /* a waiting shrink took effect; saved with the next edit or prune */

    struct procs procs;
    bool deaths_waiting;
    int64_t deaths_at_ms; /* monotonic, when deaths were last dealt with */
    struct operator operators[OPERATORS_MAX];
    size_t operator_count;
    int64_t people_checked_ms; /* monotonic: when uids were last compared with names */
    char state_notes[1024];    /* what was not right in the small files of the state, in sentences, or "" */
    struct quota quotas[QUOTAS_MAX];
    size_t quota_count;
    int64_t job_slots_per_slice;           /* how many jobs of one slice may run at once */
    int64_t memory_overcommit_max_percent; /* of a GPU, by which memory limits may add up; 0: no guard */
    struct escape_settings escape_settings;

    struct peer *peers[PEERS_MAX];
    size_t peer_count, next_peer; /* who is served first in this turn */
    struct accounts accounts;
    int64_t refused_told_ms; /* monotonic, when the log last had a refused connection, */
    size_t refused_untold;   /* and how many there were since */
    /* Hands a line on to everybody who listens (wire/peers.c); NULL: nobody can yet. */
    void (*post)(struct agent *agent, struct shared_line *line);
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

/* The clock that shim and regions use; the simulated driver has its own. */
uint64_t now_region_ns(const struct agent *agent);

/* The GPU with this UUID, or NULL. */
struct gpu_state *agent_gpu(struct agent *agent, const char *uuid);
/* The GPU that this backend calls `handle`, or NULL. */
struct gpu_state *agent_gpu_at(struct agent *agent, const struct backend_state *kind, uint32_t handle);
/* Whether its driver is open, and so whether its readings can be had now. */
bool gpu_is_open(const struct gpu_state *gpu);

#endif
