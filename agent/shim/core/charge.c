#include "core/charge.h"

#include "admit.h"
#include "core/backend.h"
#include "core/clock.h"
#include "core/entry.h"
#include "core/ledger.h"
#include "core/shim.h"
#include "life.h"
#include "region.h"

#define PAGE (UINT64_C(2) << 20)
#define SHARED_MAX (UINT64_C(1) << 20) /* requests up to this share pages */
#define SHARED_STEP UINT64_C(512)

uint64_t charge_of(uint64_t bytes)
{
    if (bytes > UINT64_MAX - PAGE) return bytes;
    if (bytes > SHARED_MAX) return (bytes + PAGE - 1) / PAGE * PAGE;
    uint64_t rounded = (bytes + SHARED_STEP - 1) / SHARED_STEP * SHARED_STEP;
    return rounded == 0 ? 0 : PAGE / (PAGE / rounded);
}

void charge_note_denied(struct process *process, unsigned slice, uint64_t bytes)
{
    struct region_entry *entry = process->entries[slice];
    if (!entry) return; /* there is no entry to note it in */
    atomic_fetch_add(&entry->denied_count, 1);
    atomic_store(&entry->denied_bytes, bytes);
    atomic_store(&entry->denied_at_ns, shim_now());
}

void charge_recount(struct process *process, unsigned slice)
{
    backend_recount(process, slice);
}

/* Does what the driver itself would do before it gives up: unused memory of pools is given back for other requests,
 * also what becomes unused once the work in flight is done. */
static bool make_room(struct process *process, unsigned slice)
{
    uint64_t before = atomic_load(&process->entries[slice]->memory_bytes);
    charge_recount(process, slice);
    if (atomic_load(&process->entries[slice]->memory_bytes) < before) return true;
    backend_trim(process, slice);
    charge_recount(process, slice);
    if (atomic_load(&process->entries[slice]->memory_bytes) < before) return true;
    if (!backend_pending(process, slice) || !backend_drain(process)) return false;
    backend_trim(process, slice);
    charge_recount(process, slice);
    return atomic_load(&process->entries[slice]->memory_bytes) < before;
}

/* The ledgers could not grow for want of memory, and have places for requests under way only. Can they grow now? */
static bool relieved(struct process *process)
{
    struct ledger *const ledgers[] = {&process->blocks, &process->handles,      &process->mappings, &process->tiles,
                                      &process->arrays, &process->graph_blocks, &process->graphs};
    bool all = ledger_hope();
    for (unsigned at = 0; all && at < sizeof ledgers / sizeof ledgers[0]; at++) all = ledger_relieve(ledgers[at]);
    return all && backend_relieve(process);
}

bool charge_is_written_down(struct process *process)
{
    return __builtin_expect(!ledger_starves(), 1) || relieved(process);
}

enum admit_step charge_admit(struct admitted *request, struct process *process, int slice, uint64_t bytes)
{
    if (slice < 0) return slice == SHIM_NOT_OURS ? ADMIT_DENY : ADMIT_FORWARD;
    struct region_entry *own = shim_entry(process, (unsigned)slice);
    if (!own || !charge_is_written_down(process)) return ADMIT_DENY; /* what cannot be written down is not given */
    if (bytes == 0) return ADMIT_FORWARD;
    const struct shim_slice *at = &process->shim->slices[slice];
    const struct life_place *place = &process->places[slice];
    *request = (struct admitted){process, slice, bytes};
    /* After the last call of the driver all of these cache lines are cold, and what follows would miss them one after
     * the other. */
    __builtin_prefetch(&at->policy->residue_sequence);
    __builtin_prefetch(&at->policy->memory_limit_bytes);
    __builtin_prefetch(&at->usage->entries_high);
    __builtin_prefetch(&own->estimate_until);
    if (admit_reserve(at->policy, place, own, bytes)) return ADMIT_GO;
    if (bytes <= atomic_load(&at->policy->memory_limit_bytes) && make_room(process, (unsigned)slice) &&
        admit_reserve(at->policy, place, own, bytes))
        return ADMIT_GO;
    charge_note_denied(process, (unsigned)slice, bytes);
    return ADMIT_DENY;
}

void charge_return(struct process *process, unsigned slice, uint64_t bytes)
{
    if (process->entries[slice] && bytes > 0) admit_release(process->entries[slice], bytes);
}

void charge_settle(struct admitted *request, bool given, struct ledger *ledger, uint64_t key, uint64_t tag)
{
    unsigned slice = (unsigned)request->slice;
    if (!given) {
        charge_return(request->process, slice, request->bytes);
        return;
    }
    struct ledger_value value = {.bytes = request->bytes, .tag = tag, .slice = slice, .references = 1};
    struct ledger_value old;
    switch (ledger_put(ledger, key, &value, &old)) {
    case LEDGER_REPLACED: charge_return(request->process, old.slice, old.bytes); break; /* it was freed unseen */
    case LEDGER_FULL: break; /* it stays charged: too much in the ledger breaks no promise, too little does */
    case LEDGER_ADDED: break;
    }
}

void charge_estimate(struct process *process, unsigned slice, uint64_t bytes)
{
    struct region_entry *entry = process->entries[slice];
    if (!entry || bytes == 0 || process->shim->is_gated) return;
    uint64_t sequence = atomic_load(&process->shim->slices[slice].policy->residue_sequence);
    if (atomic_load(&entry->estimate_until) <= sequence)
        atomic_store(&entry->estimate_bytes, 0); /* what was estimated before has been measured */
    /* One comparison may be under way that sees nothing yet, and an increase must be seen twice. */
    atomic_store(&entry->estimate_until, sequence + 3);
    atomic_fetch_add(&entry->estimate_bytes, bytes);
}
