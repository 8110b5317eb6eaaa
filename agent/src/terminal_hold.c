/* `tranche terminal hold ID SLICE FD COLUMNS ROWS`: owns the pseudo terminal of one shell and shows it to those who ask
 * at its socket. One thread, one loop. Output is kept in memory and never on disk: what scrolls by in a shell is not
 * ours to record, and a file would not help once the holder, and with it the shell, is gone. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "base64.h"
#include "commands.h"
#include "detached.h"
#include "terminal.h"
#include "terminal_shell.h"
#include "version.h"

#define INPUT_QUEUE_BYTES (64 * 1024) /* typed ahead of a program that reads nothing */
#define DRAIN_READS 64                /* of what stands in the terminal when its shell has ended */
#define FOLDER_LOOK_MS 10000          /* is it still there? Tranche may have been removed from the account */
#define SENDS_AT_ONCE 4
#define CLOSE_LOOK_MS 50
#define NOBODY_IN_MS 200 /* a terminal that everybody has closed looks ready all the time: looked at this often */

struct viewer {
    int fd; /* -1: free */
    bool looks, behind, told_end;
    int64_t sent, acked;
    int64_t heard_at_ms;    /* its last word, or since when it is behind */
    struct json_writer out; /* the packet that waits */
};

struct holder {
    struct terminal_record r;
    char directory[FS_PATH_BYTES];
    int signal_fd, listen_fd, pty; /* pty -1: ended */
    pid_t shell;                   /* 0: ended */
    bool close_asked;
    pid_t front; /* what was in front of the shell when it was told to close; 0: the shell itself */
    int64_t end; /* of the output: bytes ever read */
    int64_t kill_at_ms, leave_at_ms, look_at_ms; /* monotonic; 0: not set */
    size_t input_len;
    char input[INPUT_QUEUE_BYTES], ring[TERMINAL_RING_BYTES];
    struct viewer viewers[TERMINAL_VIEWERS_MAX];
};

static int64_t ring_start(const struct holder *h)
{
    return h->end > TERMINAL_RING_BYTES ? h->end - TERMINAL_RING_BYTES : 0;
}

/* ---- the pseudo terminal -------------------------------------------------------------------------------- */

static void keep(struct holder *h, const char *data, size_t len)
{
    int64_t mono_ms = now_mono_ms();
    for (size_t i = 0; i < len; i++) h->ring[(h->end + (int64_t)i) % TERMINAL_RING_BYTES] = data[i];
    h->end += (int64_t)len;
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) {
        struct viewer *v = &h->viewers[i];
        if (v->behind || h->end - v->acked < TERMINAL_WINDOW_BYTES) continue;
        v->behind = true;
        v->heard_at_ms = mono_ms;
    }
}

/* The shell waits for who looks and is slow, so that Ctrl+C is felt at once and nothing is lost; not for one that has
 * gone silent, and for nobody at all when nobody looks. Fills in how long it may take at most. */
static bool is_held_up(const struct holder *h, int64_t mono_ms, int64_t *wait_ms)
{
    bool held_up = false;
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) {
        const struct viewer *v = &h->viewers[i];
        int64_t left = v->heard_at_ms + TERMINAL_STALL_MS - mono_ms;
        if (v->fd < 0 || !v->looks || !v->behind || left <= 0) continue;
        held_up = true;
        if (left < *wait_ms) *wait_ms = left;
    }
    return held_up;
}

/* False: nothing is there at the moment, or ever more. */
static bool read_pty(struct holder *h)
{
    char data[4096];
    ssize_t n = read(h->pty, data, sizeof data);
    if (n > 0) keep(h, data, (size_t)n);
    if (n == 0 || (n < 0 && errno == EIO)) h->look_at_ms = now_mono_ms() + NOBODY_IN_MS;
    return n > 0 || (n < 0 && errno == EINTR);
}

static void write_pty(struct holder *h)
{
    while (h->input_len > 0 && h->pty >= 0) {
        ssize_t n = write(h->pty, h->input, h->input_len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) h->input_len = 0; /* nobody is in there to read it */
        if (n <= 0) return;
        h->input_len -= (size_t)n;
        memmove(h->input, h->input + n, h->input_len);
    }
}

