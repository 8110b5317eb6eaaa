/* How much one person may hold on this host: the sum of the memory limits of the slices they own, and how many slices.
 * Set for a person, for each member of a unix group ("@group"), or for everybody else ("default"). */
#ifndef TRANCHE_QUOTA_H
#define TRANCHE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "base/people.h"
#include "json.h"
#include "state/slice.h"

struct agent;

#define QUOTAS_MAX 64
#define QUOTA_SUBJECT_BYTES (OWNER_BYTES + 1)
#define QUOTA_DEFAULT "default"
#define QUOTA_NONE INT64_C(-1)

struct quota {
    char subject[QUOTA_SUBJECT_BYTES];
    int64_t memory_bytes_max; /* QUOTA_NONE: as much as there is */
    int64_t slices_max;
};

/* Reads the state file `quotas`; a line that is not right is left out and said in the log. */
void quota_load(struct agent *agent);

/* Sets or, with `removes`, takes away the quota of one subject. 0, or -1 with nothing changed. */
int quota_set(struct agent *agent, const struct quota *quota, bool removes, struct failure *failure);

/* The one quota that holds for a person: their own, else of their groups' the one that allows the most memory, else the
 * default; NULL: none. may_ask: the directory may be asked for groups, which can take a while. */
const struct quota *quota_of(struct agent *agent, const char *person, bool may_ask);

/* Is a quota set for any group? */
bool quota_for_groups(const struct agent *agent);

/* Refuses what `next` would take its owner beyond. self: the slice as it is now, NULL for a new one. 0, or -1. */
int quota_check(struct agent *agent, const struct slice_record *next, const struct slice *self,
                struct failure *failure);

/* "quotas":[…] of the state line. */
void quota_put(const struct agent *agent, struct json_writer *w);

#endif
