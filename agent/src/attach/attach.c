/* Joins stdin and stdout to the agent's socket: the one channel of a desktop. Holds at most one buffer each way, so
 * that a slow link slows the agent's events down (where the newest wins) and nothing piles up here. */

#include "attach/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/attach_doctor.h"
#include "attach/attach_jobs.h"
#include "attach/attach_terminals.h"
#include "base/complain.h"
#include "json.h"
#include "launch/client.h"
#include "state/agent_state.h"

#define PIPE_BYTES 16384
#define NONCE_MAX 64
#define POLLED (3 + ATTACH_STARTS_MAX + ATTACH_TERMINALS_MAX)

/* Requests on their way to the agent. They are looked at a line at a time: a few are answered here. */
struct requests {
    int to;
    bool ended;       /* nothing more comes */
    bool in_long_one; /* in a line that is too long for a request: it goes on unseen, and the agent refuses it */
    char data[PIPE_BYTES];
    size_t len, ready, sent; /* ready: as far as it may go */
};

/* What is answered here. */
struct own {
    struct attach_jobs jobs;
    struct attach_terminals terminals;
};

/* What the agent says, with our own lines put between its lines. */
struct answers {
    int from;
    bool ended, mid_line;
    char data[PIPE_BYTES];
    size_t len, sent, own_sent;
};

static ssize_t take(int fd, char *data, size_t cap, bool *ended)
{
    ssize_t n = read(fd, data, cap);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (n <= 0) *ended = true;
    return n > 0 ? n : 0;
}

/* True: this request (without its newline) is answered here. */
static bool take_own(struct own *own, const char *line, size_t len)
{
    static char copy[REQUEST_LINE_MAX_BYTES + 1];
    struct json_object o;
    const char *why, *op;
    int64_t id;
    /* Nearly every line is the agent's: looked at closely only if it could be one of ours. */
    if (len > REQUEST_LINE_MAX_BYTES ||
        (!memmem(line, len, "job-start", 9) && !memmem(line, len, "job-log", 7) &&
         !memmem(line, len, "environments", 12) && !memmem(line, len, "terminal-", 9) &&
         !memmem(line, len, ATTACH_DOCTOR_OP, sizeof ATTACH_DOCTOR_OP - 1)))
        return false;
    memcpy(copy, line, len);
    copy[len] = '\0';
    if (json_parse_flat(copy, len, &o, &why) != 0 || json_get_text(&o, "op", &op) != 1) return false;
    if (json_get_integer(&o, "id", 0, JSON_INTEGER_MAX, &id) != 1) return false;
    return attach_jobs_take(&own->jobs, id, op, &o) || attach_doctor_take(&own->jobs.replies, id, op, &o) ||
           attach_terminals_take(&own->terminals, &own->jobs.replies, id, op, &o, line, len);
}

/* Takes our own lines out of what has come and marks how far the rest may go. */
static void sort_lines(struct requests *r, struct own *own)
{
    size_t at = r->ready;
    while (at < r->len) {
        char *newline = memchr(r->data + at, '\n', r->len - at);
        if (!newline) break;
        size_t line = (size_t)(newline - (r->data + at)), whole = line + 1;
        if (!r->in_long_one && take_own(own, r->data + at, line)) {
            memmove(r->data + at, newline + 1, r->len - at - whole);
            r->len -= whole;
            continue;
        }
        r->in_long_one = false;
        at += whole;
    }
    bool full = at == 0 && r->len == sizeof r->data;
    r->in_long_one |= full;
    r->ready = full || r->ended || r->in_long_one ? r->len : at;
}

