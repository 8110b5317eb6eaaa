/* A program in a slice behind the gate (docs/gate.md): its limit is kept outside of it, whatever it loads and links. */
#ifndef TRANCHE_GATED_H
#define TRANCHE_GATED_H

#include <stdbool.h>

#define GATED_WHY_BYTES 512

/* Whether this host and this process can have one. false: why not, in a sentence. Takes a few milliseconds. */
bool gated_is_possible(char why[GATED_WHY_BYTES]);

/* Runs it in the slice and stands for it: the exit status, or it does not return where a signal ended the program. -1: it
 * was not started, with a sentence in `why`; *error_out is the errno of its exec, or 0. A simulated driver's devices are
 * stand-ins. told_fd, late_fd: gated_run.h. */
struct gated_way {
    const char *runtime_dir, *slice_id;
    bool is_simulated;
    int told_fd, late_fd; /* -1: none */
};
int gated_start(char *const *argv, const struct gated_way *way, char why[GATED_WHY_BYTES], int *error_out);

/* For a shell that is not behind the gate, and whose programs come behind it by themselves: the late_fd of gated_run.h,
 * and its address in `name`. -1: errno. */
#define GATED_NAME_BYTES 64
int gated_listen(char name[GATED_NAME_BYTES]);

#endif
