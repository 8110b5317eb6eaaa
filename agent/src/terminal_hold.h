/* The holder of one terminal, in two parts: its shell and its loop (terminal_hold.c), and who looks (terminal_viewers.c). */
#ifndef TRANCHE_TERMINAL_HOLD_H
#define TRANCHE_TERMINAL_HOLD_H

#include "terminal.h"

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

/* The process group in front of the terminal, or -1. */
pid_t holder_foreground(const struct holder *h);
/* Hands on what was typed, as far as it is taken. */
void holder_write_pty(struct holder *h);
/* Hangs up; what is still there after the grace is killed. */
void holder_close(struct holder *h);

/* Somebody is at the socket. */
void viewer_take(struct holder *h);
/* `says`: a request may be there. */
void viewer_serve(struct holder *h, struct viewer *v, bool says);
bool viewer_has_output(const struct holder *h, const struct viewer *v);
bool viewer_has_end(const struct holder *h, const struct viewer *v);
/* Everybody who looks was told of the end. */
bool viewers_know(const struct holder *h);

#endif
