/* `tranche run` and `tranche env`: they return the exit status. */
#ifndef TRANCHE_RUN_H
#define TRANCHE_RUN_H

int command_run(int argc, char **argv);
int command_env(int argc, char **argv);

#endif
