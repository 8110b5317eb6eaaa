/* Edits that give a slice other files: on another GPU, or for another owner. */
#ifndef TRANCHE_EDIT_MOVE_H
#define TRANCHE_EDIT_MOVE_H

#include "base/failure.h"
#include "journal/audit.h"
#include "slices/edit_commit.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* Moves a slice to another GPU of the host, while no process is in it. */
int edit_move(struct agent *agent, struct slice *slice, const char *gpu_uuid, const struct editor *editor,
              struct edit_reply *reply, struct failure *failure);

/* Commits a record with another owner. What the earlier owner's programs hold stays theirs, beside it. */
int edit_commit_hand_over(struct agent *agent, struct slice *slice, struct slice_record *next,
                          const struct editor *editor, struct edit_reply *reply, struct failure *failure);
/* Commits a record with another GPU, if no process is in the slice. */
int edit_commit_move(struct agent *agent, struct slice *slice, struct slice_record *next, const struct editor *editor,
                     struct edit_reply *reply, struct failure *failure);

#endif
