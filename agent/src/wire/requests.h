/* The operations of the protocol: parse, check rights, act, answer. */
#ifndef TRANCHE_REQUESTS_H
#define TRANCHE_REQUESTS_H

#include "state/agent_state.h"
#include "state/peer.h"

/* line is changed; line[len] is NUL. */
void request_line(struct agent *agent, struct peer *peer, char *line, size_t len);
void request_too_long(struct agent *agent, struct peer *peer);
#endif
