#include "clock.h"

#include "shim.h"

#include <errno.h>
#include <sched.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looked up once libcuda is there, and again when it is another one; NULL on a real driver. */
static _Atomic(const struct tranche_sim_api *) simulated;
static _Atomic uint32_t looked_up; /* the binding of that time */

static const struct tranche_sim_api *simulation(void)
{
    uint32_t binding = atomic_load_explicit(&resolve_bindings, memory_order_acquire);
    if (__builtin_expect(atomic_load_explicit(&looked_up, memory_order_acquire) != binding || binding == 0, 0)) {
        const struct tranche_sim_api *const *object = resolve_driver_object(TRANCHE_SIM_SYMBOL);
        binding = atomic_load(&resolve_bindings);
        bool right = object != NULL && *object != NULL && (*object)->bytes >= sizeof **object;
        atomic_store(&simulated, right ? *object : NULL);
        atomic_store_explicit(&looked_up, binding, memory_order_release);
    }
    return atomic_load_explicit(&simulated, memory_order_relaxed);
}

uint64_t shim_now(void)
{
    const struct tranche_sim_api *api = simulation();
    if (api != NULL) {
        return api->now_ns();
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#define PAUSE_SIMULATED_NS UINT64_C(5000)

void shim_pause(void)
{
    const struct tranche_sim_api *api = simulation();
    if (api != NULL) {
        _Atomic uint32_t never = 0;
        api->wait_word(&never, 0, api->now_ns() + PAUSE_SIMULATED_NS);
    } else {
        sched_yield();
    }
}

void shim_wait_word(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline)
{
    int saved = errno;
    uint64_t now = shim_now();
    if (deadline > now + SHIM_WAIT_SLICE_NS) {
        deadline = now + SHIM_WAIT_SLICE_NS;
    }
    const struct tranche_sim_api *api = simulation();
    if (api != NULL) {
        api->wait_word((_Atomic uint32_t *)(uintptr_t)word, expected, deadline);
    } else if (deadline > now) {
        struct timespec span = {0, (long)(deadline - now)};
        /* Shared, not private: the agent wakes it from another process. The mapping may be read-only. */
        syscall(SYS_futex, word, FUTEX_WAIT, expected, &span, NULL, 0);
    }
    errno = saved;
}
