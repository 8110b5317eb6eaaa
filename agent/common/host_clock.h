/* The host's CLOCK_MONOTONIC (region.h, R5), whatever clock a program is shown: by a library that is preloaded with us
 * (libfaketime and its like answer clock_gettime), or by a time namespace. */
#ifndef TRANCHE_HOST_CLOCK_H
#define TRANCHE_HOST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* As the C library itself reads it, with this process's time namespace still in it. Costs what clock_gettime does. */
uint64_t host_clock_shown_ns(void);

/* What the time namespace adds, in nanoseconds; 0 and 0 outside of one. false: it cannot be read now, but may be later. */
bool host_clock_offsets(int64_t *monotonic_ns, int64_t *boottime_ns);

#endif
