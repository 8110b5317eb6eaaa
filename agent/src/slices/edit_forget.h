/* Slices that are forgotten for good, and what becomes free with them. */
#ifndef TRANCHE_EDIT_FORGET_H
#define TRANCHE_EDIT_FORGET_H

#include "state/agent_state.h"

/* Finds a line of the board that no slice has; takes the oldest deleted slice's when all are used up. -1: there is
 * none. */
int edit_take_board_slot(struct agent *agent, const char *gpu_uuid, uint32_t *slot);

/* Forgets earlier owners whose programs have ended: the slice is its owner's alone again. Once a second. */
void edit_forget_left(struct agent *agent);

/* Forgets deleted slices that no undo can bring back, and expired undo entries. */
void edit_prune(struct agent *agent, int64_t mono_ms);

#endif
