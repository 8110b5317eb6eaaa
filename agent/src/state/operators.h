/* Who may change slices: the managing user, root, and whom the state file `operators` names, by uid and name. */
#ifndef TRANCHE_OPERATORS_H
#define TRANCHE_OPERATORS_H

#include "base/failure.h"
#include "state/agent_state.h"

bool agent_is_operator(const struct agent *agent, uid_t uid);
void operators_load(struct agent *agent);
/* names: separated by commas. 0, or -1 with nothing changed. */
int operators_set(struct agent *agent, const char *names, struct failure *failure);
/* Compares names and uids with the system's directory: who is another by now is no operator. */
void operators_check(struct agent *agent);

#endif
