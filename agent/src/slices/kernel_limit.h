/* The limit that the driver itself keeps, by a slice's control group: it holds for whatever runs there, also for programs
 * that the library does not reach. It moves together with the limit of the pages that tenants map: up before them, down
 * after them, and both or none. docs/kernel-limit.md. */
#ifndef TRANCHE_KERNEL_LIMIT_H
#define TRANCHE_KERNEL_LIMIT_H

#include "base/failure.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* Whether the driver keeps the slice's limit, and has been seen to keep limits. */
bool kernel_limit_holds(struct agent *agent, const struct slice *slice);
/* NULL where it does, otherwise why not, in a sentence. */
const char *kernel_limit_why_not(struct agent *agent, const struct slice *slice);

/* Before an edit is written: the driver is told of the next limit, after the pages where it is smaller. 0, or -1 with the
 * refusal: then driver and pages are as they were. */
int kernel_limit_prepare(struct agent *agent, struct slice *slice, const struct slice_record *next,
                         struct failure *failure);
/* What the slice's record says, in force; once after an edit and after one that was not written. */
void kernel_limit_settle(struct agent *agent, struct slice *slice);
/* Its group was made anew: what the old one had of limits is told of this one. false: it could not be. */
bool kernel_limit_renew(struct agent *agent, struct slice *slice);
/* Once a second: proofs, times, use that falls, what somebody else has changed. */
void kernel_limit_watch(struct agent *agent, int64_t mono_ms);

/* A group that has no slice any more: as long as somebody is in it, nothing more is given. */
void kernel_limit_close(const struct agent *agent, const char *name);
/* Before it is removed: nothing of it stays behind in the driver. false: it does, and the group is to be kept. */
bool kernel_limit_clear(const struct agent *agent, const char *name);

#endif
