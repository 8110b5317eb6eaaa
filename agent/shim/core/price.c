#include "core/price.h"

struct price *price_find(struct price_book *book, uint64_t key)
{
    uint32_t at = price_place(key);
    for (uint32_t probe = 0; probe < PRICE_PROBES; probe++) {
        struct price *price = &book->entries[(at + probe) % PRICE_BOOK_ENTRIES];
        uint64_t seen = atomic_load_explicit(&price->key, memory_order_relaxed);
        if (seen == key) return price;
        if (seen == 0) {
            if (atomic_compare_exchange_strong(&price->key, &seen, key) || seen == key) return price;
        }
    }
    return &book->rest;
}

/* A draw between half and one and a half of the interval, another one each time. */
static uint32_t drawn(uint32_t interval, uint32_t begun)
{
    return interval <= 1 ? 1 : interval / 2 + 1 + (begun * 2654435761u >> 16) % interval;
}

static uint32_t within(uint64_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : (uint32_t)value;
}

bool price_due(struct price *price, enum price_effort effort)
{
    uint32_t timing = atomic_load_explicit(&price->timing, memory_order_relaxed);
    uint32_t samples = atomic_load_explicit(&price->samples, memory_order_relaxed);
    if (samples < PRICE_EAGER_SAMPLES && samples + timing >= PRICE_EAGER_SAMPLES) {
        /* The price is about to be known: until then each launch checks whether it is. */
        atomic_store_explicit(&price->due, 0, memory_order_relaxed);
        return false;
    }
    samples = samples > UINT32_MAX - timing ? samples : samples + timing;
    /* Not a read-modify-write: a count lost between threads moves the next timing by one launch, a locked add costs
     * every launch. */
    uint32_t since = atomic_load_explicit(&price->since, memory_order_relaxed) + 1;
    atomic_store_explicit(&price->since, since, memory_order_relaxed);
    uint32_t interval = 1;
    uint64_t ns = atomic_load_explicit(&price->ns, memory_order_relaxed);
    uint64_t part = ns < PRICE_SHORT_NS ? 2 * PRICE_TIMING_PART : PRICE_TIMING_PART;
    uint64_t dear = PRICE_TIMING_NS * part / (ns == 0 ? 1 : ns) + 1;
    if (samples >= PRICE_EAGER_SAMPLES) {
        uint32_t doublings = (samples - PRICE_EAGER_SAMPLES) / 4 + 2;
        uint32_t most = within(dear, PRICE_INTERVAL_MAX, PRICE_INTERVAL_SHORT_MAX);
        interval = doublings > 10 || 1u << doublings > most ? most : 1u << doublings;
    }
    uint64_t limited = effort == PRICE_EASY ? dear * PRICE_EASY_TIMES : dear;
    if (effort != PRICE_SPARSE && limited < interval) interval = (uint32_t)limited;
    uint32_t begun = atomic_load_explicit(&price->begun, memory_order_relaxed);
    uint32_t due = timing >= PRICE_TIMINGS_MAX ? UINT32_MAX : drawn(interval, begun);
    if (since < due) {
        atomic_store_explicit(&price->due, due, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(&price->begun, begun + 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&price->timing, 1, memory_order_relaxed);
    atomic_store_explicit(&price->since, 0, memory_order_relaxed);
    atomic_store_explicit(&price->due, drawn(interval, begun + 1), memory_order_relaxed);
    return true;
}

void price_not_timed(struct price *price)
{
    atomic_store_explicit(&price->since, 0, memory_order_relaxed);
    atomic_store_explicit(&price->due, PRICE_INTERVAL_MAX, memory_order_relaxed);
}

void price_timing_ended(struct price *price)
{
    uint8_t timing = atomic_load(&price->timing);
    while (timing > 0 && !atomic_compare_exchange_weak(&price->timing, &timing, (uint8_t)(timing - 1))) {
    }
    atomic_store(&price->due, 0);
}

static void step_to(_Atomic uint64_t *mean, uint64_t measured, uint32_t samples)
{
    uint64_t known = atomic_load(mean);
    uint64_t weight = samples + 1 < PRICE_WINDOW ? samples + 1 : PRICE_WINDOW;
    int64_t step = ((int64_t)measured - (int64_t)known) / (int64_t)weight;
    uint64_t next = known == 0 ? measured : (uint64_t)((int64_t)known + step);
    atomic_store(mean, next == 0 ? 1 : next);
}

/* Tracks the lower quartile: three steps down for one up come to the same where a quarter of the timings lies
 * below. */
static void track_low(_Atomic uint64_t *low, uint64_t measured, uint32_t samples)
{
    uint64_t known = atomic_load(low);
    if (known == 0 || (samples < PRICE_SETTLED_SAMPLES && measured < known)) {
        atomic_store(low, measured);
        return;
    }
    uint64_t up = known / 128 + 1;
    uint64_t down = 3 * up < known ? 3 * up : known - 1;
    if (measured > known)
        atomic_store(low, known + up > measured ? measured : known + up);
    else
        atomic_store(low, known - down < measured ? measured : known - down);
}

static uint64_t beside_others(const struct price *price)
{
    uint64_t mean = atomic_load(&price->mean_ns);
    uint64_t low = atomic_load(&price->low_ns);
    uint64_t before = atomic_load(&price->low_alone_ns);
    if (atomic_load(&price->alone_samples) < PRICE_SETTLED_SAMPLES || before == 0 || low == 0)
        return low == 0 ? mean : low;
    low = low < before / 2 ? before / 2 : low > before * 2 ? before * 2 : low;
    return (uint64_t)((double)mean * (double)low / (double)before);
}

bool price_discard(struct price *price)
{
    uint32_t discarded = atomic_load(&price->discarded) + 1;
    if (discarded > PRICE_DISCARDS_MAX) return false;
    atomic_store(&price->discarded, (uint8_t)discarded);
    price_timing_ended(price);
    return true;
}

void price_seed(struct price *price, uint64_t ns, uint32_t samples)
{
    if (atomic_load(&price->ns) != 0) return;
    atomic_store(&price->mean_ns, ns);
    atomic_store(&price->alone_samples, samples < PRICE_SEED_SAMPLES ? samples : PRICE_SEED_SAMPLES);
    atomic_store(&price->seeded, 1);
    atomic_store(&price->ns, ns);
}

void price_advance(struct price *price, uint32_t launches, uint64_t ns)
{
    atomic_fetch_add(&price->advanced_ns, launches * ns);
}

static int64_t owed(struct price *price)
{
    uint64_t all = (uint64_t)atomic_exchange(&price->unpriced, 0) * atomic_load(&price->ns);
    all = all > PRICE_OWED_MAX_NS ? PRICE_OWED_MAX_NS : all;
    return (int64_t)all - (int64_t)atomic_exchange(&price->advanced_ns, 0);
}

/* The measured time contradicts what is known: it was another kernel after all, or another process lied. */
static bool is_contradicted(const struct price *price, uint64_t measured)
{
    uint64_t known = atomic_load(&price->mean_ns);
    return known != 0 && (measured / PRICE_SEED_FACTOR > known || known / PRICE_SEED_FACTOR > measured);
}

static void forget_long(struct price *price)
{
    atomic_store(&price->long_samples, 0);
    atomic_store(&price->long_ns, 0);
    atomic_store(&price->long_theirs_ns, 0);
}

/* A timing less what the others had of it by their own account, computed from prices of which ours are a part. Turns
 * are of equal length, so our part is no smaller than any of theirs. */
static uint64_t own_part(uint64_t all, uint64_t had, uint32_t others)
{
    uint64_t least = all / (others + 1);
    return had < all - least ? all - had : least;
}

/* What others launch comes in lumps: nothing during one of our kernels, three kernels during the next. So it is
 * subtracted from the mean, not from each timing. */
static uint64_t own_of_long(struct price *price, uint64_t measured, uint64_t theirs, uint32_t others)
{
    uint32_t samples = atomic_load(&price->long_samples);
    step_to(&price->long_ns, measured, samples);
    step_to(&price->long_theirs_ns, theirs + 1, samples);
    atomic_store(&price->long_samples, samples == UINT32_MAX ? samples : samples + 1);
    return own_part(atomic_load(&price->long_ns), atomic_load(&price->long_theirs_ns), others);
}

int64_t price_learn(struct price *price, uint64_t measured, uint32_t others, uint64_t theirs, bool corrected)
{
    uint32_t samples = atomic_load(&price->samples);
    uint32_t alone_samples = atomic_load(&price->alone_samples);
    bool first = atomic_load(&price->ns) == 0;
    measured = measured == 0 ? 1 : measured;
    atomic_store(&price->discarded, 0);
    if (others == 0) {
        if (atomic_exchange(&price->seeded, 0) != 0 && is_contradicted(price, measured)) alone_samples = 0;
        if (alone_samples == 0)
            atomic_store(&price->mean_ns, 0); /* what was guessed beside others is no part of the mean */
        step_to(&price->mean_ns, measured, alone_samples);
        track_low(&price->low_alone_ns, measured, alone_samples);
        atomic_store(&price->low_ns, atomic_load(&price->low_alone_ns));
        atomic_store(&price->alone_samples,
                     (uint16_t)(alone_samples == UINT16_MAX ? alone_samples : alone_samples + 1));
        atomic_store(&price->ns, atomic_load(&price->mean_ns));
    } else if (measured < PRICE_TURN_NS) {
        track_low(&price->low_ns, measured, samples);
        if (!corrected || samples < PRICE_SETTLED_SAMPLES) atomic_store(&price->ns, beside_others(price));
    } else {
        /* Many turns long, and far from what it took before or from what another process said: it is given other work
         * now. */
        bool other_work = measured > PRICE_OTHER_WORK_NS && is_contradicted(price, own_part(measured, theirs, others));
        if (other_work) {
            atomic_store(&price->seeded, 0);
            atomic_store(&price->mean_ns, 0);
            atomic_store(&price->low_ns, 0);
            atomic_store(&price->low_alone_ns, 0);
            atomic_store(&price->alone_samples, 0);
            forget_long(price);
            alone_samples = 0;
        }
        uint64_t own = own_of_long(price, measured, theirs, others);
        uint64_t low = atomic_load(&price->low_ns);
        if (alone_samples < PRICE_EAGER_SAMPLES && (low == 0 || low >= PRICE_TURN_NS)) {
            atomic_store(&price->mean_ns, own);
            atomic_store(&price->ns, own);
        }
    }
    atomic_store(&price->samples, samples == UINT32_MAX ? samples : samples + 1);
    price_timing_ended(price);
    return first ? owed(price) : 0;
}

int64_t price_learn_waiting(struct price *price, uint64_t measured)
{
    bool first = atomic_load(&price->ns) == 0;
    uint32_t samples = atomic_load(&price->samples);
    track_low(&price->low_ns, measured == 0 ? 1 : measured, samples);
    atomic_store(&price->discarded, 0);
    atomic_store(&price->ns, atomic_load(&price->low_ns));
    atomic_store(&price->samples, samples == UINT32_MAX ? samples : samples + 1);
    price_timing_ended(price);
    return first ? owed(price) : 0;
}

void price_forget(struct price *price)
{
    atomic_store(&price->ns, 0);
    atomic_store(&price->mean_ns, 0);
    atomic_store(&price->low_ns, 0);
    atomic_store(&price->low_alone_ns, 0);
    atomic_store(&price->samples, 0);
    atomic_store(&price->alone_samples, 0);
    atomic_store(&price->since, 0);
    atomic_store(&price->due, 0);
    atomic_store(&price->unpriced, 0);
    forget_long(price);
    atomic_store(&price->advanced_ns, 0);
    atomic_store(&price->discarded, 0);
    atomic_store(&price->looked, 0);
    atomic_store(&price->seeded, 0);
    atomic_store(&price->shared_key, 0);
}

void price_forget_all(struct price_book *book)
{
    atomic_fetch_add(&book->generation, 1);
    for (uint32_t at = 0; at < PRICE_BOOK_ENTRIES; at++) {
        if (atomic_load_explicit(&book->entries[at].key, memory_order_relaxed) != 0) {
            price_forget(&book->entries[at]);
            atomic_store(&book->entries[at].timing, 0);
            atomic_store(&book->entries[at].key, 0);
        }
    }
    price_forget(&book->rest);
}
