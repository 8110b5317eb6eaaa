/* Pools: what is asked and what is noted around the calls of the driver (core/pool_state.h). */
#ifndef TRANCHE_POOL_H
#define TRANCHE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/charge.h"
#include "core/ledger.h"
#include "core/pool_state.h"
#include "core/shim.h"
#include "cuda_min.h"

/* What the driver knows as handle; NULL: never seen. NULL of pool_add: no place is left. slice:
 * SHIM_NO_DEVICE where its memory is nobody's. */
struct pool *pool_find(struct process *process, CUmemoryPool handle);
struct pool *pool_add(struct process *process, CUmemoryPool handle, int slice);
/* Before and after the driver ends it (gone: it did), and after it trimmed it. */
void pool_ending(struct process *process, struct pool *pool);
void pool_ended(struct process *process, struct pool *pool, CUmemoryPool handle, bool gone);
void pool_trimmed(struct process *process, struct pool *pool);

/* One allocation, on its way. */
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

/* One allocation from a pool: begin, the driver, end. UNDONE: the pool grew where there was no room; the block is gone
 * again, the work that held others back is done, and another attempt, begun anew, may find room in the pool. */
enum pool_outcome { POOL_DONE, POOL_UNDONE };
enum admit_step pool_begin(struct pool_request *request, struct process *process, struct pool *pool, size_t bytes);
enum pool_outcome pool_end(struct pool_request *request, CUresult result, const CUdeviceptr *address, CUstream stream,
                           bool per_thread);

#endif
