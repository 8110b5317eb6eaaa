/* The files that tenants map: what is written there is what is enforced. */
#ifndef TRANCHE_POLICY_H
#define TRANCHE_POLICY_H

#include "state/agent_state.h"
#include "state/slice.h"

int policy_open(struct agent *agent, struct slice *slice); /* 0 or errno */
void policy_apply(struct agent *agent, struct slice *slice);
/* Closes the page: a process that has it open gets nothing more through it, until policy_apply. */
void policy_shut(struct slice *slice);
/* Makes files for another GPU, closed until policy_apply; the page that was open stays closed for those who have it. 0
 * or errno: then policy_close and policy_open bring back what the slice's record says. */
int policy_move(struct agent *agent, struct slice *slice, const struct slice_record *to);
/* Gives the slice to another owner: a new usage file, a new line and a new page, closed until policy_apply. `left` is
 * a slice that is in the table already and that goes on with the old files for programs of the earlier owner; NULL: no
 * program is in the slice. 0 or errno: then policy_take_back brings back what was. */
int policy_hand_over(struct agent *agent, struct slice *slice, const struct slice_record *to, struct slice *left);
void policy_take_back(struct agent *agent, struct slice *slice, const struct slice_record *to, struct slice *left);
/* Sets aside memory for an earlier owner's programs: it counts against the slice's limit as residue does. */
void policy_set_inherited(struct slice *slice, uint64_t bytes);
/* The same for what its owner's processes hold outside every slice. */
void policy_set_escaped(struct slice *slice, uint64_t bytes);
void policy_set_limit(struct slice *slice, uint64_t bytes);
/* Tells the slices of a GPU about each other. The other functions do it wherever a slice of that GPU changes. */
void policy_meet(struct agent *agent, const char *gpu_uuid);
void policy_close(struct agent *agent, struct slice *slice, bool remove_files);
void policy_open_all(struct agent *agent);
int policy_board(struct agent *agent, const char *gpu_uuid); /* makes the board if needed: 0 or errno */
/* Publishes the result of a comparison, also when it is the same as before. */
void policy_set_residue(struct slice *slice, uint64_t bytes);
/* Tells the programs that have removed files of the slice open, and those that have the new ones, of each other's
 * memory. */
void policy_tell_strays(struct slice *slice);
/* Tells the slice's tenants what a context is known to take on its GPU. */
void policy_set_context(struct agent *agent, struct slice *slice);
void policy_update_access(struct agent *agent, struct slice *slice);
/* Empties an entry of the usage file, if it still bears this token and nobody holds its lock. */
void policy_reap(const struct slice *slice, int usage_fd, unsigned index, uint64_t token);

#endif
