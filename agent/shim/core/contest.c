#include "core/contest.h"

#include <string.h>

#include "bucket.h"
#include "core/lines.h"
#include "core/shim.h"
#include "region.h"

/* Has a peer launched anything since the last look? */
static bool peers_launched(struct contest *contest, const struct region_usage *usage, const struct region_entry *own)
{
    uint32_t high = atomic_load(&usage->entries_high);
    uint64_t sum = 0;
    for (uint32_t at = 0; at < high && at < REGION_USAGE_ENTRIES; at++)
        if (&usage->entries[at] != own && atomic_load(&usage->entries[at].token) != 0)
            sum += atomic_load_explicit(&usage->entries[at].launches, memory_order_relaxed);
    return atomic_exchange(&contest->peer_launches, sum) != sum;
}

static uint64_t charged_by_slice(const struct region_usage *usage)
{
    uint32_t high = atomic_load(&usage->entries_high);
    uint64_t sum = 0;
    for (uint32_t at = 0; at < high && at < REGION_USAGE_ENTRIES; at++)
        if (atomic_load(&usage->entries[at].token) != 0)
            sum += atomic_load_explicit(&usage->entries[at].charged_ns, memory_order_relaxed);
    return sum;
}

static void write_line(const struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                       uint64_t claim, uint64_t now)
{
    struct region_board_slot *line = lines_own(contest->lines);
    if (!line) return; /* a line that cannot be read counts as a claim */
    uint64_t backlog = atomic_load(&contest->backlog_at_ns);
    uint64_t held = atomic_load(&contest->held_at_ns);
    bool hungry = backlog != 0 && now < backlog + CONTEST_HUNGRY_NS && (held == 0 || now > held + CONTEST_PACE_NS);
    atomic_store(&line->waits_since_ns, atomic_load(&own->throttled_since_ns));
    atomic_store(&line->charged_ns, charged_by_slice(slice->usage));
    atomic_store(&line->in_flight_ns, atomic_load(&contest->tight) ? atomic_load(&contest->longest_ns) : 0);
    atomic_store(&line->hungry_until_ns, hungry ? now + CONTEST_HUNGRY_NS : 0);
    atomic_store(&line->behind_until_ns, atomic_load(&contest->behind) ? claim + CONTEST_BEHIND_NS : 0);
    atomic_store(&line->claim_until_ns, claim);
}

struct claims {
    bool any;
    bool higher;
    uint32_t guaranteed_bp; /* of the neighbours that claim */
    uint32_t limits_bp;
    bool unlimited;
    uint32_t count;
    bool owes;             /* a neighbour that gives way to us is behind with its guarantee */
    uint64_t hungriest_bp; /* the part of its due that the hungriest got; 0: nobody is hungry */
    bool promised;         /* the due of the hungriest is its guarantee, as it has no limit */
    uint64_t charged_ns;
    uint64_t in_flight_ns; /* the longest kernel of those that give way to us */
};

/* One step per window: our pace moves by a quarter of the difference, so that we get as much of our share as the
 * hungriest gets of its due. Where its due is a guarantee, the pace aims at all of it, as far as we can make room. */
static void follow(struct contest *contest, const struct claims *claims, uint64_t own_charged, uint32_t due_bp,
                   uint64_t window)
{
    uint64_t hungriest_bp = claims->hungriest_bp;
    uint64_t before = contest->pace_own_ns;
    int64_t pace = atomic_load(&contest->pace_bp) == 0 ? BUCKET_FULL_BP : atomic_load(&contest->pace_bp);
    contest->pace_own_ns = own_charged;
    if (hungriest_bp == 0) {
        pace += (BUCKET_FULL_BP - pace) / 4 + 1;
    } else if (before != 0 && own_charged > before && window < 4 * CONTEST_PACE_NS && due_bp > 0) {
        uint64_t got = (own_charged - before) * BUCKET_FULL_BP / window * BUCKET_FULL_BP / due_bp;
        int64_t step = ((int64_t)hungriest_bp - (claims->promised ? BUCKET_FULL_BP : (int64_t)got)) / 4;
        pace += step > 500 ? 500 : step < -500 ? -500 : step;
    }
    pace = pace > BUCKET_FULL_BP ? BUCKET_FULL_BP : pace < CONTEST_PACE_MIN_BP ? CONTEST_PACE_MIN_BP : pace;
    atomic_store(&contest->pace_bp, (uint32_t)pace);
}

