/* The supervisor of gated programs: takes what the filter reports, keeps the book, and answers. One thread; it waits for
 * no program and for no answer, and each turn is a bounded piece of work. docs/gate.md has the contract.
 *
 * What it lets go on is done by the kernel a moment later, and it does not see how it ends. What it refuses never reaches
 * the driver: it writes the driver's own status "no memory" into the program's structure and ends the call with 0. */
#ifndef TRANCHE_GATE_SUPERVISOR_H
#define TRANCHE_GATE_SUPERVISOR_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "asker.h"
#include "gate_policy.h"

struct supervisor;

/* Takes the listener over, also where it fails; -1: there is none yet. NULL: errno. */
struct supervisor *supervisor_new(int listener, const struct gate_devices *devices, const struct gate_policy *policy);
/* Another filter's listener; taken over, also where it fails. 0, or ENOSPC: there are LISTENERS_MAX. */
int supervisor_add(struct supervisor *supervisor, int listener);
void supervisor_delete(struct supervisor *supervisor);

/* What to wait for: one of these is readable when there is something to do. The listener has to be in the caller's own
 * poll(2): the kernel then wakes it on the processor of whoever asks (6.6), which a set of epoll in between would lose,
 * and with it half of what a request costs. */
#define SUPERVISOR_FDS (1 + LISTENERS_MAX)
/* Returns how many. */
nfds_t supervisor_watch(const struct supervisor *supervisor, struct pollfd out[SUPERVISOR_FDS]);

/* Does what there is to do by what was found ready of supervisor_watch: one report of each filter at most, so that a
 * request costs no call but its own. NULL: looks itself, and does all that there is up to a bound. false: nobody is behind
 * a filter any more (since Linux 5.9; before, ask whether there are descendants). */
bool supervisor_turn(struct supervisor *supervisor, const struct pollfd *ready, nfds_t count);

/* Looks whether managed memory that was counted is still mapped, every now and then; to be called every GATE_LOOK_MS
 * after something was asked, until it says that there is nothing to look at. */
bool supervisor_look(struct supervisor *supervisor);
/* Looks at once. */
void supervisor_look_now(struct supervisor *supervisor);

void supervisor_read_figures(const struct supervisor *supervisor, struct gate_figures *out);

/* What one process holds by the gate's count; false: it has asked for nothing, or is over. */
bool supervisor_bytes_of(const struct supervisor *supervisor, pid_t pid, uint64_t *bytes_out);

/* The same for all that hold anything. What a process left behind is its heir's: one may come twice. */
void supervisor_each(const struct supervisor *supervisor, void (*take)(void *context, pid_t pid, uint64_t bytes),
                     void *context);

#endif
