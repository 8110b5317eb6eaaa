/* Slices that are let go of for good, and what they leave free. */
#ifndef TRANCHE_EDIT_FORGET_H
#define TRANCHE_EDIT_FORGET_H

#include "state/agent_state.h"

/* A line of the board that no slice has; takes the oldest deleted slice's when all are used up. 0, or -1: none. */
int edit_take_board_slot(struct agent *agent, const char *gpu_uuid, uint32_t *slot);

/* Earlier owners' programs have ended: the slice is its owner's alone again. Once a second. */
void edit_forget_left(struct agent *agent);

/* Lets go of deleted slices that no undo can bring back and of expired undo entries. */
void edit_prune(struct agent *agent, int64_t mono_ms);

#endif
