/* The price book: the GPU time that one launch costs, learned by timing a few launches. There is one book per process,
 * keyed by code and launch shape; it is lock-free, and a lost update costs accuracy only. It knows no driver and no
 * clock. */
#ifndef TRANCHE_PRICE_H
#define TRANCHE_PRICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRICE_BOOK_ENTRIES 8192u
#define PRICE_PROBES 32u
/* The first launches of a shape (this many) are all timed, then ever fewer, down to one in PRICE_INTERVAL_MAX. */
#define PRICE_EAGER_SAMPLES 4u
#define PRICE_INTERVAL_MAX 256u
/* In a limited slice a timing, which costs PRICE_TIMING_NS, may take one part in PRICE_TIMING_PART of the slice's
 * time; half of that for kernels below PRICE_SHORT_NS, where it would mean hundreds of timings a second. Those,
 * limited or not, are timed down to one in PRICE_INTERVAL_SHORT_MAX. */
#define PRICE_TIMING_NS UINT64_C(4000)
#define PRICE_TIMING_PART 200u
/* ...and a quarter of that part while the limit is far. */
#define PRICE_EASY_TIMES 4u
#define PRICE_SHORT_NS UINT64_C(20000)
#define PRICE_INTERVAL_SHORT_MAX 1024u
/* Up to this many timings are under way at once, at intervals that are drawn: where one kernel takes different times
 * in a fixed order, one timing at a time would always meet the same of them. */
#define PRICE_TIMINGS_MAX 12u
/* This many timings in a row may be thrown away; the next is learned from, good or not. */
#define PRICE_DISCARDS_MAX 8u
/* A mean is taken over about this many of the newest samples. */
#define PRICE_WINDOW 64u
/* This many timings alone make a mean that is kept when others come; fewer may all lie in the moment before the others
 * were noticed. */
#define PRICE_SETTLED_SAMPLES 32u
/* Launches whose price was not known owe at most this much. */
#define PRICE_OWED_MAX_NS (UINT64_MAX / 4)
/* A price from another process counts as PRICE_SEED_SAMPLES own timings, until an own one is PRICE_SEED_FACTOR times
 * more or less. */
#define PRICE_SEED_SAMPLES 8u
#define PRICE_SEED_FACTOR 8u
/* A kernel that runs this long does not end within one turn of its process: beside others its timing includes their
 * turns. */
#define PRICE_TURN_NS UINT64_C(2000000)
/* ...and a timing beyond this is too long even with several others: the kernel may have been given other work. */
#define PRICE_OTHER_WORK_NS UINT64_C(20000000)

/* Alone, a price is the mean of its timings: one kernel may take different times with different arguments. Beside
 * others a timing may include a neighbour's turn, so the mean is no use; what can be told is the lower quartile, and
 * how far it has moved since the mean was taken (a card that others heat runs at another clock). */
struct price {
    _Alignas(64) _Atomic uint64_t key;
    _Atomic uint64_t ns;    /* what to charge; 0: not known yet */
    _Atomic uint32_t since; /* launches since the last one that was timed */
    _Atomic uint32_t due;   /* the value of since at which to decide whether the next is timed */
    /* Up to here, one cache line, is what a launch reads that is only paid for. */
    _Atomic uint32_t unpriced; /* launches that are charged once ns is known */
    _Atomic uint32_t begun;    /* timings so far: seeds the next interval */
    _Atomic uint64_t mean_ns;
    _Atomic uint64_t low_ns;       /* lower quartile of all timings */
    _Atomic uint64_t low_alone_ns; /* lower quartile of the timings taken alone */
    _Atomic uint64_t shared_key;   /* 0: another process could not tell that it is the same kernel */
    _Atomic uint32_t samples;      /* timings learned from, alone and beside others */
    _Atomic uint32_t looked;       /* looks for a price that another process of the slice has learned */
    _Atomic uint32_t seeded;       /* the price came from another process, and no own timing has contradicted it */
    _Atomic uint32_t collective;   /* a collective: waits for its like on other GPUs */
    _Atomic uint16_t alone_samples;
    _Atomic uint8_t timing;          /* timings under way */
    _Atomic uint8_t discarded;       /* timings thrown away since the last that was learned from */
    _Atomic uint32_t long_samples;   /* timings beside others, of launches longer than a turn */
    _Atomic uint64_t long_ns;        /* their mean */
    _Atomic uint64_t long_theirs_ns; /* mean of what the others had meanwhile, by their own account */
    _Atomic uint64_t advanced_ns;    /* charged in advance for unpriced launches */
};
_Static_assert(offsetof(struct price, due) < 64, "what a paid launch looks at is one line of memory");

