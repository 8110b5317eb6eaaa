#include "pool.h"

#include <stdlib.h>

static CUmemoryPool pools;

CUmemoryPool pool_make(struct sim_state *state, uint32_t gpu, const CUmemPoolProps *props)
{
    CUmemoryPool pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    /* The real one's range is about twice the card. */
    uint64_t range = props->maxSize != 0 ? props->maxSize : 2 * state->gpus[gpu < SIM_GPUS ? gpu : 0].memory_bytes;
    pool->gpu = gpu;
    pool->props = *props;
    pool->chunks = round_up(range, POOL_CHUNK) / POOL_CHUNK;
    pool->max = pool->chunks * POOL_CHUNK;
    pool->arena = (struct arena){.base = address_take(pool->max, false), .bytes = pool->max};
    pool->behind = calloc(pool->chunks, sizeof *pool->behind);
    if (!pool->behind) {
        free(pool);
        return NULL;
    }
    for (int flag = 0; flag < REUSES; flag++) pool->reuse[flag] = 1;
    if (gpu < SIM_GPUS) pool->access[gpu] = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    pool->next = pools;
    pools = pool;
    return pool;
}

static void pool_forget(CUmemoryPool pool)
{
    for (CUmemoryPool *at = &pools; *at; at = &(*at)->next) {
        if (*at == pool) {
            *at = pool->next;
            address_give(pool->arena.base, pool->max);
            free(pool->behind);
            free(pool);
            return;
        }
    }
}

/* ---- where a request goes ---- */

struct request {
    CUmemoryPool pool;
    CUstream stream;
};

/* Stream order: what was freed is at once free for later work of the same stream, and of streams that waited. */
static bool ordered_after(void *about, const struct span *span)
{
    const struct request *request = about;
    CUstream stream = request->stream;
    if (span->free.stream == stream->id) return true;
    for (size_t at = 0; request->pool->reuse[REUSE_FOLLOW_EVENTS] && at < SIM_WAITED; at++) {
        const struct sim_stamp *waited = &stream->waited[at];
        if (waited->stream == span->free.stream && waited->seq[SIM_COMPUTE] >= span->free.seq[SIM_COMPUTE] &&
            waited->seq[SIM_COPY] >= span->free.seq[SIM_COPY])
            return true;
    }
    return false;
}

/* The lowest place in the gap that has physical memory behind all of it. */
static bool fits_backed(void *about, uint64_t from, uint64_t to, uint64_t bytes, uint64_t *offset)
{
    CUmemoryPool pool = ((const struct request *)about)->pool;
    uint64_t start = from;
    for (uint64_t chunk = from / POOL_CHUNK; chunk * POOL_CHUNK < to; chunk++) {
        if (pool->behind[chunk].bytes == 0) {
            start = (chunk + 1) * POOL_CHUNK;
        } else if (start < to && to - start >= bytes && start + bytes <= (chunk + 1) * POOL_CHUNK) {
            *offset = start;
            return true;
        }
    }
    return false;
}

/* All that is missing, or nothing: chunk by chunk, which is how the kernel is asked for it. */
static bool back(struct sim_state *state, CUmemoryPool pool, uint64_t offset, uint64_t bytes)
{
    enum arrival arrival = pool->props.allocType == CU_MEM_ALLOCATION_TYPE_MANAGED ? BY_FAULT : BY_REQUEST;
    uint64_t last = (offset + bytes - 1) / POOL_CHUNK;
    struct pieces taken = {0};
    size_t used = 0;
    bool full = false;
    for (uint64_t chunk = offset / POOL_CHUNK; pool->gpu < SIM_GPUS && chunk <= last && !full; chunk++)
        full = pool->behind[chunk].bytes == 0 && !pieces_take(state, pool->gpu, &taken, POOL_CHUNK, arrival);
    if (full) {
        pieces_keep(state, pool->gpu, &taken, 0);
        return false;
    }
    for (uint64_t chunk = offset / POOL_CHUNK; chunk <= last; chunk++) {
        if (pool->behind[chunk].bytes != 0) continue;
        pool->behind[chunk] = pool->gpu < SIM_GPUS ? taken.at[used++] : (struct piece){.bytes = POOL_CHUNK};
        pool->reserved += POOL_CHUNK;
    }
    free(taken.at);
    pool->reserved_high = pool->reserved > pool->reserved_high ? pool->reserved : pool->reserved_high;
    return true;
}

