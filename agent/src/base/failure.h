/* Why a request was refused: an error code of the protocol and one sentence for people. */
#ifndef TRANCHE_FAILURE_H
#define TRANCHE_FAILURE_H

struct failure {
    const char *code; /* NULL: none */
    char message[512];
};

/* Fills the failure and returns -1, so that a refusal is one statement. */
int fail(struct failure *failure, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a field of a request, which must be what is said here. */
int fail_field(struct failure *failure, const char *key, const char *what);

#endif
