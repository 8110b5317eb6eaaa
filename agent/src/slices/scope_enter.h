/* A program goes into its slice's scope: moved by the agent, which alone may, before it begins. */
#ifndef TRANCHE_SCOPE_ENTER_H
#define TRANCHE_SCOPE_ENTER_H

#include "base/failure.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/slice.h"

/* Moves the process at the other end of the connection. 0, or -1 with the reason: then it is where it was. */
int scope_enter(struct agent *agent, struct slice *slice, const struct peer *peer, struct failure *failure);

#endif
