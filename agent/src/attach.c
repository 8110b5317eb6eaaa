/* Joins stdin and stdout to the agent's socket: the one channel of a desktop. Holds at most one buffer each way, so
 * that a slow link slows the agent's events down (where the newest wins) and nothing piles up here. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"

#define PIPE_BYTES 16384
#define NONCE_MAX 64

struct direction {
    int from, to;
    bool to_is_socket;
    bool ended; /* nothing more comes */
    char data[PIPE_BYTES];
    size_t len, sent;
};

/* 0, or -1 when the other side takes nothing any more. */
static int push(struct direction *d)
{
    while (d->sent < d->len) {
        ssize_t n = d->to_is_socket ? send(d->to, d->data + d->sent, d->len - d->sent, MSG_NOSIGNAL | MSG_DONTWAIT)
                                    : write(d->to, d->data + d->sent, d->len - d->sent);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        d->sent += (size_t)n;
    }
    d->len = d->sent = 0;
    return 0;
}

static void pull(struct direction *d)
{
    if (d->len > 0 || d->ended) return;
    ssize_t n = read(d->from, d->data, sizeof d->data);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) {
        d->ended = true;
        return;
    }
    d->len = (size_t)n;
}

static int join(int socket_fd)
{
    static struct direction in, out;
    in = (struct direction){.from = STDIN_FILENO, .to = socket_fd, .to_is_socket = true};
    out = (struct direction){.from = socket_fd, .to = STDOUT_FILENO};
    bool half_closed = false;
    for (;;) {
        struct pollfd p[3] = {
            {.fd = in.len == 0 && !in.ended ? in.from : -1, .events = POLLIN},
            {.fd = socket_fd, .events = (short)((out.len == 0 ? POLLIN : 0) | (in.len > 0 ? POLLOUT : 0))},
            {.fd = STDOUT_FILENO, .events = (short)(out.len > 0 ? POLLOUT : 0)},
        };
        if (poll(p, 3, -1) < 0 && errno != EINTR) return EXIT_OWN_FAILURE;
        /* The reader of stdout is gone: the SSH channel was closed. */
        if (p[2].revents & (POLLERR | POLLHUP | POLLNVAL)) return 0;
        if (p[0].revents) pull(&in);
        if (push(&in) != 0) return 0;
        if (in.ended && in.len == 0 && !half_closed) {
            /* The agent answers what it was asked, then ends the connection. */
            shutdown(socket_fd, SHUT_WR);
            half_closed = true;
        }
        if (p[1].revents & (POLLIN | POLLHUP | POLLERR)) pull(&out);
        if (out.len > 0 && push(&out) != 0) return 0;
        if (out.ended && out.len == 0) return 0;
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
    json_close(&w, '}');
    json_raw(&w, "\n", 1);
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
