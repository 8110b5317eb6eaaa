/* Whether the gate (docs/gate.md) holds with each driver of this host: tried once for each version of it, by a program of
 * its own behind the gate, before anything is called hard. What was proved is kept over restarts; what was not is tried
 * again now and then. */
#ifndef TRANCHE_GATE_PROOFS_H
#define TRANCHE_GATE_PROOFS_H

#include <stdint.h>

struct agent;

/* Reads what was proved; a file that is not right proves nothing. After the drivers were opened. */
void gate_proofs_load(struct agent *agent);

/* Once a second: begins a trial where one is due, or ends the one that goes on. At most one at a time. */
void gate_proofs_watch(struct agent *agent, int64_t mono_ms);

/* Ends the trial that goes on, if any: the agent leaves. */
void gate_proofs_end(void);

#endif
