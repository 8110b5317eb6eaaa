/* By what a slice's memory limit is kept: the driver, in the kernel, by the slice's control group (docs/kernel-limit.md), a
 * supervisor at the kernel's boundary (docs/gate.md), or the library in the programs themselves. */
#ifndef TRANCHE_ENFORCEMENT_H
#define TRANCHE_ENFORCEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "state/agent_state.h"
#include "state/slice.h"

/* Of programs that are started in it from now on, as a word on the wire: "kernel", "gate" or "cooperative". Why it is no
 * better is in its setting and in what the backend's GPUs can do. */
const char *enforcement_of(struct agent *agent, const struct slice_record *r);

/* Whether a process of the slice is held from outside: by the driver where the kernel has it in the slice's group, or by a
 * supervisor, as its ledger says, which its user can write, and the kernel says that it is behind a filter. 1, 0, or -1: it
 * holds nothing yet, and so nobody can tell. */
int enforcement_holds(struct agent *agent, const struct slice *slice, const struct entry_track *track,
                      int64_t mono_ms);

/* How many of its processes hold memory without being held. */
uint32_t enforcement_ungated(struct agent *agent, const struct slice *slice, int64_t mono_ms);

#endif
