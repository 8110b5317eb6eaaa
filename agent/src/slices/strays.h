/* Files of a slice that somebody removed while programs had them open (struct slice_stray). */
#ifndef TRANCHE_STRAYS_H
#define TRANCHE_STRAYS_H

#include "state/slice.h"

/* Lets go of files that were removed; whoever still has them open is admitted nothing more through them. */
void strays_forget(struct slice *slice, size_t at);
/* ...of those that nobody is in. */
void strays_forget_unused(struct slice *slice);

#endif
