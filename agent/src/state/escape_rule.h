/* What is done with processes that use a GPU outside every slice: the rule of the host, in the state file `escapes`. */
#ifndef TRANCHE_ESCAPE_RULE_H
#define TRANCHE_ESCAPE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

struct agent;

#define ESCAPE_EXEMPT_BYTES 1024
#define ESCAPE_GRACE_DEFAULT_S 30
#define ESCAPE_GRACE_MAX_S 3600
#define ESCAPE_UNIT_PREFIX "unit:"

enum escape_rule { ESCAPE_REPORT, ESCAPE_CHARGE, ESCAPE_STOP, ESCAPE_END };

struct escape_settings {
    enum escape_rule rule;
    int64_t grace_seconds; /* between SIGTERM and SIGKILL */
    /* Users and "unit:NAME" of units of the system, with commas between. By name: a uid that is somebody else's by now
     * exempts nobody. */
    char exempt[ESCAPE_EXEMPT_BYTES];
};

/* Without a file, or with one that is damaged (which is then told), the rule is to report. */
void escape_rule_load(struct agent *agent);
/* 0, or -1 with a refusal; then what was before still holds. */
int escape_rule_set(struct agent *agent, const struct escape_settings *next, struct failure *failure);
/* The next name of the list at *at, which moves on; the length, 0: no more. */
size_t escape_rule_next_exempt(const char **at, const char **name);

const char *escape_rule_name(enum escape_rule rule);
int escape_rule_parse(const char *name, enum escape_rule *out); /* 0, or -1 */

#endif
