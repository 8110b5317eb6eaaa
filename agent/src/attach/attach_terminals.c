#include "attach/attach_terminals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/reply.h"
#include "json.h"
#include "terminals/terminal.h"
#include "text.h"

void attach_terminals_init(struct attach_terminals *t)
{
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < ATTACH_TERMINALS_MAX; i++) t->list[i].fd = -1;
}

/* ---- what is answered here ------------------------------------------------------------------------------ */

static int open_one(struct json_writer *w, int64_t id, const struct json_object *o, struct failure *failure)
{
    struct terminal_record record = {.id = ""};
    int64_t columns, rows;
    const char *slice;
    if (json_get_text(o, "sliceId", &slice) != 1 || !text_is_slice_name(slice))
        return fail_field(failure, "sliceId", "an id");
    if (json_get_integer(o, "columns", 1, TERMINAL_SIDE_MAX, &columns) != 1 ||
        json_get_integer(o, "rows", 1, TERMINAL_SIDE_MAX, &rows) != 1)
        return fail_field(failure, "columns and rows", "a whole number from 1 to 1000");
    text_copy(record.slice_id, sizeof record.slice_id, slice);
    if (terminal_start(&record, columns, rows, failure) != 0) return -1;
    reply_begin(w, id);
    json_put_text(w, "terminalId", record.id);
    json_end_line(w);
    return 0;
}

static int list(struct json_writer *w, int64_t id, struct failure *failure)
{
    struct json_mark mark = json_mark(w);
    reply_begin(w, id);
    json_key(w, "terminals");
    if (terminal_list(w, failure) != 0) {
        json_rewind(w, mark);
        return -1;
    }
    json_end_line(w);
    return 0;
}

/* ---- what their holders answer -------------------------------------------------------------------------- */

/* Whoever is gone cannot answer, and whoever waits for it is told. */
static void hang_up(struct attach_terminal *one, struct json_writer *w)
{
    struct failure failure;
    close(one->fd);
    one->fd = -1;
    fail(&failure, "unknown-terminal", "The terminal's process has ended. It is not known whether that was done.");
    for (size_t i = 0; i < one->pending_count; i++) reply_refuse(w, one->pending[i], &failure);
    if (!one->looks || one->ended) return;
    json_open(w, '{');
    json_put_text(w, "ev", "terminal-ended");
    json_put_text(w, "terminalId", one->id);
    json_put_known(w, "exitCode", false, 0);
    json_put_known(w, "signal", false, 0);
    json_end_line(w);
}

/* The connection of this terminal, made if there is none yet. NULL with a failure. */
static struct attach_terminal *reach(struct attach_terminals *t, const char *id, struct failure *failure)
{
    struct attach_terminal *free_one = NULL;
    for (size_t i = 0; i < ATTACH_TERMINALS_MAX; i++) {
        struct attach_terminal *one = &t->list[i];
        if (one->fd >= 0 && strcmp(one->id, id) == 0) return one;
        if (one->fd < 0) free_one = one;
    }
    if (!free_one) {
        fail(failure, "too-many-terminals", "This connection shows %d terminals already.", ATTACH_TERMINALS_MAX);
        return NULL;
    }
    int fd = terminal_connect(id, failure);
    if (fd < 0) return NULL;
    *free_one = (struct attach_terminal){.fd = fd};
    text_copy(free_one->id, sizeof free_one->id, id);
    return free_one;
}

