/* The price book: what one launch costs in GPU time, learned by timing a few of them. One per process, keyed by code
 * and launch shape; lock-free, and a lost update costs accuracy only. Knows no driver and no clock. */
#ifndef TRANCHE_PRICE_H
#define TRANCHE_PRICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PRICE_BOOK_ENTRIES 8192u
#define PRICE_PROBES 32u
/* The first launches of a shape are all timed, then ever fewer, down to one in this many. */
#define PRICE_EAGER_SAMPLES 4u
#define PRICE_INTERVAL_MAX 256u
/* A mean over about so many of the newest samples. */
#define PRICE_WINDOW 16u
/* Beside other tenants a timing that is longer by a time slice is no news; so many in a row are. */
#define PRICE_OUTLIERS_MAX 6u
/* ...where longer means by more than this part: even a short burst of a neighbour within must not count. */
#define PRICE_TOLERANCE 16u

struct price {
    _Atomic uint64_t key;
    _Atomic uint64_t ns; /* 0: not known yet */
    _Atomic uint32_t samples;
    _Atomic uint32_t since;    /* launches since the last timed one */
    _Atomic uint32_t unpriced; /* launches that were charged nothing, to be charged when ns is known */
    _Atomic uint32_t outliers;
    _Atomic uint32_t timing; /* a sample of this price is under way */
};

struct price_book {
    struct price entries[PRICE_BOOK_ENTRIES];
    struct price rest; /* shared by all shapes that found no place */
};

struct price_shape {
    uintptr_t code; /* a function, a kernel or an executable graph */
    uint32_t grid[3];
    uint32_t block[3];
    uint32_t shared;
};

uint64_t price_key(const struct price_shape *shape);
struct price *price_find(struct price_book *book, uint64_t key);
/* Counts one launch; true if this one should be timed. */
bool price_due(struct price *price);
/* A timing. alone: nobody else used the GPU, as far as is known. Returns what earlier, unpriced launches now owe. */
uint64_t price_learn(struct price *price, uint64_t measured_ns, bool alone);
/* The code behind some or all keys went away; handles are reused, so old prices must not meet new code. */
void price_forget(struct price *price);
void price_forget_all(struct price_book *book);

#endif
