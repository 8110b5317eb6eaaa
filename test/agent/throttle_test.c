/* A tenant that is held back: what its entry says, and how soon a raised limit is felt. Real time, simulated GPU.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "check.h"
#include "region_fixture.h"

#include <time.h>

#define MS UINT64_C(1000000)

static struct fixture fixture;
static struct fixture_slice slice;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static struct region_entry *only_entry(void)
{
    return &slice.usage->entries[0];
}

static pid_t start(const char *kind, const char *kernel_us, uint32_t limit_bp)
{
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(4) << 30, limit_bp);
    char *argv[] = {"tranche-sim-workload", (char *)kind, "--seconds", "60", "--kernel-us", (char *)kernel_us, NULL};
    return fixture_start(&fixture, slice.id, true, "tenant", argv);
}

static void stop(pid_t pid)
{
    kill(pid, SIGTERM);
    CHECK_EQ(fixture_wait(pid, 20), 0);
    fixture_close(&fixture);
}

/* Looks every 50 us until the condition holds; the bound is the failure, not the expectation. */
#define AWAIT(condition, seconds)                                                                                     \
    ({                                                                                                                \
        uint64_t await_end = now_ns() + (seconds)*1000 * MS;                                                          \
        while (!(condition) && now_ns() < await_end) usleep(50);                                                      \
        (condition);                                                                                                  \
    })

static void entry_tells_of_the_wait(void)
{
    pid_t pid = start("heavy", "1000", 1000);
    CHECK(AWAIT(atomic_load(&only_entry()->throttled_ns) > 200 * MS, 10));
    CHECK(AWAIT(atomic_load(&only_entry()->throttled_since_ns) != 0, 5));
    CHECK(AWAIT((atomic_load(&only_entry()->flags) & REGION_ENTRY_WAITS) != 0, 5));
    CHECK((atomic_load(&only_entry()->flags) & REGION_ENTRY_LIMIT_NOT_HELD) == 0);
    CHECK(atomic_load(&only_entry()->launches) > 0);
    CHECK(atomic_load(&only_entry()->charged_ns) > 0);
    CHECK_EQ(atomic_load(&only_entry()->seen_epoch), 1);
    stop(pid);
}

/* 200 ms kernels at 1 %: the wait is 20 s long. Raising the limit must end it at once. */
static void raised_limit_ends_a_long_wait(void)
{
    pid_t pid = start("heavy", "200000", 100);
    /* Long in a wait, not on the way into one. */
    CHECK(AWAIT(atomic_load(&only_entry()->throttled_since_ns) != 0 &&
                    now_ns() - atomic_load(&only_entry()->throttled_since_ns) > 100 * MS,
                10));
    uint64_t before = atomic_load(&only_entry()->launches);
    uint64_t raised = now_ns();
    atomic_store(&slice.policy->compute_limit_bp, 10000);
    region_policy_announce(slice.policy);
    CHECK(AWAIT(atomic_load(&only_entry()->throttled_since_ns) == 0, 5));
    uint64_t reaction = now_ns() - raised;
    CHECK_EQ(atomic_load(&only_entry()->seen_epoch), 2);
    CHECK(AWAIT(atomic_load(&only_entry()->launches) > before, 5));
    printf("     the wait ended %.2f ms after the change\n", (double)reaction / 1e6);
    /* How soon is for the bench (policy_latency.c) to say: here the machine may be busy with others. */
    CHECK_THAT(reaction < 1000 * MS, "%.2f ms of a wait of 20 s", (double)reaction / 1e6);
    stop(pid);
}

/* A running tenant with no limit feels one without being told by anything but the page. */
static void lowered_limit_reaches_a_running_tenant(void)
{
    pid_t pid = start("tiny", "50", 10000);
    CHECK(AWAIT(atomic_load(&only_entry()->launches) > 2000, 10));
    CHECK_EQ(atomic_load(&only_entry()->throttled_ns), 0);
    atomic_store(&slice.policy->compute_limit_bp, 2000);
    region_policy_announce(slice.policy);
    CHECK(AWAIT(atomic_load(&only_entry()->throttled_ns) > 50 * MS, 10));
    uint64_t from = now_ns();
    uint64_t charged = atomic_load(&only_entry()->charged_ns);
    usleep(2000000); /* the length of the measurement */
    double share = 100.0 * (double)(atomic_load(&only_entry()->charged_ns) - charged) / (double)(now_ns() - from);
    CHECK_THAT(share > 15 && share < 25, "%.1f %%", share);
    stop(pid);
}

/* Memory that was refused is seen at once when the limit grows, in another process than the one that asks. */
static void grown_memory_reaches_a_running_tenant(void)
{
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, 10000);
    char *argv[] = {"tranche-sim-workload", "greedy", "--memory", "134217728", NULL};
    pid_t pid = fixture_start(&fixture, slice.id, true, "tenant", argv);
    CHECK(AWAIT(atomic_load(&only_entry()->denied_count) > 0, 10));
    CHECK(atomic_load(&only_entry()->memory_bytes) <= UINT64_C(1) << 30);
    atomic_store(&slice.policy->memory_limit_bytes, UINT64_C(2) << 30);
    region_policy_announce(slice.policy);
    CHECK(AWAIT(atomic_load(&only_entry()->memory_bytes) == UINT64_C(2) << 30, 10));
    stop(pid);
}

int main(void)
{
    check_needs_build();
    RUN(entry_tells_of_the_wait);
    RUN(raised_limit_ends_a_long_wait);
    RUN(lowered_limit_reaches_a_running_tenant);
    RUN(grown_memory_reaches_a_running_tenant);
    return check_done();
}
