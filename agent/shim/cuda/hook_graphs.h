/* Memory of graphs: before and after they run, and what they keep. */
#ifndef TRANCHE_HOOK_GRAPHS_H
#define TRANCHE_HOOK_GRAPHS_H

#include "core/charge.h"
#include "core/shim.h"
#include "cuda_min.h"

/* A graph with memory of its own is about to run, and was given to the driver. FORWARD: it has none, or none of ours;
 * after it and after DENY there is nothing to end. */
struct graph_run {
    struct process *process;
    CUgraphExec exec;
    unsigned devices; /* bits */
    int slices[8];
    uint64_t paid[8];
};
enum admit_step graphs_before(struct graph_run *run, struct process *process, CUgraphExec exec);
void graphs_after(struct graph_run *run, bool launched);
/* An address was freed that no ledger of blocks knows: it may be one that a graph allocated and kept. */
void graph_block_freed(struct process *process, CUdeviceptr address);

bool graphs_recount(struct process *process, unsigned slice);
uint64_t graphs_charged(struct process *process, unsigned slice);

#endif
