/* Slices: the records that are kept on disk, the table of them in memory, and the journal that undoes edits. */
#ifndef TRANCHE_SLICE_H
#define TRANCHE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/people.h"
#include "life.h"
#include "region.h"

#define SLICES_MAX 504 /* a state line of 256 KiB holds them all */
#define SLICE_NAME_BYTES 48
#define UNDO_TOKEN_BYTES 24
#define UNDO_ENTRIES_MAX 256
#define UNDO_LIFE_MS (10 * 60 * 1000)
#define NO_TIME INT64_C(-1)
#define STATE_FORMAT 1 /* of the table on disk: an agent reads its own and those before it */

/* Which of its programs are held at the kernel's boundary, where the gate of the GPU's backend was proved (docs/gate.md). */
enum slice_gate {
    SLICE_GATE_OFF,
    SLICE_GATE_PROGRAMS, /* that `run` and jobs start, each as a whole */
    SLICE_GATE_SHELLS,   /* those, and the shells of terminals */
};

struct slice_record {
    char id[REGION_ID_BYTES];
    char name[SLICE_NAME_BYTES];
    char gpu_uuid[REGION_UUID_BYTES];
    char owner[OWNER_BYTES];
    char changed_by[OWNER_BYTES];
    uid_t owner_uid;
    uint32_t compute_limit_percent;
    uint32_t compute_guarantee_percent;
    uint32_t priority; /* enum region_priority */
    uint32_t gate;     /* enum slice_gate */
    uint32_t board_slot;
    uint64_t generation; /* how often it has changed hands: another usage file, line and tag each time */
    /* What an earlier owner's programs hold in a slice that has changed hands is a record of its own, `deleted` like one
     * that nobody can enter any more, with the files of its generation: this is the slice's id. "" otherwise. */
    char successor[REGION_ID_BYTES];
    /* The owner's uid is another person's by now, or the owner another uid's: nothing is admitted. Not on disk: it is found
     * out anew (people_check). */
    bool suspended;
    bool deleted; /* kept until its undo has expired and its last process has left */
    uint64_t memory_limit_bytes;
    /* Limit before a shrink that waits until use drops; 0 = none waits. Admission already uses memory_limit_bytes. */
    uint64_t shrinks_from_bytes;
    uint64_t revision;
    int64_t created_at_ms, changed_at_ms;
    int64_t starts_at_ms, expires_at_ms; /* NO_TIME = none */
};

/* What one process of a slice had done when we last looked: rates are differences. */
struct entry_track {
    uint64_t token;
    uint64_t pid_namespace;            /* in which the token's pid means something */
    uint32_t pid;                      /* as we see it; 0: we do not, or not yet */
    uint32_t looked_after;             /* of /proc, in search of it */
    uint64_t charged_ns, throttled_ns; /* throttled includes a wait that goes on */
    uint64_t denied_count;
    uint32_t compute_tenths, throttled_tenths;
    uint32_t held_by; /* enum region_held_by */
    bool rates_known, limit_not_held, seen;
    bool believed;              /* that process is here indeed: not the token alone says so (measure.c) */
    signed char says_so;        /* its own environment: 1 this slice, -1 not, 0 not asked yet */
    bool unreadable;            /* it could not be asked */
    uint64_t memory_bytes;      /* of its entries together */
    uint64_t gate_bytes;        /* of these, those that its supervisor counted beyond its own entry */
    uint64_t gate_denied_count; /* by the supervisor */
    bool is_held;               /* a supervisor says that it answers for it */
    bool is_metered;            /* it has an entry of its own, and so GPU time that it was charged */
    uint64_t handed_bytes;      /* of an earlier owner's process: its part of what they may hold together */
    uint64_t beyond_bytes;      /* what the driver saw of it beyond that, at the last comparison */
};

/* The last look at a slice; figures that could not be had are not known. */
struct slice_measure {
    bool usage_known;
    bool rates_known;
    bool residue_known;
    bool limit_held;
    uint32_t process_count;
    uint32_t compute_tenths, throttled_tenths;
    uint32_t held_by; /* enum region_held_by: of the process that waited longest, if any waited */
    uint64_t ledger_bytes, residue_bytes;
    uint64_t gate_bytes;        /* of the ledger: what supervisors counted beyond what the programs' own entries say */
    uint64_t unwitnessed_bytes; /* of the ledger: of processes that the driver does not list, or nobody knows */
    uint64_t estimate_bytes;    /* what they are expected to hold and nobody has measured yet */
    uint64_t residue_candidate_bytes; /* an increase must be seen twice: the two ledgers are not read at one instant */
    uint64_t denied_count, denied_bytes, denied_at_ns;
    int64_t denied_at_ms;
};

#define ACL_USERS_MAX 8
#define OUTSIDE_LOOKS 3 /* at the driver's figures, before they say anything */

/* What is told of processes in a slice: each kind once a second and slice at most (measure.c). */
enum slice_told { TOLD_DENIED, TOLD_NOT_HELD, TOLD_USES_MORE, TOLD_HOLDS_MORE, TOLD_COUNT };

struct slice_notices {
    int64_t at_ms; /* monotonic; 0: never */
    size_t omitted;
};

