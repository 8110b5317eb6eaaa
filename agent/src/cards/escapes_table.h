/* The table of processes outside every slice: who has a place in it, and who gives his to somebody else. */
#ifndef TRANCHE_ESCAPES_TABLE_H
#define TRANCHE_ESCAPES_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cards/escapes.h"

struct agent;

/* The record with this pid, whoever has the pid now, or NULL. */
struct escape *escapes_seek(const struct escapes *all, pid_t pid);
/* The record of the living process with this pid, made where there is none; NULL: it is gone, or there is no room. Records
 * change their places in it. */
struct escape *escapes_get(struct agent *agent, pid_t pid, bool is_listed, int64_t mono_ms);
/* GPUs on which the driver shows what it is one of them for, a bit each; 0: only the kernel shows it. */
uint32_t escapes_listed_on(const struct escape *escape);

#endif
