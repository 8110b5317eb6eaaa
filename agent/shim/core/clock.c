#include "core/clock.h"

#include <errno.h>
#include <sched.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/backend.h"
#include "host_clock.h"
#include "sim_api.h"

/* Looked up once libcuda is there, and again when it is another one; NULL on a real driver. */
static _Atomic(const struct tranche_sim_api *) simulated;
static _Atomic uint32_t looked_up;   /* the binding of that time */
static _Atomic int64_t namespace_ns; /* what our time namespace adds to the host's clock */

static const struct tranche_sim_api *simulation(void)
{
    uint32_t binding = atomic_load_explicit(&backend_bindings, memory_order_acquire);
    if (__builtin_expect(atomic_load_explicit(&looked_up, memory_order_acquire) != binding || binding == 0, 0)) {
        const struct tranche_sim_api *const *object = backend_object(TRANCHE_SIM_SYMBOL);
        binding = atomic_load(&backend_bindings);
        bool right = object && *object && (*object)->bytes >= sizeof **object;
        atomic_store(&simulated, right ? *object : NULL);
        atomic_store_explicit(&looked_up, binding, memory_order_release);
    }
    return atomic_load_explicit(&simulated, memory_order_relaxed);
}

uint64_t shim_now(void)
{
    const struct tranche_sim_api *api = simulation();
    if (api) return api->now_ns();
    return host_clock_shown_ns() - (uint64_t)atomic_load_explicit(&namespace_ns, memory_order_relaxed);
}

/* A clock that is further apart than this is not the agent's, which is at most a second old while the agent lives. */
#define PLAUSIBLE_NS INT64_C(5000000000)

static bool is_plausible(int64_t offset, uint64_t agent_clock)
{
    int64_t apart = (int64_t)(host_clock_shown_ns() - (uint64_t)offset - agent_clock);
    return apart < PLAUSIBLE_NS && apart > -PLAUSIBLE_NS;
}

bool shim_clock_attach(uint64_t agent_clock, int64_t *boottime_ns)
{
    int64_t offset;
    bool read = host_clock_offsets(&offset, boottime_ns);
    /* Sandboxes show a /proc that is not of our namespace. */
    if (offset != 0 && agent_clock != 0 && !is_plausible(offset, agent_clock) && is_plausible(0, agent_clock))
        offset = 0;
    atomic_store(&namespace_ns, offset);
    return read;
}

#define PAUSE_SIMULATED_NS UINT64_C(5000)

void shim_pause(void)
{
    const struct tranche_sim_api *api = simulation();
    if (api) {
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
    if (deadline > now + SHIM_WAIT_SLICE_NS) deadline = now + SHIM_WAIT_SLICE_NS;
    const struct tranche_sim_api *api = simulation();
    if (api) {
        api->wait_word((_Atomic uint32_t *)(uintptr_t)word, expected, deadline);
    } else if (deadline > now) {
        struct timespec span = {0, (long)(deadline - now)};
        /* Shared, not private: the agent wakes it from another process. The mapping may be read-only. */
        syscall(SYS_futex, word, FUTEX_WAIT, expected, &span, NULL, 0);
    }
    errno = saved;
}
