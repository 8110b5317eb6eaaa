/* The holder of one terminal, and the pseudo terminal that it owns. */
#ifndef TRANCHE_TERMINAL_PTY_H
#define TRANCHE_TERMINAL_PTY_H

#include "fs.h"
#include "json.h"
#include "terminals/terminal.h"

#define INPUT_QUEUE_BYTES (64 * 1024) /* typed ahead of a program that reads nothing */

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

/* Where the output that is kept begins. */
static inline int64_t holder_ring_start(const struct holder *h)
{
    return h->end > TERMINAL_RING_BYTES ? h->end - TERMINAL_RING_BYTES : 0;
}

/* Output: kept in the ring, for who looks. */
void holder_keep(struct holder *h, const char *data, size_t len);
/* False: nothing is there at the moment, or ever more. */
bool holder_read_pty(struct holder *h);
/* Hands on what was typed, as far as it is taken. */
void holder_write_pty(struct holder *h);
/* The process group in front of the terminal, or -1. */
pid_t holder_foreground(const struct holder *h);
/* Whether nothing that was started in the shell is in front of it. */
bool holder_is_at_prompt(const struct holder *h);
/* To the shell and to what it had in front. What was put into the background with nohup, or has a session of its own,
 * is meant to stay, as in any terminal. */
void holder_signal(const struct holder *h, int signal);
/* Hangs up; what is still there after the grace is killed. */
void holder_close(struct holder *h);

#endif
