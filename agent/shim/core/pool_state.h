/* Stream-ordered memory. A pool is charged what the driver has reserved for it, not what the program uses of it: freed
 * memory stays in the pool until some synchronization, of which nobody tells us. So the ledger follows growth at once,
 * and shrinkage whenever somebody asks (charge_recount).
 *
 * Growth is noticed without asking the driver each time: an address inside memory that the pool was seen to own is no
 * growth. All pools and their blocks have one lock, which an allocation and a free take once each. It is held for a
 * few instructions, never across a call of the driver or an admission. */
#ifndef TRANCHE_POOL_STATE_H
#define TRANCHE_POOL_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"
#include "core/ledger.h"

#define POOLS 256u
#define POOL_EXTENTS 32u
#define POOL_DEVICES 64u
/* Pools grow by this much, as measured on driver 580. The unused part of the last step may lie beyond the limit, once
 * in a process, so that the last bytes of a slice are not lost to the step. */
#define POOL_STEP (UINT64_C(32) << 20)

struct pool_extent {
    uint64_t start;
    uint64_t end;
};

struct pool {
    _Atomic(backend_pool) handle; /* NULL: this place is free */
    bool ignored;                 /* not charged: on the host, imported, or of no slice */
    bool refuses;                 /* on a GPU of which the program has no slice: gives nothing */
    bool destroyed;               /* lives until its last block is freed */
    uint32_t slice;
    uint32_t version; /* bumped with charged, so that an older reading of the driver does not overwrite a newer */
    uint64_t blocks;
    /* Written under the lock. Read without it before an allocation: a reader that is wrong there sees the pool
     * grow. */
    _Atomic uint64_t used;
    _Atomic uint64_t charged; /* in the ledger */
    uint64_t unpaid;          /* reserved by the driver, but the ledger had no room for it */
    uint32_t extent_count;
    struct pool_extent extents[POOL_EXTENTS];
};

struct pools {
    atomic_flag busy;                             /* guards what follows */
    struct ledger_table blocks;                   /* address -> bytes; the tag is the index of its pool */
    _Atomic uint32_t count;                       /* items at and above this index were never used */
    _Atomic uint64_t unpaid;                      /* of all pools */
    _Atomic(struct pool *) current[POOL_DEVICES]; /* the pool that cuMemAllocAsync takes from; NULL: ask the driver */
    struct pool items[POOLS];
};

/* Memory of graphs on one device: reserved at upload or launch, kept until it is trimmed. */
struct graph_memory {
    atomic_flag busy;
    uint32_t version;
    uint64_t charged;
    uint64_t held; /* of that, by graphs that allocated and did not free: no other graph can have it meanwhile */
};

#endif
