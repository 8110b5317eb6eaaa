/* How a command of ours says that it failed, and with which exit status: like env(1). */
#ifndef TRANCHE_COMPLAIN_H
#define TRANCHE_COMPLAIN_H

#define EXIT_OWN_FAILURE 125
#define EXIT_CANNOT_RUN 126 /* the command cannot be run */
#define EXIT_NOT_FOUND 127  /* the command was not found */

/* Prints "tranche: …" to stderr and returns EXIT_OWN_FAILURE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
