/* Who this process is in the ledgers. */

#include "core/identity.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "admit.h"
#include "core/clock.h"
#include "core/shim.h"

#define MOMENT_NS 50000L

uint64_t shim_token(const struct process *process)
{
    int64_t boottime_ns;
    const struct shim *shim = process->shim;
    uint64_t agent_clock = shim->slice_count == 0 ? 0 : atomic_load(&shim->slices[0].policy->agent_clock_ns);
    if (!shim_clock_attach(agent_clock, &boottime_ns)) return 0;
    uint64_t start = admit_start_ticks(process->pid);
    /* A start time that cannot be read for want of a descriptor can be later; without /proc it never can. */
    bool later = start == 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
    /* The start time has our time namespace in it. */
    int64_t ticks = boottime_ns / (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
    start = start == 0 ? 0 : (uint64_t)((int64_t)start - ticks);
    return later ? 0 : admit_token(process->pid, start);
}

void shim_sleep_a_moment(void)
{
    struct timespec span = {0, MOMENT_NS};
    nanosleep(&span, NULL);
}
