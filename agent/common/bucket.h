/* A slice's token bucket: nanoseconds of GPU time, refilled at the slice's share. Pure arithmetic on the slice's usage
 * header; the caller brings the time. Debt is allowed and paid later. */
#ifndef TRANCHE_BUCKET_H
#define TRANCHE_BUCKET_H

#include "region.h"

/* What an idle slice may save up: its share of this much time, so that a program which works in bursts gets its share
 * over a second; and never less than what a late wake-up of its sleepers costs. */
#define BUCKET_SAVINGS_WINDOW_NS INT64_C(200000000)
#define BUCKET_BURST_MIN_NS INT64_C(5000000)
#define BUCKET_BURST_NS BUCKET_SAVINGS_WINDOW_NS
/* Deepest debt: a price that was far too low must not stop a slice for minutes. */
#define BUCKET_DEBT_MAX_NS INT64_C(20000000000)
/* Shorter intervals are left to the next call, so that rounding down loses nothing worth counting. */
#define BUCKET_REFILL_MIN_NS UINT64_C(10000)

#define BUCKET_FULL_BP 10000u

/* Adds what the share has earned since the last refill. */
void bucket_refill(struct region_usage *usage, uint64_t now_ns, uint32_t share_bp);

/* Takes ns tokens, whether they are there or not; returns the level afterwards. */
int64_t bucket_take(struct region_usage *usage, int64_t ns);

int64_t bucket_level(const struct region_usage *usage);

/* How long until a level below 0 is paid back at this share; 0 if it is not below 0. */
uint64_t bucket_wait_ns(int64_t level_ns, uint32_t share_bp);

#endif
