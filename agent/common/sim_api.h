/* What a simulated driver offers beside CUDA: its clock, so that shares can be asserted on virtual time. */
#ifndef TRANCHE_SIM_API_H
#define TRANCHE_SIM_API_H

#include <stdatomic.h>
#include <stdint.h>

#define TRANCHE_SIM_SYMBOL "tranche_sim_v1"

/* Exported by simulated drivers as `const struct tranche_sim_api *tranche_sim_v1`. */
struct tranche_sim_api {
    uint32_t bytes; /* sizeof(struct tranche_sim_api): a later version only appends */
    /* Nanoseconds on the simulation's clock; never goes back. */
    uint64_t (*now_ns)(void);
    /* Waits until *word != expected, somebody wakes the word, or deadline_ns passes. Spurious returns are allowed.
     * word lies in a shared file mapping (a policy's epoch). */
    void (*wait_word)(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
};

#endif
