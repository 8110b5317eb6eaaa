#include "wire/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/line.h"
#include "base/now.h"
#include "base/people.h"
#include "jobs/jobs.h"
#include "json.h"
#include "records/history.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/rights.h"
#include "text.h"
#include "wire/events.h"
#include "wire/requests.h"
#include "wire/requests_records.h"

#define SEND_BUFFER_BYTES (64 * 1024) /* what waits in the kernel is old news; latest-wins works before it */

static bool is_trusted(const struct agent *agent, uid_t uid)
{
    return rights_may(agent, uid, VERB_SET_HOST, OWNED_BY_NOBODY);
}

/* Nobody must be able to lock the others out: not one person by many connections or many uids, and not all together
 * those who look after the host. */
static bool has_room(const struct agent *agent, uid_t uid, uid_t account)
{
    size_t same = 0, ordinary = 0, all = 0;
    for (size_t i = 0; i < agent->peer_count; i++) {
        const struct peer *peer = agent->peers[i];
        if (peer->supervises) continue;
        all++;
        same += peer->account == account;
        ordinary += !is_trusted(agent, peer->uid);
    }
    if (agent->peer_count >= PEERS_MAX || all >= CLIENTS_MAX + CLIENTS_RESERVED) return false;
    if (rights_may(agent, uid, VERB_NAME_OPERATORS, OWNED_BY_NOBODY)) return true;
    return same < PEERS_PER_UID_MAX && (is_trusted(agent, uid) || ordinary < CLIENTS_MAX);
}

struct peer *peer_accept(struct agent *agent, int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    struct peer *peer = NULL;
    uid_t account = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) {
        account = accounts_owner(who.uid, now_mono_ns());
        if (has_room(agent, who.uid, account)) peer = calloc(1, sizeof *peer);
    }
    if (peer) peer->in = malloc(REQUEST_LINE_MAX_BYTES + 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (!peer || !peer->in || epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        if (peer) free(peer->in);
        free(peer);
        close(fd);
        return NULL;
    }
    int size = SEND_BUFFER_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    peer->fd = fd;
    peer->uid = who.uid;
    peer->account = account;
    peer->pid = who.pid;
    peer->epoll_events = EPOLLIN;
    const char *name = people_name_of(who.uid);
    if (name)
        text_copy(peer->name, sizeof peer->name, name);
    else
        snprintf(peer->name, sizeof peer->name, "uid-%u", (unsigned)who.uid);
    json_writer_init(&peer->replies, REPLIES_HIGH_BYTES + 2 * AGENT_LINE_MAX_BYTES);
    agent->peers[agent->peer_count++] = peer;
    return peer;
}

void peer_close(struct agent *agent, struct peer *peer)
{
    jobs_peer_gone(agent, peer);
    for (size_t i = 0; i < agent->peer_count; i++)
        if (agent->peers[i] == peer) agent->peers[i] = agent->peers[--agent->peer_count];
    close(peer->fd);
    free(peer->in);
    json_writer_free(&peer->replies);
    line_release(peer->current);
    line_release(peer->sample);
    for (size_t i = 0; i < peer->notice_count; i++)
        line_release(peer->notices[(peer->notice_first + i) % NOTICES_WAITING_MAX]);
    for (size_t i = 0; i < peer->job_count; i++) free(peer->jobs[i]);
    free(peer);
}

/* Takes whole lines out of the buffer, as many as it may have served at once. Stops while too many replies wait, and while
 * its account has had its time. */
static void take_lines(struct agent *agent, struct peer *peer)
{
    size_t at = 0;
    int64_t start_ns = now_mono_ns(), spent_ns = 0;
    peer->has_line = false;
    for (int requests = 0; at < peer->in_len && !peer->closing; requests++) {
        char *newline = memchr(peer->in + at, '\n', peer->in_len - at);
        if (!newline) break;
        peer->has_line = true;
        if (peer->replies.len - peer->replies_sent >= REPLIES_HIGH_BYTES) break;
        if (requests == REQUESTS_AT_ONCE || spent_ns >= WORK_AT_ONCE_NS) break;
        if (accounts_wait_ns(&agent->accounts, peer->account, start_ns + spent_ns, is_trusted(agent, peer->uid)) > 0)
            break;
        size_t len = (size_t)(newline - (peer->in + at));
        if (len > 0 && peer->in[at + len - 1] == '\r') len--;
        peer->in[at + len] = '\0';
        if (len > 0) request_line(agent, peer, peer->in + at, len);
        at = (size_t)(newline - peer->in) + 1;
        peer->has_line = false;
        int64_t before_ns = spent_ns;
        spent_ns = now_mono_ns() - start_ns;
        accounts_spend(&agent->accounts, peer->account, start_ns + spent_ns, spent_ns - before_ns);
    }
    memmove(peer->in, peer->in + at, peer->in_len - at);
    peer->in_len -= at;
    if (!peer->has_line && peer->in_len == REQUEST_LINE_MAX_BYTES + 1 && !peer->closing) {
        request_too_long(agent, peer);
        peer->closing = true;
    }
}

