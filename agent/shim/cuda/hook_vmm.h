/* Virtual memory management: parts of sparse arrays. */
#ifndef TRANCHE_HOOK_VMM_H
#define TRANCHE_HOOK_VMM_H

#include "core/shim.h"

/* An array is gone, and with it what was mapped into it. */
void vmm_forget_tiles(struct process *process, const void *array);

#endif
