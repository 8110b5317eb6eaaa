/* This process's place in the ledger of each of its slices: claimed at first use, claimed again if somebody has written
 * over it, and tried for again where it could not be had. Whoever has none is refused memory (charge.c). */

#include "core/entry.h"

#include <errno.h>
#include <pthread.h>

#include "admit.h"
#include "core/backend.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/ledger.h"
#include "core/shim.h"
#include "life.h"
#include "region.h"

/* Together about a second; then the request that waited is refused. */
#define CLAIM_WAITS_MAX 20000

/* What this process's own books say that it holds in a slice. Requests in flight are in none of them. */
static void add_value(uint64_t key, const struct ledger_value *value, void *sums)
{
    (void)key;
    ((uint64_t *)sums)[value->slice] += value->bytes;
}

static uint64_t booked(struct process *process, unsigned slice)
{
    uint64_t sums[SHIM_SLICES] = {0};
    ledger_visit(&process->blocks, add_value, sums);
    ledger_visit(&process->handles, add_value, sums);
    ledger_visit(&process->arrays, add_value, sums);
    return sums[slice] + backend_charged(process, slice);
}

/* Of what stood in an entry that was written over, at least what we know of is ours. */
static void bring_bytes(struct process *process, unsigned slice, struct region_entry *own)
{
    uint64_t known = booked(process, slice);
    uint64_t stands = atomic_load(&own->memory_bytes);
    if (known > stands) atomic_fetch_add(&own->memory_bytes, known - stands);
}

static void claim(struct process *process, unsigned slice)
{
    struct region_entry *before = process->entries[slice];
    if (before && admit_own_again(before, process->token, process->kept[slice])) {
        bring_bytes(process, slice, before);
        return;
    }
    if (process->token == 0) process->token = shim_token(process);
    struct region_entry *own = NULL;
    void *kept = NULL;
    if (process->token == 0 || admit_claim(&process->places[slice], process->token, shim_now(), &own, &kept) != 0) {
        process->entries[slice] = !before ? NULL : before; /* tried again at the next request */
        return;
    }
    life_end(process->kept[slice]);
    process->kept[slice] = kept;
    bring_bytes(process, slice, own);
    process->entries[slice] = own;
}

static bool has_entry(const struct process *process, unsigned slice)
{
    const struct region_entry *own = process->entries[slice];
    return own && atomic_load(&own->token) == process->token;
}

struct region_entry *shim_entry_slow(struct process *process, unsigned slice)
{
    int saved = errno;
    int state;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* who ended here would leave it to nobody */
    /* One thread at a time: two would take two entries. */
    for (int waits = 0; !has_entry(process, slice) && waits < CLAIM_WAITS_MAX; waits++) {
        if (atomic_exchange(&process->claiming[slice], 1) == 0) {
            if (!has_entry(process, slice)) claim(process, slice);
            atomic_store(&process->claiming[slice], 0);
            break;
        }
        shim_sleep_a_moment();
    }
    (void)pthread_setcancelstate(state, NULL);
    errno = saved;
    return has_entry(process, slice) ? process->entries[slice] : NULL;
}