static pid_t foreground(const struct holder *h)
{
    return h->pty >= 0 ? tcgetpgrp(h->pty) : -1;
}

/* To the shell and to what it had in front. What was put into the background with nohup, or has a session of its own,
 * is meant to stay, as in any terminal. */
static void signal_session(const struct holder *h, int signal)
{
    if (h->shell > 0) kill(-h->shell, signal);
    if (h->front > 0) kill(-h->front, signal);
}

static void shell_ended(struct holder *h, int status)
{
    h->shell = 0;
    for (int i = 0; i < DRAIN_READS && read_pty(h); i++) continue;
    close(h->pty); /* the kernel tells whatever is still in there */
    h->pty = -1;
    h->input_len = 0;
    h->leave_at_ms = now_mono_ms() + TERMINAL_ENDED_KEPT_MS;
    h->r.ended_at_ms = now_wall_ms();
    h->r.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    h->r.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    terminal_record_save(h->directory, &h->r); /* a full disk: who looks is told all the same */
}

static void close_terminal(struct holder *h)
{
    pid_t front = foreground(h);
    h->close_asked = true;
    if (h->shell == 0 || h->kill_at_ms > 0) return;
    if (front > 0 && front != h->shell) h->front = front;
    signal_session(h, SIGHUP);
    signal_session(h, SIGCONT); /* one that is stopped would not hear of it */
    h->kill_at_ms = now_mono_ms() + TERMINAL_CLOSE_GRACE_MS;
}

/* ---- requests ------------------------------------------------------------------------------------------- */

static int bad(struct failure *failure, const char *key, const char *what)
{
    return fail(failure, "bad-request", "The field %s of the request must be %s; nothing was done.", key, what);
}

static int take_size(struct holder *h, const struct json_object *o, bool needed, struct failure *failure)
{
    int64_t columns = 0, rows = 0;
    if (json_get_integer(o, "columns", 1, TERMINAL_SIDE_MAX, &columns) < (needed ? 1 : 0) ||
        json_get_integer(o, "rows", 1, TERMINAL_SIDE_MAX, &rows) < (needed ? 1 : 0)) {
        return bad(failure, "columns and rows", "a whole number from 1 to 1000");
    }
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    if (columns > 0 && rows > 0 && h->pty >= 0) ioctl(h->pty, TIOCSWINSZ, &size);
    return 0;
}

static int attach(struct holder *h, struct viewer *v, const struct json_object *o, struct json_writer *w,
                  struct failure *failure)
{
    int64_t offset = -1, start = ring_start(h);
    if (json_get_integer(o, "offset", 0, JSON_INTEGER_MAX, &offset) < 0) return bad(failure, "offset", "a number");
    if (offset > h->end) return bad(failure, "offset", "no more than the terminal has said");
    if (take_size(h, o, false, failure) != 0) return -1;
    int64_t from = offset > start ? offset : start;
    v->looks = true;
    v->told_end = false;
    v->sent = v->acked = from;
    v->behind = h->end - from >= TERMINAL_WINDOW_BYTES;
    v->heard_at_ms = now_mono_ms();
    /* Whoever begins in the middle has half a screen: a program that draws it is asked to do so again. */
    pid_t front = foreground(h);
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
    if (json_get_integer(o, "offset", 0, JSON_INTEGER_MAX, &offset) != 1 || offset > v->sent) {
        return bad(failure, "offset", "one that was sent");
    }
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
    if (n < 0) return bad(failure, "data", "base64 of at most 4096 bytes");
    if (h->pty < 0) return fail(failure, "terminal-ended", "The shell has ended. Nothing was typed.");
    if (h->input_len + (size_t)n > sizeof h->input) {
        return fail(failure, "busy",
                    "The program there reads nothing, and 64 KiB wait for it. Nothing more was typed.");
    }
    memcpy(h->input + h->input_len, data, (size_t)n);
    h->input_len += (size_t)n;
    write_pty(h);
    return 0;
}

