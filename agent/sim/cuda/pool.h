/* A memory pool: one long range of addresses, behind which physical memory comes and goes in chunks. */
#ifndef TRANCHE_SIM_CUDA_POOL_H
#define TRANCHE_SIM_CUDA_POOL_H

#include "memory.h"

enum { REUSE_FOLLOW_EVENTS, REUSE_OPPORTUNISTIC, REUSE_INTERNAL, REUSES };

struct CUmemPoolHandle_st {
    CUmemoryPool next;
    uint32_t gpu; /* SIM_GPUS: on the host, costs no GPU memory */
    bool is_default;
    bool destroyed; /* lives on until its last allocation is freed */
    bool imported;
    CUmemPoolProps props;
    struct arena arena;
    struct piece *behind; /* per chunk; no bytes: there is no physical memory behind it */
    uint64_t chunks;
    uint64_t reserved;
    uint64_t reserved_high;
    uint64_t used; /* as asked for, as the real attribute counts */
    uint64_t used_high;
    uint64_t max;
    uint64_t threshold;
    int reuse[REUSES];
    int access[SIM_GPUS];
    uint32_t blocks;
};

/* Lock held. */
CUmemoryPool pool_make(struct sim_state *state, uint32_t gpu, const CUmemPoolProps *props);
struct block *pool_take(struct sim_state *state, CUmemoryPool pool, uint64_t bytes, CUstream stream);
void pool_settle(struct sim_state *state, CUmemoryPool pool); /* what was freed before done work is free for all */
void pool_release(struct sim_state *state, CUmemoryPool pool, uint64_t keep);
CUmemoryPool pool_current(struct sim_state *state, uint32_t gpu, int type);

#endif