static void read_claims(struct contest *contest, struct claims *claims, const struct region_policy *policy,
                        const struct region_board_slot *slots, uint64_t now, uint64_t own_charged)
{
    memset(claims, 0, sizeof *claims);
    uint64_t window = now - contest->pace_since_ns;
    bool whole_window = window >= CONTEST_PACE_NS;
    uint32_t priority = atomic_load(&policy->priority);
    for (uint32_t at = 0; at < REGION_BOARD_SLOTS; at++) {
        const struct region_board_slot *line = &slots[at];
        uint64_t word = atomic_load_explicit(&policy->neighbours[at], memory_order_relaxed);
        uint64_t until = atomic_load(&line->claim_until_ns);
        if (word == 0 || (atomic_load(&line->slice_tag) & UINT64_C(0xffffffff)) != REGION_NEIGHBOUR_TAG(word))
            continue;
        uint64_t charged = atomic_load(&line->charged_ns);
        uint64_t before = contest->pace_charged_ns[at];
        claims->charged_ns += charged;
        if (whole_window) contest->pace_charged_ns[at] = charged;
        if (until < now || until > now + 2 * CONTEST_CLAIM_MAX_NS) continue;
        uint64_t in_flight = atomic_load(&line->in_flight_ns);
        in_flight = in_flight > CONTEST_IN_FLIGHT_MAX_NS ? CONTEST_IN_FLIGHT_MAX_NS : in_flight;
        if (REGION_NEIGHBOUR_PRIORITY(word) < priority && in_flight > claims->in_flight_ns)
            claims->in_flight_ns = in_flight;
        uint32_t limit = REGION_NEIGHBOUR_LIMIT_BP(word);
        claims->any = true;
        claims->count++;
        claims->higher = claims->higher || REGION_NEIGHBOUR_PRIORITY(word) > priority;
        /* A neighbour that gives way to us takes its guarantee in our pauses, as long as that is enough. */
        bool yields = REGION_NEIGHBOUR_PRIORITY(word) < priority;
        bool behind = atomic_load(&line->behind_until_ns) >= now;
        claims->owes = claims->owes || (yields && behind);
        if (!yields || behind) claims->guaranteed_bp += REGION_NEIGHBOUR_GUARANTEE_BP(word);
        claims->limits_bp += limit;
        claims->unlimited = claims->unlimited || limit >= BUCKET_FULL_BP;
        uint64_t hungry = atomic_load(&line->hungry_until_ns);
        uint32_t due = limit < BUCKET_FULL_BP ? limit : REGION_NEIGHBOUR_GUARANTEE_BP(word);
        if (whole_window && window < 4 * CONTEST_PACE_NS && before != 0 && charged > before && due > 0 &&
            hungry >= now && hungry <= now + CONTEST_HUNGRY_NS) {
            uint64_t got = (charged - before) * BUCKET_FULL_BP / window * BUCKET_FULL_BP / due;
            if (claims->hungriest_bp == 0 || got < claims->hungriest_bp) {
                claims->hungriest_bp = got;
                claims->promised = limit >= BUCKET_FULL_BP;
            }
        }
    }
    if (whole_window) {
        uint32_t own = atomic_load(&policy->compute_limit_bp);
        uint32_t left = claims->guaranteed_bp < BUCKET_FULL_BP ? BUCKET_FULL_BP - claims->guaranteed_bp : 0;
        follow(contest, claims, own_charged, own < BUCKET_FULL_BP ? own : left, window);
        contest->pace_since_ns = now;
    }
}

