/* Checks the agent's own files about once a second: cleaners of /tmp, `rm -rf /dev/shm/X` and tenants remove or cut
 * them, and a file that is missing limits no program that comes next. They are made again at once, and a notice says
 * so. */
#ifndef TRANCHE_UPKEEP_H
#define TRANCHE_UPKEEP_H

#include <stdint.h>

#include "state/agent_state.h"
#include "state/slice.h"

/* Keeps cleaners off for as long as the agent lives: they spare folders on which a process holds a lock. */
void upkeep_begin(struct agent *agent);

/* Looks at every file of every slice, and makes again what is missing or wrong. */
void upkeep_files(struct agent *agent, int64_t mono_ms);

/* true: all files of this slice are there, whole, and the ones that we have open. */
bool upkeep_is_whole(const struct agent *agent, const struct slice *slice);

#endif
