/* A program in a slice behind the gate (docs/gate.md): its limit is kept outside of it, whatever it loads and links. */
#ifndef TRANCHE_GATED_H
#define TRANCHE_GATED_H

#include <stdbool.h>

#define GATED_WHY_BYTES 512

/* Whether this host and this process can have one. false: why not, in a sentence. Takes a few milliseconds. */
bool gated_is_possible(char why[GATED_WHY_BYTES]);

/* Runs it in the slice and stands for it: the exit status, or it does not return where a signal ended the program. -1: it
 * was not started, with a sentence in `why`; *error_out is the errno of its exec, or 0. A simulated driver's devices are
 * stand-ins. told_fd: gated_run.h. */
int gated_start(char *const *argv, const char *runtime_dir, const char *slice_id, bool is_simulated, int told_fd,
                char why[GATED_WHY_BYTES], int *error_out);

#endif
