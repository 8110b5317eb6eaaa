/* Files of a slice that somebody removed while programs had them open (struct slice_stray). */
#ifndef TRANCHE_STRAYS_H
#define TRANCHE_STRAYS_H

#include "state/slice.h"

/* Drops files that were removed; programs that still have them open are admitted nothing more through them. */
void strays_forget(struct slice *slice, size_t at);
/* The same for all that no process uses. */
void strays_forget_unused(struct slice *slice);

#endif
