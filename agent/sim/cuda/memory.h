/* What the files about GPU memory share. There are no bytes behind an address, only counts: physical memory is taken
 * from and given to the simulated machine, everything else is kept in the process, under one lock. */
#ifndef TRANCHE_SIM_CUDA_MEMORY_H
#define TRANCHE_SIM_CUDA_MEMORY_H

#include "internal.h"

/* Sizes as seen on an H100 with the 580 driver; each has a line in memory_facts. */
#define GRANULE UINT64_C(512)
#define SLAB_BYTES (UINT64_C(2) << 20)  /* small plain allocations share these; VMM has the same granularity */
#define SMALL_BYTES (UINT64_C(1) << 20) /* up to here an allocation is small, above it takes whole slabs */
#define POOL_CHUNK (UINT64_C(32) << 20) /* a pool's and a graph's physical memory comes in these */

static inline uint64_t round_up(uint64_t bytes, uint64_t granule)
{
    return (bytes + granule - 1) / granule * granule;
}

/* ---- arena.c: a range of addresses, handed out first fit ---- */

struct span {
    struct span *next;
    uint64_t offset;
    uint64_t bytes;
    bool live;             /* false: freed, but not yet for everybody */
    struct sim_stamp free; /* by whom, and after which work */
};

struct arena {
    CUdeviceptr base;
    uint64_t bytes;
    struct span *spans; /* by offset; what lies between them is free */
};

/* May this freed span be handed out again now? And where in a gap, if at all, does a request fit? */
typedef bool (*arena_usable)(void *about, const struct span *span);
typedef bool (*arena_fits)(void *about, uint64_t from, uint64_t to, uint64_t bytes, uint64_t *offset);

bool arena_take(struct arena *arena, uint64_t bytes, arena_usable usable, arena_fits fits, void *about,
                uint64_t *offset);
struct span *arena_find(struct arena *arena, uint64_t offset);
void arena_give(struct arena *arena, struct span *span);

/* ---- address.c: who owns which addresses. Lock held. ---- */

enum block_kind {
    BLOCK_PLAIN,
    BLOCK_MANAGED,
    BLOCK_POOL,
    BLOCK_POOL_IMPORTED,
    BLOCK_GRAPH,
    BLOCK_ARRAY,
    BLOCK_MODULE, /* code and globals */
    BLOCK_RESERVED,
    BLOCK_HOST,
    BLOCK_IPC,
    BLOCK_EXTERNAL,
};

struct block {
    CUdeviceptr address;
    uint64_t bytes; /* as asked for */
    uint64_t room;  /* as taken */
    uint64_t id;    /* addresses come back, ids do not */
    uint32_t gpu;   /* SIM_GPUS: none */
    enum block_kind kind;
    CUcontext context; /* NULL: of no context */
    CUmemoryPool pool;
    struct slab *slab;         /* of small plain ones */
    struct physical *physical; /* of large plain ones and of opened ones */
    uint64_t opened_id;        /* IPC: which memory, and where in it */
    uint64_t opened_offset;
    uint32_t references; /* IPC: openings. Graph: the graph, its executable and the memory itself */
    bool live;           /* graph: allocated by a launch and not freed */
};

CUdeviceptr address_take(uint64_t room, bool low); /* 0: none left */
void address_give(CUdeviceptr address, uint64_t room);
struct block *block_add(const struct block *block);
struct block *block_at(CUdeviceptr address);   /* that begins there */
struct block *block_over(CUdeviceptr address); /* that contains it */
struct block *block_number(size_t index);      /* in order of address; NULL: no more */
void block_remove(struct block *block);        /* the address stays taken */

/* ---- pieces.c: physical memory from the machine, and the requests for it. Lock held. ---- */

/* Pages of managed memory come by fault in the real driver, below a mapping; nobody is asked for them. */
enum arrival { BY_REQUEST, BY_FAULT };

bool memory_take(struct sim_state *state, uint32_t gpu, uint64_t bytes, enum arrival arrival, struct piece *out);
void memory_give(struct sim_state *state, uint32_t gpu, struct piece *piece); /* which is empty then */
/* One more. */
bool pieces_take(struct sim_state *state, uint32_t gpu, struct pieces *pieces, uint64_t bytes, enum arrival arrival);
/* Gives back all but that many bytes. */
void pieces_keep(struct sim_state *state, uint32_t gpu, struct pieces *pieces, uint64_t keep_bytes);

/* ---- memory.c. Lock held but for the first. ---- */

void memory_lock(void);
void memory_unlock(void);

/* Physical memory with references: it lives until the last handle and the last mapping are gone. */
struct physical {
    uint64_t bytes;
    uint32_t gpu;    /* SIM_GPUS: on the host */
    uint32_t object; /* as in a piece, as is the mapping; 0 also in who imported it */
    void *mapping;
    bool faulted; /* as in a piece */
    uint32_t references;
    uint64_t shared; /* 0, or its id among the processes */
    struct physical *next_shared;
    CUmemAllocationProp prop;
};

struct physical *physical_make(struct sim_state *state, uint32_t gpu, uint64_t bytes, enum arrival arrival);
struct physical *physical_import(struct sim_state *state, uint64_t shared);
uint64_t physical_share(struct sim_state *state, struct physical *physical);
void physical_drop(struct sim_state *state, struct physical *physical);

/* As cuMemAlloc does it, for everything that is allocated in that way. NULL: out of memory. */
struct block *plain_take(struct sim_state *state, uint32_t gpu, uint64_t bytes, enum block_kind kind, bool low);
void plain_give(struct sim_state *state, struct block *block);
struct physical *plain_physical(struct block *block, uint64_t *offset);

/* ---- context.c, context_limits.c. Lock held to begin, not to end. ---- */

#define CONTEXT_API 3020

CUresult context_begin(struct sim_state *state, CUcontext context, uint64_t bytes);
void context_end(struct sim_state *state, CUcontext context);
void context_default_limits(CUcontext context);

/* ---- pool.c. Lock held. ---- */

void pools_give_way(struct sim_state *state,
                    uint32_t gpu); /* out of memory: what they cache, whatever the threshold */
void pool_free(struct sim_state *state, struct block *block, const struct sim_stamp *stamp);

/* ---- graph_memory.c. Lock held. ---- */

bool graph_memory_free(struct sim_state *state, struct block *block);
void graph_block_drop(CUdeviceptr address);

/* ---- vmm.c, ipc.c ---- */

enum share_kind { SHARE_MEMORY = 1, SHARE_POOL = 2 };

/* What a file descriptor of ours says. */
struct share_record {
    uint64_t magic;
    uint32_t kind;
    uint32_t gpu;
    uint64_t id;
    CUmemAllocationProp prop;
};

int share_descriptor(const struct share_record *record);             /* -1: failed */
bool share_read(int fd, uint32_t kind, struct share_record *record); /* is it one of ours, of this kind? */
struct physical *mapped_physical(CUdeviceptr address, CUdeviceptr *start, uint64_t *bytes); /* lock held */
CUresult location_gpu(const CUmemLocation *location, uint32_t *gpu);                        /* SIM_GPUS: the host */

/* pointer.c: memory of a GPU, and not of the host. */
bool sim_on_device(CUdeviceptr address);

#endif
