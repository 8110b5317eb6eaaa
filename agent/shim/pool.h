/* Stream-ordered memory. A pool is charged what the driver has reserved for it, not what the program uses of it: freed
 * memory stays in the pool until a synchronization that nobody tells us of. So the ledger follows growth at once, and
 * shrinkage whenever somebody asks (charge_recount).
 *
 * Growth is noticed without asking the driver each time: an address inside memory that the pool was seen to own is no
 * growth. All pools and their blocks have one lock: an allocation and a free lock once each. It is held for a few
 * instructions, never across a call of the driver or an admission. */
#ifndef TRANCHE_POOL_H
#define TRANCHE_POOL_H

#include "cuda_min.h"
#include "ledger.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct process;

#define POOLS 256u
#define POOL_EXTENTS 32u
#define POOL_DEVICES 64u
/* Pools grow by this much, as measured on driver 580: what is unused of the last piece may lie beyond the limit, once in
 * a process, so that the last bytes of a slice are not lost to the step. */
#define POOL_STEP (UINT64_C(32) << 20)

struct pool_extent {
    uint64_t start;
    uint64_t end;
};

struct pool {
    _Atomic(CUmemoryPool) handle; /* NULL: free place */
    bool ignored;                 /* on the host, imported, or nobody's */
    bool refuses;                 /* on a GPU that is not ours: gives nothing */
    bool destroyed;               /* lives until its last block is freed */
    uint32_t slice;
    uint32_t version; /* bumped with charged, so that an older reading of the driver does not overwrite a newer */
    uint64_t blocks;
    /* Written under the lock. Read without it before an allocation: whoever is wrong there sees the pool grow. */
    _Atomic uint64_t used;
    _Atomic uint64_t charged; /* in the ledger */
    uint64_t unpaid;          /* reserved by the driver, no room for it in the ledger */
    uint32_t extent_count;
    struct pool_extent extents[POOL_EXTENTS];
};

struct pools {
    atomic_flag busy;                             /* guards what follows */
    struct ledger_table blocks;                   /* address -> bytes, and for a tag the place of its pool */
    _Atomic uint32_t count;                       /* places at and above were never used */
    _Atomic uint64_t unpaid;                      /* of all */
    _Atomic(struct pool *) current[POOL_DEVICES]; /* that cuMemAllocAsync takes from; NULL: ask */
    struct pool items[POOLS];
};

/* Memory of graphs on one device: reserved at upload or launch, kept until trimmed. */
struct graph_memory {
    atomic_flag busy;
    uint32_t version;
    uint64_t charged;
    uint64_t held; /* of that, by graphs that allocated and did not free: nobody else can have it meanwhile */
};

/* What the driver knows as handle; NULL: never seen. NULL of pool_add: no place is left. slice:
 * SHIM_NO_DEVICE where its memory is nobody's. */
struct pool *pool_find(struct process *process, CUmemoryPool handle);
struct pool *pool_add(struct process *process, CUmemoryPool handle, int slice);
/* Before and after the driver ends it (gone: it did), and after it trimmed it. */
void pool_ending(struct process *process, struct pool *pool);
void pool_ended(struct process *process, struct pool *pool, CUmemoryPool handle, bool gone);
void pool_trimmed(struct process *process, struct pool *pool);

/* One allocation: begin, the driver, end. Declared here, used by hook_pool.c alone. */
struct pool_request {
    struct process *process;
    struct pool *pool;
    uint64_t bytes;
    uint64_t paid; /* reserved in the ledger for this call */
};

/* A free, on every path that takes such blocks: begin, the driver, end. false: no block of a pool, nothing to end. */
struct pool_free {
    struct process *process;
    CUdeviceptr address;
    struct ledger_value block;
    bool ending; /* of a pool that is destroyed: with its last block it ends */
};
bool pool_free_begin(struct pool_free *request, struct process *process, CUdeviceptr address);
void pool_free_end(const struct pool_free *request, CUresult result);

/* Reads the reserved bytes of all pools of a slice anew; true if the ledger became smaller. */
bool pools_recount(struct process *process, unsigned slice);
/* There is room again in the table of blocks. */
bool pools_relieve(struct process *process);
/* What they are charged now. */
uint64_t pools_charged(struct process *process, unsigned slice);
/* Gives back what no program uses. */
void pools_trim(struct process *process, unsigned slice);
/* true: frees are still on their way in some stream, so that a synchronization would give memory back. */
bool pools_pending(struct process *process, unsigned slice);

/* hook_graphs.c */
bool graphs_recount(struct process *process, unsigned slice);
uint64_t graphs_charged(struct process *process, unsigned slice);

#endif
