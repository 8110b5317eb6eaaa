/* Concurrent mode: programs of the managing user run on a GPU at the same time, by what its vendor has for that. A
 * backend that has something for it has a line in the table of concurrent.c. */
#ifndef TRANCHE_CONCURRENT_H
#define TRANCHE_CONCURRENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"

struct agent;
struct json_writer;

/* After the GPUs are known: takes over what runs, starts what was wanted before. */
void concurrent_open(struct agent *agent);
/* Goes by the last sample, which should be fresh. 0, or -1 with a refusal; what follows is told by the state line. */
int concurrent_set(struct agent *agent, const char *gpu_uuid, bool on, struct failure *failure);
/* Once a second: has a command ended, does a daemon still live? */
void concurrent_watch(struct agent *agent, int64_t mono_ms);
/* The fields of a GPU in the state line. */
void concurrent_put(struct agent *agent, const char *gpu_uuid, struct json_writer *out);
/* Whether only one program's work is on this GPU at a time. */
bool concurrent_takes_turns(const struct agent *agent, const char *gpu_uuid);

#endif