static int pass_on(struct attach_terminals *t, struct json_writer *w, int64_t id, const char *op,
                   const struct json_object *o, const char *line, size_t len, struct failure *failure)
{
    const char *terminal;
    if (json_get_text(o, "terminalId", &terminal) != 1 || !terminal_id_is_good(terminal))
        return fail_field(failure, "terminalId", "a terminal's id");
    struct attach_terminal *one = reach(t, terminal, failure);
    if (!one) return -1;
    ssize_t n =
        one->pending_count < ATTACH_TERMINAL_PENDING_MAX ? send(one->fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
    bool full =
        one->pending_count == ATTACH_TERMINAL_PENDING_MAX || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    if (n < 0 && full)
        return fail(failure, "busy", "The terminal has not answered what it was asked before. This was not done.");
    one->pending[one->pending_count++] = id;
    one->looks |= strcmp(op, "terminal-attach") == 0;
    if (n < 0) hang_up(one, w); /* answers this one too */
    return 0;
}

bool attach_terminals_take(struct attach_terminals *t, struct json_writer *replies, int64_t id, const char *op,
                           const struct json_object *o, const char *line, size_t len)
{
    struct failure failure = {.code = NULL};
    int result;
    if (strncmp(op, "terminal-", 9) != 0) return false;
    if (strcmp(op, "terminal-open") == 0)
        result = open_one(replies, id, o, &failure);
    else if (strcmp(op, "terminal-list") == 0)
        result = list(replies, id, &failure);
    else
        result = pass_on(t, replies, id, op, o, line, len, &failure);
    if (result != 0) reply_refuse(replies, id, &failure);
    return true;
}

/* ---- lines of holders ----------------------------------------------------------------------------------- */

/* More only when everything before it has gone out, so that the agent's lines have every other turn. */
int attach_terminals_poll(const struct attach_terminals *t, const struct json_writer *replies, struct pollfd *p,
                          int wait_ms)
{
    int64_t left = t->allowed_at_ms - now_mono_ms();
    bool may = replies->len == 0 && left <= 0, any = false;
    for (size_t i = 0; i < ATTACH_TERMINALS_MAX; i++) {
        any |= t->list[i].fd >= 0;
        p[i] = (struct pollfd){.fd = may ? t->list[i].fd : -1, .events = POLLIN};
    }
    if (!any || left <= 0 || replies->len > 0) return wait_ms;
    return wait_ms < 0 || left < wait_ms ? (int)left : wait_ms;
}

static void note_line(struct attach_terminal *one, const char *line)
{
    static const char reply[] = "{\"id\":", end[] = "{\"ev\":\"terminal-ended\"";
    one->ended |= strncmp(line, end, sizeof end - 1) == 0;
    if (strncmp(line, reply, sizeof reply - 1) != 0) return;
    int64_t id = strtoll(line + sizeof reply - 1, NULL, 10);
    for (size_t i = 0; i < one->pending_count; i++) {
        if (one->pending[i] != id) continue;
        one->pending[i] = one->pending[--one->pending_count];
        return;
    }
}

static void take_line(struct attach_terminals *t, struct attach_terminal *one, struct json_writer *replies)
{
    static char line[TERMINAL_PACKET_BYTES + 1];
    ssize_t n = recv(one->fd, line, TERMINAL_PACKET_BYTES, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (n <= 0 || n > TERMINAL_PACKET_BYTES || line[n - 1] != '\n') {
        hang_up(one, replies);
        return;
    }
    line[n] = '\0';
    note_line(one, line);
    json_raw(replies, line, (size_t)n);
    int64_t earliest = now_mono_ms() - ATTACH_TERMINAL_BURST_MS;
    if (t->allowed_at_ms < earliest) t->allowed_at_ms = earliest;
    t->allowed_at_ms += (n + ATTACH_TERMINAL_BYTES_PER_MS - 1) / ATTACH_TERMINAL_BYTES_PER_MS;
}

void attach_terminals_serve(struct attach_terminals *t, struct json_writer *replies, const struct pollfd *p)
{
    for (size_t k = 0; k < ATTACH_TERMINALS_MAX; k++) {
        size_t i = (t->next + k) % ATTACH_TERMINALS_MAX;
        if (p[i].fd < 0 || p[i].fd != t->list[i].fd || p[i].revents == 0) continue;
        t->next = i + 1;
        take_line(t, &t->list[i], replies);
        return;
    }
}
