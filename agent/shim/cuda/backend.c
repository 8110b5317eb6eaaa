/* The memory that CUDA keeps for a program, as the core asks for it: pools and graphs together. */
#include "core/backend.h"

#include "core/shim.h"
#include "cuda/hook_graphs.h"
#include "cuda/pool.h"
#include "cuda/resolve.h"
#include "cuda/timing.h"

void backend_recount(struct process *process, unsigned slice)
{
    pools_recount(process, slice);
    graphs_recount(process, slice);
}

uint64_t backend_charged(struct process *process, unsigned slice)
{
    return pools_charged(process, slice) + graphs_charged(process, slice);
}

void backend_trim(struct process *process, unsigned slice)
{
    pools_trim(process, slice);
}

bool backend_pending(struct process *process, unsigned slice)
{
    return pools_pending(process, slice);
}

bool backend_relieve(struct process *process)
{
    return pools_relieve(process);
}

bool backend_drain(struct process *process)
{
    struct capture_pass pass;
    if (atomic_load(&process->captures) != 0 || !REAL(cuCtxSynchronize) || !capture_pass_enter(process, &pass))
        return false;
    (void)REAL(cuCtxSynchronize)(); /* a broken context answers the request itself, too */
    capture_pass_leave(&pass);
    return true;
}
