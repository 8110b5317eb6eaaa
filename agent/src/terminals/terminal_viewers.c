#include "terminals/terminal_viewers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/failure.h"
#include "base/now.h"
#include "base/reply.h"
#include "base/version.h"
#include "fs.h"
#include "json.h"
#include "state/agent_state.h"
#include "terminals/terminal.h"
#include "terminals/terminal_pty.h"
#include "text.h"

#define SENDS_AT_ONCE 4

/* ---- requests ------------------------------------------------------------------------------------------- */

static int take_size(struct holder *h, const struct json_object *o, bool needed, struct failure *failure)
{
    int64_t columns = 0, rows = 0;
    if (json_get_integer(o, "columns", 1, TERMINAL_SIDE_MAX, &columns) < (needed ? 1 : 0) ||
        json_get_integer(o, "rows", 1, TERMINAL_SIDE_MAX, &rows) < (needed ? 1 : 0))
        return fail_field(failure, "columns and rows", "a whole number from 1 to 1000");
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    if (columns > 0 && rows > 0 && h->pty >= 0) ioctl(h->pty, TIOCSWINSZ, &size);
    return 0;
}

static int attach(struct holder *h, struct viewer *v, const struct json_object *o, struct json_writer *w,
                  struct failure *failure)
{
    int64_t offset = -1, start = holder_ring_start(h);
    if (json_get_integer(o, "offset", 0, JSON_INTEGER_MAX, &offset) < 0)
        return fail_field(failure, "offset", "a number");
    if (offset > h->end) return fail_field(failure, "offset", "no more than the terminal has said");
    if (take_size(h, o, false, failure) != 0) return -1;
    int64_t from = offset > start ? offset : start;
    v->looks = true;
    v->told_end = false;
    v->sent = v->acked = from;
    v->behind = h->end - from >= TERMINAL_WINDOW_BYTES;
    v->heard_at_ms = now_mono_ms();
    /* Whoever begins in the middle has half a screen: a program that draws it is asked to do so again. */
    pid_t front = holder_foreground(h);
    if (start > 0 && offset < start && front > 0) kill(-front, SIGWINCH);
    json_put_text(w, "sliceId", h->r.slice_id);
    json_put_integer(w, "offset", from);
    json_put_integer(w, "endOffset", h->end);
    json_put_integer(w, "skippedBytes", offset >= 0 ? from - offset : from);
    return 0;
}

static int acknowledge(struct holder *h, struct viewer *v, const struct json_object *o, struct failure *failure)
{
    int64_t offset;
    if (json_get_integer(o, "offset", 0, JSON_INTEGER_MAX, &offset) != 1 || offset > v->sent)
        return fail_field(failure, "offset", "one that was sent");
    if (offset <= v->acked) return 0;
    v->acked = offset;
    v->behind = h->end - offset >= TERMINAL_WINDOW_BYTES;
    v->heard_at_ms = now_mono_ms();
    return 0;
}

static int take_input(struct holder *h, const struct json_object *o, struct failure *failure)
{
    const char *text;
    char data[TERMINAL_INPUT_BYTES];
    ssize_t n = -1;
    if (json_get_text(o, "data", &text) == 1) n = base64_decode(data, sizeof data, text);
    if (n < 0) return fail_field(failure, "data", "base64 of at most 4096 bytes");
    if (h->pty < 0) return fail(failure, "terminal-ended", "The shell has ended. Nothing was typed.");
    if (h->input_len + (size_t)n > sizeof h->input) {
        return fail(failure, "busy",
                    "The program there reads nothing, and 64 KiB wait for it. Nothing more was typed.");
    }
    memcpy(h->input + h->input_len, data, (size_t)n);
    h->input_len += (size_t)n;
    holder_write_pty(h);
    return 0;
}

static int close_request(struct holder *h, const struct json_object *o, struct failure *failure)
{
    bool if_idle = false;
    pid_t front = holder_foreground(h);
    if (json_get_bool(o, "ifIdle", &if_idle) < 0) return fail_field(failure, "ifIdle", "true or false");
    if (if_idle && h->shell > 0 && !holder_is_at_prompt(h)) {
        char path[64], name[64] = "", shown[128];
        snprintf(path, sizeof path, "/proc/%ld/comm", (long)front);
        fs_read_small(path, name, sizeof name);
        text_sanitize(shown, sizeof shown, name, strcspn(name, "\n"));
        return fail(failure, "terminal-busy", "%s runs in it, and would be ended. Nothing was closed.",
                    shown[0] ? shown : "A program");
    }
    holder_close(h);
    return 0;
}

static int take_request(struct holder *h, struct viewer *v, const struct json_object *o, struct json_writer *w,
                        struct failure *failure)
{
    const char *op = "";
    json_get_text(o, "op", &op);
    if (strcmp(op, "terminal-attach") == 0) return attach(h, v, o, w, failure);
    if (strcmp(op, "terminal-ack") == 0) return acknowledge(h, v, o, failure);
    if (strcmp(op, "terminal-input") == 0) return take_input(h, o, failure);
    if (strcmp(op, "terminal-resize") == 0) return take_size(h, o, true, failure);
    if (strcmp(op, "terminal-close") == 0) return close_request(h, o, failure);
    return fail(failure, "unknown-op",
                "This terminal was opened by tranche " TRANCHE_VERSION ", which does not know that operation.");
}

