#include "core/price_shared.h"

#include "core/code.h"
#include "core/price.h"
#include "core/shim.h"
#include "region.h"

/* Below this a shape's code is no handle but a number of ours, which every process means alike. */
#define CODE_HANDLE_MIN 4096u

/* The entry with this key, or a free one if claim. */
static struct region_price *find(struct region_price *prices, uint64_t key, bool claim)
{
    for (uint32_t probe = 0; probe < PRICE_SHARED_PROBES; probe++) {
        struct region_price *at = &prices[((uint32_t)(key >> 40) + probe) % REGION_PRICE_ENTRIES];
        uint64_t seen = atomic_load_explicit(&at->key, memory_order_relaxed);
        if (seen == key || (seen == 0 && claim && atomic_compare_exchange_strong(&at->key, &seen, key)) || seen == key)
            return at;
        if (seen == 0 && !claim) return NULL;
    }
    return NULL;
}

void price_shared_look(struct process *process, const struct region_usage *usage, struct price *price,
                       const struct price_shape *shape)
{
    if (atomic_exchange_explicit(&price->looked, 1, memory_order_relaxed) != 0) return;
    struct price_shape named = *shape;
    named.code = shape->code < CODE_HANDLE_MIN ? shape->code : (uintptr_t)code_identity(process, shape->code);
    atomic_store(&price->collective, code_is_collective(process, shape->code));
    if (named.code == 0 || process->shim->slice_count > 1) /* prices of a program on several GPUs are not the mean */
        return;
    uint64_t key = price_key(&named);
    atomic_store(&price->shared_key, key);
    const struct region_price *known = find((struct region_price *)usage->prices, key, false);
    if (!known) return;
    uint64_t ns = atomic_load(&known->price_ns);
    if (ns >= PRICE_SHARED_MIN_NS && ns <= PRICE_SHARED_MAX_NS) price_seed(price, ns, atomic_load(&known->samples));
}

void price_shared_tell(struct region_usage *usage, const struct price *price)
{
    uint64_t key = atomic_load_explicit(&price->shared_key, memory_order_relaxed);
    uint32_t own = atomic_load_explicit(&price->samples, memory_order_relaxed);
    if (key == 0 || (own != PRICE_SHARED_FIRST && own % PRICE_SHARED_EVERY != 0)) return;
    struct region_price *entry = find(usage->prices, key, true);
    if (entry) { /* full: the others learn for themselves */
        atomic_store(&entry->price_ns, atomic_load(&price->mean_ns));
        atomic_store(&entry->samples, atomic_load(&price->alone_samples));
    }
}
