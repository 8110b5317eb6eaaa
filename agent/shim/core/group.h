/* A program on several GPUs is held back as one, or not at all: a collective on one GPU occupies it until the other
 * ranks have launched theirs, so every rank pays for a wait of one, again and again. */
#ifndef TRANCHE_GROUP_H
#define TRANCHE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

struct launch;
struct shim;

/* Collectives that one rank may have queued before another launches its first of them. A larger difference means
 * another program. */
#define GROUP_AHEAD_MAX UINT64_C(1024)
/* ...while this rank has launched none: it may never launch any. */
#define GROUP_AHEAD_AT_FIRST UINT64_C(64)

/* The word in a usage entry: which program (16 bits), how many collectives it has launched (48). */
#define GROUP_COUNT_BITS 48u

/* The program's number, from what `tranche run` put into the environment; 0: not known. */
uint64_t group_of_environment(void);
/* Another rank of this program has launched a collective that this GPU has yet to launch: it must not be held back. */
bool group_is_behind(const struct launch *launch);
/* How long until the debts of all its slices are paid; 0 for a program of one slice. */
uint64_t group_wait_ns(const struct shim *shim, uint64_t now_ns);
/* A collective was launched. */
void group_met(const struct launch *launch);

#endif
