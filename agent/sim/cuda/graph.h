/* Graphs: nodes with what they come after, and executables that no longer need the graph. */
#ifndef TRANCHE_SIM_CUDA_GRAPH_H
#define TRANCHE_SIM_CUDA_GRAPH_H

#include "memory.h"

struct CUgraphNode_st {
    CUgraphNode next;
    CUgraph graph;
    int type;
    uint64_t search; /* that came by last */
    size_t before_count;
    CUgraphNode *before;
    uint64_t duration_ns;
    CUfunction function;
    CUgraph child;
    CUDA_MEM_ALLOC_NODE_PARAMS alloc;
    uint32_t gpu;        /* of the allocation */
    CUdeviceptr address; /* allocated or freed */
};

struct CUgraph_st {
    CUgraphNode first;
    CUgraphNode last;
    size_t count;
    bool has_memory;      /* one executable at a time, no update, no clone */
    CUgraphExec instance; /* the living one, if it has memory */
    CUgraphNode parent;   /* NULL, or the node of another graph that this one is in */
};

struct CUgraphExec_st {
    CUgraph graph; /* NULL: it was destroyed */
    uint64_t duration_ns;
    uint32_t gpu;
    unsigned long long flags;
    /* Graph memory: what a launch needs at once, what it leaves behind, and what of others it frees. */
    uint64_t peak_bytes[SIM_GPUS];
    CUdeviceptr *allocated; /* the first left_count are not freed in the graph */
    size_t allocated_count;
    size_t left_count;
    CUdeviceptr *freed;
    size_t freed_count;
};

CUgraphNode graph_node_add(CUgraph graph, int type, const CUgraphNode *before, size_t count);
bool graph_comes_after(CUgraphNode node, CUgraphNode earlier);

/* graph_memory.c */
CUresult graph_memory_plan(CUgraphExec exec, CUgraph graph);
void graph_memory_forget(CUgraphExec exec);
CUresult graph_memory_reserve(struct sim_state *state, CUgraphExec exec, CUstream stream);
CUresult graph_memory_begin(struct sim_state *state, CUgraphExec exec, CUstream stream);
void graph_memory_end(struct sim_state *state, CUgraphExec exec, CUstream stream);

#endif
