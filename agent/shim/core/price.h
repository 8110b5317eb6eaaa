/* The price book: what one launch costs in GPU time, learned by timing a few of them. One per process, keyed by code
 * and launch shape; lock-free, and a lost update costs accuracy only. Knows no driver and no clock. */
#ifndef TRANCHE_PRICE_H
#define TRANCHE_PRICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRICE_BOOK_ENTRIES 8192u
#define PRICE_PROBES 32u
/* The first launches of a shape are all timed, then ever fewer, down to one in this many. */
#define PRICE_EAGER_SAMPLES 4u
#define PRICE_INTERVAL_MAX 256u
/* A limited slice: so many that timing takes this part of its time, or half of it with kernels so short that these are
 * hundreds a second. Of those, limited or not, one in so many at most. */
#define PRICE_TIMING_NS UINT64_C(4000)
#define PRICE_TIMING_PART 200u
/* ...and a quarter of that while the limit is far. */
#define PRICE_EASY_TIMES 4u
#define PRICE_SHORT_NS UINT64_C(20000)
#define PRICE_INTERVAL_SHORT_MAX 1024u
/* Several at once, and never in step with a loop of the program: where one kernel takes different times in a fixed order,
 * one timing at a time would always meet the same of them. */
#define PRICE_TIMINGS_MAX 12u
/* So many timings in a row may be thrown away; the next is learned from, good or not. */
#define PRICE_DISCARDS_MAX 8u
/* A mean over about so many of the newest samples. */
#define PRICE_WINDOW 64u
/* So many timings alone make a mean that is kept when others come; fewer may all lie in the moment before they were
 * noticed. */
#define PRICE_SETTLED_SAMPLES 32u
/* Launches of a price that was not known owe at most so much. */
#define PRICE_OWED_MAX_NS (UINT64_MAX / 4)
/* A price from another process counts as so many own timings, unless an own one is so many times more or less. */
#define PRICE_SEED_SAMPLES 8u
#define PRICE_SEED_FACTOR 8u
/* A kernel that runs for so long does not end within one turn of its process: beside others its timing holds theirs. */
#define PRICE_TURN_NS UINT64_C(2000000)
/* ...and beyond this, not even with several others, by so much. */
#define PRICE_OTHER_WORK_NS UINT64_C(20000000)

/* Alone, a price is the mean of its timings: one kernel may take different times with different arguments. Beside
 * others a timing may hold a neighbour's turn, so that a mean says nothing; what can be told is the lower quartile,
 * and by how much that has moved since the mean was taken (the clock of a card that others heat is another one). */
struct price {
    _Alignas(64) _Atomic uint64_t key;
    _Atomic uint64_t ns;    /* what to charge; 0: not known yet */
    _Atomic uint32_t since; /* launches since the last timed one */
    _Atomic uint32_t due;   /* ...at which to look whether the next is to be timed */
    /* So much, a line of memory, a launch looks at that is only paid for. */
    _Atomic uint32_t unpriced; /* launches that are to be charged when ns is known */
    _Atomic uint32_t begun;    /* timings so far: what the next interval is drawn from */
    _Atomic uint64_t mean_ns;
    _Atomic uint64_t low_ns;       /* lower quartile of all timings */
    _Atomic uint64_t low_alone_ns; /* ...of those alone */
    _Atomic uint64_t shared_key;   /* 0: no other process could tell that it is the same */
    _Atomic uint32_t samples;      /* alone and beside others */
    _Atomic uint32_t looked;       /* for a price that another process of the slice has learned */
    _Atomic uint32_t seeded;       /* it came from there, and no own timing has contradicted it */
    _Atomic uint32_t collective;   /* waits for its like on other GPUs */
    _Atomic uint16_t alone_samples;
    _Atomic uint8_t timing;          /* timings under way */
    _Atomic uint8_t discarded;       /* timings thrown away since the last that was learned from */
    _Atomic uint32_t long_samples;   /* beside others, of launches longer than a turn */
    _Atomic uint64_t long_ns;        /* mean of those */
    _Atomic uint64_t long_theirs_ns; /* ...and of what the others had of it, as they say */
    _Atomic uint64_t advanced_ns;    /* charged for unpriced launches in advance */
};
_Static_assert(offsetof(struct price, due) < 64, "what a paid launch looks at is one line of memory");

struct price_book {
    _Atomic uint32_t generation; /* how often all was forgotten */
    struct price entries[PRICE_BOOK_ENTRIES];
    struct price rest; /* shared by all shapes that found no place */
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

/* Never 0. Two independent multiplications and a third: a launch computes it. */
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
/* The price of a launch that needs nothing but its price: known, and not to be timed this time; then it is counted.
 * 0: anything else. */
static inline uint64_t price_of_known(struct price_book *book, uint64_t key)
{
    struct price *price = &book->entries[price_place(key)];
    uint32_t since = atomic_load_explicit(&price->since, memory_order_relaxed) + 1;
    if (atomic_load_explicit(&price->key, memory_order_relaxed) != key ||
        since >= atomic_load_explicit(&price->due, memory_order_relaxed)) {
        return 0;
    }
    atomic_store_explicit(&price->since, since, memory_order_relaxed);
    return atomic_load_explicit(&price->ns, memory_order_relaxed);
}
/* So many launches of unknown price are charged so much each until it is known. */
void price_advance(struct price *price, uint32_t launches, uint64_t ns);
/* How often a launch is timed: where nothing depends on it; where a limit is far; and as often as may be, for a slice that
 * is held to a limit: a kernel of a millisecond is then timed at each launch. */
enum price_effort { PRICE_SPARSE, PRICE_EASY, PRICE_EXACT };
/* Counts one launch; true if this one should be timed. */
bool price_due(struct price *price, enum price_effort effort);
/* This launch could not be timed: look again after a while. */
void price_not_timed(struct price *price);
/* A timing. others: how many may have had turns meanwhile, as far as is known; theirs_ns is how long they had the GPU, as
 * they say. corrected: what all launches take together is known from elsewhere (span.h), and a settled price stays as it
 * is beside others, or the correction would follow it for ever. Returns what earlier, unpriced launches now owe; less than
 * 0: too much was charged for them in advance. */
int64_t price_learn(struct price *price, uint64_t measured_ns, uint32_t others, uint64_t theirs_ns, bool corrected);
/* What another process has learned in so many timings; nothing if something is known already. */
void price_seed(struct price *price, uint64_t ns, uint32_t samples);
/* A timing that price_due asked for will never be learned. */
void price_timing_ended(struct price *price);
/* As price_learn, in a program on several GPUs: any of its kernels may wait for another's, which costs nobody but it.
 * What can be told of the work in it is the lower quartile. */
int64_t price_learn_waiting(struct price *price, uint64_t measured_ns);
/* A timing that tells nothing. false: too many were thrown away already, learn from it. */
bool price_discard(struct price *price);
/* The code behind some or all keys went away; handles are reused, so old prices must not meet new code. */
void price_forget(struct price *price);
void price_forget_all(struct price_book *book);

#endif
