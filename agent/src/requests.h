/* The operations of the protocol: parse, check rights, act, answer. */
#ifndef TRANCHE_REQUESTS_H
#define TRANCHE_REQUESTS_H

#include "peer.h"

/* line is changed; line[len] is NUL. */
void request_line(struct agent *agent, struct peer *peer, char *line, size_t len);
void request_too_long(struct agent *agent, struct peer *peer);
/* Answers a history request after its last chunk. */
void request_history_done(struct peer *peer, const struct history_job *job);

#endif
