#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "detached.h"
#include "env.h"
#include "text.h"

#define RETRY_MS 20 /* between attempts while another agent is just starting */

static int connect_to(const char *name, bool abstract, uid_t *uid)
{
    struct sockaddr_un address;
    socklen_t len = places_address(name, abstract, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    struct ucred who;
    socklen_t who_len = sizeof who;
    if (connect(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len) != 0) {
        close(fd);
        return -1;
    }
    *uid = who.uid;
    return fd;
}

/* The private socket if a root is set, and nothing else then; the system's, if root answers there; the abstract one. */
static int connect_any(uid_t *uid)
{
    struct places places;
    char why[256];
    const char *root = getenv(ENV_ROOT);
    if (root && root[0]) {
        return places_find(&places, why, sizeof why) == 0 ? connect_to(places.socket, false, uid) : -1;
    }
    int fd = connect_to(SYSTEM_SOCKET_PATH, false, uid);
    if (fd >= 0 && *uid == 0) return fd;
    if (fd >= 0) close(fd);
    return connect_to(ABSTRACT_SOCKET_NAME, true, uid);
}

static int read_verdict(int fd, char *verdict, size_t cap)
{
    size_t len = 0;
    int64_t deadline = now_mono_ms() + CLIENT_START_TIMEOUT_MS;
    while (len < cap - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - now_mono_ms();
        if (left <= 0) return -1;
        int ready = poll(&p, 1, (int)left);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return -1;
        ssize_t n = read(fd, verdict + len, cap - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
    }
    verdict[len] = '\0';
    return 0;
}

int client_start_agent(char *why, size_t cap)
{
    int ends[2];
    char verdict[1024] = "";
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) != 0) {
        snprintf(why, cap, "The agent could not be started: %s.", strerror(errno));
        return -1;
    }
    char number[16];
    snprintf(number, sizeof number, "%d", ends[1]);
    /* The agent must not run under a shim that its starter preloads. */
    const char *const words[] = {"tranche", "agent", "--foreground", "--ready-fd", number, NULL};
    int error = detached_start(words, ends[1], false);
    close(ends[1]);
    int result = error == 0 ? read_verdict(ends[0], verdict, sizeof verdict) : -1;
    close(ends[0]);
    verdict[strcspn(verdict, "\n")] = '\0';
    if (result == 0 && (strcmp(verdict, "ready") == 0 || strcmp(verdict, "taken") == 0)) return 0;
    if (error != 0) {
        snprintf(why, cap, "The agent could not be started: no process could be made.");
    } else if (result != 0) {
        snprintf(why, cap, "The agent did not answer within %d s of its start.", CLIENT_START_TIMEOUT_MS / 1000);
    } else {
        snprintf(why, cap, "The agent could not be started: %s", verdict[0] ? verdict : "it ended at once.");
    }
    return -1;
}

int client_open(struct client *client, bool may_start, char *why, size_t cap)
{
    memset(client, 0, sizeof *client);
    client->next_id = 1;
    client->fd = connect_any(&client->agent_uid);
    if (client->fd >= 0) return 0;
    if (!may_start) {
        snprintf(why, cap, "No agent answers on this host.");
        return -1;
    }
    if (client_start_agent(why, cap) != 0) return -1;
    /* "taken" can mean one that was started at the same moment and listens in an instant. */
    int64_t deadline = now_mono_ms() + CLIENT_START_TIMEOUT_MS;
    while ((client->fd = connect_any(&client->agent_uid)) < 0 && now_mono_ms() < deadline) poll(NULL, 0, RETRY_MS);
    if (client->fd >= 0) return 0;
    snprintf(why, cap, "The agent was started but does not answer.");
    return -1;
}

