/* The shim's own state: what the environment and the shared files say (struct shim), and what belongs to this process
 * alone and must not survive a fork (struct process). */
#ifndef TRANCHE_SHIM_H
#define TRANCHE_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"
#include "core/ledger.h"
#include "core/lines.h"
#include "core/meter.h"
#include "core/pool_state.h"
#include "life.h"
#include "region.h"

#define SHIM_SLICES 16u  /* GPUs, and so slices, in one process */
#define SHIM_DEVICES 64u /* CUDA ordinals that are told apart */
#define SHIM_CAPTURES 32u
#define SHIM_HANDLES 64u /* NVML handles that are told apart */
#define SHIM_PATH_BYTES 512

struct shim_slice {
    const struct region_policy *policy;
    struct region_usage *usage;
    /* Nothing is held open: programs close descriptors that they do not know, and reuse the numbers. */
    char usage_path[SHIM_PATH_BYTES];
    struct life_file usage_file;
    char board_path[SHIM_PATH_BYTES]; /* folder of the lines; empty: too long to be had */
};

/* A slice that was named and whose files cannot be had now. */
struct shim_missing {
    char id[REGION_ID_BYTES]; /* empty: found meanwhile, or no id at all */
};

struct shim {
    _Atomic unsigned slice_count; /* those that are mapped; more may come */
    _Atomic unsigned missing;     /* those that are not: what is on no GPU of the others may be on theirs */
    unsigned missing_count;       /* places below */
    _Atomic int completing;
    char directory[SHIM_PATH_BYTES]; /* a copy: the program may change its environment */
    struct shim_missing missing_ids[SHIM_SLICES];
    uint32_t counts_bp; /* the part of the GPU that this program's kernels take: 10000 unless it runs beside others */
    uint64_t group;     /* of a program with several slices; 0: not known */
    _Atomic bool is_gated; /* a supervisor counts what the driver gives: nothing has to be estimated */
    struct shim_slice slices[SHIM_SLICES];
};

/* What launches and allocations look at comes first and lies on one page: after a driver's call a page is as cold as a
 * line, and dearer. */
struct process {
    const struct shim *shim;
    /* Where each slice's compute limit stands: what a launch looks at first. */
    const _Atomic uint32_t *limits[SHIM_SLICES];
    _Atomic(struct region_entry *) entries[SHIM_SLICES]; /* ask shim_entry before anything is decided */
    uint64_t token;
    uint32_t pid;
    _Atomic int captures;                             /* under way in this process */
    _Atomic(backend_stream) capturing[SHIM_CAPTURES]; /* where they began, as far as there is room to remember */
    _Atomic int devices;                              /* visible to this process; 0: not asked yet */
    struct pools pools;                               /* stream-ordered memory */
    struct ledger blocks;                             /* device address -> bytes; its context */
    struct ledger handles;                            /* cuMemCreate handle -> bytes, references */
    struct ledger mappings;                           /* mapped address -> handle */
    struct ledger tiles;                              /* part of a sparse array -> handle */
    struct ledger arrays;                             /* array or mipmapped array -> bytes */
    struct ledger graphs;                             /* executable graph -> bytes its allocation nodes may need */
    struct ledger codes;                              /* module, library, function -> what code it is */
    struct ledger graph_blocks;                       /* address that a graph keeps -> bytes, the graph, its device */
    struct graph_memory graph[SHIM_DEVICES];          /* per device: the driver keeps it apart from the pools */
    _Atomic uint8_t device_slice[SHIM_DEVICES];       /* 0 not known to be ours, 1 + slice */
    _Atomic(backend_context) primary[SHIM_DEVICES];
    struct meter meters[SHIM_SLICES];
    struct meter_shared metering;
    struct life_place places[SHIM_SLICES];
    void *kept[SHIM_SLICES]; /* what holds the lock of each entry */
    _Atomic int claiming[SHIM_SLICES];
    struct lines lines[SHIM_SLICES];
};
_Static_assert(offsetof(struct process, pools) + offsetof(struct pools, items) + sizeof(struct pool) <= 4096,
               "the first pool lies on the first page");

/* NULL: this process was put into no slice (or Tranche is switched off), forward everything. */
const struct shim *shim_get(void);
/* From now on a supervisor counts what the driver gives this process (docs/gate.md). Before its first context. */
void shim_come_behind_gate(const struct shim *shim);

/* One page that a forked child finds zeroed, so that it never takes its parent's entry or ledger for its own. */
struct shim_fork_page {
    _Atomic(struct process *) process;
    _Atomic uint32_t building;
};
extern _Atomic(struct shim_fork_page *) shim_fork_page;
extern _Atomic uint32_t shim_fork_page_pid; /* not 0: the kernel cannot wipe, compare pids instead */
struct process *shim_process_slow(void);

/* This process's state, only if it has been made already: for those who just look. */
static inline struct process *shim_process_peek(void)
{
    struct shim_fork_page *page = atomic_load_explicit(&shim_fork_page, memory_order_acquire);
    bool ours = page && atomic_load_explicit(&shim_fork_page_pid, memory_order_relaxed) == 0;
    return ours ? atomic_load_explicit(&page->process, memory_order_acquire) : NULL;
}

/* This process's state, made on first use and after a fork; where it cannot be made now, one that refuses all memory.
 * NULL: as shim_get. On the path of every launch. */
static inline struct process *shim_process(void)
{
    struct process *process = shim_process_peek();
    return __builtin_expect(!!process, 1) ? process : shim_process_slow();
}

/* Maps slices that could not be mapped before, if their files are there by now. true: there is one more. */
bool shim_complete(struct process *process);

/* There is no such device, or none is current: what is asked is the driver's to refuse. */
#define SHIM_NO_DEVICE (-1)
/* A GPU of none of the program's slices, or of one that cannot be had now: it has no memory for this program. */
#define SHIM_NOT_OURS (-2)

#endif
