/* The rules that may refuse an edit. */
#ifndef TRANCHE_EDIT_RULES_H
#define TRANCHE_EDIT_RULES_H

#include "base/failure.h"
#include "state/admission.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* Both return -1, with a sentence in *failure, when the edit is refused. */
int edit_admission_failure(struct failure *failure, const char *code, const struct admission *asked);
/* self: the slice as it is now, NULL for a new one. */
int edit_check_admission(struct agent *agent, const struct slice_record *next, const struct slice *self,
                         struct failure *failure);

#endif