static int close_request(struct holder *h, const struct json_object *o, struct failure *failure)
{
    bool if_idle = false;
    pid_t front = foreground(h);
    if (json_get_bool(o, "ifIdle", &if_idle) < 0) return bad(failure, "ifIdle", "true or false");
    if (if_idle && h->shell > 0 && front > 0 && front != h->shell) {
        char path[64], name[64] = "", shown[128];
        snprintf(path, sizeof path, "/proc/%ld/comm", (long)front);
        fs_read_small(path, name, sizeof name);
        text_sanitize(shown, sizeof shown, name, strcspn(name, "\n"));
        return fail(failure, "terminal-busy", "%s runs in it, and would be ended. Nothing was closed.",
                    shown[0] ? shown : "A program");
    }
    close_terminal(h);
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
    json_open(w, '{');
    json_put_integer(w, "id", id);
    struct json_mark mark = json_mark(w);
    json_put_bool(w, "ok", true);
    if (take_request(h, v, &o, w, &failure) != 0) {
        json_rewind(w, mark);
        json_put_bool(w, "ok", false);
        json_put_text(w, "code", failure.code);
        json_put_text(w, "message", failure.message);
    }
    json_close(w, '}');
    json_raw(w, "\n", 1);
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
    int64_t start = ring_start(h), room = v->acked + TERMINAL_WINDOW_BYTES;
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
    json_close(w, '}');
    json_raw(w, "\n", 1);
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
    json_close(w, '}');
    json_raw(w, "\n", 1);
    v->told_end = true;
}

static bool has_output(const struct holder *h, const struct viewer *v)
{
    return v->looks && v->sent < h->end && v->sent - v->acked < TERMINAL_WINDOW_BYTES;
}

static bool has_end(const struct holder *h, const struct viewer *v)
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

static void serve(struct holder *h, struct viewer *v, bool says)
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
    for (int i = 0; i < SENDS_AT_ONCE && state == 1 && (has_output(h, v) || has_end(h, v)); i++) {
        if (has_output(h, v)) {
            put_output(h, v);
        } else {
            put_end(h, v);
        }
        state = flush(v);
    }
    if (state < 0) forget(v);
}

static void take_viewer(struct holder *h)
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

/* ---- loop ----------------------------------------------------------------------------------------------- */

static void take_signals(struct holder *h)
{
    struct signalfd_siginfo info;
    int status;
    while (read(h->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        /* The last logout, where it ends everything; or somebody's kill. */
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) close_terminal(h);
    }
    if (h->shell > 0 && waitpid(h->shell, &status, WNOHANG) == h->shell) shell_ended(h, status);
}

static bool everybody_knows(const struct holder *h)
{
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) {
        const struct viewer *v = &h->viewers[i];
        if (v->fd >= 0 && (v->out.len > 0 || (v->looks && !v->told_end))) return false;
    }
    return true;
}

/* True: nothing is left to hold. */
static bool is_over(struct holder *h, int64_t mono_ms)
{
    if (h->shell > 0 || h->kill_at_ms > 0) return false;
    if (h->close_asked && h->leave_at_ms > mono_ms + TERMINAL_STALL_MS) h->leave_at_ms = mono_ms + TERMINAL_STALL_MS;
    return mono_ms >= h->leave_at_ms || (h->close_asked && everybody_knows(h));
}

