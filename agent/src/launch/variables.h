/* What a program in a slice finds in its environment, in the order in which it is told. One list serves both ways into a
 * slice: `run` sets it, `env` prints it. */
#ifndef TRANCHE_VARIABLES_H
#define TRANCHE_VARIABLES_H

#include <stddef.h>

#define VARIABLES_MAX 16

struct variables {
    struct {
        const char *name, *value; /* not copied; value NULL: it must not be there */
    } items[VARIABLES_MAX];
    size_t count;
};

/* There is always room: what is put is a fixed list. */
void variables_put(struct variables *v, const char *name, const char *value);
/* Into this process's environment. 0, or errno. */
int variables_set(const struct variables *v);
/* As lines for a shell, to standard output. */
void variables_print(const struct variables *v);

#endif
