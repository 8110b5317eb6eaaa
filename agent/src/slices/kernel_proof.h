/* Whether a driver keeps a control group's memory limit: tried before it is believed, once for each version of it, with a
 * group and a program of ours. The program takes memory, without any library of ours, until it is refused; then the
 * driver's count must be at the limit and not beyond, and fall to nothing when the program ends. Takes up to
 * KERNEL_PROOF_BYTES of a GPU for a second or two. What was proved is kept until the next boot. */
#ifndef TRANCHE_KERNEL_PROOF_H
#define TRANCHE_KERNEL_PROOF_H

#include "state/agent_state.h"

#define KERNEL_PROOF_NAME "proof" /* its group, beside the scopes */
#define KERNEL_PROOF_BYTES (UINT64_C(1536) << 20)
/* What a driver may round a limit to: its pages. */
#define KERNEL_ROUNDING_BYTES (UINT64_C(2) << 20)

/* Once a second: begins a trial where one is due, or goes on with it. At most one at a time. */
void kernel_proof_watch(struct agent *agent, int64_t mono_ms);
/* Ends the one that goes on, if any: the agent leaves. */
void kernel_proof_end(void);
/* The program of the last one: what it holds is not what others need. */
bool kernel_proof_is(uint32_t pid);
/* Its group is in use. */
bool kernel_proof_runs(void);
/* NULL: the driver of this GPU keeps limits. Otherwise why it is not known to, in a sentence. */
const char *kernel_proof_missing(const struct agent *agent, const struct gpu_state *gpu);

/* Tells the driver, and what it made of it: less than what is in use is no limit for it, so that this is the limit until
 * use has fallen. 0, or errno with a sentence. */
int kernel_proof_hold(const struct agent *agent, const struct gpu_state *gpu, const char *path, uint64_t want_bytes,
                      struct gpu_group_limit *out, char why[KERNEL_WHY_BYTES]);

#endif
