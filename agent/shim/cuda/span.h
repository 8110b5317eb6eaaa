/* Bursts of launches between two events (core/span_state.h). */
#ifndef TRANCHE_SPAN_H
#define TRANCHE_SPAN_H

#include "core/shim.h"
#include "cuda_min.h"

/* The program waits for its work: as span_end, and the next launch may begin a burst. */
void span_pause(struct process *process, unsigned slice, CUstream named, uint64_t issued_ns);

#endif