/* Balances what our guarantee earned while we had work against what we were charged. */
static void follow_guarantee(struct contest *contest, const struct region_policy *policy, uint64_t now,
                             uint64_t own_charged)
{
    uint32_t guarantee = atomic_load(&policy->compute_guarantee_bp);
    uint64_t passed = now - contest->guarantee_at_ns;
    uint64_t had = own_charged > contest->guarantee_charged_ns ? own_charged - contest->guarantee_charged_ns : 0;
    int64_t most = (int64_t)(CONTEST_GUARANTEE_NS / BUCKET_FULL_BP * guarantee);
    bool first = contest->guarantee_at_ns == 0;
    contest->guarantee_at_ns = now;
    contest->guarantee_charged_ns = own_charged;
    if (first || guarantee == 0) {
        contest->guarantee_owed_ns = 0;
        atomic_store(&contest->behind, guarantee > 0);
        return;
    }
    passed = passed > CONTEST_NO_WORK_NS ? 0 : passed;
    had = had > CONTEST_GUARANTEE_NS ? CONTEST_GUARANTEE_NS : had;
    int64_t owed = contest->guarantee_owed_ns + (int64_t)(passed * guarantee / BUCKET_FULL_BP) - (int64_t)had;
    owed = owed > most ? most : owed < -most ? -most : owed;
    contest->guarantee_owed_ns = owed;
    atomic_store(&contest->behind, owed > 0);
}

static uint32_t share_beside(const struct contest *contest, const struct region_policy *policy,
                             const struct claims *claims)
{
    uint32_t limit = atomic_load(&policy->compute_limit_bp);
    uint32_t guarantee = atomic_load(&policy->compute_guarantee_bp);
    limit = limit > BUCKET_FULL_BP ? BUCKET_FULL_BP : limit;
    uint32_t share = limit;
    uint32_t floor = guarantee > CONTEST_FLOOR_BP ? guarantee : CONTEST_FLOOR_BP;
    if (claims->higher) {
        share = atomic_load(&contest->behind) ? floor : CONTEST_FLOOR_BP;
    } else if (claims->guaranteed_bp > 0) {
        uint32_t left = claims->guaranteed_bp < BUCKET_FULL_BP ? BUCKET_FULL_BP - claims->guaranteed_bp : 0;
        share = left > floor ? left : floor;
    }
    share = share > limit ? limit : share;
    uint32_t whole = claims->limits_bp + limit;
    bool shared_out = !claims->unlimited && limit < BUCKET_FULL_BP && share == limit &&
                      whole >= CONTEST_WHOLE_MIN_BP && whole <= CONTEST_WHOLE_MAX_BP;
    bool rest = !claims->higher && share > floor && claims->guaranteed_bp + share >= CONTEST_WHOLE_MIN_BP;
    if (claims->any && (shared_out || rest)) {
        uint32_t pace = atomic_load(&contest->pace_bp);
        uint32_t paced = pace == 0 ? share : (uint32_t)((uint64_t)share * pace / BUCKET_FULL_BP);
        share = paced < guarantee ? guarantee : paced;
    }
    return share == 0 ? 1 : share;
}

/* Reads what the agent says of the neighbours, whether they have work or not. */
static void look_at_neighbours(struct contest *contest, const struct region_policy *policy)
{
    uint32_t priority = atomic_load(&policy->priority);
    uint32_t count = 0;
    /* A slice with a guarantee marks its work, too: only marks tell it, and through it the others, that it has more
     * work than it gets time. */
    bool guaranteed = atomic_load(&policy->compute_guarantee_bp) > 0;
    bool bounded = false;
    bool prefers = false;
    for (uint32_t at = 0; at < REGION_BOARD_SLOTS; at++) {
        uint64_t word = atomic_load_explicit(&policy->neighbours[at], memory_order_relaxed);
        count += word != 0;
        bounded = bounded || (word != 0 && guaranteed);
        prefers = prefers || (word != 0 && REGION_NEIGHBOUR_PRIORITY(word) < priority);
        bounded = bounded || (word != 0 &&
                              (REGION_NEIGHBOUR_GUARANTEE_BP(word) > 0 || REGION_NEIGHBOUR_PRIORITY(word) > priority));
    }
    atomic_store(&contest->neighbours, count);
    atomic_store(&contest->bounded, bounded);
    atomic_store(&contest->prefers, prefers);
}

static bool is_still_expected(const struct contest *contest, uint64_t now)
{
    uint64_t longest = atomic_load(&contest->longest_ns);
    uint64_t higher_at = atomic_load(&contest->higher_at_ns);
    longest = longest > CONTEST_IN_FLIGHT_MAX_NS ? CONTEST_IN_FLIGHT_MAX_NS : longest;
    return higher_at != 0 && longest > CONTEST_SOON_NS && now < higher_at + longest - CONTEST_SOON_NS;
}

