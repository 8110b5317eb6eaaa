/* Into the slice's control group, before the program begins (docs/kernel-limit.md). */
#ifndef TRANCHE_SCOPE_H
#define TRANCHE_SCOPE_H

#include <stdbool.h>

/* Has the agent move this process into the scope of the first of these slices (their ids, commas between). 0: go on; what
 * could not be had was said, and is not needed. Otherwise the exit status, after saying why nothing may be started: the
 * driver holds the slice by its group, and a program outside of it would not be held. */
int scope_enter_first(const char *slices, const char *runtime_dir, bool has_scopes);

#endif
