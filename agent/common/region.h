/* The memory that agent and shim share. This header is a contract: change it only with REGION_ABI.
 *
 * Three kinds of file, found by path from the runtime directory (see docs/protocol.md):
 *   policy/<slice id>        written by the agent alone, mapped read-only by tenants
 *   usage/<slice id>         written by the tenants of that slice, never mapped by the agent (it uses pread and
 *                            pwrite, so that a tenant that truncates the file can harm nobody but its own slice)
 *   board/<gpu uuid>/<tag>   one line: written by the tenants of the slice that has this tag, read by the others on
 *                            that GPU, which never touch a mapping of it directly (region_line_read), for the same
 *                            reason
 *
 * A slice that changes hands gets a new usage file, a new line and a new tag: a process that has the old ones open
 * keeps nothing that belongs to the next owner. A process that may write a file may write only what is about itself;
 * the agent watches the sizes and cuts back what is too long.
 *
 * Rules
 *   R1  Fixed-width fields, natural alignment, no pointers, no locks, no seqlocks: a process may be killed between any
 *       two instructions, and no other process may have to wait for it or repair more than one word.
 *   R2  Every field that two processes touch is one atomic word; readers never need two words to agree.
 *   R3  Files are created at full size with allocated blocks, under a temporary name, and renamed into place: a
 *       process that can open a file sees it whole.
 *   R4  A file whose magic, ABI or size is not the expected one is not used. A program that was put into a slice whose
 *       files are missing or wrong is refused memory, as on a full card; it is never let through in silence.
 *   R5  Times are CLOCK_MONOTONIC nanoseconds of the host, whatever clock the process is shown: the offset of a time
 *       namespace is subtracted, interposed clocks are not asked (under simulation: the simulated driver's clock). A
 *       stamp is a claim all the same: no difference of two stamps may grant more than a few milliseconds, or hold
 *       anybody for ever.
 *   R6  The kernel says who is alive: a process holds a lock (F_OFD_SETLK) on the byte REGION_LOCK_BYTE(index) of its
 *       usage file for as long as its memory map lives. Pids are for display and for NVML, and are compared only by
 *       processes that share a PID namespace with the entry. */
#ifndef TRANCHE_REGION_H
#define TRANCHE_REGION_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_ABI 4u
#define REGION_POLICY_MAGIC UINT64_C(0x314c4f5048435254) /* "TRCHPOL1" in memory order */
#define REGION_USAGE_MAGIC UINT64_C(0x3147534548435254)
#define REGION_LINE_MAGIC UINT64_C(0x31454e4c48435254)

#define REGION_ID_BYTES 40   /* slice id, NUL-terminated: "s-" and 16 hex digits today */
#define REGION_UUID_BYTES 48 /* "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", NUL-terminated */
#define REGION_NAME_BYTES 64 /* slice name, UTF-8, NUL-terminated */

/* ---- policy ------------------------------------------------------------------------------------------- */

enum region_policy_flag {
    REGION_POLICY_DELETED = 1u << 0, /* the slice is gone: nothing new is admitted, what is held may be freed */
    /* For `run`: start its programs behind the gate, which was proved with this GPU's driver (docs/gate.md); shells of
     * terminals, too. The shim does not look at them. */
    REGION_POLICY_GATE_PROGRAMS = 1u << 1,
    REGION_POLICY_GATE_SHELLS = 1u << 2,
};

enum region_priority { REGION_PRIORITY_IDLE = 0, REGION_PRIORITY_NORMAL = 1, REGION_PRIORITY_HIGH = 2 };

#define REGION_POLICY_BYTES 4096u
#define REGION_BOARD_SLOTS 63u

/* A neighbour (another slice of the same GPU) in one word: low 32 bits of its slice tag, then limit (14 bits) and
 * guarantee (14) in basis points, priority (2), and the top bit set. 0: no slice has this line of the board. It stands
 * here and not on the board, because the agent decides what a neighbour may claim. */
