/* What a look makes of the board: who was at work since the last one, and how many. And how long a preferred program claims
 * the GPU: while its work may last beside others, where a wait ends the claim early; no longer than it takes alone, where
 * nothing waits or somebody is owed time.
 * build: agent/shim/core/contest.c agent/shim/core/lines.c agent/common/region_file.c
 * sanitize: address,undefined */
#include "check.h"
#include "core/contest.h"
#include "core/lines.h"
#include "region_fixture.h"
#include "core/shim.h"

#define WORK_NS UINT64_C(3000000)
#define START_NS UINT64_C(1000000000)

enum { PREFERRED, OTHER, SLICES };

static struct fixture fixture;
static struct fixture_slice slices[SLICES];
static struct shim_slice own;
static struct lines lines;
static struct contest contest;
static struct region_line *others_line;

static void setup(void)
{
    char path[PATH_MAX];
    fixture_open(&fixture, "");
    for (int at = 0; at < SLICES; at++) fixture_slice(&fixture, &slices[at], (unsigned)at, UINT64_C(1) << 30, 10000);
    atomic_store(&slices[PREFERRED].policy->priority, REGION_PRIORITY_HIGH);
    atomic_store(&slices[OTHER].policy->compute_guarantee_bp, 3000);
    fixture_introduce(slices, SLICES);
    CHECK_EQ(region_line_path(path, PATH_MAX, fixture.root, FIXTURE_GPU_UUID, atomic_load(&slices[OTHER].policy->tag)),
             0);
    CHECK_EQ(region_line_map(path, &others_line), 0);
    memset(&lines, 0, sizeof lines);
    memset(&contest, 0, sizeof contest);
    memset(&own, 0, sizeof own);
    contest.lines = &lines;
    own.policy = slices[PREFERRED].policy;
    own.usage = slices[PREFERRED].usage;
    snprintf(own.board_path, sizeof own.board_path, "%s/board/%s", fixture.root, FIXTURE_GPU_UUID);
}

static void teardown(void)
{
    region_line_unmap(others_line);
    for (int at = 0; at < SLICES; at++) {
        region_policy_unmap(slices[at].policy);
        region_usage_unmap(slices[at].usage);
    }
    fixture_close(&fixture);
}

static struct region_entry *entry(void)
{
    return &slices[PREFERRED].usage->entries[0];
}

/* Launches work after a pause, and says for how long from then on the others are asked to make room. */
static uint64_t claimed_for(uint64_t now)
{
    contest_look_now(&contest, &own, entry(), now, WORK_NS, true);
    CHECK(lines_own(&lines) != NULL);
    return atomic_load(&lines_own(&lines)->claim_until_ns) - now;
}

static uint64_t claim_end(void)
{
    return atomic_load(&lines_own(&lines)->claim_until_ns);
}

/* Time slicing makes the work twice as long and more: a claim of its length alone can lapse before each of the other's
 * looks, who then never learns of it. */
static void it_lasts_until_the_wait(void)
{
    setup();
    uint64_t now = START_NS;
    claimed_for(now); /* nothing is known about the program yet */
    now += WORK_NS / 2;
    contest_done(&contest, &own, entry(), now);
    CHECK_EQ(claim_end(), now + CONTEST_CLAIM_DONE_NS);
    for (int request = 0; request < 3 * (int)CONTEST_WAITS_EXPECTED; request++) {
        now += 10 * WORK_NS;
        uint64_t claim = claimed_for(now);
        CHECK_THAT(claim >= 3 * WORK_NS, "request %d: %lu ns", request, (unsigned long)claim);
        now += 2 * WORK_NS; /* beside the other, who looked at none of this */
        contest_done(&contest, &own, entry(), now);
        CHECK_EQ(claim_end(), now + CONTEST_CLAIM_DONE_NS);
    }
    teardown();
}

/* What nobody waits for ends with the work, or the other would lose what the claim is longer. */
static void without_waits_it_is_short(void)
{
    setup();
    uint64_t now = START_NS;
    claimed_for(now);
    contest_done(&contest, &own, entry(), now + WORK_NS);
    uint64_t claim = 0;
    for (uint32_t request = 0; request <= CONTEST_WAITS_EXPECTED; request++) {
        now += 10 * WORK_NS;
        claim = claimed_for(now);
    }
    CHECK_THAT(claim <= WORK_NS + WORK_NS / 4 + CONTEST_CLAIM_PREFERRED_NS, "%lu ns", (unsigned long)claim);
    teardown();
}

/* Who is behind with his guarantee gets it in the pauses first, and they must not be claimed away. */
static void it_is_short_beside_one_who_is_owed(void)
{
    setup();
    uint64_t now = START_NS;
    claimed_for(now);
    contest_done(&contest, &own, entry(), now + WORK_NS);
    now += 10 * WORK_NS;
    atomic_store(&others_line->line.claim_until_ns, now + CONTEST_CLAIM_NS);
    atomic_store(&others_line->line.behind_until_ns, now + CONTEST_CLAIM_NS);
    claimed_for(now); /* learns of it */
    contest_done(&contest, &own, entry(), now + 1);
    uint64_t claim = claimed_for(now + WORK_NS / 4);
    CHECK_THAT(claim <= WORK_NS + WORK_NS / 4 + CONTEST_CLAIM_PREFERRED_NS, "%lu ns", (unsigned long)claim);
    teardown();
}

/* Who waits for his own limit claims nothing. One who looks seldom, because he waits himself, must not take that for the
 * silence of a whole CONTEST_QUIET_NS, or he learns prices that hold the other's turns. */
static void work_since_the_last_look_is_seen(void)
{
    setup();
    uint64_t now = START_NS;
    atomic_store(&others_line->line.charged_ns, WORK_NS);
    claimed_for(now);
    now += 2 * CONTEST_QUIET_NS;
    claimed_for(now);
    CHECK_EQ(atomic_load(&contest.alone), 1); /* nobody was there, all that time */
    for (int look = 0; look < 3; look++) {
        now += 2 * CONTEST_QUIET_NS;
        atomic_fetch_add(&others_line->line.charged_ns, WORK_NS);
        claimed_for(now);
        CHECK_EQ(atomic_load(&contest.alone), 0);
    }
    teardown();
}

/* For what turns of one length leave to each, it counts who was there at once. */
static void others_are_counted(void)
{
    setup();
    uint64_t now = START_NS;
    claimed_for(now);
    CHECK_EQ(contest_others(&contest), 1); /* never none: it is asked where somebody is there */
    atomic_store(&others_line->line.claim_until_ns, now + 10 * CONTEST_CLAIM_NS);
    claimed_for(now + 1);
    CHECK_EQ(contest_others(&contest), 1);
    atomic_store(&contest.peers_at_ns, now);
    CHECK_EQ(contest_others(&contest), 2);
    teardown();
}

int main(void)
{
    RUN(work_since_the_last_look_is_seen);
    RUN(others_are_counted);
    RUN(it_lasts_until_the_wait);
    RUN(without_waits_it_is_short);
    RUN(it_is_short_beside_one_who_is_owed);
    return check_done();
}
