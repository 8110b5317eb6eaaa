/* The board's lines as a look sees them: read all at once; cut by their owner; out of reach for want of a descriptor;
 * and where process_vm_readv is refused.
 * build: agent/shim/core/lines.c agent/common/region_file.c
 * sanitize: address,undefined */
#include "check.h"
#include "core/lines.h"
#include "region_fixture.h"
#include "core/shim.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define SLICES 5
#define CLAIM_NS UINT64_C(3000000)

static struct fixture fixture;
static struct fixture_slice slices[SLICES];
static struct shim_slice own;
static struct lines lines;
static struct region_board_slot slots[REGION_BOARD_SLOTS];

static void line_path(int slice, char path[PATH_MAX])
{
    CHECK_EQ(region_line_path(path, PATH_MAX, fixture.root, FIXTURE_GPU_UUID, atomic_load(&slices[slice].policy->tag)),
             0);
}

static void setup(void)
{
    fixture_open(&fixture, "");
    for (int at = 0; at < SLICES; at++) {
        fixture_slice(&fixture, &slices[at], (unsigned)at * 7, UINT64_C(1) << 30, 10000);
        char path[PATH_MAX];
        struct region_line *line;
        line_path(at, path);
        CHECK_EQ(region_line_map(path, &line), 0);
        atomic_store(&line->line.claim_until_ns, 1000u + (uint64_t)at);
        atomic_store(&line->line.charged_ns, 5000u + (uint64_t)at);
        region_line_unmap(line);
    }
    fixture_introduce(slices, SLICES);
    memset(&lines, 0, sizeof lines);
    own.policy = slices[0].policy;
    snprintf(own.board_path, sizeof own.board_path, "%s/board/%s", fixture.root, FIXTURE_GPU_UUID);
}

static void teardown(void)
{
    for (int at = 0; at < SLICES; at++) atomic_store(&slices[0].policy->neighbours[at * 7], 0);
    lines_read(&lines, &own, 1, CLAIM_NS, slots); /* lets go of all */
    for (int at = 0; at < SLICES; at++) {
        CHECK(lines.neighbours[at * 7].line == NULL);
        region_policy_unmap(slices[at].policy);
        region_usage_unmap(slices[at].usage);
    }
    fixture_close(&fixture);
}

static uint64_t claim_of(int slice)
{
    return atomic_load(&slots[slice * 7].claim_until_ns);
}

static void check_all_are_read(void)
{
    lines_read(&lines, &own, 1, CLAIM_NS, slots);
    for (int at = 1; at < SLICES; at++) {
        CHECK_EQ(claim_of(at), 1000 + at);
        CHECK_EQ(atomic_load(&slots[at * 7].charged_ns), 5000 + at);
        CHECK_EQ(REGION_NEIGHBOUR_TAG(atomic_load(&slots[at * 7].slice_tag)),
                 REGION_NEIGHBOUR_TAG(atomic_load(&slices[at].policy->tag)));
    }
    CHECK_EQ(claim_of(0), 0); /* nobody's place */
}

static void every_neighbour_is_read(void)
{
    setup();
    check_all_are_read();
    check_all_are_read();
    teardown();
}

static void what_is_written_is_seen_by_others(void)
{
    char path[PATH_MAX];
    const struct region_line *seen;
    struct region_board_slot slot;
    setup();
    lines_open_own(&lines, &own, 1);
    CHECK(lines_own(&lines) != NULL);
    atomic_store(&lines_own(&lines)->claim_until_ns, 77);
    line_path(0, path);
    CHECK_EQ(region_line_map_ro(path, &seen), 0);
    CHECK_EQ(region_line_read(&seen, 1, &slot), 0);
    CHECK_EQ(atomic_load(&slot.claim_until_ns), 77);
    region_line_unmap(seen);
    /* The slice changes hands: another line, tried for at once and then not too often. */
    atomic_store(&slices[0].policy->tag, region_slice_tag(slices[0].id, 1));
    lines_open_own(&lines, &own, 1 + LINES_RETRY_NS);
    CHECK(lines_own(&lines) == NULL);
    line_path(0, path);
    CHECK_EQ(region_line_create(path, atomic_load(&slices[0].policy->tag), 0644), 0);
    lines_open_own(&lines, &own, 2 + LINES_RETRY_NS);
    CHECK(lines_own(&lines) == NULL);
    lines_open_own(&lines, &own, 2 + 2 * LINES_RETRY_NS);
    CHECK(lines_own(&lines) != NULL);
    teardown();
}

