/* What operators set for the whole host. */
#ifndef TRANCHE_SETTINGS_H
#define TRANCHE_SETTINGS_H

#include "base/failure.h"
#include "state/agent_state.h"

#define OVERCOMMIT_MAX_PERCENT 1000

/* Keeps defaults, and says so, if the file is not right. */
void settings_load(struct agent *agent);
int settings_save(const struct agent *agent, struct failure *failure);
int settings_set_overcommit(struct agent *agent, int64_t max_percent, struct failure *failure);

#endif
