/* Scopes come with their slices and go after them: made when a slice is, removed when it is gone and nobody is in it. No
 * process is ended for it. */
#ifndef TRANCHE_SCOPE_UPKEEP_H
#define TRANCHE_SCOPE_UPKEEP_H

#include <stdint.h>

#include "state/agent_state.h"

/* At the start: all of them. Afterwards, once a second: those that are missing, and leftovers. */
void scopes_watch(struct agent *agent, int64_t mono_ms);
/* A slice was deleted: its scope is looked at in the next second. */
void scopes_look_soon(struct agent *agent);

#endif
