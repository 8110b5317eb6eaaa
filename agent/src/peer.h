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
#define PEERS_PER_UID_MAX 32          /* beside the supervisors of jobs, which are counted as jobs */
#define CLAIMED_FROM_BYTES 72 /* an address of SSH_CONNECTION, which has no more than 45 characters and a scope */

struct peer {
    int fd;
    uid_t uid;
    pid_t pid;
    bool is_operator;
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

void peer_readable(struct agent *agent, struct peer *peer);

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