static void turn(struct holder *h)
{
    struct pollfd p[3 + TERMINAL_VIEWERS_MAX];
    int64_t mono_ms = now_mono_ms(), wait_ms = FOLDER_LOOK_MS;
    bool held_up = is_held_up(h, mono_ms, &wait_ms);
    p[0] = (struct pollfd){.fd = h->signal_fd, .events = POLLIN};
    p[1] = (struct pollfd){.fd = h->listen_fd, .events = POLLIN};
    /* One that is held up is left out altogether: a hang-up could not be told from it, and the shell's end is. */
    bool uses_pty = (!held_up || h->input_len > 0) && mono_ms >= h->look_at_ms;
    p[2] = (struct pollfd){.fd = uses_pty ? h->pty : -1,
                           .events = (short)((held_up ? 0 : POLLIN) | (h->input_len > 0 ? POLLOUT : 0))};
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) {
        const struct viewer *v = &h->viewers[i];
        bool more = v->out.len > 0 || (v->fd >= 0 && (has_output(h, v) || has_end(h, v)));
        p[3 + i] = (struct pollfd){.fd = v->fd, .events = (short)(v->out.len > 0 ? POLLOUT : POLLIN)};
        if (more) p[3 + i].events |= POLLOUT;
    }
    if (h->kill_at_ms > 0 && CLOSE_LOOK_MS < wait_ms)
        wait_ms = CLOSE_LOOK_MS; /* a group is nobody's child: no signal */
    if (h->look_at_ms > mono_ms && h->look_at_ms - mono_ms < wait_ms) wait_ms = h->look_at_ms - mono_ms;
    if (h->leave_at_ms > 0 && h->leave_at_ms - mono_ms < wait_ms) wait_ms = h->leave_at_ms - mono_ms;
    if (poll(p, 3 + TERMINAL_VIEWERS_MAX, wait_ms > 0 ? (int)wait_ms : 0) < 0) {
        if (errno != EINTR) exit(EXIT_OWN_FAILURE);
        return;
    }
    if (p[2].revents & POLLOUT) write_pty(h);
    if (p[2].revents & (POLLIN | POLLHUP) && !held_up) read_pty(h);
    if (p[0].revents) take_signals(h);
    if (p[1].revents) take_viewer(h);
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) {
        if (h->viewers[i].fd >= 0 && p[3 + i].fd == h->viewers[i].fd) {
            serve(h, &h->viewers[i], (p[3 + i].revents & (POLLIN | POLLHUP | POLLERR)) != 0);
        }
    }
    if (h->kill_at_ms == 0) return;
    bool left = h->shell > 0 || (h->front > 0 && kill(-h->front, 0) == 0);
    if (left && now_mono_ms() < h->kill_at_ms) return;
    if (left) signal_session(h, SIGKILL);
    h->kill_at_ms = 0;
}

static int open_signals(struct holder *h)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP); /* whoever opened us is gone: no reason to end */
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return errno;
    h->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return h->signal_fd >= 0 ? 0 : errno;
}

static void start_shell(struct holder *h, int64_t columns, int64_t rows)
{
    char said[256];
    int error = terminal_shell_start(h->r.slice_id, columns, rows, &h->pty, &h->shell);
    if (error == 0) return;
    int n = snprintf(said, sizeof said, "tranche: no terminal could be had on this host: %s\r\n", strerror(error));
    keep(h, said, (size_t)n);
    h->pty = open("/dev/null", O_RDWR | O_CLOEXEC);
    shell_ended(h, W_EXITCODE(EXIT_OWN_FAILURE, 0));
}

int command_terminal(int argc, char **argv)
{
    static struct holder h;
    int64_t fd, columns, rows;
    if (argc != 7 || strcmp(argv[1], "hold") != 0 || !terminal_id_is_good(argv[2]) ||
        text_parse_integer(argv[4], 3, 4096, &fd) != 0 ||
        text_parse_integer(argv[5], 1, TERMINAL_SIDE_MAX, &columns) != 0 ||
        text_parse_integer(argv[6], 1, TERMINAL_SIDE_MAX, &rows) != 0) {
        return complain("terminals are opened by the desktop; there is nothing to say here");
    }
    h = (struct holder){.listen_fd = (int)fd, .pty = -1, .r = {.started_at_ms = now_wall_ms(), .exit_code = -1}};
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) h.viewers[i].fd = -1;
    text_copy(h.r.id, sizeof h.r.id, argv[2]);
    text_copy(h.r.slice_id, sizeof h.r.slice_id, argv[3]);
    fcntl(h.listen_fd, F_SETFD, FD_CLOEXEC);
    if (detached_folder_of(TERMINALS, h.r.id, h.directory) != 0 || open_signals(&h) != 0) return EXIT_OWN_FAILURE;
    start_shell(&h, columns, rows);
    while (!is_over(&h, now_mono_ms())) {
        turn(&h);
        /* Tranche was removed from the account: nobody can ever look again. */
        if (h.shell > 0 && !h.close_asked && access(h.directory, F_OK) != 0) close_terminal(&h);
    }
    detached_folder_remove(h.directory);
    return 0;
}
