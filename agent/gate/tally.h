/* What all processes behind the filter hold together, and what goes with those that end. Part of a supervisor. */
#ifndef TRANCHE_GATE_TALLY_H
#define TRANCHE_GATE_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervisor;

int64_t tally_now_ns(void);

/* The sum: objects of the driver, and managed memory that is mapped. */
uint64_t tally_bytes(const struct supervisor *s);
uint64_t tally_bytes_of(const struct supervisor *s, uint32_t owner);

/* Tells whoever shares the ledger; false: the growth is refused, and nothing has changed. */
bool tally_publish(struct supervisor *s, pid_t asker, uint64_t before, uint64_t after);
/* After something was given back. */
void tally_publish_less(struct supervisor *s, uint64_t before);

void tally_set_managed(struct supervisor *s, uint32_t owner, uint64_t bytes);
/* Asks the kernel what is mapped. More than was asked for would be somebody who found a way around the asking: it counts,
 * whatever the limit. */
void tally_recount_managed(struct supervisor *s);

/* The index of a process that is known and lives; -1: it has asked for nothing. */
int tally_known_index(const struct supervisor *s, pid_t pid);
/* The asker is over: what it held goes, unless somebody has its files. */
void tally_settle(struct supervisor *s, uint32_t owner);
/* Takes up to that many ends of processes; whether there was one. */
bool tally_look_after_ends(struct supervisor *s, int bound);
/* Before a refusal: who has ended, and who has closed all files of the driver. */
void tally_sweep(struct supervisor *s);

#endif
