/* One connection, as every floor may see it; what is done with it is in wire/peers.h. */
#ifndef TRANCHE_PEER_H
#define TRANCHE_PEER_H

#include "base/line.h"
#include "base/people.h"
#include "fs.h"
#include "json.h"

#define NOTICES_WAITING_MAX 32
#define HISTORY_JOBS_MAX 8
#define CLAIMED_FROM_BYTES 72 /* an address of SSH_CONNECTION, which has no more than 45 characters and a scope */

struct job;
struct history_job;

struct peer {
    int fd;
    uid_t uid;
    uid_t account; /* whose uid that is: accounts.h */
    pid_t pid;
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

#endif
