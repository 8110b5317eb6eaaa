/* One look at a slice's usage file: ledger, rates, denials, and which processes are in it. */
#ifndef TRANCHE_MEASURE_H
#define TRANCHE_MEASURE_H

#include "json.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* What a tenant writes is a claim about itself; a lie must not overflow a sum or a line. */
static inline uint64_t measure_sane(uint64_t value)
{
    return value > (uint64_t)JSON_INTEGER_MAX ? (uint64_t)JSON_INTEGER_MAX : value;
}

static inline uint64_t measure_add(uint64_t a, uint64_t b)
{
    return measure_sane(a + measure_sane(b));
}

/* Fills slice->m and slice->tracks; reaps entries of dead processes. Rates are measured over at least 90 ms. */
void measure_slice(struct agent *agent, struct slice *slice, int64_t mono_ms);

/* Compares the ledger with NVML's list of the slice's GPU, which was read between two looks: ledger_before is the
 * first one's. */
void measure_residue(struct agent *agent, struct slice *slice, uint64_t ledger_before);

/* Notes what the driver says that the slice's processes use of the GPU's time, every few seconds: to find a slice that
 * reports less. */
void measure_outside_use(struct agent *agent, struct slice *slice, uint32_t percent, int64_t mono_ms);
/* Learns what a context takes from processes outside every slice, which have contexts, too. */
void measure_unmanaged_context(struct agent *agent, struct gpu_state *gpu, int64_t mono_ms);

/* Bytes that NVML shows for a process on a GPU; false: the process is not on the list. */
bool measure_gpu_bytes(const struct gpu_state *gpu, uint32_t pid, uint64_t *bytes);

/* Memory in use: ledger and residue. */
uint64_t measure_used(const struct slice *slice);
/* The same, and what earlier owners' programs use of the slice, and what its owner's hold outside and is charged to it. */
uint64_t measure_total(const struct slice *slice);

/* Both as they are shown on screen: no more than the slice was granted; and what only the file says, of processes that
 * the driver does not list, is no more than is used on the GPU at all. Enforcement and waits go by the higher figures
 * above. gpu is the slice's, or NULL. */
uint64_t measure_believed_ledger(const struct gpu_state *gpu, const struct slice *slice);
uint64_t measure_believed(const struct gpu_state *gpu, const struct slice *slice);

#endif