/* Alone as of the last look, and nobody has a guarantee or another priority: see CONTEST_INTERVAL_CALM_NS. */
static bool is_calm(const struct contest *contest)
{
    return atomic_load(&contest->looked_at_ns) != 0 && atomic_load(&contest->alone) != 0 &&
           atomic_load(&contest->bounded) == 0 && atomic_load(&contest->prefers) == 0;
}

/* By how much work of this price takes longer because of others: as long again, if each has every other turn. A
 * neighbour that gives way takes less, but only once it has seen our claim: one that looks seldom can miss, every
 * time, a claim that ends before the sliced work does. So the claim is long (three times the work in all) where our
 * own wait ends it early and nobody is owed time. */
static uint64_t beside_others(const struct contest *contest, uint64_t charged)
{
    if (atomic_load(&contest->prefers) == 0) return atomic_load(&contest->alone) ? 0 : charged;
    if (atomic_load(&contest->waits_expected) > 0 && atomic_load(&contest->owes) == 0) return 2 * charged;
    return atomic_load(&contest->alone) ? 0 : charged / 4;
}

void contest_look(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                  uint64_t now, uint64_t charged, bool wants)
{
    uint64_t busy = atomic_load(&contest->busy_until_ns);
    bool prefers = atomic_load(&contest->prefers) != 0;
    busy = (busy > now ? busy : now) + charged + beside_others(contest, charged);
    uint64_t most = CONTEST_CLAIM_MAX_NS;
    if (atomic_load(&contest->bounded) != 0 && !prefers && 2 * charged + CONTEST_CLAIM_BOUNDED_NS < most)
        most = 2 * charged + CONTEST_CLAIM_BOUNDED_NS;
    busy = busy > now + most ? now + most : busy;
    atomic_store(&contest->busy_until_ns, busy);
    uint64_t last = atomic_load_explicit(&contest->looked_at_ns, memory_order_relaxed);
    bool calm = is_calm(contest);
    uint64_t interval = atomic_load(&contest->tight)   ? CONTEST_INTERVAL_TIGHT_NS
                        : calm                         ? CONTEST_INTERVAL_CALM_NS
                        : atomic_load(&contest->alone) ? CONTEST_INTERVAL_ALONE_NS
                                                       : CONTEST_INTERVAL_NS;
    bool outgrown = wants && busy > atomic_load(&contest->claimed_until_ns);
    if ((now < last + interval && !outgrown) || !atomic_compare_exchange_strong(&contest->looked_at_ns, &last, now))
        return;
    bool lapsed = now > atomic_load(&contest->claimed_until_ns);
    uint32_t expected = atomic_load(&contest->waits_expected);
    if (lapsed && expected > 0) atomic_store(&contest->waits_expected, expected - 1);
    bool peers = peers_launched(contest, slice->usage, own);
    bool others = false;
    struct claims claims = {0};
    look_at_neighbours(contest, slice->policy);
    if (atomic_load(&contest->neighbours) > 0) {
        if (!lines_enter(contest->lines, now)) return;
        struct region_board_slot slots[REGION_BOARD_SLOTS];
        uint64_t claim = busy + (!wants    ? 0
                                 : prefers ? CONTEST_CLAIM_PREFERRED_NS
                                 : calm    ? CONTEST_CLAIM_CALM_NS
                                           : CONTEST_CLAIM_NS);
        atomic_store(&contest->claimed_until_ns, claim);
        lines_open_own(contest->lines, slice, now);
        write_line(contest, slice, own, claim, now);
        lines_read(contest->lines, slice, now, CONTEST_CLAIM_NS, slots);
        uint64_t own_charged = charged_by_slice(slice->usage);
        follow_guarantee(contest, slice->policy, now, own_charged);
        read_claims(contest, &claims, slice->policy, slots, now, own_charged);
        atomic_store(&contest->owes, claims.owes);
        if (claims.count >= atomic_load(&contest->rivals) || now > contest->rivals_at_ns + CONTEST_QUIET_NS) {
            atomic_store(&contest->rivals, claims.count);
            contest->rivals_at_ns = now;
        }
        if (prefers && wants && lapsed && claims.in_flight_ns > 0) {
            claim += claims.in_flight_ns; /* our work begins when theirs is done */
            atomic_store(&contest->busy_until_ns, busy + claims.in_flight_ns);
            atomic_store(&contest->claimed_until_ns, claim);
            write_line(contest, slice, own, claim, now);
        }
        lines_leave(contest->lines);
        uint64_t seen = atomic_exchange(&contest->others_seen_ns, claims.charged_ns);
        if (seen != 0 && claims.charged_ns > seen) { /* the sum shrinks when a process has ended */
            others = true; /* a neighbour that waits for its own limit just now claims nothing, but was at work */
            atomic_fetch_add(&contest->others_charged_ns, claims.charged_ns - seen);
        }
    } else {
        atomic_store(&contest->claimed_until_ns, UINT64_MAX); /* nobody to tell */
    }
    if (claims.higher)
        atomic_store(&contest->higher_at_ns, now);
    else
        claims.higher = is_still_expected(contest, now);
    if (peers) atomic_store(&contest->peers_at_ns, now);
    if (peers || others || claims.any) atomic_store(&contest->others_at_ns, now);
    uint64_t seen_at = atomic_load(&contest->others_at_ns);
    uint64_t higher_at = atomic_load(&contest->higher_at_ns);
    atomic_store(&contest->alone, seen_at == 0 || now > seen_at + CONTEST_QUIET_NS);
    /* A slice that is behind with its guarantee needs more in flight than one kernel, or one kernel is all that it
     * gets of a turn. */
    atomic_store(&contest->tight, higher_at != 0 && now < higher_at + CONTEST_EXPECT_NS && !contest->behind);
    uint32_t share = share_beside(contest, slice->policy, &claims);
    atomic_store(&contest->held_by, claims.higher              ? REGION_HELD_BY_PRIORITY
                                    : claims.guaranteed_bp > 0 ? REGION_HELD_BY_GUARANTEE
                                                               : REGION_HELD_BY_LIMIT);
    /* 0 where the share is the limit itself, so that a changed limit takes effect without another look. */
    atomic_store(&contest->share_bp, share == atomic_load(&slice->policy->compute_limit_bp) ? 0 : share);
}