/* The rest of what it sends is thrown away, so that closing does not reset the line that says why. */
static void waste(struct peer *peer)
{
    static char waste[64 * 1024];
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(peer->fd, waste, sizeof waste, MSG_DONTWAIT);
        if (n == 0) peer->input_end = true;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) peer->dead = true;
        if (n <= 0) break;
    }
}

/* One piece of work: what is in the buffer first, then one look at the socket. */
static void serve(struct agent *agent, struct peer *peer)
{
    if (peer->has_line) take_lines(agent, peer);
    bool reads = !peer->has_line && !peer->closing && !peer->input_end && (peer->is_readable || peer->hung_up);
    peer->is_readable &= peer->closing;
    if (reads) {
        ssize_t n = recv(peer->fd, peer->in + peer->in_len, REQUEST_LINE_MAX_BYTES + 1 - peer->in_len, MSG_DONTWAIT);
        if (n == 0) peer->input_end = true;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) peer->dead = true;
        if (n > 0) {
            peer->in_len += (size_t)n;
            take_lines(agent, peer);
        }
    }
    if (peer->closing && (peer->is_readable || peer->hung_up)) waste(peer);
    if (peer->closing) peer->is_readable = false;
    /* It hears nothing any more and is over its time: what else it asked is not done. */
    bool waits = accounts_wait_ns(&agent->accounts, peer->account, now_mono_ns(), is_trusted(agent, peer->uid)) > 0;
    if (peer->hung_up && peer->has_line && waits) peer->dead = true;
}

void peers_serve(struct agent *agent)
{
    int64_t start_ns = now_mono_ns();
    size_t count = agent->peer_count;
    agent->accounts.turn++;
    for (size_t i = 0; i < count; i++) {
        size_t at = (agent->next_peer + i) % count;
        struct peer *peer = agent->peers[at];
        if (!peer->has_line && !peer->is_readable && !peer->hung_up) continue;
        if (accounts_had_turn(&agent->accounts, peer->account)) continue;
        serve(agent, peer);
        if (now_mono_ns() - start_ns < TURN_NS) continue;
        agent->next_peer = at + 1; /* who had to wait begins the next turn */
        return;
    }
    agent->next_peer = count > 0 ? (agent->next_peer + 1) % count : 0;
}

int64_t peers_wait_ms(struct agent *agent)
{
    int64_t least_ms = -1, now_ns = now_mono_ns();
    for (size_t i = 0; i < agent->peer_count; i++) {
        struct peer *peer = agent->peers[i];
        bool full = peer->replies.len - peer->replies_sent >= REPLIES_HIGH_BYTES;
        if (!peer->has_line || peer->closing || full) continue;
        int64_t wait_ns = accounts_wait_ns(&agent->accounts, peer->account, now_ns, is_trusted(agent, peer->uid));
        int64_t wait_ms = (wait_ns + 999999) / 1000000;
        if (least_ms < 0 || wait_ms < least_ms) least_ms = wait_ms;
    }
    return least_ms;
}

/* Replies first, then state, notices, one chunk of history, and the newest sample. */
static struct shared_line *next_event(struct agent *agent, struct peer *peer)
{
    if (peer->wants_state) {
        peer->wants_state = false;
        return events_state(agent);
    }
    if (peer->wants_jobs && agent->jobs->line) {
        peer->wants_jobs = false;
        agent->jobs->line->references++;
        return agent->jobs->line;
    }
    if (peer->notice_count > 0) {
        struct shared_line *line = peer->notices[peer->notice_first];
        peer->notice_first = (peer->notice_first + 1) % NOTICES_WAITING_MAX;
        peer->notice_count--;
        return line;
    }
    if (peer->job_count > 0) {
        bool last = false;
        struct history_job *job = peer->jobs[0];
        struct shared_line *line = history_chunk(agent, job, &last);
        if (last || !line) {
            request_history_done(peer, job);
            free(job);
            memmove(&peer->jobs[0], &peer->jobs[1], (peer->job_count - 1) * sizeof peer->jobs[0]);
            peer->job_count--;
        }
        return line;
    }
    struct shared_line *line = peer->sample;
    peer->sample = NULL;
    return line;
}

