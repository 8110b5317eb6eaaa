#include "state/rights.h"

#include <stdio.h>

#include "base/failure.h"
#include "json.h"
#include "state/agent_state.h"
#include "state/operators.h"

enum who { RIGHT_ALL, RIGHT_OWNER, RIGHT_OPERATOR, RIGHT_MANAGER };

static const struct {
    const char *word;
    enum who who;
} rights[VERB_COUNT] = {
#define RIGHT(name, word, who) [VERB_##name] = {word, who},
#include "state/rights.def"
#undef RIGHT
};

bool rights_may(const struct agent *agent, uid_t uid, enum verb verb, uid_t owner_uid)
{
    switch (rights[verb].who) {
    case RIGHT_ALL: return true;
    case RIGHT_OWNER:
        if (owner_uid != OWNED_BY_NOBODY && uid == owner_uid) return true;
        return agent_is_operator(agent, uid);
    case RIGHT_OPERATOR: return agent_is_operator(agent, uid);
    case RIGHT_MANAGER: return uid == 0 || uid == agent->places.uid;
    }
    return false;
}

bool rights_depend_on_owner(enum verb verb)
{
    return rights[verb].who == RIGHT_OWNER;
}

int rights_refuse(const struct agent *agent, const char *name, enum verb verb, struct failure *failure)
{
    if (rights[verb].who == RIGHT_MANAGER) {
        return fail(failure, "not-permitted", "Only %s or root names operators; nothing was changed.",
                    agent->manager_name);
    }
    return fail(failure, "not-permitted",
                "%s manages the GPUs of %s and may change them; you are %s and may use slices that you own. Nothing "
                "was changed. Ask %s.",
                agent->manager_name, agent->host_name, name, agent->manager_name);
}

void rights_put(const struct agent *agent, uid_t uid, struct json_writer *w)
{
    char words[32 * VERB_COUNT];
    size_t len = 0;
    words[0] = '\0';
    for (int verb = 0; verb < VERB_COUNT; verb++) {
        if (!rights_may(agent, uid, (enum verb)verb, OWNED_BY_NOBODY)) continue;
        int n = snprintf(words + len, sizeof words - len, "%s%s", len > 0 ? " " : "", rights[verb].word);
        if (n > 0 && (size_t)n < sizeof words - len) len += (size_t)n;
    }
    json_put_text(w, "verbs", words);
}