struct block *pool_take(struct sim_state *state, CUmemoryPool pool, uint64_t bytes, CUstream stream)
{
    struct request request = {pool, stream};
    uint64_t room = round_up(bytes, GRANULE);
    uint64_t offset;
    if (room < bytes || room > pool->max) return NULL;
    if (pool->reuse[REUSE_OPPORTUNISTIC]) pool_settle(state, pool);
    if (!arena_take(&pool->arena, room, ordered_after, fits_backed, &request, &offset) &&
        !arena_take(&pool->arena, room, ordered_after, NULL, &request, &offset))
        return NULL;
    struct block block = {.address = pool->arena.base + offset,
                          .bytes = bytes,
                          .room = room,
                          .gpu = pool->gpu,
                          .kind = BLOCK_POOL,
                          .pool = pool};
    struct block *made = back(state, pool, offset, room) ? block_add(&block) : NULL;
    if (!made) {
        arena_give(&pool->arena, arena_find(&pool->arena, offset));
        return NULL;
    }
    pool->blocks++;
    pool->used += bytes;
    pool->used_high = pool->used > pool->used_high ? pool->used : pool->used_high;
    return made;
}

/* stamp NULL: all work is done. */
void pool_free(struct sim_state *state, struct block *block, const struct sim_stamp *stamp)
{
    (void)state;
    CUmemoryPool pool = block->pool;
    struct span *span = arena_find(&pool->arena, block->address - pool->arena.base);
    if (!stamp) {
        arena_give(&pool->arena, span);
    } else {
        span->live = false;
        span->free = *stamp;
    }
    pool->used -= block->bytes;
    pool->blocks--;
    block_remove(block);
}

/* ---- giving back ---- */

void pool_settle(struct sim_state *state, CUmemoryPool pool)
{
    bool pending = false;
    for (struct span *span = pool->arena.spans; span && !pending; span = span->next) pending = !span->live;
    if (!pending) return;
    sim_lock(state);
    sim_advance_all(state);
    for (struct span *span = pool->arena.spans; span;) {
        struct span *next = span->next;
        if (!span->live) {
            struct sim_context *context = sim_context_self(state, span->free.gpu);
            if (!context || sim_queue_done(context, span->free.seq)) arena_give(&pool->arena, span);
        }
        span = next;
    }
    sim_unlock(state);
}

/* Gives back chunks with nothing in them, from the top, until no more than keep is reserved. */
void pool_release(struct sim_state *state, CUmemoryPool pool, uint64_t keep)
{
    if (pool->reserved <= keep) return;
    uint8_t *wanted = calloc(pool->chunks, 1);
    if (!wanted) return;
    for (struct span *span = pool->arena.spans; span; span = span->next) {
        uint64_t last = (span->offset + span->bytes - 1) / POOL_CHUNK;
        for (uint64_t chunk = span->offset / POOL_CHUNK; chunk <= last; chunk++) wanted[chunk] = 1;
    }
    for (uint64_t chunk = pool->chunks; chunk-- > 0 && pool->reserved > keep;) {
        struct piece *behind = &pool->behind[chunk];
        if (behind->bytes == 0 || wanted[chunk]) continue;
        if (pool->gpu < SIM_GPUS) memory_give(state, pool->gpu, behind);
        behind->bytes = 0;
        pool->reserved -= POOL_CHUNK;
    }
    free(wanted);
}

void sim_pools_trim(struct sim_state *state, uint32_t gpu)
{
    memory_lock();
    for (CUmemoryPool pool = pools; pool;) {
        CUmemoryPool next = pool->next;
        if (pool->gpu == gpu || pool->gpu == SIM_GPUS) {
            pool_settle(state, pool);
            pool_release(state, pool, pool->destroyed ? 0 : pool->threshold);
            if (pool->destroyed && pool->blocks == 0 && !pool->arena.spans) pool_forget(pool);
        }
        pool = next;
    }
    memory_unlock();
}

void pools_give_way(struct sim_state *state, uint32_t gpu)
{
    for (CUmemoryPool pool = pools; pool; pool = pool->next) {
        if (pool->gpu == gpu) {
            pool_settle(state, pool);
            pool_release(state, pool, 0);
        }
    }
}
