#include "terminals/terminal_pty.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/now.h"
#include "fs.h"
#include "gated_run.h"
#include "proc_stat.h"
#include "terminals/terminal.h"

#define NOBODY_IN_MS 200 /* a terminal that everybody has closed looks ready all the time: looked at this often */

void holder_keep(struct holder *h, const char *data, size_t len)
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

bool holder_read_pty(struct holder *h)
{
    char data[4096];
    ssize_t n = read(h->pty, data, sizeof data);
    if (n > 0) holder_keep(h, data, (size_t)n);
    if (n == 0 || (n < 0 && errno == EIO)) h->look_at_ms = now_mono_ms() + NOBODY_IN_MS;
    return n > 0 || (n < 0 && errno == EINTR);
}

void holder_write_pty(struct holder *h)
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

pid_t holder_foreground(const struct holder *h)
{
    return h->pty >= 0 ? tcgetpgrp(h->pty) : -1;
}

/* Behind the gate what was started here is the front end, the supervisor its child, and the shell the supervisor's; the
 * shell leads a group of its own (agent/gate/gated_run.h). */
static bool is_gated_shell(const struct holder *h, pid_t pid)
{
    struct proc_stat stat, above;
    char path[64], name[64] = "";
    if (proc_stat_read((uint32_t)pid, 0, &stat) != 0 || stat.parent == 0) return false;
    snprintf(path, sizeof path, "/proc/%u/comm", stat.parent);
    if (fs_read_small(path, name, sizeof name) <= 0 || strcmp(name, GATE_SUPERVISOR_NAME "\n") != 0) return false;
    return proc_stat_read(stat.parent, 0, &above) == 0 && (pid_t)above.parent == h->shell;
}

bool holder_is_at_prompt(const struct holder *h)
{
    pid_t front = holder_foreground(h);
    return front <= 0 || front == h->shell || is_gated_shell(h, front);
}

void holder_signal(const struct holder *h, int signal)
{
    if (h->shell > 0) kill(-h->shell, signal);
    if (h->front > 0) kill(-h->front, signal);
}

void holder_close(struct holder *h)
{
    pid_t front = holder_foreground(h);
    h->close_asked = true;
    if (h->shell == 0 || h->kill_at_ms > 0) return;
    if (front > 0 && front != h->shell) h->front = front;
    holder_signal(h, SIGHUP);
    holder_signal(h, SIGCONT); /* one that is stopped would not hear of it */
    h->kill_at_ms = now_mono_ms() + TERMINAL_CLOSE_GRACE_MS;
}
