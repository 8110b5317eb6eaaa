/* A descriptor and a number from one process to another, through a socket pair. */
#ifndef TRANCHE_GATE_HAND_OVER_H
#define TRANCHE_GATE_HAND_OVER_H

/* Sends a number, and with it a descriptor if fd is not negative. 0 or an errno value. */
int hand_over(int socket, int number, int fd);

/* Waits for one, at most timeout_ms (-1: as long as the other end is there). The descriptor, close-on-exec, or -1 if none
 * came with it. Returns 0, EPIPE if the other end was closed without a word, or another errno value. */
int take_over(int socket, int timeout_ms, int *number_out, int *fd_out);

#endif