static void answer(struct holder *h, struct viewer *v, char *line, size_t len)
{
    struct json_object o;
    struct failure failure = {.code = NULL};
    const char *why;
    int64_t id;
    if (json_parse_flat(line, len, &o, &why) != 0 || json_get_integer(&o, "id", 0, JSON_INTEGER_MAX, &id) != 1) return;
    struct json_writer *w = &v->out;
    struct json_mark mark = json_mark(w);
    reply_begin(w, id);
    if (take_request(h, v, &o, w, &failure) == 0) {
        json_end_line(w);
    } else {
        json_rewind(w, mark);
        reply_refuse(w, id, &failure);
    }
}

/* ---- viewers -------------------------------------------------------------------------------------------- */

static void forget(struct viewer *v)
{
    close(v->fd);
    json_writer_free(&v->out);
    *v = (struct viewer){.fd = -1};
}

static void put_output(const struct holder *h, struct viewer *v)
{
    static char data[TERMINAL_CHUNK_BYTES], text[BASE64_BYTES(TERMINAL_CHUNK_BYTES)];
    int64_t start = holder_ring_start(h), room = v->acked + TERMINAL_WINDOW_BYTES;
    struct json_writer *w = &v->out;
    if (v->sent < start) {
        /* It was silent, the shell went on, and now it acknowledges again: the offset shows the gap. */
        v->sent = v->acked = start;
        room = start + TERMINAL_WINDOW_BYTES;
    }
    int64_t until = h->end < room ? h->end : room;
    size_t len = until - v->sent < TERMINAL_CHUNK_BYTES ? (size_t)(until - v->sent) : TERMINAL_CHUNK_BYTES;
    for (size_t i = 0; i < len; i++) data[i] = h->ring[(v->sent + (int64_t)i) % TERMINAL_RING_BYTES];
    base64_encode(text, data, len);
    json_open(w, '{');
    json_put_text(w, "ev", "terminal-output");
    json_put_text(w, "terminalId", h->r.id);
    json_put_integer(w, "offset", v->sent);
    json_put_text(w, "data", text);
    json_end_line(w);
    v->sent += (int64_t)len;
}

static void put_end(const struct holder *h, struct viewer *v)
{
    struct json_writer *w = &v->out;
    json_open(w, '{');
    json_put_text(w, "ev", "terminal-ended");
    json_put_text(w, "terminalId", h->r.id);
    json_put_known(w, "exitCode", h->r.exit_code >= 0, h->r.exit_code);
    json_put_known(w, "signal", h->r.signal > 0, h->r.signal);
    json_end_line(w);
    v->told_end = true;
}

bool viewer_has_output(const struct holder *h, const struct viewer *v)
{
    return v->looks && v->sent < h->end && v->sent - v->acked < TERMINAL_WINDOW_BYTES;
}

bool viewer_has_end(const struct holder *h, const struct viewer *v)
{
    return v->looks && h->shell == 0 && v->sent == h->end && !v->told_end;
}

/* 1: sent, or nothing waited; 0: it takes nothing at the moment; -1: it is gone. */
static int flush(struct viewer *v)
{
    if (v->out.len == 0) return 1;
    if (v->out.failed) return -1;
    ssize_t n = send(v->fd, v->out.data, v->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return 0;
    json_writer_clear(&v->out);
    return n < 0 ? -1 : 1;
}

void viewer_serve(struct holder *h, struct viewer *v, bool says)
{
    static char line[REQUEST_LINE_MAX_BYTES + 1];
    int state = flush(v);
    if (says && state == 1) {
        ssize_t n = recv(v->fd, line, sizeof line - 1, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) state = -1;
        if (n > 0) {
            line[n] = '\0';
            answer(h, v, line, (size_t)n - (line[n - 1] == '\n'));
            state = flush(v);
        }
    }
    for (int i = 0; i < SENDS_AT_ONCE && state == 1 && (viewer_has_output(h, v) || viewer_has_end(h, v)); i++) {
        if (viewer_has_output(h, v))
            put_output(h, v);
        else
            put_end(h, v);
        state = flush(v);
    }
    if (state < 0) forget(v);
}

void viewer_take(struct holder *h)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    int fd = accept4(h->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    size_t i = 0;
    while (i < TERMINAL_VIEWERS_MAX && h->viewers[i].fd >= 0) i++;
    /* The folder lets nobody else in; should it ever be opened up, a terminal is still its user's alone. */
    bool own = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == getuid();
    if (!own || i == TERMINAL_VIEWERS_MAX) {
        close(fd);
        return;
    }
    h->viewers[i] = (struct viewer){.fd = fd};
    json_writer_init(&h->viewers[i].out, TERMINAL_PACKET_BYTES);
}

bool viewers_know(const struct holder *h)
{
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) {
        const struct viewer *v = &h->viewers[i];
        if (v->fd >= 0 && (v->out.len > 0 || (v->looks && !v->told_end))) return false;
    }
    return true;
}