/* Before and after it was mapped; the others are read all the same. */
static void who_cuts_his_line_claims_nothing(void)
{
    char path[PATH_MAX];
    setup();
    check_all_are_read();
    for (int cut = 1; cut < SLICES; cut += 3) { /* the first, and one behind others */
        line_path(cut, path);
        CHECK_EQ(truncate(path, 0), 0);
    }
    lines_read(&lines, &own, 1, CLAIM_NS, slots);
    CHECK_EQ(claim_of(1), 0);
    CHECK_EQ(claim_of(2), 1002);
    CHECK_EQ(claim_of(3), 1003);
    CHECK_EQ(claim_of(4), 0);
    teardown();
}

static void who_cannot_be_seen_is_taken_to_claim(void)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    struct rlimit before, none;
    setup();
    line_path(2, path);
    snprintf(hidden, sizeof hidden, "%s/hidden", fixture.root);
    CHECK_EQ(rename(path, hidden), 0);
    lines_read(&lines, &own, 10, CLAIM_NS, slots);
    CHECK_EQ(claim_of(1), 1001);
    CHECK_EQ(claim_of(2), 10 + CLAIM_NS);
    CHECK_EQ(REGION_NEIGHBOUR_TAG(atomic_load(&slots[14].slice_tag)),
             REGION_NEIGHBOUR_TAG(atomic_load(&slices[2].policy->tag)));
    CHECK_EQ(rename(hidden, path), 0);
    lines_read(&lines, &own, 11, CLAIM_NS, slots); /* it is back, and counts as what it says */
    CHECK_EQ(claim_of(2), 1002);
    teardown();
    setup();
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    lines_read(&lines, &own, 10, CLAIM_NS, slots);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int at = 1; at < SLICES; at++) CHECK_EQ(claim_of(at), 10 + CLAIM_NS);
    check_all_are_read();
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0); /* what is mapped needs no descriptor any more */
    check_all_are_read();
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    teardown();
}

/* Sandboxes refuse process_vm_readv: then each line is read by its path. Last, because there is no way back. */
static void without_process_vm_readv(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the call */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    char path[PATH_MAX];
    setup();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        printf("     no seccomp here: without_process_vm_readv did not run\n");
        teardown();
        return;
    }
    check_all_are_read();
    line_path(1, path);
    CHECK_EQ(truncate(path, 0), 0);
    line_path(2, path);
    CHECK_EQ(unlink(path), 0);
    lines_read(&lines, &own, 10, CLAIM_NS, slots);
    CHECK_EQ(claim_of(1), 0);
    CHECK_EQ(claim_of(2), 10 + CLAIM_NS);
    CHECK_EQ(claim_of(3), 1003);
    teardown();
}

/* A thread that never comes back holds up nobody for long. */
static void the_next_one_goes_on(void)
{
    memset(&lines, 0, sizeof lines);
    CHECK(lines_enter(&lines, 1000));
    CHECK(!lines_enter(&lines, 1001));
    CHECK(lines_enter(&lines, 1000 + LINES_BUSY_MAX_NS));
    lines_leave(&lines);
    CHECK(lines_enter(&lines, 1002 + LINES_BUSY_MAX_NS));
}

int main(void)
{
    RUN(every_neighbour_is_read);
    RUN(what_is_written_is_seen_by_others);
    RUN(who_cuts_his_line_claims_nothing);
    RUN(who_cannot_be_seen_is_taken_to_claim);
    RUN(the_next_one_goes_on);
    RUN(without_process_vm_readv);
    return check_done();
}