#define REGION_NEIGHBOUR_PRESENT (UINT64_C(1) << 63)
#define REGION_NEIGHBOUR(tag, limit_bp, guarantee_bp, priority)                                                       \
    (REGION_NEIGHBOUR_PRESENT | (uint64_t)((priority)&3u) << 60 | (uint64_t)((guarantee_bp)&0x3fffu) << 46 |          \
     (uint64_t)((limit_bp)&0x3fffu) << 32 | ((tag)&UINT64_C(0xffffffff)))
#define REGION_NEIGHBOUR_TAG(word) ((word)&UINT64_C(0xffffffff))
#define REGION_NEIGHBOUR_LIMIT_BP(word) ((uint32_t)((word) >> 32) & 0x3fffu)
#define REGION_NEIGHBOUR_GUARANTEE_BP(word) ((uint32_t)((word) >> 46) & 0x3fffu)
#define REGION_NEIGHBOUR_PRIORITY(word) ((uint32_t)((word) >> 60) & 3u)

struct region_policy {
    uint64_t magic;
    uint32_t abi;
    uint32_t bytes; /* REGION_POLICY_BYTES */
    /* Incremented after the fields below were stored; sleepers wait on it with FUTEX_WAIT (shared), and the agent
     * wakes all. */
    _Atomic uint32_t epoch;
    _Atomic uint32_t flags;
    _Atomic uint64_t revision; /* of the slice record, for display */
    _Atomic uint64_t memory_limit_bytes;
    _Atomic uint64_t residue_bytes; /* what NVML sees beyond the tenants' own ledger; counts against the limit */
    _Atomic uint64_t gpu_capacity_bytes;
    _Atomic uint32_t compute_limit_bp;     /* basis points of GPU time, 1..10000; 10000 = no limit */
    _Atomic uint32_t compute_guarantee_bp; /* 0..compute_limit_bp */
    _Atomic uint32_t priority;             /* enum region_priority */
    uint32_t board_slot;                   /* index of this slice's line on its GPU's board */
    _Atomic uint32_t owner_uid;
    uint32_t reserved0;
    char slice_id[REGION_ID_BYTES];
    char gpu_uuid[REGION_UUID_BYTES];
    char name[REGION_NAME_BYTES];   /* at creation; a later rename shows in the agent only */
    _Atomic uint64_t context_bytes; /* what one CUDA context takes on this GPU, the least seen; 0: not known yet */
    /* How often residue_bytes was confirmed. A tenant's estimate counts beside it until a measurement that began after
     * the estimate was made has been confirmed. */
    _Atomic uint64_t residue_sequence;
    _Atomic uint64_t neighbours[REGION_BOARD_SLOTS]; /* indexed by line of the board; this slice's own is 0 */
    /* Names the slice's line on the board; a new one whenever the slice changes hands. REGION_NEIGHBOUR_TAG of it is
     * in the neighbours' words. Never 0. */
    _Atomic uint64_t tag;
    /* The agent's clock when it last measured (at least once a second while it runs), by R5. For plausibility only. */
    _Atomic uint64_t agent_clock_ns;
    uint8_t reserved[REGION_POLICY_BYTES - 768];
};

/* ---- usage -------------------------------------------------------------------------------------------- */

#define REGION_USAGE_ENTRIES 256u
#define REGION_PRICE_ENTRIES 1024u

/* An entry belongs to one process, which its token names, and counts while the token is there and not CLAIMING.
 * token = CLAIMING (bit 63) | low 31 bits of the start time in clock ticks (/proc/PID/stat field 22) << 32 | pid, both
 * as the process itself sees them.
 *
 * Life (R6). The lock on REGION_LOCK_BYTE(index) is a write lock of an open file description that is mapped once with
 * MADV_DONTFORK and whose descriptor is closed: it goes when the process ends or execs, is not inherited by fork, is
 * not lost by a program that closes descriptors, and looks the same from every namespace. An entry that has a lock
 * says REGION_ENTRY_LOCKED; where the kernel gives none (before 3.15, some sandboxes) the flag is absent.
 *   claim:  take the lock; then CAS 0 or a dead token -> token|CLAIMING; zero the fields; store token
 *   leave:  CAS token -> 0; drop the lock
 *   reap:   LOCKED: only the process that gets the lock itself may store 0, and then drops it.
 *           not LOCKED: by token, and only by processes whose pid_namespace is the entry's; no other judges it.
 * A process that finds another token in its own entry (somebody wrote into it) claims it again with its bytes before
 * it decides anything; the entry never counts as free.
 * Each step is one word, so that nothing can be left half done, and a reaped entry takes all its bytes with it. */
