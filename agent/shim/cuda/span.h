/* Bursts of launches between two events (core/span_state.h). */
#ifndef TRANCHE_SPAN_H
#define TRANCHE_SPAN_H

#include "core/shim.h"
#include "cuda_min.h"

/* The program waits for its work: the same, and the next launch begins a burst. */
void span_pause(struct process *process, unsigned slice, CUstream named, uint64_t issued_ns);

#endif
