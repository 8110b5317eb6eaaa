/* A slice's files in the runtime directory: their names, and that they keep their size. */
#ifndef TRANCHE_FILES_H
#define TRANCHE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "fs.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* The tag that names the slice's line on the board. It changes when the slice changes hands, and when the line's file
 * is gone, so that every process drops the old one. r: the slice's record, or the one that it is about to get. */
uint64_t files_tag(const struct slice *slice, const struct slice_record *r);
/* A path in one of the runtime's folders: policy, usage, board. 0 or errno. */
int files_path(const struct agent *agent, const char *folder, const char *name, char out[FS_PATH_BYTES]);
/* The line's path; 0 or errno. */
int files_line_path(const struct agent *agent, const struct slice *slice, const struct slice_record *r,
                    char out[FS_PATH_BYTES]);
/* Cuts back a file that somebody made longer. true: one was; the next look reports it (was_trimmed). */
bool files_trim(const struct agent *agent, struct slice *slice);
/* The same for all slices. */
bool files_trim_all(struct agent *agent);

#endif
