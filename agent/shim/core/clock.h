/* The simulated driver's time if there is one, else the host's CLOCK_MONOTONIC and futex. */
#ifndef TRANCHE_CLOCK_H
#define TRANCHE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Finds what the
 * time namespace of this process adds (to CLOCK_BOOTTIME: *boottime_ns); agent_clock: of a policy page, or 0. false: not
 * now. */
bool shim_clock_attach(uint64_t agent_clock, int64_t *boottime_ns);
uint64_t shim_now(void);
/* Until *word != expected or deadline; may return early; never sleeps longer than SHIM_WAIT_SLICE_NS at once. */
#define SHIM_WAIT_SLICE_NS UINT64_C(10000000)
/* Gives way to another thread for a moment, without sleeping. */
void shim_pause(void);
void shim_wait_word(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);

#endif
