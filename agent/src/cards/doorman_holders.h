/* Processes that had a GPU open when the door was shut: they go on. */
#ifndef TRANCHE_DOORMAN_HOLDERS_H
#define TRANCHE_DOORMAN_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cards/doorman_devices.h"
#include "door.h"

/* The id of the cgroup that this process is in; 0: it is gone. root_fd: of the hierarchy. *is_unit_out, unless NULL: it is
 * that of a service of the system's. */
uint64_t holders_group_of(int root_fd, pid_t pid, bool *is_unit_out);

/* Lets one process through until it ends. 0 or errno. */
int holders_add(struct door *door, int root_fd, pid_t pid);

/* Looks through the descriptors of all processes. How many hold one, or -errno: not all could become holders. */
int holders_find(struct door *door, int root_fd, const struct guarded *guarded);

/* Takes out those that have ended, a bounded number at each call; *at is where the next one goes on. */
void holders_prune(struct door *door, uint32_t *at);

#endif
