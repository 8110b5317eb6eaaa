/* Who may do what: the one place that decides it. */
#ifndef TRANCHE_RIGHTS_H
#define TRANCHE_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/failure.h"
#include "json.h"
#include "state/agent_state.h"

enum verb {
#define RIGHT(name, word, who) VERB_##name,
#include "state/rights.def"
#undef RIGHT
    VERB_COUNT
};

#define OWNED_BY_NOBODY ((uid_t)-1)

/* May this user do it to what owner_uid owns? OWNED_BY_NOBODY asks whether they may do it to everybody's. */
bool rights_may(const struct agent *agent, uid_t uid, enum verb verb, uid_t owner_uid);
/* Does it depend on whose thing it is? */
bool rights_depend_on_owner(enum verb verb);
/* The refusal, for who is called so. Always -1. */
int rights_refuse(const struct agent *agent, const char *name, enum verb verb, struct failure *failure);
/* "verbs":"look …": what this user may do to everybody's things. One text, because command lines of before read a reply
 * flat. */
void rights_put(const struct agent *agent, uid_t uid, struct json_writer *w);

#endif
