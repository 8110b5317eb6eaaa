/* A slice's files in the runtime: what they are called, and that they stay as long as they are. */
#ifndef TRANCHE_FILES_H
#define TRANCHE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "fs.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* Names the slice's line on the board; another one when it changes hands, and when its file is gone, so that everybody
 * lets go of the old one. r: the slice's record, or the one that is about to be. */
uint64_t files_tag(const struct slice *slice, const struct slice_record *r);
/* The line's path; 0 or errno. */
int files_line_path(const struct agent *agent, const struct slice *slice, const struct slice_record *r,
                    char out[FS_PATH_BYTES]);
/* Cuts back what somebody made longer. true: something was; it is told with the next look (was_trimmed). */
bool files_trim(const struct agent *agent, struct slice *slice);
/* ...of all slices. */
bool files_trim_all(struct agent *agent);

#endif
