/* The shell of a terminal: a pseudo terminal, and the user's login shell in it and in the slice. */
#ifndef TRANCHE_TERMINAL_SHELL_H
#define TRANCHE_TERMINAL_SHELL_H

#include <stdint.h>
#include <sys/types.h>

/* *pty: its master, not blocking. *shell: leader of the session in it. 0 or errno. */
int terminal_shell_start(const char *slice_id, int64_t columns, int64_t rows, int *pty, pid_t *shell);

#endif