/* Files that somebody removed while programs had them open: these go on by them, so they are looked at and written to
 * like the new ones, until nobody has them any more. */
#define SLICE_STRAYS_MAX 4
struct slice_stray {
    struct region_policy *policy;
    int usage_fd; /* -1: only the page was removed, its programs are in the slice's own usage file */
    uint32_t entries_high;
    uint64_t ledger_bytes; /* at the last look */
    bool used;             /* then somebody was in it */
};

struct slice {
    struct slice_record r;
    struct region_policy *policy; /* NULL: its files could not be made; the slice limits nothing until they can */
    int usage_fd;                 /* -1 likewise */
    struct life_file policy_file; /* which file the page is */
    uint32_t entries_high;
    uint32_t line_generation;                    /* how often its line had to be made anew since the agent began */
    struct slice_stray strays[SLICE_STRAYS_MAX]; /* oldest first */
    size_t stray_count;
    uint64_t current_ledger_bytes; /* of the usage file alone, without strays, at the last look */
    uint64_t rates_at_ns;
    uint64_t uncounted_ns;      /* of GPU time, charged and not yet in its owner's hours */
    uint64_t dead_denied_count; /* of processes that have left */
    struct slice_notices told[TOLD_COUNT];
    bool was_trimmed; /* a file of it had been made longer; not told yet */
    struct entry_track *tracks;
    size_t track_count, track_cap;
    size_t left_count;              /* processes that have left, ever */
    uid_t acl_users[ACL_USERS_MAX]; /* who may join, beside the file's owner */
    size_t acl_count;
    /* Of earlier owners' programs that still run: what is set aside for them, and how much of it they use. */
    uint64_t inherited_bytes, inherited_used_bytes;
    uint32_t inherited_count; /* processes */
    uint32_t inherited_tenths;
    /* What its owner\'s processes outside every slice hold, where the rule charges it to this one. */
    uint64_t escaped_bytes;
    /* What the driver says of its processes, beside what they say of themselves. */
    struct {
        uint64_t revision; /* of the slice: with another limit it begins anew */
        uint32_t looks, next;
        uint32_t tenths[OUTSIDE_LOOKS]; /* of the GPU's time, the last looks */
        uint32_t average_tenths;        /* of the GPU's time, over the last looks */
        uint32_t holds_more_looks;
        bool uses_more, holds_more; /* than it may, for some looks in a row */
    } outside;
    bool acl_refused; /* no ACLs on this file system: usage file and line are open to all */
    struct slice_measure m;
    /* The limit that the driver keeps by the slice's control group (slices/kernel_limit.c). */
    struct {
        bool holds, waits;                /* waits: for use to fall to it */
        uint64_t most_bytes;              /* what it is to be, */
        char gpu_uuid[REGION_UUID_BYTES]; /* and where */
        int64_t checked_at_ms;
        char why[320]; /* why it does not hold, or "" */
    } kernel;
    int history_fd; /* 1 s tier, -1 = not open */
};

struct undo_entry {
    char token[UNDO_TOKEN_BYTES];
    int64_t expires_at_ms;
    uint64_t after_revision; /* the edit produced it; undo applies only to it */
    struct slice_record before;
};

struct slice_table {
    struct slice **items;
    size_t count, cap;
    struct undo_entry *undo; /* oldest first */
    size_t undo_count;
    uint64_t revision; /* of the whole table */
    char note[256];    /* what was wrong with the state on disk, or "" */
};

struct slice *slice_find(const struct slice_table *table, const char *id); /* also deleted ones */
struct slice *slice_find_name(const struct slice_table *table, const char *name);
struct slice *slice_add(struct slice_table *table, const struct slice_record *record); /* NULL: no memory */
void slice_remove(struct slice_table *table, struct slice *slice);
void slice_table_free(struct slice_table *table);
bool slice_holds(const struct slice *slice, uint32_t pid); /* the process was in it at the last look */
struct slice *slice_holding(const struct slice_table *table, uint32_t pid); /* the one it was in, or NULL */
bool slice_active(const struct slice_record *record, int64_t now_ms);
/* Its own id, or of which slice it is what an earlier owner's programs hold. */
const char *slice_base_id(const struct slice_record *record);
static inline bool slice_is_left(const struct slice_record *record)
{
    return record->successor[0] != '\0';
}
/* The most that may be held in it: while a shrink waits, the limit before it. */
static inline uint64_t slice_granted_bytes(const struct slice_record *record)
{
    uint64_t limit = record->memory_limit_bytes, before = record->shrinks_from_bytes;
    return before > limit ? before : limit;
}
/* How many share it: itself, and its earlier owners whose programs still run. */
uint32_t slice_generations(const struct slice_table *table, const struct slice_record *record);
/* May anything be admitted? What is left of an earlier owner is open as long as the slice itself is. */
bool slice_is_open(const struct slice_table *table, const struct slice_record *record, int64_t now_ms);
size_t slice_count_on(const struct slice_table *table, const char *gpu_uuid, const struct slice *without,
                      int64_t *guarantees_percent, int64_t *memory_limits_bytes);

#endif
