#include "launch/variables.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void variables_put(struct variables *v, const char *name, const char *value)
{
    assert(v->count < VARIABLES_MAX);
    v->items[v->count].name = name;
    v->items[v->count++].value = value;
}

int variables_set(const struct variables *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const char *name = v->items[i].name, *value = v->items[i].value;
        if ((value ? setenv(name, value, 1) : unsetenv(name)) != 0) return errno;
    }
    return 0;
}

void variables_print(const struct variables *v)
{
    for (size_t i = 0; i < v->count; i++) {
        /* fish has no unset; empty says the same in all of ours. */
        const char *value = v->items[i].value ? v->items[i].value : "";
        printf("export %s='", v->items[i].name);
        for (const char *at = value; *at; at++)
            if (*at == '\'')
                fputs("'\\''", stdout);
            else
                putchar(*at);
        puts("'");
    }
}
