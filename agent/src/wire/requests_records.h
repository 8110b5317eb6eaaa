/* What is asked of the past: the part that comes in pieces. */
#ifndef TRANCHE_REQUESTS_RECORDS_H
#define TRANCHE_REQUESTS_RECORDS_H

#include "records/history.h"
#include "state/peer.h"

/* Answers a history request after its last chunk. */
void request_history_done(struct peer *peer, const struct history_job *job);

#endif