void contest_look_now(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                      uint64_t now, uint64_t charged, bool wants)
{
    atomic_store(&contest->looked_at_ns, 1);
    contest_look(contest, slice, own, now, charged, wants);
}

void contest_look_to_learn(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                           uint64_t now)
{
    if (is_calm(contest) && now >= atomic_load(&contest->looked_at_ns) + CONTEST_INTERVAL_ALONE_NS)
        contest_look_now(contest, slice, own, now, 0, true);
    else
        contest_look(contest, slice, own, now, 0, true);
}

void contest_launching(struct contest *contest, uint64_t now, uint64_t charged)
{
    if (now - atomic_load(&contest->longest_since_ns) >= CONTEST_LONGEST_NS) {
        atomic_store(&contest->longest_since_ns, now);
        atomic_store(&contest->longest_ns, atomic_exchange(&contest->longest_now_ns, 0));
    }
    if (charged > atomic_load(&contest->longest_now_ns)) atomic_store(&contest->longest_now_ns, charged);
    if (charged > atomic_load(&contest->longest_ns)) atomic_store(&contest->longest_ns, charged);
}

void contest_done(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                  uint64_t now)
{
    uint64_t claim = now + CONTEST_CLAIM_DONE_NS;
    atomic_store(&contest->waits_expected, CONTEST_WAITS_EXPECTED);
    if (atomic_load(&contest->claimed_until_ns) <= claim || !lines_own(contest->lines)) return;
    atomic_store(&contest->busy_until_ns, now);
    atomic_store(&contest->claimed_until_ns, claim);
    write_line(contest, slice, own, claim, now);
}

uint32_t contest_others(const struct contest *contest)
{
    uint64_t peers_at = atomic_load(&contest->peers_at_ns);
    uint32_t peers = peers_at != 0 && atomic_load(&contest->looked_at_ns) < peers_at + CONTEST_QUIET_NS ? 1 : 0;
    uint32_t others = atomic_load(&contest->rivals) + peers;
    return others == 0 ? 1 : others;
}

uint32_t contest_share(const struct contest *contest, const struct region_policy *policy)
{
    uint32_t limit = atomic_load_explicit(&policy->compute_limit_bp, memory_order_relaxed);
    uint32_t share = atomic_load_explicit(&contest->share_bp, memory_order_relaxed);
    limit = limit > BUCKET_FULL_BP ? BUCKET_FULL_BP : limit;
    return share == 0 || share > limit ? limit : share;
}
