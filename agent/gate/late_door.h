/* How a program that runs already comes behind the gate: it connects, is told that there is room, puts the filter on itself
 * (late_gate.h) and hands its listener over. The supervisor's end of it; waits for nobody. */
#ifndef TRANCHE_GATE_LATE_DOOR_H
#define TRANCHE_GATE_LATE_DOOR_H

#include <poll.h>

#include "supervisor.h"

/* Programs that were told to and have not handed theirs over yet. One more is turned away, and stays without. */
#define LATE_PENDING_MAX 8u
#define LATE_FDS (1u + LATE_PENDING_MAX)

struct late_door {
    int listening; /* -1: there is none */
    int pending[LATE_PENDING_MAX];
    unsigned count;
};

/* An abstract address, in `name` without its leading 0, and a socket that listens there, close-on-exec. -1: errno. */
#define LATE_NAME_BYTES 64
int late_listen(char name[LATE_NAME_BYTES]);

/* `listening` is taken over; -1: there is none. */
void late_open(struct late_door *door, int listening);

/* What to wait for; returns how many. */
nfds_t late_watch(const struct late_door *door, struct pollfd out[LATE_FDS]);
/* Takes who has come, and what was handed over, which goes to the supervisor. Only of this process's own user. */
void late_turn(struct late_door *door, const struct pollfd *ready, nfds_t count, struct supervisor *supervisor);

#endif
