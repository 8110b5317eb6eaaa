/* This process's place in the ledger of each of its slices. */
#ifndef TRANCHE_ENTRY_H
#define TRANCHE_ENTRY_H

#include "core/shim.h"
#include "region.h"

/* This process's entry in a slice, if it is there and bears our token, or else once it could be claimed (again).
 * NULL: no place is left, or there is no way to one now; then nothing may be admitted. */
struct region_entry *shim_entry_slow(struct process *process, unsigned slice);
static inline struct region_entry *shim_entry(struct process *process, unsigned slice)
{
    struct region_entry *own = atomic_load_explicit(&process->entries[slice], memory_order_acquire);
    bool ours = own && atomic_load_explicit(&own->token, memory_order_relaxed) == process->token;
    return __builtin_expect(ours, 1) ? own : shim_entry_slow(process, slice);
}

#endif
