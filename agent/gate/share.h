/* What stands in a slice's ledger for its gated programs, beyond what the shim put there: contexts, code, and all of a
 * program without the shim.
 *
 * The supervisor has an entry in the slice's usage file for each process that it answers for, under that process's name
 * and marked REGION_ENTRY_GATE, beside the one that the shim may have there. It holds what the gate counted beyond that
 * one: so of each process the larger of both counts, and never both. It grows before the driver is asked, by the
 * admission that everybody goes through; it falls a while after, because the shim takes back what is freed later than
 * the gate does.
 *
 * The file lies where the programs' user can write. Nothing is believed of it: what an entry should hold is worked out
 * anew at each look, and put back. One thread. */
#ifndef TRANCHE_GATE_SHARE_H
#define TRANCHE_GATE_SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs.h"
#include "life.h"
#include "region.h"
#include "supervisor.h"

/* As many processes as a supervisor answers for. */
#define SHARE_PROCESSES_MAX 512u
struct share_process {
    pid_t pid;                     /* 0: free */
    uint64_t bytes;                /* by the gate's count */
    uint64_t token, pid_namespace; /* its name in the file; of one that is gone, the supervisor's */
    bool has_ended;                /* and so has no entry of its own any more */
    bool seen;                     /* in the look that is going on */
    struct region_entry *entry;    /* ours for it; NULL: none yet */
    void *kept;
    uint64_t held_bytes; /* what that is to hold */
    uint64_t last_bytes; /* what the look before found that it should */
};

struct share {
    char runtime[FS_PATH_BYTES], slice_id[REGION_ID_BYTES];
    /* All below is made at the first request, in the supervisor's own process. */
    bool is_open;
    char usage_path[FS_PATH_BYTES];
    const struct region_policy *policy;
    struct region_usage *usage;
    struct life_file file;
    struct share_process processes[SHARE_PROCESSES_MAX];
    uint32_t process_count;
};

/* For this slice, whose files are below the runtime directory. false: a name is too long. */
bool share_init(struct share *share, const char *runtime, const char *slice_id);

/* What a supervisor is to go by: the slice's limit, by way of its ledger. Files, or a place in them, that cannot be had:
 * nothing fits. */
struct gate_policy share_policy(struct share *share);

#endif
