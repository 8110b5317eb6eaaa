/* Who comes in by the door beside holders: slices, services, people. */
#ifndef TRANCHE_DOORMAN_WHO_H
#define TRANCHE_DOORMAN_WHO_H

#include <stdbool.h>

#include "door.h"
#include "state/agent_state.h"
#include "state/door_settings.h"

struct door_who {
    int root_fd;     /* of the hierarchy; -1: none */
    int made_fd;     /* inotify: cgroups that are made beside those of services; -1: none */
    int watch_error; /* said once, until it is another */
    bool lets_own;   /* what the agent starts itself: it is in a unit of its own */
};

/* From now on services are seen as they start. */
void who_begin(struct door_who *who);

/* Each makes the kernel's list that of now: services start and end, and names change hands. 0, or a positive errno. */
int who_set_groups(const struct agent *agent, struct door_who *who, struct door *door,
                   const struct door_settings *settings);
int who_set_people(struct door *door, const struct door_settings *settings);

#endif
