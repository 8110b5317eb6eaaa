/* Whether this host can keep a limit at the kernel's boundary: tried, not guessed from versions. A child goes behind the
 * filter and makes two requests of a file that it does not have; this process reads them, lets the first go on and answers
 * the second. Says nothing about a driver, which is the self-test's to say. */
#ifndef TRANCHE_GATE_PROBE_H
#define TRANCHE_GATE_PROBE_H

#include <stdbool.h>

#define PROBE_WHY_BYTES 256

/* The child is waited for this long at each step; on an idle machine all of it takes a few milliseconds. */
#define PROBE_STEP_MS 2000

/* true: it can, and `why` is empty. false: why not, in one sentence for people. */
bool gate_probe(char why[PROBE_WHY_BYTES]);

#endif
