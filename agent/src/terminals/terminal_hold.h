/* `tranche terminal hold`: the process that owns a terminal. */
#ifndef TRANCHE_TERMINAL_HOLD_H
#define TRANCHE_TERMINAL_HOLD_H

int command_terminal(int argc, char **argv);

#endif
