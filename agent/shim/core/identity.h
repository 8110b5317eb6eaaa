/* Who this process is in the ledgers, and how it waits for its turn there. */
#ifndef TRANCHE_IDENTITY_H
#define TRANCHE_IDENTITY_H

#include <stdint.h>

struct process;

/* The own token; 0: it cannot be read now, but may be later. */
uint64_t shim_token(const struct process *process);
void shim_sleep_a_moment(void);

#endif