#define REGION_CLAIMING (UINT64_C(1) << 63)
#define REGION_LOCK_BYTE(index) ((INT64_C(1) << 40) + (index))

struct region_entry {
    _Atomic uint64_t token;
    _Atomic uint64_t memory_bytes; /* admitted and not yet given back, requests in flight included */
    /* Low 48 bits: of memory_bytes, those of requests still being decided, so that a peer that sees them tries again.
     * High 16 bits: requests taken back so far, so that a peer notices one that came and went between two of its
     * readings. */
    _Atomic uint64_t pending_bytes;
    _Atomic uint64_t denied_count;
    _Atomic uint64_t denied_bytes; /* size of the last denied request */
    _Atomic uint64_t denied_at_ns;
    _Atomic uint64_t charged_ns;         /* GPU time charged since the entry was claimed */
    _Atomic uint64_t throttled_ns;       /* wall time spent waiting for the compute limit */
    _Atomic uint64_t throttled_since_ns; /* 0, or when the present wait began */
    _Atomic uint64_t launches;
    _Atomic uint64_t claimed_at_ns;
    _Atomic uint64_t seen_epoch; /* the policy epoch this process last acted on */
    _Atomic uint32_t flags;      /* enum region_entry_flag */
    _Atomic uint32_t held_by;    /* enum region_held_by, of the latest wait */
    /* What this process is expected to hold beyond memory_bytes (contexts, stacks, code) and nobody has measured yet.
     * Counts against the limit while the policy's residue_sequence is below estimate_until; estimate_until is stored
     * first, so that a reader in between sees too much rather than too little. */
    _Atomic uint64_t estimate_bytes;
    _Atomic uint64_t estimate_until;
    /* For a program on several GPUs: high 16 bits which program, low 48 bits how many collectives it has launched
     * here. */
    _Atomic uint64_t meetings;
    _Atomic uint64_t pid_namespace; /* inode of /proc/self/ns/pid that the token's pid is of; 0: not known */
    /* REGION_ENTRY_WAITS is believed only for a few milliseconds after this: a stopped process cannot clear it. */
    _Atomic uint64_t waits_at_ns;
    uint64_t reserved[6];
};

enum region_entry_flag {
    REGION_ENTRY_LIMIT_NOT_HELD = 1u << 0, /* a wait hit its bound: to be shown */
    REGION_ENTRY_WAITS = 1u << 1,          /* waits for compute right now */
    REGION_ENTRY_LOCKED = 1u << 2,         /* its lock says whether it lives */
    /* A second entry of that process, written and locked by the supervisor that stands between it and the driver
     * (docs/gate.md): what it holds beyond its own entry. It is charged no GPU time. */
    REGION_ENTRY_GATE = 1u << 3,
};

/* Why a launch had to wait. */
enum region_held_by {
    REGION_HELD_BY_NOTHING = 0,
    REGION_HELD_BY_LIMIT = 1,     /* its slice's own limit */
    REGION_HELD_BY_PRIORITY = 2,  /* a neighbour of higher priority has work */
    REGION_HELD_BY_GUARANTEE = 3, /* a neighbour uses its guarantee */
    REGION_HELD_BY_PEER = 4,      /* the program's slice on another GPU is in debt (all wait), or a peer goes first */
};

/* GPU time of one kernel or graph, learned in the running program and shared inside the slice. Filled once (key by
 * CAS), then updated in place; a torn or lost update costs accuracy, never safety. */
