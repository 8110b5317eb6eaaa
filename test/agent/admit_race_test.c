/* Eight processes race for the last bytes of a slice, 10,000 times, some of them killed on the way. After each round:
 * never a byte over the limit, nobody refused who would have fitted, and nothing left when all have gone.
 * The same race with two deliberate faults must be caught.
 * build: agent/common/admit.c agent/common/proc_stat.c agent/common/life.c agent/common/host_clock.c
 * sanitize: none
 */
#include "admit.h"
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ADMIT_BROKEN 1
#define BROKEN(name) early_##name
#include "admit_broken.h"
#undef ADMIT_BROKEN
#undef BROKEN
#define ADMIT_BROKEN 2
#define BROKEN(name) hasty_##name
#include "admit_broken.h"
#undef ADMIT_BROKEN
#undef BROKEN

#define WORKERS 8
#define ROUNDS 10000
#define FAULTY_ROUNDS 3000
#define LIMIT UINT64_C(1000)
#define ROUND_TIMEOUT_S 20

typedef bool (*reserve_fn)(const struct region_policy *policy, const struct life_place *place,
                           struct region_entry *own, uint64_t bytes);

struct worker {
    _Atomic uint32_t done_round;
    uint32_t granted;
    uint64_t bytes;
};

struct arena {
    struct region_policy policy;
    struct region_usage usage;
    _Atomic uint32_t round;    /* workers wait for it to change */
    _Atomic uint32_t finished; /* the coordinator waits for it to change */
    struct worker workers[WORKERS];
};

