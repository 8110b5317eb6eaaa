/* The terminals of one connection. Requests go to their holders as they are and holders' lines come back as they are
 * (terminal.h); what is added is a bound on how much of the channel they take together. */
#ifndef TRANCHE_ATTACH_TERMINALS_H
#define TRANCHE_ATTACH_TERMINALS_H

#include <poll.h>
#include <stdbool.h>

#include "json.h"
#include "terminals/terminal.h"

#define ATTACH_TERMINALS_MAX TERMINALS_MAX
#define ATTACH_TERMINAL_PENDING_MAX 256   /* requests that a holder has not answered yet: what a client may have */
#define ATTACH_TERMINAL_BYTES_PER_MS 2048 /* 2 MiB a second of all terminals together: 20,000 lines of text */
#define ATTACH_TERMINAL_BURST_MS 125      /* a quarter MiB at once, so that a screen comes whole */

struct attach_terminal {
    int fd; /* -1: none */
    char id[TERMINAL_ID_BYTES];
    bool looks, ended; /* its output was asked for; its end was told */
    int64_t pending[ATTACH_TERMINAL_PENDING_MAX];
    size_t pending_count;
};

struct attach_terminals {
    struct attach_terminal list[ATTACH_TERMINALS_MAX];
    size_t next;           /* whose turn it is */
    int64_t allowed_at_ms; /* monotonic, behind the time as long as there is something left to spend */
};

void attach_terminals_init(struct attach_terminals *t);
/* True: this request (`line` without its newline, parsed as o) was ours, and is or will be answered in replies. */
bool attach_terminals_take(struct attach_terminals *t, struct json_writer *replies, int64_t id, const char *op,
                           const struct json_object *o, const char *line, size_t len);
/* Fills ATTACH_TERMINALS_MAX entries and returns how long may be waited, wait_ms at most (-1: for ever). */
int attach_terminals_poll(const struct attach_terminals *t, const struct json_writer *replies, struct pollfd *p,
                          int wait_ms);
void attach_terminals_serve(struct attach_terminals *t, struct json_writer *replies, const struct pollfd *p);

#endif
