/* Processes that see themselves in another PID namespace than ours: which of those that we see is the one that calls
 * itself by that pid there? Only where its namespace lies inside ours is there an answer. Not for the shim. */
#ifndef TRANCHE_NESTED_H
#define TRANCHE_NESTED_H

#include <stdbool.h>
#include <stdint.h>

/* As a region_entry has it: what the process itself sees. */
struct nested_name {
    uint64_t pid_namespace;
    uint32_t pid;
    uint64_t start_ticks; /* low 31 bits; 0: not known */
};

/* Is this process of ours the one of that name? */
bool nested_is(uint32_t pid, const struct nested_name *name);

/* Looks at up to `most` processes of /proc, from the first above *after; *after moves on, and is 0 again after the last.
 * 0: not among them. */
uint32_t nested_find(const struct nested_name *name, uint32_t *after, unsigned most);

#endif