struct price_book {
    _Atomic uint32_t generation; /* how often all prices were forgotten */
    struct price entries[PRICE_BOOK_ENTRIES];
    struct price rest; /* the price of all shapes that found no place */
};

struct price_shape {
    uintptr_t code; /* a function, a kernel or an executable graph */
    uint32_t grid[3];
    uint32_t block[3];
    uint32_t shared;
};

static inline uint64_t price_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Never 0. Two independent multiplications and a third, because each launch computes it. */
static inline uint64_t price_key(const struct price_shape *shape)
{
    uint64_t grid = (uint64_t)shape->grid[0] << 32 | shape->grid[1];
    uint64_t rest = (uint64_t)shape->grid[2] << 32 | shape->shared;
    uint64_t block = (uint64_t)shape->block[0] << 40 ^ (uint64_t)shape->block[1] << 20 ^ shape->block[2];
    uint64_t first = price_fold(shape->code ^ UINT64_C(0x243f6a8885a308d3), grid ^ UINT64_C(0x13198a2e03707344));
    uint64_t second = price_fold(rest ^ UINT64_C(0xa4093822299f31d0), block ^ UINT64_C(0x082efa98ec4e6c89));
    uint64_t hash = price_fold(first ^ UINT64_C(0x9fb21c651e98df25), second ^ UINT64_C(0x452821e638d01377));
    return hash == 0 ? 1 : hash;
}

static inline uint32_t price_place(uint64_t key)
{
    return (uint32_t)(key >> 40) % PRICE_BOOK_ENTRIES;
}

struct price *price_find(struct price_book *book, uint64_t key);
/* The price of a launch that needs nothing else: the price is known, and this launch is not to be timed. Then the
 * launch is counted. 0: anything else. */
static inline uint64_t price_of_known(struct price_book *book, uint64_t key)
{
    struct price *price = &book->entries[price_place(key)];
    uint32_t since = atomic_load_explicit(&price->since, memory_order_relaxed) + 1;
    if (atomic_load_explicit(&price->key, memory_order_relaxed) != key ||
        since >= atomic_load_explicit(&price->due, memory_order_relaxed))
        return 0;
    atomic_store_explicit(&price->since, since, memory_order_relaxed);
    return atomic_load_explicit(&price->ns, memory_order_relaxed);
}
/* Notes that this many launches of unknown price were charged ns each, until it is known. */
void price_advance(struct price *price, uint32_t launches, uint64_t ns);
/* How often a launch is timed. SPARSE: nothing depends on it. EASY: the limit is far. EXACT: a slice is held to a
 * limit, and timed as often as the cost allows; a kernel of a millisecond is then timed at each launch. */
enum price_effort { PRICE_SPARSE, PRICE_EASY, PRICE_EXACT };
/* Counts one launch. true: it should be timed. */
bool price_due(struct price *price, enum price_effort effort);
/* This launch could not be timed: decide again after a while. */
void price_not_timed(struct price *price);
/* Learns from a timing. others: how many others may have had turns meanwhile, as far as is known. theirs_ns: how long
 * they had the GPU, by their own account. corrected: spans say what all launches take together (span_state.h); then a
 * settled price stays as it is beside others, or it would chase the correction for ever. Returns what earlier,
 * unpriced launches now owe; below 0: too much was charged for them in advance. */
int64_t price_learn(struct price *price, uint64_t measured_ns, uint32_t others, uint64_t theirs_ns, bool corrected);
/* Takes over what another process has learned in this many timings, unless something is known already. */
void price_seed(struct price *price, uint64_t ns, uint32_t samples);
/* A timing that price_due asked for will never be learned from. */
void price_timing_ended(struct price *price);
/* As price_learn, in a program on several GPUs: any of its kernels may wait for another GPU's, which costs only this
 * program. The lower quartile is then what tells its work. */
int64_t price_learn_waiting(struct price *price, uint64_t measured_ns);
/* Throws away a timing that tells nothing. false: too many were thrown away already, learn from it. */
bool price_discard(struct price *price);
/* The code behind some or all keys went away; handles are reused, so old prices must not meet new code. */
void price_forget(struct price *price);
void price_forget_all(struct price_book *book);

#endif
