/* What the files of the edits share: rules that refuse, and the one way to change a slice. */
#ifndef TRANCHE_EDIT_PARTS_H
#define TRANCHE_EDIT_PARTS_H

#include "admission.h"
#include "edit.h"

/* edit_rules.c. Both return -1 with a sentence in *failure when an edit may not be. */
int edit_admission_failure(struct failure *failure, const char *code, const struct admission *asked);
/* self: the slice as it is now, NULL for a new one. */
int edit_check_admission(struct agent *agent, const struct slice_record *next, const struct slice *self,
                         struct failure *failure);

/* edit.c: journal, disk, then memory pages. Nothing has happened when it fails. */
int edit_commit(struct agent *agent, struct slice *slice, struct slice_record *next, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
/* A line of the board that no slice has; takes the oldest deleted slice's when all are used up. 0, or -1: none. */
int edit_take_board_slot(struct agent *agent, const char *gpu_uuid, uint32_t *slot);

/* edit_move.c: commits a record whose owner is another one. What the earlier owner's programs hold goes on beside it. */
int edit_commit_hand_over(struct agent *agent, struct slice *slice, struct slice_record *next,
                          const struct editor *editor, struct edit_reply *reply, struct failure *failure);
/* edit_move.c: commits a record whose GPU is another one, if nobody is in the slice. */
int edit_commit_move(struct agent *agent, struct slice *slice, struct slice_record *next, const struct editor *editor,
                     struct edit_reply *reply, struct failure *failure);

#endif
