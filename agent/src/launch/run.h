/* `tranche run` and `tranche env`: they return the exit status. */
#ifndef TRANCHE_RUN_H
#define TRANCHE_RUN_H

int command_run(int argc, char **argv);
/* The same; where the program goes behind the gate, the pid of its supervisor is written to told_fd (gated_run.h). */
int run_telling(int argc, char **argv, int told_fd);
int command_env(int argc, char **argv);

#endif
