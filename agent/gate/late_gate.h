/* The program's own end of late_door.h: puts this whole process behind the gate while it runs. For the library that is in
 * it, before it first meets the driver. */
#ifndef TRANCHE_GATE_LATE_GATE_H
#define TRANCHE_GATE_LATE_GATE_H

#include <stdbool.h>

/* How long the supervisor may take for each of its two words. It waits for nobody itself. */
#define LATE_WAIT_MS 2000

/* By the address of late_listen. true: from now on the supervisor answers for this process and all that it starts.
 * false: it does not, and nothing has changed; but where it went away in between, what the filter reports ends in ENOSYS
 * from now on, and the process gets no GPU. */
bool late_gate_enter(const char *name);

#endif
