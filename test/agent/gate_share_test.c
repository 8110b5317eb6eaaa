/* What stands in a slice's ledger for gated programs: beyond what they say themselves, and never both. Real files and real
 * processes; the supervisor's count is this test's.
 * build: agent/gate/share.c agent/common/admit.c agent/common/proc_stat.c agent/common/life.c agent/common/host_clock.c agent/common/region_file.c agent/common/fs.c agent/common/text.c
 * sanitize: address,undefined */
#include "admit.h"
#include "check.h"
#include "host_clock.h"
#include "region_fixture.h"
#include "share.h"

#include <sys/prctl.h>

#define MIB (UINT64_C(1) << 20)
#define LIMIT_MIB 1024
#define PROGRAMS 2

/* What the supervisor would say. */
static struct {
    pid_t pid;
    uint64_t bytes;
} counted[PROGRAMS];

void supervisor_each(const struct supervisor *supervisor, void (*take)(void *context, pid_t pid, uint64_t bytes),
                     void *context)
{
    (void)supervisor;
    for (int i = 0; i < PROGRAMS; i++)
        if (counted[i].bytes > 0) take(context, counted[i].pid, counted[i].bytes);
}

static struct fixture fixture;
static struct fixture_slice slice;
static struct share share;
static struct gate_policy policy;
static pid_t program;
static int orders, answers; /* to the program, and from it */

/* A program of the slice that claims its own entry with as many bytes as it is told. */
static void live(int read_fd, int write_fd)
{
    struct region_entry *own = NULL;
    void *kept;
    uint64_t bytes;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(read_fd, &bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
        struct life_place place = slice.place;
        place.pid_namespace = life_pid_namespace();
        uint64_t token = admit_token((uint32_t)getpid(), admit_start_ticks((uint32_t)getpid()));
        if (own == NULL && admit_claim(&place, token, 1, &own, &kept) != 0) _exit(1);
        atomic_store(&own->memory_bytes, bytes);
        if (write(write_fd, "x", 1) != 1) _exit(1);
    }
    _exit(0);
}

