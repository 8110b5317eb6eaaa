/* Prices that the processes of a slice share, in its usage file: a second process, or a second run, starts with what the
 * first one learned. A price is believed until the own timings say otherwise, and only within bounds. */
#ifndef TRANCHE_PRICE_SHARED_H
#define TRANCHE_PRICE_SHARED_H

#include "core/price.h"
#include "region.h"

#define PRICE_SHARED_PROBES 16u
/* What a price from the file may be: anybody in the slice can write it. A kernel that takes longer than the most is
 * waited for once instead, so that a wrong price costs tenths of a second and no more. */
#define PRICE_SHARED_MIN_NS UINT64_C(500)
#define PRICE_SHARED_MAX_NS UINT64_C(100000000)
/* A price is shared with the other processes after this many own timings alone, and again after each this many
 * more. */
#define PRICE_SHARED_FIRST 4u
#define PRICE_SHARED_EVERY 64u

struct process;

/* Once for a price, before its first launch: remembers under what key it is shared, and takes what is known. */
void price_shared_look(struct process *process, const struct region_usage *usage, struct price *price,
                       const struct price_shape *shape);
/* After a timing taken alone. */
void price_shared_tell(struct region_usage *usage, const struct price *price);

#endif
