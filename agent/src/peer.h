/* One connection: lines in, lines out. What waits to be sent is bounded: replies by back-pressure on requests, state
 * and sample by being replaced, notices by a ring, history by one chunk at a time. */
#ifndef TRANCHE_PEER_H
#define TRANCHE_PEER_H

#include "agent.h"
#include "history.h"

#define NOTICES_WAITING_MAX 32
#define HISTORY_JOBS_MAX 8
#define REPLIES_HIGH_BYTES (1u << 20) /* above it no more requests are read */
#define STALL_MS 10000                /* and a client that reads nothing for this long is disconnected */
#define LINGER_MS 2000                /* how long one that we end may go on sending before it must have heard */
#define REQUESTS_AT_ONCE 16           /* of one connection, before the others have their turn, */
#define LINES_AT_ONCE 16              /* the same for what is sent to it, */
#define WORK_AT_ONCE_NS 2000000ll     /* or this long, whichever comes first */
#define TURN_NS 10000000ll            /* all connections together, before samples, deaths and times are looked at */
#define PEERS_PER_UID_MAX                                                                                             \
    32 /* and of all uids that are subordinate to it; beside the supervisors of jobs, which are counted as jobs */
#define CLAIMED_FROM_BYTES 72 /* an address of SSH_CONNECTION, which has no more than 45 characters and a scope */

struct peer {
    int fd;
    uid_t uid;
    uid_t account; /* whose uid that is: accounts.h */
    pid_t pid;
    bool is_operator;
    bool has_line;          /* a whole request waits in the buffer */
    bool is_readable;       /* epoll said so */
    bool hung_up;           /* it is gone, and reads nothing more */
    bool awaits_save;       /* its reply goes out when the journal of jobs is on disk */
    struct job *supervises; /* it is the supervisor of this job */
    bool subscribed, wants_state, wants_jobs;
    bool closing;   /* everything queued goes out, then the connection ends */
    bool lingering; /* it has gone out; what the client still sends is thrown away until it has read it */
    int64_t linger_until_ms;
    bool input_end; /* the client sends nothing more */
    bool dead;
    int32_t interval_ms;
    int64_t due_at_ms;      /* monotonic */
    int64_t progress_at_ms; /* when the client last took a byte */
    uint32_t epoll_events;
    char name[OWNER_BYTES];
    char shim_path[FS_PATH_BYTES];
    char claimed_from[CLAIMED_FROM_BYTES]; /* "" = it said nothing */

    char *in; /* REQUEST_LINE_MAX_BYTES + 1 */
    size_t in_len;
    struct json_writer replies;
    size_t replies_sent;
    struct shared_line *current; /* an event on its way */
    size_t current_sent;
    struct shared_line *sample;
    struct shared_line *notices[NOTICES_WAITING_MAX];
    size_t notice_first, notice_count;
    struct history_job *jobs[HISTORY_JOBS_MAX];
    size_t job_count;
};

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

/* Ends connections that take nothing. */
void peers_check_stalls(struct agent *agent, int64_t mono_ms);
void peers_flush_all(struct agent *agent);
bool peers_subscribed(const struct agent *agent);

#endif