static void says(uint64_t mib)
{
    uint64_t bytes = mib * MIB;
    char word;
    CHECK_EQ(write(orders, &bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(read(answers, &word, 1), 1);
}

static void setup(void)
{
    int to[2], from[2];
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, LIMIT_MIB * MIB, 10000);
    CHECK(share_init(&share, fixture.root, slice.id));
    policy = share_policy(&share);
    CHECK(pipe(to) == 0 && pipe(from) == 0);
    program = fork();
    if (program == 0) {
        close(to[1]);
        live(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    orders = to[1];
    answers = from[0];
    memset(counted, 0, sizeof counted);
    counted[0].pid = program;
}

static void teardown(void)
{
    close(orders);
    waitpid(program, NULL, 0);
    close(answers);
    counted[0].bytes = counted[1].bytes = 0;
    policy.look(policy.context, NULL); /* nothing of ours stays */
    for (uint32_t i = 0; i < share.process_count; i++) CHECK(share.processes[i].entry == NULL);
    if (share.is_open) {
        region_policy_unmap(share.policy);
        region_usage_unmap(share.usage);
    }
    region_usage_unmap(slice.usage);
    region_policy_unmap(slice.policy);
    fixture_close(&fixture);
}

/* As the supervisor does it: what is let go on is in the count from then on. */
static bool asks(uint64_t mib)
{
    uint64_t before = counted[0].bytes + counted[1].bytes;
    if (!policy.publish(policy.context, NULL, program, before, before + mib * MIB)) {
        policy.deny(policy.context, program, mib * MIB);
        return false;
    }
    counted[0].bytes += mib * MIB;
    return true;
}

static void frees(uint64_t mib)
{
    uint64_t before = counted[0].bytes;
    counted[0].bytes -= mib * MIB;
    policy.publish(policy.context, NULL, 0, before, counted[0].bytes);
}

static void look(void)
{
    policy.look(policy.context, NULL);
}

static uint64_t used_mib(void)
{
    return admit_used(slice.usage) / MIB;
}

static struct region_entry *gate_entry(void)
{
    for (unsigned i = 0; i < slice.usage->entries_high; i++)
        if (slice.usage->entries[i].token != 0 && (slice.usage->entries[i].flags & REGION_ENTRY_GATE) != 0)
            return &slice.usage->entries[i];
    return NULL;
}

static void a_program_without_the_shim_is_charged_all_of_it(void)
{
    setup();
    CHECK(asks(1000));
    CHECK_EQ(used_mib(), 1000);
    struct region_entry *entry = gate_entry();
    CHECK(entry != NULL && (uint32_t)entry->token == (uint32_t)program);
    CHECK(!asks(100));
    CHECK_EQ(used_mib(), 1000);
    CHECK_EQ(entry->denied_count, 1);
    CHECK_EQ(entry->denied_bytes, 100 * MIB);
    CHECK(asks(24));
    CHECK_EQ(used_mib(), LIMIT_MIB);
    /* All of it freed, and a refusal before that: it is to be had again at once. */
    CHECK(!asks(100));
    CHECK_EQ(entry->denied_count, 2);
    frees(1024);
    CHECK(asks(1024));
    CHECK_EQ(used_mib(), LIMIT_MIB);
    teardown();
}

static void of_both_counts_the_larger_counts(void)
{
    setup();
    CHECK(asks(300)); /* a context, of which the shim says nothing */
    CHECK_EQ(used_mib(), 300);
    says(500); /* the shim admits, and then the driver is asked */
    CHECK_EQ(used_mib(), 800);
    CHECK(asks(500));
    CHECK_EQ(used_mib(), 800);
    says(600);
    CHECK(asks(100)); /* and so on, until both together are at the limit */
    says(724);
    CHECK(asks(124));
    CHECK_EQ(used_mib(), LIMIT_MIB);
    CHECK(!asks(1));
    says(2000); /* it says that it holds more than was asked for: then it is charged that */
    look();
    look();
    CHECK_EQ(used_mib(), 2000);
    teardown();
}

static void what_is_freed_is_not_missing_in_between(void)
{
    setup();
    CHECK(asks(300));
    says(500);
    CHECK(asks(500));
    frees(500); /* the driver is told first... */
    look();
    CHECK_EQ(used_mib(), 800);
    says(0); /* ...and the shim takes it back when the driver has answered */
    CHECK_EQ(used_mib(), 300);
    look();
    look();
    CHECK_EQ(used_mib(), 300);
    frees(300);
    look();
    look();
    CHECK_EQ(used_mib(), 0);
    teardown();
}

static void what_a_tenant_writes_there_is_put_back(void)
{
    setup();
    CHECK(asks(400));
    struct region_entry *entry = gate_entry();
    entry->memory_bytes = 0;
    entry->flags = 0;
    look();
    CHECK_EQ(used_mib(), 400);
    CHECK(gate_entry() == entry);
    entry->memory_bytes = 900 * MIB;
    CHECK(asks(200));
    CHECK_EQ(used_mib(), 600);
    entry->token = 7;
    CHECK(!asks(500));
    look();
    CHECK_EQ(used_mib(), 600);
    CHECK((uint32_t)entry->token == (uint32_t)program);
    teardown();
}

/* Two programs of one slice: what one holds by the gate's count, the other cannot have by the shim's. */
static void others_of_the_slice_see_it(void)
{
    setup();
    struct region_entry *own;
    void *kept;
    struct life_place place = slice.place;
    place.pid_namespace = life_pid_namespace();
    uint64_t token = admit_token((uint32_t)getpid(), admit_start_ticks((uint32_t)getpid()));
    CHECK_EQ(admit_claim(&place, token, 1, &own, &kept), 0);
    CHECK(asks(700));
    CHECK(!admit_reserve(slice.policy, &place, own, 400 * MIB));
    CHECK(admit_reserve(slice.policy, &place, own, 300 * MIB));
    CHECK(!asks(100));
    admit_release(own, 300 * MIB);
    CHECK(asks(100));
    admit_leave(own, token, kept);
    teardown();
}

static void what_a_process_leaves_behind_counts_on(void)
{
    setup();
    CHECK(asks(500));
    says(100);
    kill(program, SIGKILL);
    waitpid(program, NULL, 0);
    pid_t child = fork(); /* who inherited its files */
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    counted[0].pid = child;
    look();
    admit_reap(&slice.place);
    CHECK_EQ(used_mib(), 500);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    counted[0].bytes = 0;
    look();
    CHECK_EQ(used_mib(), 0);
    teardown();
}

static void without_its_files_nothing_fits(void)
{
    setup();
    CHECK(share_init(&share, "/nonexistent", slice.id));
    CHECK(!asks(1));
    CHECK(!policy.look(policy.context, NULL));
    CHECK(share_init(&share, fixture.root, slice.id)); /* they are back: so is the memory */
    CHECK(asks(1));
    teardown();
}

static void a_slice_that_is_gone_gives_nothing(void)
{
    setup();
    CHECK(asks(100));
    atomic_fetch_or(&slice.policy->flags, REGION_POLICY_DELETED);
    CHECK(!asks(1));
    look();
    CHECK_EQ(used_mib(), 100); /* what is held stays */
    teardown();
}

int main(void)
{
    RUN(a_program_without_the_shim_is_charged_all_of_it);
    RUN(of_both_counts_the_larger_counts);
    RUN(what_is_freed_is_not_missing_in_between);
    RUN(what_a_tenant_writes_there_is_put_back);
    RUN(others_of_the_slice_see_it);
    RUN(what_a_process_leaves_behind_counts_on);
    RUN(without_its_files_nothing_fits);
    RUN(a_slice_that_is_gone_gives_nothing);
    return check_done();
}
