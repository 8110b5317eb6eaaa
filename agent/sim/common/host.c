/* What the simulated machine asks of the real one. */
#include "sim_state.h"

#include "proc_stat.h"

#include <time.h>

uint64_t sim_real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t sim_start_ticks(uint32_t pid, uint32_t tid, char *state_out)
{
    struct proc_stat stat;
    if (proc_stat_read(pid, tid, &stat) != 0) return 0;
    if (state_out) *state_out = stat.state;
    return stat.start_ticks;
}
