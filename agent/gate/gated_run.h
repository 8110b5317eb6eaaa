/* Starts a program behind the gate: three processes, of which the caller becomes the first.
 *
 *   R  this process: stands for the program towards the shell. Passes signals on, stops when the program stops, and ends
 *      as it ends.
 *   S  the supervisor (supervisor.h): parent of the program, and of what it leaves behind. Stays until nobody is behind
 *      the filter any more, also when R is gone.
 *   P  the program.
 *
 * All three are in the caller's process group, so the terminal's signals reach the program as ever. What reaches R alone
 * is passed on by S, which tells the two apart because it is in the group as well. docs/gate.md says who may end when. */
#ifndef TRANCHE_GATE_GATED_RUN_H
#define TRANCHE_GATE_GATED_RUN_H

#include "supervisor.h"

#define GATED_RUN_WHY_BYTES 256

/* What S is called in /proc/PID/comm. */
#define GATE_SUPERVISOR_NAME "tranche-gate"

struct gated_program {
    char *const *argv; /* argv[0] is looked for in PATH */
    struct gate_devices devices;
    struct gate_policy policy; /* asked in S, which is a child of the caller */
    int told_fd;               /* S's pid is written there, as a pid_t, before the program is; -1: nowhere */
    /* Not -1: the program itself is not behind the gate, as a terminal's shell is not; what it starts comes behind it by
     * itself, by this listening socket (late_gate.h), which is taken over. */
    int late_fd;
};

/* Returns the exit status of the program; does not return where a signal ended it, because that signal then ends this
 * process, too. Once the program was started this process has no files any more but what it opened close-on-exec.
 * -1: it was not started, `why` says why, and *error_out is the errno of its exec or 0. */
int gated_run(const struct gated_program *program, char why[GATED_RUN_WHY_BYTES], int *error_out);

#endif
