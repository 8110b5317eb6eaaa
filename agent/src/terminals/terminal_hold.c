/* `tranche terminal hold ID SLICE FD COLUMNS ROWS`: owns the pseudo terminal of one shell and shows it to those who ask
 * at its socket. One thread, one loop. Output is kept in memory and never on disk: what scrolls by in a shell is not
 * ours to record, and a file would not help once the holder, and with it the shell, is gone. */

#include "terminals/terminal_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/detached.h"
#include "base/now.h"
#include "terminals/terminal.h"
#include "terminals/terminal_pty.h"
#include "terminals/terminal_shell.h"
#include "terminals/terminal_viewers.h"
#include "text.h"

#define DRAIN_READS 64       /* of what stands in the terminal when its shell has ended */
#define FOLDER_LOOK_MS 10000 /* is it still there? Tranche may have been removed from the account */
#define CLOSE_LOOK_MS 50

/* ---- the pseudo terminal -------------------------------------------------------------------------------- */

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

static void shell_ended(struct holder *h, int status)
{
    h->shell = 0;
    for (int i = 0; i < DRAIN_READS && holder_read_pty(h); i++) continue;
    close(h->pty); /* the kernel tells whatever is still in there */
    h->pty = -1;
    h->input_len = 0;
    h->leave_at_ms = now_mono_ms() + TERMINAL_ENDED_KEPT_MS;
    h->r.ended_at_ms = now_wall_ms();
    h->r.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    h->r.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    terminal_record_save(h->directory, &h->r); /* a full disk: who looks is told all the same */
}

/* ---- loop ----------------------------------------------------------------------------------------------- */

static void take_signals(struct holder *h)
{
    struct signalfd_siginfo info;
    int status;
    while (read(h->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        /* The last logout, where it ends everything; or somebody's kill. */
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) holder_close(h);
    }
    if (h->shell > 0 && waitpid(h->shell, &status, WNOHANG) == h->shell) shell_ended(h, status);
}

/* True: nothing is left to hold. */
static bool is_over(struct holder *h, int64_t mono_ms)
{
    if (h->shell > 0 || h->kill_at_ms > 0) return false;
    if (h->close_asked && h->leave_at_ms > mono_ms + TERMINAL_STALL_MS) h->leave_at_ms = mono_ms + TERMINAL_STALL_MS;
    return mono_ms >= h->leave_at_ms || (h->close_asked && viewers_know(h));
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
        bool more = v->out.len > 0 || (v->fd >= 0 && (viewer_has_output(h, v) || viewer_has_end(h, v)));
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
    if (p[2].revents & POLLOUT) holder_write_pty(h);
    if (p[2].revents & (POLLIN | POLLHUP) && !held_up) holder_read_pty(h);
    if (p[0].revents) take_signals(h);
    if (p[1].revents) viewer_take(h);
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++)
        if (h->viewers[i].fd >= 0 && p[3 + i].fd == h->viewers[i].fd)
            viewer_serve(h, &h->viewers[i], (p[3 + i].revents & (POLLIN | POLLHUP | POLLERR)) != 0);
    if (h->kill_at_ms == 0) return;
    bool left = h->shell > 0 || (h->front > 0 && kill(-h->front, 0) == 0);
    if (left && now_mono_ms() < h->kill_at_ms) return;
    if (left) holder_signal(h, SIGKILL);
    h->kill_at_ms = 0;
}

static void start_shell(struct holder *h, int64_t columns, int64_t rows)
{
    char said[256];
    int error = terminal_shell_start(h->r.slice_id, columns, rows, &h->pty, &h->shell);
    if (error == 0) return;
    int n = snprintf(said, sizeof said, "tranche: no terminal could be had on this host: %s\r\n", strerror(error));
    holder_keep(h, said, (size_t)n);
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
        text_parse_integer(argv[6], 1, TERMINAL_SIDE_MAX, &rows) != 0)
        return complain("terminals are opened by the desktop; there is nothing to say here");
    h = (struct holder){.listen_fd = (int)fd, .pty = -1, .r = {.started_at_ms = now_wall_ms(), .exit_code = -1}};
    for (size_t i = 0; i < TERMINAL_VIEWERS_MAX; i++) h.viewers[i].fd = -1;
    text_copy(h.r.id, sizeof h.r.id, argv[2]);
    text_copy(h.r.slice_id, sizeof h.r.slice_id, argv[3]);
    fcntl(h.listen_fd, F_SETFD, FD_CLOEXEC);
    if (detached_folder_of(TERMINALS, h.r.id, h.directory) != 0 || detached_signals(&h.signal_fd) != 0)
        return EXIT_OWN_FAILURE;
    start_shell(&h, columns, rows);
    while (!is_over(&h, now_mono_ms())) {
        turn(&h);
        /* Tranche was removed from the account: nobody can ever look again. */
        if (h.shell > 0 && !h.close_asked && access(h.directory, F_OK) != 0) holder_close(&h);
    }
    detached_folder_remove(h.directory);
    return 0;
}