/* 1: all sent, 0: the socket is full, -1: the connection is broken. */
static int send_part(struct peer *peer, const char *data, size_t len, size_t *sent)
{
    while (*sent < len) {
        ssize_t n = send(peer->fd, data + *sent, len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        *sent += (size_t)n;
        peer->progress_at_ms = now_mono_ms();
    }
    return 1;
}

/* 1: all sent, 0: the socket is full or it has had its turn, -1: the connection is broken. */
static int send_some(struct agent *agent, struct peer *peer)
{
    int64_t start_ns = now_mono_ns();
    for (int lines = 0; lines < LINES_AT_ONCE && now_mono_ns() - start_ns < WORK_AT_ONCE_NS; lines++) {
        int result;
        if (peer->current) {
            result = send_part(peer, peer->current->data, peer->current->len, &peer->current_sent);
            if (result <= 0) return result;
            line_release(peer->current);
            peer->current = NULL;
            peer->current_sent = 0;
        }
        if (peer->replies.len > 0) {
            result = send_part(peer, peer->replies.data, peer->replies.len, &peer->replies_sent);
            if (result <= 0) return result;
            json_writer_free(&peer->replies); /* an idle connection holds no memory */
            peer->replies_sent = 0;
            continue;
        }
        peer->current = next_event(agent, peer);
        if (!peer->current && peer->replies.len == 0) return 1;
    }
    return 0;
}

static int send_all(struct agent *agent, struct peer *peer)
{
    int64_t start_ns = now_mono_ns();
    int result = send_some(agent, peer);
    int64_t now_ns = now_mono_ns();
    /* What is made for it (states, history) is its account's time as what it asks is. */
    accounts_spend(&agent->accounts, peer->account, now_ns, now_ns - start_ns);
    return result;
}

void peer_flush(struct agent *agent, struct peer *peer)
{
    if (peer->dead) return;
    int result = peer->lingering ? 1 : send_all(agent, peer);
    if (result < 0 || (peer->input_end && !peer->has_line && result == 1)) {
        /* A client that cannot be answered any more, or that has sent its last request and has its answers. */
        peer->dead = true;
        return;
    }
    if (peer->closing && result == 1 && !peer->lingering) {
        /* Closed while it still writes, its end would be an error that hides our last line. */
        peer->lingering = true;
        peer->linger_until_ms = now_mono_ms() + LINGER_MS;
        if (shutdown(peer->fd, SHUT_WR) != 0) peer->dead = true;
    }
    bool full = peer->replies.len - peer->replies_sent >= REPLIES_HIGH_BYTES;
    uint32_t events = (full || peer->input_end || peer->has_line ? 0 : EPOLLIN) | (result == 0 ? EPOLLOUT : 0);
    if (events != peer->epoll_events) {
        struct epoll_event event = {.events = events, .data.ptr = peer};
        if (epoll_ctl(agent->epoll_fd, EPOLL_CTL_MOD, peer->fd, &event) != 0) peer->dead = true;
        peer->epoll_events = events;
    }
}

void peer_offer_sample(struct peer *peer, struct shared_line *line)
{
    line_release(peer->sample);
    line->references++;
    peer->sample = line;
}

/* Makes room: the oldest that anybody could have caused goes first, and for one of those nothing else does. */
static bool drop_notice(struct peer *peer, bool for_minor)
{
    size_t at = 0;
    while (at < peer->notice_count && !peer->notices[(peer->notice_first + at) % NOTICES_WAITING_MAX]->is_minor) at++;
    if (at == peer->notice_count && for_minor) return false;
    if (at == peer->notice_count) at = 0;
    line_release(peer->notices[(peer->notice_first + at) % NOTICES_WAITING_MAX]);
    for (; at > 0; at--) {
        peer->notices[(peer->notice_first + at) % NOTICES_WAITING_MAX] =
            peer->notices[(peer->notice_first + at - 1) % NOTICES_WAITING_MAX];
    }
    peer->notice_first = (peer->notice_first + 1) % NOTICES_WAITING_MAX;
    peer->notice_count--;
    return true;
}

void peer_offer_notice(struct peer *peer, struct shared_line *line)
{
    if (peer->notice_count == NOTICES_WAITING_MAX && !drop_notice(peer, line->is_minor)) return;
    line->references++;
    peer->notices[(peer->notice_first + peer->notice_count++) % NOTICES_WAITING_MAX] = line;
}

void peers_post(struct agent *agent, struct shared_line *line)
{
    for (size_t i = 0; i < agent->peer_count; i++)
        if (agent->peers[i]->subscribed) peer_offer_notice(agent->peers[i], line);
}

void peers_check_stalls(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->peer_count; i++) {
        struct peer *peer = agent->peers[i];
        bool much = peer->replies.len - peer->replies_sent >= REPLIES_HIGH_BYTES;
        bool waits = (peer->epoll_events & EPOLLOUT) != 0 && (much || peer->closing || peer->input_end);
        if (waits && mono_ms - peer->progress_at_ms >= STALL_MS) peer->dead = true;
        if (peer->lingering && mono_ms >= peer->linger_until_ms) peer->dead = true;
    }
}

void peers_flush_all(struct agent *agent)
{
    for (size_t i = 0; i < agent->peer_count; i++) peer_flush(agent, agent->peers[i]);
    for (size_t i = 0; i < agent->peer_count;)
        if (agent->peers[i]->dead)
            peer_close(agent, agent->peers[i]);
        else
            i++;
}

bool peers_subscribed(const struct agent *agent)
{
    for (size_t i = 0; i < agent->peer_count; i++)
        if (agent->peers[i]->subscribed) return true;
    return false;
}
