/* Admission of memory by "publish, then check". A request is first added to the process's own entry, then the limit is
 * read, then all entries are summed; over the limit, the request is taken back. Of two that race, the later publisher
 * sees the earlier, so both cannot get the last bytes; both may lose, and then both try again.
 *
 * Memory order: publishing is a sequentially consistent read-modify-write and every load of a decision is sequentially
 * consistent. test/agent/admit_model_test.c explores the interleavings, and finds the overshoot as soon as either is
 * weakened. */
#ifndef TRANCHE_ADMIT_H
#define TRANCHE_ADMIT_H

#include "life.h"
#include "region.h"

#include <stdbool.h>

/* Before a refusal a process waits for peers that are still deciding, at most this many times... */
#define ADMIT_RETRIES 48
/* ...for a time that grows from the first to the second. */
#define ADMIT_PAUSE_MIN_NS 20000L
#define ADMIT_PAUSE_MAX_NS 2000000L

/* Refusals look for dead peers no more often than this. */
#define ADMIT_REAP_INTERVAL_NS UINT64_C(5000000)

/* The token of a process, from its pid and start time in clock ticks. */
uint64_t admit_token(uint32_t pid, uint64_t start_ticks);
/* Start time of a process; 0 (errno) if it cannot be read. */
uint64_t admit_start_ticks(uint32_t pid);
/* false only if the process of this token is certainly gone. */
bool admit_token_alive(uint64_t token);

/* Claims this process's own entry; one that it left before exec is emptied and used again. Returns 0, -ENOSPC if all
 * entries are taken, or another error for want of something that may be there at the next try. *kept_out is what holds
 * its lock, NULL if it has none. */
int admit_claim(const struct life_place *place, uint64_t token, uint64_t now_ns, struct region_entry **own_out,
                void **kept_out);
/* For an own entry that bears another token than ours. true: it is ours again, with the bytes that stand in it. false:
 * by now it is another process's. */
bool admit_own_again(struct region_entry *own, uint64_t token, const void *kept);
void admit_leave(struct region_entry *entry, uint64_t token, void *kept);
/* Frees the entries of dead processes; returns how many. A process counts as alive where that cannot be told. */
unsigned admit_reap(const struct life_place *place);
/* The same, unless this process did so for this slice within ADMIT_REAP_INTERVAL_NS. */
unsigned admit_reap_when_due(const struct life_place *place);

/* true: bytes are charged to own. false: nothing is, and the caller answers out of memory. */
bool admit_reserve(const struct region_policy *policy, const struct life_place *place, struct region_entry *own,
                   uint64_t bytes);
/* Bytes of an entry's pending_bytes; the word's upper bits count requests that were taken back. */
#define ADMIT_PENDING(word) ((word) & ((UINT64_C(1) << 48) - 1))

/* Gives back, never below zero. */
void admit_release(struct region_entry *own, uint64_t bytes);

/* Sum over all counted entries, saturating. */
uint64_t admit_used(const struct region_usage *usage);
/* What the slice holds beyond the entries: the measured residue, and what processes expect to be measured next. */
uint64_t admit_beyond(const struct region_policy *policy, const struct region_usage *usage);

#endif
