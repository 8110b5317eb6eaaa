/* A control group (cgroup v2) for each slice, where the agent is root: `BASE/slices/SLICE-ID`. Its programs are moved
 * into it before they begin (scope_enter.h), and what they start stays in it; root alone can put processes there. What
 * holds a whole slice from outside (the driver's own limit, a rule of who may open a device) goes by these folders.
 * They outlast the agent, and are found again by name. docs/kernel-limit.md. */
#ifndef TRANCHE_SCOPES_H
#define TRANCHE_SCOPES_H

#include "fs.h"
#include "state/agent_state.h"
#include "state/slice.h"

#define SCOPES_WHY_BYTES 256

/* Finds or makes the folder that they are in. Where that cannot be had, says so in the log and in scopes_why_not. */
void scopes_open(struct agent *agent);
/* Why there are none, in a sentence; NULL: there are. */
const char *scopes_why_not(const struct agent *agent);
/* `BASE/slices`: a program is in some slice's scope if its group lies below it. NULL and -1 where there are none. */
const char *scopes_base_path(const struct agent *agent);
int scopes_base_fd(const struct agent *agent);
/* Lets scopes have a controller, from the root of the hierarchy (or the folder that was named) down. 0 or errno. ENOENT:
 * the kernel has none of that name. EPERM: the next start of the agent would fail where systemd is older than 254. */
int scopes_enable(const struct agent *agent, const char *controller);

/* The folder of a slice (or of that which an earlier owner's programs are in), made if it is not there: a descriptor,
 * or -errno. *new_out: it was made now, and knows nothing of limits. */
int scope_make(const struct agent *agent, const struct slice *slice, bool *new_out);
/* Its path. 0 or errno. */
int scope_path(const struct agent *agent, const char *name, char out[FS_PATH_BYTES]);
/* Whether the kernel has a process in it. */
bool scope_has(const struct agent *agent, const struct slice *slice, struct proc *proc, int64_t mono_ms);

#endif
