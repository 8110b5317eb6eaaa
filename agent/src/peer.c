#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "events.h"
#include "people.h"
#include "requests.h"

#define SEND_BUFFER_BYTES (64 * 1024) /* what waits in the kernel is old news; latest-wins works before it */

struct shared_line *line_new(const char *data, size_t len)
{
    struct shared_line *line = malloc(sizeof *line + len);
    if (!line) return NULL;
    line->references = 1;
    line->len = len;
    memcpy(line->data, data, len);
    return line;
}

void line_release(struct shared_line *line)
{
    if (line && --line->references == 0) free(line);
}

struct peer *peer_accept(struct agent *agent, int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    struct peer *peer = NULL;
    size_t same = 0, others = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) {
        for (size_t i = 0; i < agent->peer_count; i++) {
            if (agent->peers[i]->supervises) continue;
            others++;
            same += agent->peers[i]->uid == who.uid;
        }
        /* One user must not be able to lock the others out. */
        bool room = others < CLIENTS_MAX && agent->peer_count < PEERS_MAX &&
                    (same < PEERS_PER_UID_MAX || who.uid == agent->places.uid);
        if (room) peer = calloc(1, sizeof *peer);
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
    peer->pid = who.pid;
    peer->is_operator = agent_is_operator(agent, who.uid);
    peer->epoll_events = EPOLLIN;
    const char *name = people_name_of(who.uid);
    if (name) {
        text_copy(peer->name, sizeof peer->name, name);
    } else {
        snprintf(peer->name, sizeof peer->name, "uid-%u", (unsigned)who.uid);
    }
    json_writer_init(&peer->replies, REPLIES_HIGH_BYTES + 2 * AGENT_LINE_MAX_BYTES);
    agent->peers[agent->peer_count++] = peer;
    return peer;
}

void peer_close(struct agent *agent, struct peer *peer)
{
    jobs_peer_gone(agent, peer);
    for (size_t i = 0; i < agent->peer_count; i++) {
        if (agent->peers[i] == peer) agent->peers[i] = agent->peers[--agent->peer_count];
    }
    close(peer->fd);
    free(peer->in);
    json_writer_free(&peer->replies);
    line_release(peer->current);
    line_release(peer->sample);
    for (size_t i = 0; i < peer->notice_count; i++) {
        line_release(peer->notices[(peer->notice_first + i) % NOTICES_WAITING_MAX]);
    }
    for (size_t i = 0; i < peer->job_count; i++) free(peer->jobs[i]);
    free(peer);
}

/* Takes whole lines out of the buffer. Stops while too many replies wait. */
static void take_lines(struct agent *agent, struct peer *peer)
{
    size_t at = 0;
    while (at < peer->in_len && !peer->closing) {
        if (peer->replies.len - peer->replies_sent >= REPLIES_HIGH_BYTES) break;
        char *newline = memchr(peer->in + at, '\n', peer->in_len - at);
        if (!newline) break;
        size_t len = (size_t)(newline - (peer->in + at));
        if (len > 0 && peer->in[at + len - 1] == '\r') len--;
        peer->in[at + len] = '\0';
        if (len > 0) request_line(agent, peer, peer->in + at, len);
        at = (size_t)(newline - peer->in) + 1;
    }
    memmove(peer->in, peer->in + at, peer->in_len - at);
    peer->in_len -= at;
    if (peer->in_len == REQUEST_LINE_MAX_BYTES + 1 && !memchr(peer->in, '\n', peer->in_len) && !peer->closing) {
        request_too_long(agent, peer);
        peer->closing = true;
    }
}

void peer_readable(struct agent *agent, struct peer *peer)
{
    while (!peer->closing && !peer->input_end && peer->in_len < REQUEST_LINE_MAX_BYTES + 1) {
        ssize_t n = recv(peer->fd, peer->in + peer->in_len, REQUEST_LINE_MAX_BYTES + 1 - peer->in_len, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) peer->dead = true;
            break;
        }
        if (n == 0) {
            peer->input_end = true;
            break;
        }
        peer->in_len += (size_t)n;
        take_lines(agent, peer);
    }
    if (peer->closing) {
        /* The rest of what it sends is thrown away, so that closing does not reset the line that says why. */
        static char waste[64 * 1024];
        for (int i = 0; i < 16; i++) {
            ssize_t n = recv(peer->fd, waste, sizeof waste, MSG_DONTWAIT);
            if (n == 0) peer->input_end = true;
            if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) peer->dead = true;
            if (n <= 0) break;
        }
    }
}

/* Replies first, then state, notices, one chunk of history, and the newest sample. */
static struct shared_line *next_event(struct agent *agent, struct peer *peer)
{
    if (peer->wants_state) {
        peer->wants_state = false;
        return events_state(agent);
    }
    if (peer->wants_jobs && agent->jobs.line) {
        peer->wants_jobs = false;
        agent->jobs.line->references++;
        return agent->jobs.line;
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

static int send_all(struct agent *agent, struct peer *peer)
{
    for (;;) {
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
            take_lines(agent, peer);
            continue;
        }
        peer->current = next_event(agent, peer);
        if (!peer->current && peer->replies.len == 0) return 1;
    }
}

void peer_flush(struct agent *agent, struct peer *peer)
{
    if (peer->dead) return;
    int result = peer->lingering ? 1 : send_all(agent, peer);
    if (result < 0 || (peer->input_end && result == 1)) {
        /* A client that can not be answered any more, or that has sent its last request and has its answers. */
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
    uint32_t events = (full || peer->input_end ? 0 : EPOLLIN) | (result == 0 ? EPOLLOUT : 0);
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

void peer_offer_notice(struct peer *peer, struct shared_line *line)
{
    if (peer->notice_count == NOTICES_WAITING_MAX) {
        line_release(peer->notices[peer->notice_first]);
        peer->notice_first = (peer->notice_first + 1) % NOTICES_WAITING_MAX;
        peer->notice_count--;
    }
    line->references++;
    peer->notices[(peer->notice_first + peer->notice_count++) % NOTICES_WAITING_MAX] = line;
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
    for (size_t i = 0; i < agent->peer_count;) {
        if (agent->peers[i]->dead) {
            peer_close(agent, agent->peers[i]);
        } else {
            i++;
        }
    }
}

bool peers_subscribed(const struct agent *agent)
{
    for (size_t i = 0; i < agent->peer_count; i++) {
        if (agent->peers[i]->subscribed) return true;
    }
    return false;
}
