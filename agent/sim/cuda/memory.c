/* Physical memory and plain allocations. */
#include "memory.h"
#include "rm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct slab {
    struct slab *next;
    struct arena arena;
    struct physical *physical;
    CUcontext context;
    uint32_t gpu;
    enum block_kind kind;
    bool low;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *slabs;
static struct physical *all_shared;

void memory_lock(void)
{
    pthread_mutex_lock(&lock);
}

void memory_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* ---- physical memory ---- */

struct physical *physical_make(struct sim_state *state, uint32_t gpu, uint64_t bytes, enum arrival arrival)
{
    struct piece piece = {.bytes = bytes};
    struct physical *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    if (gpu < SIM_GPUS && !memory_take(state, gpu, bytes, arrival, &piece)) {
        free(made);
        return NULL;
    }
    *made = (struct physical){.bytes = bytes,
                              .gpu = gpu,
                              .object = piece.object,
                              .mapping = piece.mapping,
                              .faulted = piece.faulted,
                              .references = 1};
    return made;
}

/* The part of this process in memory that several share: one object, however often it is exported or opened. */
static struct physical *shared_here(uint64_t id)
{
    for (struct physical *at = all_shared; at; at = at->next_shared)
        if (at->shared == id) return at;
    return NULL;
}

static void now_shared(struct physical *physical, uint64_t id)
{
    physical->shared = id;
    physical->next_shared = all_shared;
    all_shared = physical;
}

/* Costs the importer nothing, and keeps the memory alive. Makes no request either: which one the real driver makes,
 * a second name or none, is not known of every way to import. */
struct physical *physical_import(struct sim_state *state, uint64_t shared)
{
    struct physical *known = shared_here(shared);
    if (known) {
        known->references++;
        return known;
    }
    struct physical *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    const struct sim_shared *found = !process ? NULL : sim_shared_hold(state, process, shared);
    if (found) {
        *made = (struct physical){.bytes = found->bytes, .gpu = found->gpu, .references = 1};
        now_shared(made, shared);
    }
    sim_unlock(state);
    if (!found) {
        free(made);
        return NULL;
    }
    return made;
}

/* Its id among the processes; 0: the machine has no place for more. */
uint64_t physical_share(struct sim_state *state, struct physical *physical)
{
    if (physical->shared == 0) {
        sim_lock(state);
        struct sim_process *process = sim_process_self(state);
        uint64_t id = !process ? 0 : sim_share(state, process, physical->gpu, physical->bytes);
        sim_unlock(state);
        if (id != 0) now_shared(physical, id);
    }
    return physical->shared;
}

void physical_drop(struct sim_state *state, struct physical *physical)
{
    if (--physical->references > 0) return;
    if (physical->shared == 0) {
        struct piece piece = {physical->bytes, physical->object, physical->mapping, physical->faulted};
        if (physical->gpu < SIM_GPUS) memory_give(state, physical->gpu, &piece);
        free(physical);
        return;
    }
    struct physical **at = &all_shared;
    while (*at != physical) at = &(*at)->next_shared;
    *at = physical->next_shared;
    if (rm_give(physical->gpu, physical->object)) {
        sim_lock(state);
        struct sim_process *process = sim_process_self(state);
        if (process) sim_shared_drop(state, process, physical->shared);
        sim_unlock(state);
    }
    free(physical);
}

/* ---- plain allocations ---- */

static enum arrival arrival_of(enum block_kind kind)
{
    return kind == BLOCK_MANAGED ? BY_FAULT : BY_REQUEST;
}

static struct slab *slab_make(struct sim_state *state, const struct slab *like)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (!slab) return NULL;
    *slab = *like;
    slab->physical = physical_make(state, like->gpu, SLAB_BYTES, arrival_of(like->kind));
    slab->arena.base = !slab->physical ? 0 : address_take(SLAB_BYTES, like->low);
    slab->arena.bytes = SLAB_BYTES;
    if (slab->arena.base == 0) {
        if (slab->physical) physical_drop(state, slab->physical);
        free(slab);
        return NULL;
    }
    slab->next = slabs;
    slabs = slab;
    return slab;
}

static struct slab *slab_take(struct sim_state *state, const struct slab *like, uint64_t room, uint64_t *offset)
{
    for (struct slab *at = slabs; at; at = at->next)
        if (at->gpu == like->gpu && at->context == like->context && at->kind == like->kind && at->low == like->low &&
            arena_take(&at->arena, room, NULL, NULL, NULL, offset))
            return at;
    struct slab *made = slab_make(state, like);
    return made && arena_take(&made->arena, room, NULL, NULL, NULL, offset) ? made : NULL;
}

static void slab_give(struct sim_state *state, struct slab *slab, CUdeviceptr address)
{
    arena_give(&slab->arena, arena_find(&slab->arena, address - slab->arena.base));
    if (slab->arena.spans) return;
    struct slab **at = &slabs;
    while (*at != slab) at = &(*at)->next;
    *at = slab->next;
    address_give(slab->arena.base, SLAB_BYTES);
    physical_drop(state, slab->physical);
    free(slab);
}

struct block *plain_take(struct sim_state *state, uint32_t gpu, uint64_t bytes, enum block_kind kind, bool low)
{
    struct block block = {.bytes = bytes, .gpu = gpu, .kind = kind, .context = sim_context_current()};
    if (bytes <= SMALL_BYTES) {
        struct slab like = {.gpu = gpu, .kind = kind, .context = block.context, .low = low};
        uint64_t offset;
        block.room = round_up(bytes, GRANULE);
        block.slab = slab_take(state, &like, block.room, &offset);
        if (!block.slab) return NULL;
        block.address = block.slab->arena.base + offset;
    } else {
        block.room = round_up(bytes, SLAB_BYTES);
        block.physical = block.room < bytes ? NULL : physical_make(state, gpu, block.room, arrival_of(kind));
        block.address = !block.physical ? 0 : address_take(block.room, low);
    }
    struct block *made = block.address == 0 ? NULL : block_add(&block);
    if (!made && block.physical) physical_drop(state, block.physical);
    return made;
}

void plain_give(struct sim_state *state, struct block *block)
{
    struct block was = *block;
    block_remove(block);
    if (was.slab) {
        slab_give(state, was.slab, was.address);
        return;
    }
    address_give(was.address, was.room);
    if (was.physical) physical_drop(state, was.physical);
}

struct physical *plain_physical(struct block *block, uint64_t *offset)
{
    *offset = !block->slab ? 0 : block->address - block->slab->arena.base;
    return !block->slab ? block->physical : block->slab->physical;
}

/* Everything that lives in a context dies with it. */
void sim_memory_of_context_gone(struct sim_state *state, CUcontext context)
{
    struct block *block;
    memory_lock();
    for (size_t index = 0; (block = block_number(index));)
        if (block->context == context)
            plain_give(state, block);
        else
            index++;
    memory_unlock();
}