static struct arena *arena;
static pid_t pids[WORKERS];
static reserve_fn reserve;
static unsigned seed = 7;

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    struct timespec slice = {0, 10000000};
    syscall(SYS_futex, word, FUTEX_WAIT, expected, &slice, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void work(int self, uint32_t round)
{
    struct worker *worker = &arena->workers[self];
    uint64_t token = admit_token((uint32_t)getpid(), admit_start_ticks((uint32_t)getpid()));
    const struct life_place place = {.usage = &arena->usage, .pid_namespace = life_pid_namespace()};
    struct region_entry *entry = NULL;
    void *kept = NULL;
    if (admit_claim(&place, token, 1, &entry, &kept) != 0) _exit(1);
    unsigned own_seed = (unsigned)getpid() * 31u + (unsigned)self;
    for (;;) {
        while (atomic_load(&arena->round) == round) futex_wait(&arena->round, round);
        round = atomic_load(&arena->round);
        if (round == UINT32_MAX) {
            admit_leave(entry, token, kept);
            _exit(0);
        }
        if (round % 2 == 0) { /* even: everybody gives back */
            if (worker->granted) {
                admit_release(entry, worker->bytes);
                worker->granted = 0;
            }
        } else {
            worker->bytes = 100 + (uint64_t)rand_r(&own_seed) % 400;
            worker->granted = reserve(&arena->policy, &place, entry, worker->bytes);
        }
        atomic_store(&worker->done_round, round);
        atomic_fetch_add(&arena->finished, 1);
        futex_wake(&arena->finished);
    }
}

static void spawn(int self)
{
    uint32_t round = atomic_load(&arena->round);
    arena->workers[self].granted = 0;
    atomic_store(&arena->workers[self].done_round, round);
    pids[self] = fork();
    if (pids[self] == 0) work(self, round);
}

/* Lets all go into the next round, kills victim (-1: nobody) somewhere in it, waits for the rest. */
static bool play(int victim)
{
    uint32_t round = atomic_fetch_add(&arena->round, 1) + 1;
    futex_wake(&arena->round);
    if (victim >= 0) {
        for (volatile int spin = rand_r(&seed) % 40000; spin > 0; spin--) {
        }
        kill(pids[victim], SIGKILL);
        waitpid(pids[victim], NULL, 0);
    }
    time_t end = time(NULL) + ROUND_TIMEOUT_S;
    for (;;) {
        uint32_t seen = atomic_load(&arena->finished);
        int waiting = 0;
        for (int at = 0; at < WORKERS; at++)
            waiting += at != victim && atomic_load(&arena->workers[at].done_round) != round;
        if (waiting == 0) return true;
        if (time(NULL) > end) {
            printf("round %u: %d workers hang\n", round, waiting);
            return false;
        }
        futex_wait(&arena->finished, seen);
    }
}

struct faults {
    unsigned over;   /* rounds in which more than the limit was granted */
    unsigned wasted; /* refusals of what would have fitted */
    unsigned left;   /* rounds after which bytes were left */
    unsigned hung;
    unsigned full; /* rounds with both grants and refusals: those that test anything */
};

static void judge(struct faults *faults, int victim)
{
    uint64_t granted = 0;
    unsigned grants = 0;
    for (int at = 0; at < WORKERS; at++) {
        if (at != victim && arena->workers[at].granted) {
            granted += arena->workers[at].bytes;
            grants++;
        }
    }
    faults->over += granted > LIMIT;
    /* What the killed one may have held when others were refused. */
    uint64_t perhaps = victim >= 0 ? 500 : 0;
    for (int at = 0; at < WORKERS; at++) {
        const struct worker *worker = &arena->workers[at];
        if (at != victim && !worker->granted) {
            faults->wasted += granted + perhaps + worker->bytes <= LIMIT;
            faults->full += grants > 0;
        }
    }
}

static struct faults race(reserve_fn with, unsigned rounds)
{
    struct faults faults = {0};
    reserve = with;
    arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct life_place place = {.usage = &arena->usage, .pid_namespace = life_pid_namespace()};
    atomic_store(&arena->policy.memory_limit_bytes, LIMIT);
    fflush(stdout);
    for (int at = 0; at < WORKERS; at++) spawn(at);
    for (unsigned round = 0; round < rounds && faults.hung == 0; round++) {
        int victim = rand_r(&seed) % 20 == 0 ? rand_r(&seed) % WORKERS : -1;
        faults.hung += !play(victim);
        judge(&faults, victim);
        if (victim >= 0) spawn(victim);
        faults.hung += !play(-1);
        admit_reap(&place);
        uint64_t pending = 0;
        for (unsigned at = 0; at < REGION_USAGE_ENTRIES; at++)
            if (atomic_load(&arena->usage.entries[at].token) != 0)
                pending += ADMIT_PENDING(atomic_load(&arena->usage.entries[at].pending_bytes));
        faults.left += admit_used(&arena->usage) != 0 || pending != 0;
    }
    atomic_store(&arena->round, UINT32_MAX);
    futex_wake(&arena->round);
    for (int at = 0; at < WORKERS; at++) {
        if (faults.hung > 0) kill(pids[at], SIGKILL);
        waitpid(pids[at], NULL, 0);
    }
    munmap(arena, sizeof *arena);
    return faults;
}

static void last_bytes_are_exact(void)
{
    struct faults faults = race(admit_reserve, ROUNDS);
    CHECK_EQ(faults.over, 0);
    CHECK_EQ(faults.wasted, 0);
    CHECK_EQ(faults.left, 0);
    CHECK_EQ(faults.hung, 0);
    CHECK(faults.full > ROUNDS / 2);
}

static void looking_before_publishing_is_caught(void)
{
    struct faults faults = race(early_reserve, FAULTY_ROUNDS);
    CHECK(faults.over > 0);
}

static void giving_up_beside_others_is_caught(void)
{
    struct faults faults = race(hasty_reserve, FAULTY_ROUNDS);
    CHECK(faults.wasted > 0);
    CHECK_EQ(faults.over, 0);
}

/* Somebody was killed while he made his entry of one that a dead process left: its bytes are nobody's. */
static void half_made_entries_do_not_count(void)
{
    static struct region_usage usage;
    static struct region_policy policy;
    const struct life_place place = {.usage = &usage};
    atomic_store(&policy.memory_limit_bytes, 100);
    atomic_store(&usage.entries_high, 2);
    atomic_store(&usage.entries[0].token, (uint64_t)getpid() | REGION_CLAIMING);
    atomic_store(&usage.entries[0].memory_bytes, 70);
    atomic_store(&usage.entries[0].estimate_bytes, 70);
    atomic_store(&usage.entries[0].estimate_until, 9);
    atomic_store(&usage.entries[1].token, (uint64_t)getpid());
    CHECK_EQ(admit_used(&usage), 0);
    CHECK_EQ(admit_beyond(&policy, &usage), 0);
    CHECK(admit_reserve(&policy, &place, &usage.entries[1], 100));
    CHECK_EQ(admit_used(&usage), 100);
}

int main(void)
{
    RUN(half_made_entries_do_not_count);
    RUN(looking_before_publishing_is_caught);
    RUN(giving_up_beside_others_is_caught);
    RUN(last_bytes_are_exact);
    return check_done();
}