void client_close(struct client *client)
{
    if (client->fd >= 0) close(client->fd);
    free(client->buf);
    memset(client, 0, sizeof *client);
    client->fd = -1;
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int client_introduce(int fd)
{
    char exe[FS_PATH_BYTES], shim[FS_PATH_BYTES];
    if (places_own_exe(exe) != 0 || places_shim_for(exe, shim) != 0) return 0;
    struct json_writer w;
    json_writer_init(&w, REQUEST_LINE_MAX_BYTES);
    json_open(&w, '{');
    json_put_text(&w, "op", "introduce");
    json_put_text(&w, "shimPath", shim);
    /* "client-address port server-address port", as sshd sets it; a claim, because anybody may set it. */
    const char *ssh = getenv(ENV_SSH_CONNECTION);
    char from[72];
    if (ssh && strcspn(ssh, " ") > 0) {
        text_sanitize(from, sizeof from, ssh, strcspn(ssh, " "));
        json_put_text(&w, "from", from);
    }
    json_end_line(&w);
    int result = w.failed ? -1 : send_all(fd, w.data, w.len);
    json_writer_free(&w);
    return result;
}

/* Drops the line before and reads the next one into the buffer. */
static int read_line(struct client *c, int64_t deadline, char **line, size_t *len, char *why, size_t cap)
{
    for (;;) {
        char *newline = c->len > 0 ? memchr(c->buf, '\n', c->len) : NULL;
        if (newline) {
            *line = c->buf;
            *len = (size_t)(newline - c->buf);
            *newline = '\0';
            return 0;
        }
        if (c->len == c->cap) {
            size_t size = c->cap ? c->cap * 2 : 16 * 1024;
            char *buf = size <= AGENT_LINE_MAX_BYTES * 2 ? realloc(c->buf, size) : NULL;
            if (!buf) {
                snprintf(why, cap, "The agent sent a line that is too long.");
                return -1;
            }
            c->buf = buf;
            c->cap = size;
        }
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int64_t left = deadline - now_mono_ms();
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            snprintf(why, cap, "The agent did not answer within %d s.", CLIENT_REPLY_TIMEOUT_MS / 1000);
            return -1;
        }
        ssize_t n = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
        if (n <= 0) {
            snprintf(why, cap, "The agent ended the connection.");
            return -1;
        }
        c->len += (size_t)n;
    }
}

static void drop_line(struct client *c, size_t len)
{
    memmove(c->buf, c->buf + len + 1, c->len - len - 1);
    c->len -= len + 1;
}

static bool line_matches(const char *line, size_t len, const char *key, const char *wanted)
{
    struct json_span value, object = {line, line + len};
    size_t n = strlen(wanted);
    return json_member(object, key, &value) == 0 && (size_t)(value.end - value.start) == n &&
           memcmp(value.start, wanted, n) == 0;
}

static int wait_for(struct client *c, const char *key, const char *wanted, char **line, size_t *len, char *why,
                    size_t cap)
{
    int64_t deadline = now_mono_ms() + CLIENT_REPLY_TIMEOUT_MS;
    for (;;) {
        if (c->taken > 0) drop_line(c, c->taken - 1);
        c->taken = 0;
        if (read_line(c, deadline, line, len, why, cap) != 0) return -1;
        c->taken = *len + 1;
        if (line_matches(*line, *len, key, wanted)) return 0;
    }
}

int client_ask(struct client *client, const char *op, const struct json_writer *fields, char **line, size_t *len,
               char *why, size_t cap)
{
    struct json_writer w;
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)client->next_id);
    json_writer_init(&w, REQUEST_LINE_MAX_BYTES);
    json_open(&w, '{');
    json_put_integer(&w, "id", client->next_id++);
    json_put_text(&w, "op", op);
    if (fields && fields->len > 0) {
        json_raw(&w, ",", 1);
        json_raw(&w, fields->data, fields->len);
    }
    json_end_line(&w);
    int result = w.failed ? -1 : send_all(client->fd, w.data, w.len);
    json_writer_free(&w);
    if (result != 0) {
        snprintf(why, cap, "The request could not be sent to the agent.");
        return -1;
    }
    return wait_for(client, "id", id, line, len, why, cap);
}

int client_event(struct client *client, const char *kind, char **line, size_t *len, char *why, size_t cap)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"%s\"", kind);
    return wait_for(client, "ev", wanted, line, len, why, cap);
}
