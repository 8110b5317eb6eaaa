/* Concurrent mode: NVIDIA's stock MPS daemon, one per GPU, started and watched by the agent for programs of its own user.
 * Their kernels then run at the same time; what is given up is that a fault of one ends them all. The GPU's compute mode
 * is never touched. What goes wrong falls back to turns, and says so in one sentence. */
#ifndef TRANCHE_MPS_H
#define TRANCHE_MPS_H

#include "cards/concurrent_mode.h"

extern const struct concurrent_mode mps_mode;

#endif