/* 0, or -1 when the agent takes nothing any more. */
static int push_requests(struct requests *r)
{
    while (r->sent < r->ready) {
        ssize_t n = send(r->to, r->data + r->sent, r->ready - r->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        r->sent += (size_t)n;
    }
    memmove(r->data, r->data + r->sent, r->len - r->sent);
    r->len -= r->sent;
    r->ready = r->sent = 0;
    return 0;
}

static int put(const char *data, size_t len, size_t *sent)
{
    for (;;) {
        ssize_t n = write(STDOUT_FILENO, data + *sent, len - *sent);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        *sent += (size_t)n;
        return 1;
    }
}

/* 0, or -1 when nobody reads any more. */
static int push_answers(struct answers *a, struct json_writer *own)
{
    int result = 1;
    while (result > 0) {
        bool own_turn = own->len > 0 && !a->mid_line;
        if (own_turn) {
            result = put(own->data, own->len, &a->own_sent);
            if (a->own_sent < own->len) continue;
            json_writer_free(own);
            a->own_sent = 0;
        } else if (a->sent < a->len) {
            /* With a line of ours waiting no further than to the end of the agent's. */
            const char *newline = own->len > 0 ? memchr(a->data + a->sent, '\n', a->len - a->sent) : NULL;
            result = put(a->data, newline ? (size_t)(newline - a->data) + 1 : a->len, &a->sent);
            if (result > 0) a->mid_line = a->data[a->sent - 1] != '\n';
        } else {
            break;
        }
    }
    if (a->sent == a->len) a->len = a->sent = 0;
    return result < 0 ? -1 : 0;
}

static int join(int socket_fd)
{
    static struct requests in;
    static struct answers out;
    static struct own own;
    in = (struct requests){.to = socket_fd};
    out = (struct answers){.from = socket_fd};
    struct json_writer *replies = &own.jobs.replies;
    attach_jobs_init(&own.jobs);
    attach_terminals_init(&own.terminals);
    bool half_closed = false;
    for (;;) {
        bool room = in.ready == 0 && in.len < sizeof in.data && replies->len < ATTACH_REPLIES_HIGH_BYTES;
        bool says = out.len > 0 || replies->len > 0;
        struct pollfd p[POLLED] = {
            {.fd = room && !in.ended ? STDIN_FILENO : -1, .events = POLLIN},
            {.fd = out.ended ? -1 : socket_fd,
             .events = (short)((out.len == 0 ? POLLIN : 0) | (in.ready > 0 ? POLLOUT : 0))},
            {.fd = STDOUT_FILENO, .events = (short)(says ? POLLOUT : 0)},
        };
        int wait_ms = attach_jobs_poll(&own.jobs, p + 3);
        wait_ms = attach_terminals_poll(&own.terminals, replies, p + 3 + ATTACH_STARTS_MAX, wait_ms);
        if (poll(p, POLLED, wait_ms) < 0 && errno != EINTR) return EXIT_OWN_FAILURE;
        /* The reader of stdout is gone: the SSH channel was closed. */
        if (p[2].revents & (POLLERR | POLLHUP | POLLNVAL)) return 0;
        attach_jobs_serve(&own.jobs, p + 3);
        attach_terminals_serve(&own.terminals, replies, p + 3 + ATTACH_STARTS_MAX);
        if (p[0].revents) {
            in.len += (size_t)take(STDIN_FILENO, in.data + in.len, sizeof in.data - in.len, &in.ended);
            sort_lines(&in, &own);
        }
        if (push_requests(&in) != 0) return 0;
        if (in.ended && in.len == 0 && !half_closed) {
            /* The agent answers what it was asked, then ends the connection. */
            shutdown(socket_fd, SHUT_WR);
            half_closed = true;
        }
        if (out.len == 0 && p[1].revents & (POLLIN | POLLHUP | POLLERR))
            out.len = (size_t)take(out.from, out.data, sizeof out.data, &out.ended);
        if (push_answers(&out, replies) != 0) return 0;
        /* A job that is being started has its answer to come, with or without the agent. */
        if (out.ended && out.len == 0 && replies->len == 0 && attach_jobs_idle(&own.jobs)) return 0;
    }
}

static void put_failure(const char *why)
{
    struct json_writer w;
    json_writer_init(&w, 8192);
    json_open(&w, '{');
    json_put_known(&w, "id", false, 0);
    json_put_bool(&w, "ok", false);
    json_put_text(&w, "code", "internal");
    json_put_text(&w, "message", why);
    json_end_line(&w);
    if (!w.failed) fwrite(w.data, 1, w.len, stdout);
    fflush(stdout);
    json_writer_free(&w);
}

int command_attach(int argc, char **argv)
{
    char why[2048] = "";
    struct client client;
    if (argc != 2 || strlen(argv[1]) < 1 || strlen(argv[1]) > NONCE_MAX) {
        return complain("attach takes one word that marks where the agent's lines begin (1 to %d characters)",
                        NONCE_MAX);
    }
    signal(SIGPIPE, SIG_IGN);
    if (printf("TRANCHE-ATTACH %s\n", argv[1]) < 0 || fflush(stdout) != 0) return EXIT_OWN_FAILURE;
    if (client_open(&client, true, why, sizeof why) != 0) {
        put_failure(why);
        return complain("%s", why);
    }
    if (client_introduce(client.fd) != 0) return complain("the agent ended the connection");
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    bool changed = flags >= 0 && !(flags & O_NONBLOCK) && fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) == 0;
    int result = join(client.fd);
    /* The flag belongs to the open file, which a shell may share with us. */
    if (changed) fcntl(STDOUT_FILENO, F_SETFL, flags);
    client_close(&client);
    return result;
}
