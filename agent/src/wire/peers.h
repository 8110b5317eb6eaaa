/* One connection: lines in, lines out. What waits to be sent is bounded: replies by back-pressure on requests, state
 * and sample by being replaced, notices by a ring, history by one chunk at a time. */
#ifndef TRANCHE_PEERS_H
#define TRANCHE_PEERS_H

#include "base/line.h"
#include "state/agent_state.h"
#include "state/peer.h"

#define REPLIES_HIGH_BYTES (1u << 20) /* above it no more requests are read */
#define STALL_MS 10000                /* and a client that reads nothing for this long is disconnected */
#define LINGER_MS 2000                /* how long one that we end may go on sending before it must have heard */
#define REQUESTS_AT_ONCE 16           /* of one connection, before the others have their turn, */
#define LINES_AT_ONCE 16              /* the same for what is sent to it, */
#define WORK_AT_ONCE_NS 2000000ll     /* or this long, whichever comes first */
#define TURN_NS 10000000ll            /* all connections together, before samples, deaths and times are looked at */
#define PEERS_PER_UID_MAX                                                                                             \
    32 /* and of all uids that are subordinate to it; beside the supervisors of jobs, which are counted as jobs */

/* NULL (and fd closed) when there are too many connections or no memory. */
struct peer *peer_accept(struct agent *agent, int fd);
void peer_close(struct agent *agent, struct peer *peer);

/* What it has sent, each connection in its turn, until all have had theirs or TURN_NS have passed. */
void peers_serve(struct agent *agent);
/* Milliseconds until one of them can be served again; -1: none waits for that. */
int64_t peers_wait_ms(struct agent *agent);

/* Sends as much as the socket takes and sets what epoll waits for. */
void peer_flush(struct agent *agent, struct peer *peer);

/* The newest sample replaces one that still waits. */
void peer_offer_sample(struct peer *peer, struct shared_line *line);
void peer_offer_notice(struct peer *peer, struct shared_line *line);
/* To all that listen: struct agent's `post`. */
void peers_post(struct agent *agent, struct shared_line *line);

/* Ends connections that take nothing. */
void peers_check_stalls(struct agent *agent, int64_t mono_ms);
void peers_flush_all(struct agent *agent);
bool peers_subscribed(const struct agent *agent);

#endif