struct region_price {
    _Atomic uint64_t key; /* hash of code identity and launch shape; 0 = free */
    _Atomic uint64_t price_ns;
    _Atomic uint32_t samples;
    _Atomic uint32_t flags;
    _Atomic uint64_t spent_ns; /* charged through this price so far */
};

struct region_usage {
    uint64_t magic;
    uint32_t abi;
    uint32_t bytes;                /* sizeof(struct region_usage) */
    _Atomic uint32_t entries_high; /* entries at and above this index were never claimed */
    uint32_t reserved0;
    /* The slice's token bucket, in nanoseconds of GPU time. level may be negative: debt is paid later. The process
     * that wins the CAS on refilled_at_ns adds the tokens of that interval; if it is killed in between, they are lost,
     * at most a few milliseconds' worth. */
    _Atomic int64_t bucket_level_ns;
    _Atomic uint64_t bucket_refilled_at_ns;
    _Atomic uint32_t price_correction_bp; /* 10000 = prices are right; measured over charged, per slice */
    _Atomic uint32_t bucket_limit_bp;     /* the limit under which the level was saved up; 0: not said yet */
    uint8_t reserved[4096 - 48];
    struct region_entry entries[REGION_USAGE_ENTRIES];
    struct region_price prices[REGION_PRICE_ENTRIES];
};

/* ---- board: one line per slice ------------------------------------------------------------------------ */

/* A claim counts only as far as the claimer's policy allows and only until claim_until_ns (about 5 ms ahead), so a
 * dead or lying tenant takes nothing from another's guarantee. */
struct region_board_slot {
    _Atomic uint64_t slice_tag;      /* hash of the slice id, 0 = unused */
    _Atomic uint64_t claim_until_ns; /* has work, or is expected to have some, until then */
    _Atomic uint64_t waits_since_ns; /* 0, or since when it is held back */
    _Atomic uint64_t charged_ns;
    _Atomic uint64_t in_flight_ns; /* priced work issued and not known to be finished */
    /* Until then it has more work than it is given, though its own limit would allow more. */
    _Atomic uint64_t hungry_until_ns;
    _Atomic uint64_t behind_until_ns; /* until then: has had less than its guarantee of late, and has work */
    uint64_t reserved;
};

#define REGION_LINE_BYTES 4096u

/* One file per slice, so that its owner can write about itself alone. The tag in it is compared with the neighbour's
 * word, which the agent writes. */
struct region_line {
    uint64_t magic;
    uint32_t abi;
    uint32_t bytes;
    uint64_t reserved0[6];
    struct region_board_slot line;
    uint8_t reserved1[REGION_LINE_BYTES - 128];
};

_Static_assert(sizeof(struct region_policy) == REGION_POLICY_BYTES, "policy layout");
_Static_assert(offsetof(struct region_policy, epoch) == 16, "policy layout");
_Static_assert(offsetof(struct region_policy, memory_limit_bytes) == 32, "policy layout");
_Static_assert(offsetof(struct region_policy, slice_id) == 80, "policy layout");
_Static_assert(offsetof(struct region_policy, context_bytes) == 232, "policy layout");
_Static_assert(offsetof(struct region_policy, neighbours) == 248, "policy layout");
_Static_assert(offsetof(struct region_policy, tag) == 752, "policy layout");
_Static_assert(sizeof(struct region_entry) == 192, "entry layout");
_Static_assert(sizeof(struct region_price) == 32, "price layout");
_Static_assert(offsetof(struct region_usage, entries) == 4096, "usage layout");
_Static_assert(sizeof(struct region_usage) == 4096 + 192 * REGION_USAGE_ENTRIES + 32 * REGION_PRICE_ENTRIES,
               "usage layout");
_Static_assert(sizeof(struct region_board_slot) == 64, "board layout");
_Static_assert(offsetof(struct region_line, line) == 64, "line layout");
_Static_assert(sizeof(struct region_line) == REGION_LINE_BYTES, "line layout");

#endif
