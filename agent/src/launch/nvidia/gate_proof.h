/* Whether the gate sees what this host's driver takes: tried, by a program that takes and frees memory in several ways
 * behind it, with the count compared after each. The driver's requests are known for the versions in docs/gate.md; of any
 * other this says whether they are the same. */
#ifndef TRANCHE_GATE_PROOF_H
#define TRANCHE_GATE_PROOF_H

#include <stdbool.h>

#define GATE_PROOF_BYTES 512
/* For all of it; the first use of a driver can take seconds. */
#define GATE_PROOF_MS 60000

/* Uses the first GPU that this process sees, and some hundred MiB of it for a moment. true: everything was seen, refused
 * beyond the limit, and given back; `said` has the figures. false: `said` has what was not, in a sentence. */
bool gate_prove(char said[GATE_PROOF_BYTES]);

#endif
