#include "price.h"

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

uint64_t price_key(const struct price_shape *shape)
{
    uint64_t hash = mix(UINT64_C(0x243f6a8885a308d3), shape->code);
    hash = mix(hash, (uint64_t)shape->grid[0] << 32 | shape->grid[1]);
    hash = mix(hash, (uint64_t)shape->grid[2] << 32 | shape->shared);
    hash = mix(hash, (uint64_t)shape->block[0] << 40 ^ (uint64_t)shape->block[1] << 20 ^ shape->block[2]);
    return hash == 0 ? 1 : hash;
}

struct price *price_find(struct price_book *book, uint64_t key)
{
    uint32_t at = (uint32_t)(key >> 40) % PRICE_BOOK_ENTRIES;
    for (uint32_t probe = 0; probe < PRICE_PROBES; probe++) {
        struct price *price = &book->entries[(at + probe) % PRICE_BOOK_ENTRIES];
        uint64_t seen = atomic_load_explicit(&price->key, memory_order_relaxed);
        if (seen == key) {
            return price;
        }
        if (seen == 0) {
            if (atomic_compare_exchange_strong(&price->key, &seen, key) || seen == key) {
                return price;
            }
        }
    }
    return &book->rest;
}

bool price_due(struct price *price)
{
    uint32_t samples = atomic_load_explicit(&price->samples, memory_order_relaxed);
    /* Not a read-modify-write: a count lost between threads moves the next timing by one launch, a locked add costs
     * every launch. */
    uint32_t since = atomic_load_explicit(&price->since, memory_order_relaxed) + 1;
    atomic_store_explicit(&price->since, since, memory_order_relaxed);
    uint32_t interval = 1;
    if (samples >= PRICE_EAGER_SAMPLES) {
        uint32_t doublings = (samples - PRICE_EAGER_SAMPLES) / 4 + 2;
        interval = doublings > 8 ? PRICE_INTERVAL_MAX : 1u << doublings;
        interval = interval > PRICE_INTERVAL_MAX ? PRICE_INTERVAL_MAX : interval;
    }
    if (since < interval || atomic_exchange_explicit(&price->timing, 1, memory_order_acquire) != 0) {
        return false;
    }
    atomic_store_explicit(&price->since, 0, memory_order_relaxed);
    return true;
}

uint64_t price_learn(struct price *price, uint64_t measured, bool alone)
{
    uint64_t known = atomic_load(&price->ns);
    uint32_t samples = atomic_load(&price->samples);
    measured = measured == 0 ? 1 : measured;
    atomic_store(&price->timing, 0);
    if (known == 0) {
        atomic_store(&price->ns, measured);
        atomic_store(&price->samples, 1);
        return (uint64_t)atomic_exchange(&price->unpriced, 0) * measured;
    }
    bool longer = measured > known + known / PRICE_TOLERANCE;
    if (!alone && longer && atomic_fetch_add(&price->outliers, 1) + 1 < PRICE_OUTLIERS_MAX) {
        return 0; /* most likely another tenant's turn lies within */
    }
    atomic_store(&price->outliers, 0);
    uint64_t next;
    if (!alone && measured < known - known / PRICE_TOLERANCE) {
        next = measured; /* the known one was such a timing itself */
        samples = 0;
    } else {
        uint64_t weight = samples + 1 < PRICE_WINDOW ? samples + 1 : PRICE_WINDOW;
        int64_t step = ((int64_t)measured - (int64_t)known) / (int64_t)weight;
        next = (uint64_t)((int64_t)known + step);
    }
    atomic_store(&price->ns, next == 0 ? 1 : next);
    atomic_store(&price->samples, samples == UINT32_MAX ? samples : samples + 1);
    return 0;
}

void price_forget(struct price *price)
{
    atomic_store(&price->ns, 0);
    atomic_store(&price->samples, 0);
    atomic_store(&price->since, 0);
    atomic_store(&price->unpriced, 0);
    atomic_store(&price->outliers, 0);
}

void price_forget_all(struct price_book *book)
{
    for (uint32_t at = 0; at < PRICE_BOOK_ENTRIES; at++) {
        if (atomic_load_explicit(&book->entries[at].key, memory_order_relaxed) != 0) {
            price_forget(&book->entries[at]);
            atomic_store(&book->entries[at].timing, 0);
            atomic_store(&book->entries[at].key, 0);
        }
    }
    price_forget(&book->rest);
}
