#include "cuda/pool.h"

#include <sched.h>

#include "admit.h"
#include "core/charge.h"
#include "core/entry.h"
#include "core/ledger.h"
#include "core/pool_state.h"
#include "core/shim.h"
#include "cuda/resolve.h"
#include "cuda/timing.h"
#include "cuda_min.h"
#include "life.h"
#include "region.h"

#define VERSION_TRIES 16

static void lock(struct process *process)
{
    while (atomic_flag_test_and_set_explicit(&process->pools.busy, memory_order_acquire)) sched_yield();
}

static void unlock(struct process *process)
{
    atomic_flag_clear_explicit(&process->pools.busy, memory_order_release);
}

/* The two words that are read without the lock. Plain stores will do, as only the holder of the lock writes them. */
static uint64_t get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void put(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static void take_used(struct pool *pool, uint64_t bytes)
{
    uint64_t used = get(&pool->used);
    put(&pool->used, bytes < used ? used - bytes : 0);
}

static bool reserved_of(CUmemoryPool handle, int attribute, uint64_t *bytes)
{
    cuMemPoolGetAttribute_fn get = REAL(cuMemPoolGetAttribute);
    return get && get(handle, attribute, bytes) == CUDA_SUCCESS;
}

/* ---- the table ---- */

struct pool *pool_find(struct process *process, CUmemoryPool handle)
{
    uint32_t count = atomic_load_explicit(&process->pools.count, memory_order_acquire);
    for (uint32_t at = 0; at < count; at++)
        if (atomic_load_explicit(&process->pools.items[at].handle, memory_order_acquire) == handle)
            return &process->pools.items[at];
    return NULL;
}

struct pool *pool_add(struct process *process, CUmemoryPool handle, int slice)
{
    struct pool *known = pool_find(process, handle);
    if (known) return known;
    for (uint32_t at = 0; at < POOLS; at++) {
        struct pool *pool = &process->pools.items[at];
        backend_pool nobody = NULL;
        if (atomic_load(&pool->handle)) continue;
        lock(process);
        if (atomic_compare_exchange_strong(&pool->handle, &nobody, handle)) {
            pool->ignored = slice < 0;
            pool->refuses = slice == SHIM_NOT_OURS;
            pool->slice = slice < 0 ? 0 : (uint32_t)slice;
            pool->destroyed = false;
            uint32_t count = atomic_load(&process->pools.count);
            while (count < at + 1 && !atomic_compare_exchange_weak(&process->pools.count, &count, at + 1)) {
            }
            unlock(process);
            return pool;
        }
        unlock(process);
    }
    return NULL;
}

bool pools_relieve(struct process *process)
{
    lock(process);
    bool relieved = ledger_table_relieve(&process->pools.blocks);
    unlock(process);
    return relieved;
}

/* ---- what the driver holds ---- */

static bool owns(const struct pool *pool, uint64_t start, uint64_t end)
{
    for (uint32_t at = 0; at < pool->extent_count; at++)
        if (pool->extents[at].start <= start && end <= pool->extents[at].end) return true;
    return false;
}

/* Adds an extent. Extents that touch become one; when the table is full, the driver is asked about each allocation. */
static void learn(struct pool *pool, uint64_t start, uint64_t end)
{
    for (uint32_t at = 0; at < pool->extent_count;) {
        struct pool_extent *extent = &pool->extents[at];
        if (extent->start <= end && start <= extent->end) {
            start = extent->start < start ? extent->start : start;
            end = extent->end > end ? extent->end : end;
            *extent = pool->extents[--pool->extent_count];
            at = 0;
        } else {
            at++;
        }
    }
    if (pool->extent_count < POOL_EXTENTS) pool->extents[pool->extent_count++] = (struct pool_extent){start, end};
}

static void set_unpaid(struct process *process, struct pool *pool, uint64_t bytes)
{
    atomic_fetch_add(&process->pools.unpaid, bytes - pool->unpaid);
    pool->unpaid = bytes;
}

/* Locked. The pool holds `reserved` bytes, of which `charged` are in the ledger, and `paid` beside them (reserved in
 * the ledger before the call, not yet part of charged). Lowers the ledger if it says too much; returns by how much it
 * says too little. */
static uint64_t account(struct process *process, struct pool *pool, uint64_t reserved, uint64_t paid)
{
    uint64_t known = get(&pool->charged) + paid;
    pool->version++;
    if (reserved < get(&pool->charged)) pool->extent_count = 0; /* some of it was given back, and nobody knows which */
    if (reserved <= known) {
        charge_return(process, pool->slice, known - reserved);
        put(&pool->charged, reserved);
        set_unpaid(process, pool, 0);
        return 0;
    }
    put(&pool->charged, known);
    uint64_t more = reserved - known;
    set_unpaid(process, pool, more);
    return more;
}

/* Charges what is unpaid, if there is room. true: it was charged. */
static bool pay(struct process *process, struct pool *pool, uint64_t bytes)
{
    const struct shim_slice *at = &process->shim->slices[pool->slice];
    struct region_entry *own = shim_entry(process, pool->slice);
    if (!own || !admit_reserve(at->policy, &process->places[pool->slice], own, bytes)) return false;
    lock(process);
    uint64_t due = pool->unpaid < bytes ? pool->unpaid : bytes; /* another thread may have accounted meanwhile */
    set_unpaid(process, pool, pool->unpaid - due);
    put(&pool->charged, get(&pool->charged) + due);
    pool->version++;
    unlock(process);
    charge_return(process, pool->slice, bytes - due);
    return true;
}

/* Asks the driver and accounts for the answer; paid is what the caller has reserved for this. Returns what is
 * unpaid. */
static uint64_t update(struct process *process, struct pool *pool, uint64_t paid)
{
    for (int attempt = 0; attempt < VERSION_TRIES; attempt++) {
        lock(process);
        CUmemoryPool handle = atomic_load(&pool->handle);
        uint32_t version = pool->version;
        bool gone = pool->destroyed || !handle;
        unlock(process);
        uint64_t reserved;
        if (gone || !reserved_of(handle, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved)) break;
        lock(process);
        bool fresh = pool->version == version;
        uint64_t more = fresh ? account(process, pool, reserved, paid) : 0;
        unlock(process);
        if (fresh) return more > 0 && pay(process, pool, more) ? 0 : more;
    }
    /* The driver does not answer, or others change it all the time: what was reserved stays charged. */
    lock(process);
    put(&pool->charged, get(&pool->charged) + paid);
    pool->version++;
    unlock(process);
    return 0;
}

bool pools_recount(struct process *process, unsigned slice)
{
    uint64_t before = atomic_load(&process->entries[slice]->memory_bytes);
    uint32_t count = atomic_load(&process->pools.count);
    for (uint32_t at = 0; at < count; at++) {
        struct pool *pool = &process->pools.items[at];
        if (atomic_load(&pool->handle) && !pool->ignored && pool->slice == slice) update(process, pool, 0);
    }
    return atomic_load(&process->entries[slice]->memory_bytes) < before;
}

uint64_t pools_charged(struct process *process, unsigned slice)
{
    uint64_t sum = 0;
    uint32_t count = atomic_load(&process->pools.count);
    for (uint32_t at = 0; at < count; at++) {
        const struct pool *pool = &process->pools.items[at];
        sum += !pool->ignored && pool->slice == slice ? get(&pool->charged) : 0;
    }
    return sum;
}

void pools_trim(struct process *process, unsigned slice)
{
    cuMemPoolTrimTo_fn trim = REAL(cuMemPoolTrimTo);
    uint32_t count = atomic_load(&process->pools.count);
    struct capture_pass pass;
    if (!trim || count == 0 || !capture_pass_enter(process, &pass)) return;
    for (uint32_t at = 0; at < count; at++) {
        struct pool *pool = &process->pools.items[at];
        CUmemoryPool handle = atomic_load(&pool->handle);
        if (handle && !pool->ignored && pool->slice == slice && !pool->destroyed && get(&pool->charged) > 0)
            (void)trim(handle, 0); /* what it could not give back shows in the recount */
    }
    capture_pass_leave(&pass);
}

bool pools_pending(struct process *process, unsigned slice)
{
    bool pending = false;
    uint32_t count = atomic_load(&process->pools.count);
    for (uint32_t at = 0; at < count && !pending; at++) {
        struct pool *pool = &process->pools.items[at];
        lock(process);
        bool counted = atomic_load(&pool->handle) && !pool->ignored && pool->slice == slice;
        pending = counted && get(&pool->charged) + pool->unpaid >= get(&pool->used) + POOL_STEP;
        unlock(process);
    }
    return pending;
}

/* ---- one allocation ---- */

/* What the pool does not hold already is reserved in steps, as the driver will; if a whole step has no room, exactly
 * what was asked. */
static enum admit_step reserve_growth(struct pool_request *request)
{
    struct pool *pool = request->pool;
    struct process *process = request->process;
    const struct shim_slice *at = &process->shim->slices[pool->slice];
    const struct life_place *place = &process->places[pool->slice];
    struct region_entry *own = shim_entry(process, pool->slice);
    if (!own) return ADMIT_DENY;
    for (int attempt = 0; attempt < 3; attempt++) {
        lock(process);
        uint64_t wanted = get(&pool->used) + request->bytes;
        uint64_t charged = get(&pool->charged);
        uint64_t need = wanted > charged ? wanted - charged : 0;
        unlock(process);
        uint64_t step = need > UINT64_MAX - POOL_STEP ? need : (need + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
        if (need == 0) return ADMIT_GO; /* it fits, or the pool grows because it is fragmented: pool_end sees that */
        if (admit_reserve(at->policy, place, own, step)) {
            request->paid = step;
            return ADMIT_GO;
        }
        if (admit_reserve(at->policy, place, own, need)) {
            request->paid = need;
            return ADMIT_GO;
        }
        if (attempt == 0) {
            charge_recount(process, pool->slice);
        } else if (attempt == 1) {
            /* Blocks freed during captures, and blocks of others, are not in our count: the driver's is right. */
            uint64_t used;
            pools_trim(process, pool->slice);
            charge_recount(process, pool->slice);
            if (reserved_of(atomic_load(&pool->handle), CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used)) {
                lock(process);
                put(&pool->used, used < get(&pool->used) ? used : get(&pool->used));
                unlock(process);
            }
        }
    }
    charge_note_denied(process, pool->slice, request->bytes);
    return ADMIT_DENY;
}

enum admit_step pool_begin(struct pool_request *request, struct process *process, struct pool *pool, size_t bytes)
{
    if (!pool || pool->ignored || bytes == 0) return pool && pool->refuses ? ADMIT_DENY : ADMIT_FORWARD;
    if (!shim_entry(process, pool->slice) || !charge_is_written_down(process)) return ADMIT_DENY;
    uint64_t rounded = bytes > SIZE_MAX - 511 ? bytes : (bytes + 511) / 512 * 512;
    *request = (struct pool_request){.process = process, .pool = pool, .bytes = rounded};
    const struct region_policy *policy = process->shim->slices[pool->slice].policy;
    if ((atomic_load(&policy->flags) & REGION_POLICY_DELETED) != 0) {
        charge_note_denied(process, pool->slice, rounded);
        return ADMIT_DENY;
    }
    bool fits = rounded <= SIZE_MAX / 2 && get(&pool->used) + rounded <= get(&pool->charged);
    return fits ? ADMIT_GO : reserve_growth(request);
}

/* ---- blocks; locked ---- */

static void end_if_empty(struct process *process, struct pool *pool)
{
    if (pool->destroyed && pool->blocks == 0) {
        charge_return(process, pool->slice, get(&pool->charged));
        set_unpaid(process, pool, 0);
        put(&pool->charged, 0);
        put(&pool->used, 0);
        pool->extent_count = 0;
        atomic_store(&pool->handle, NULL);
    }
}

static void leave(struct process *process, const struct ledger_value *block)
{
    struct pool *pool = &process->pools.items[block->tag % POOLS];
    take_used(pool, block->bytes);
    pool->blocks -= pool->blocks > 0;
    end_if_empty(process, pool);
}

static void record(struct process *process, struct pool *pool, CUdeviceptr address, uint64_t bytes)
{
    struct ledger_value block = {
        .bytes = bytes, .tag = (uint64_t)(pool - process->pools.items), .slice = pool->slice, .references = 1};
    struct ledger_value old;
    put(&pool->used, get(&pool->used) + bytes);
    pool->blocks++;
    switch (ledger_table_put(&process->pools.blocks, address, &block, &old)) {
    case LEDGER_REPLACED: leave(process, &old); break; /* it was freed unseen */
    case LEDGER_FULL: break;                           /* counts as used for ever: what the driver says corrects it */
    case LEDGER_ADDED: break;
    }
}

/* ---- one free ---- */

bool pool_free_begin(struct pool_free *request, struct process *process, CUdeviceptr address)
{
    if (atomic_load_explicit(&process->pools.count, memory_order_relaxed) == 0) return false;
    lock(process);
    bool found = ledger_table_take(&process->pools.blocks, address, &request->block);
    if (found) {
        const struct pool *pool = &process->pools.items[request->block.tag % POOLS];
        request->process = process;
        request->address = address;
        /* What a pool uses is an estimate that its growth corrects, and may be too small while the driver is asked: so
         * one lock is enough. What an ending pool was charged goes back after the driver has agreed. */
        request->ending = pool->destroyed;
        if (!request->ending) leave(process, &request->block);
    }
    unlock(process);
    return found;
}

void pool_free_end(const struct pool_free *request, CUresult result)
{
    if (result == CUDA_SUCCESS && !request->ending) return;
    struct process *process = request->process;
    struct pool *pool = &process->pools.items[request->block.tag % POOLS];
    struct ledger_value old;
    lock(process);
    if (result == CUDA_SUCCESS)
        leave(process, &request->block);
    else if (!request->ending)
        record(process, pool, request->address, request->block.bytes);
    else if (ledger_table_put(&process->pools.blocks, request->address, &request->block, &old) != LEDGER_ADDED)
        leave(process, &request->block);
    unlock(process);
}

/* ---- the end of one allocation ---- */

/* The pool grew and the slice has no room for that: the block goes back, and with it what the pool grew by. */
static bool undo(struct pool_request *request, CUdeviceptr address, CUstream stream, bool per_thread)
{
    struct process *process = request->process;
    struct pool *pool = request->pool;
    struct pool_free back;
    cuMemFreeAsync_fn free_async = per_thread ? REAL(cuMemFreeAsync_ptsz) : REAL(cuMemFreeAsync);
    if (!free_async || !pool_free_begin(&back, process, address)) return false;
    CUresult result = free_async(address, stream);
    pool_free_end(&back, result);
    if (result != CUDA_SUCCESS) return false;
    struct capture_pass pass;
    /* What was freed before, on whatever stream, is there for the next attempt once its work is done. */
    if (atomic_load(&process->captures) == 0 && REAL(cuCtxSynchronize) && capture_pass_enter(process, &pass)) {
        (void)REAL(cuCtxSynchronize)();
        capture_pass_leave(&pass);
    }
    pools_trim(process, pool->slice);
    update(process, pool, 0);
    return true;
}

/* true: the slice has room for it. Only the unused part of a step by which the pool had to grow may lie beyond the
 * limit. */
static bool bearable(const struct pool_request *request, uint64_t unpaid)
{
    return unpaid == 0 || (request->paid > 0 && atomic_load(&request->process->pools.unpaid) <= POOL_STEP);
}

enum pool_outcome pool_end(struct pool_request *request, CUresult result, const CUdeviceptr *address, CUstream stream,
                           bool per_thread)
{
    struct process *process = request->process;
    struct pool *pool = request->pool;
    if (result != CUDA_SUCCESS) {
        charge_return(process, pool->slice, request->paid);
        return POOL_DONE;
    }
    lock(process);
    bool known = request->paid == 0 && owns(pool, *address, *address + request->bytes);
    record(process, pool, *address, request->bytes);
    unlock(process);
    if (!known) {
        uint64_t unpaid = update(process, pool, request->paid);
        if (!bearable(request, unpaid) && undo(request, *address, stream, per_thread)) return POOL_UNDONE;
        lock(process);
        learn(pool, *address, *address + request->bytes);
        unlock(process);
    }
    return POOL_DONE;
}

void pool_ending(struct process *process, struct pool *pool)
{
    update(process, pool, 0);
    lock(process);
    pool->destroyed = true;
    /* The driver may give the handle to the next pool at once: until its blocks are gone, this one gets a handle of
     * our own. */
    atomic_store(&pool->handle, (CUmemoryPool)(void *)pool);
    unlock(process);
}

void pool_ended(struct process *process, struct pool *pool, CUmemoryPool handle, bool gone)
{
    lock(process);
    if (gone) {
        end_if_empty(process, pool);
    } else {
        pool->destroyed = false;
        atomic_store(&pool->handle, handle);
    }
    unlock(process);
}

void pool_trimmed(struct process *process, struct pool *pool)
{
    if (!pool->ignored) update(process, pool, 0);
}
