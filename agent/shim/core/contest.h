/* Who else wants this GPU now, and what share that leaves for us. Each slice writes on its line of the board until
 * when it has work (its claim); each process reads the claims of the neighbours, takes their rights from the policy
 * page that the agent writes, and computes its own share. There is no round trip: a claim takes effect at the other
 * processes' next look.
 *
 * Words of contention and pacing, here and in meter, marks and span:
 *
 *   neighbour   another slice on the same GPU; a peer is another process of the same slice
 *   look        write our line of the board and read the neighbours' (contest_look), at most once an interval
 *   claim       the time until which a slice says that it has work: as long as its priced work in flight takes, and
 *               a little more. It lapses then. A slice that only waits for its own limit does not claim
 *   share       what we may take now: our limit, or less because of claims; 10000 bp is the whole GPU
 *   due         what a slice may expect: its limit or, without a limit, its guarantee
 *   gives way   takes less than its limit because of claims: beside a higher priority 1 %, or its guarantee if it is
 *               behind; beside guarantees what they leave, but its own guarantee at least
 *   prefers     a neighbour has a lower priority than we have: we claim with each launch, and the claim ends when the
 *               program has waited for all of its work. The preferred one is the one of higher priority
 *   bounded     work in flight is kept short (marks.c): a neighbour has a guarantee or a higher priority, or we have
 *               a guarantee and a neighbour
 *   tight       it is kept very short: somebody of higher priority claimed in the last second, and we are not behind
 *   owed        what our guarantee earned while we had work, less what we were charged: of the last half second
 *   behind      something is owed to us. owes: a neighbour that gives way to us is behind
 *   alone       for 0.1 s no claim or charge of a neighbour was seen, and no launch of a peer
 *   calm        alone, not bounded and not preferred to anybody: one look every 10 ms
 *   at ease     far from having to wait (meter_at_ease): a program on one GPU, alone, not bounded, and either without
 *               a limit or with 4 ms saved up
 *   hungry      has work queued on the GPU, and its own limit has not held it back for 0.1 s: the GPU gives it less
 *               than it may take. The hungriest is the neighbour that gets the smallest part of its due
 *   pace        the part of our share that we take, 75 to 100 %, so as not to outrun the hungriest where limits or
 *               guarantees add up to the whole GPU
 *   credit      GPU time that a process is charged in advance (meter.c); a thread takes portions of it; debt is a
 *               bucket below 0 */
#ifndef TRANCHE_CONTEST_H
#define TRANCHE_CONTEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "region.h"

/* A claim outlives the work that is known by this much, so that a pause between two launches gives nothing away. */
#define CONTEST_CLAIM_NS UINT64_C(3000000)
/* ...and by this much where we are preferred to a neighbour, because all of it is time that nobody uses: the next
 * launch claims anew, and whoever gives way has little in flight. */
#define CONTEST_CLAIM_PREFERRED_NS UINT64_C(300000)
/* ...and by this much after the program has waited for all of its work. */
#define CONTEST_CLAIM_DONE_NS UINT64_C(50000)
/* A program that has waited for all of its work is expected to do so again, until this many of its claims in a row
 * have lapsed without a wait. */
#define CONTEST_WAITS_EXPECTED 8u
#define CONTEST_STREAMS_MANY UINTPTR_MAX
/* A process that gives way resumes at once with kernels up to this length. With longer ones it lets as much more time
 * go by as they are longer: a kernel that begins in a short pause of a preferred neighbour delays all that follows
 * there. */
#define CONTEST_SOON_NS UINT64_C(1000000)
/* A preferred slice adds to its first claim the kernel that it may have to wait for, of a neighbour that gives way: at
 * most this much. */
#define CONTEST_IN_FLIGHT_MAX_NS UINT64_C(20000000)
/* The longest kernel is kept over this window and the one before. */
#define CONTEST_LONGEST_NS UINT64_C(100000000)
/* Longest claim that counts: work in flight, as priced. A longer one is an error or a lie. */
#define CONTEST_CLAIM_MAX_NS UINT64_C(500000000)
/* ...and, beyond the launch itself (at twice its price), where the work in flight is kept short: what three marks
 * hold, beside others. */
#define CONTEST_CLAIM_BOUNDED_NS UINT64_C(12000000)
/* Shortest time between two looks at the board: while somebody else is there, while tight, and while alone. */
#define CONTEST_INTERVAL_NS UINT64_C(1000000)
#define CONTEST_INTERVAL_TIGHT_NS UINT64_C(100000)
#define CONTEST_INTERVAL_ALONE_NS UINT64_C(2000000)
/* ...and while calm: no neighbour could claim more than its limit, and neither could we. A look then serves only to
 * tell whether a timing was taken alone, and for that there is one before the timing is learned from. */
#define CONTEST_INTERVAL_CALM_NS UINT64_C(10000000)
#define CONTEST_CLAIM_CALM_NS UINT64_C(15000000)
/* A process counts as alone after this long without seeing another: a neighbour that is held back by its limit claims
 * nothing for a while, and then launches. */
#define CONTEST_QUIET_NS UINT64_C(100000000)
/* For this long after a neighbour of higher priority was last seen, its next launch is expected, and little is kept in
 * flight. */
#define CONTEST_EXPECT_NS UINT64_C(1000000000)
/* What remains to a slice that gives way and has no guarantee: its wait stays bounded. */
#define CONTEST_FLOOR_BP 100u
/* Limits that together promise the whole GPU, as they do when an operator cuts it up, are met in proportion: switching
 * between processes takes a part that nobody gets, and without this all of it would be the loss of the largest share.
 * A slice that reaches its limit follows the one that does not, measured over windows of this length, and takes at
 * least this part of its share. */
#define CONTEST_PACE_NS UINT64_C(100000000)
#define CONTEST_PACE_MIN_BP 7500u
#define CONTEST_HUNGRY_NS UINT64_C(30000000)
#define CONTEST_WHOLE_MIN_BP 9500u
#define CONTEST_WHOLE_MAX_BP 10050u

struct lines;
/* A guarantee is a part of the time in which the slice has work, as far back as this. Beside a preferred neighbour it
 * is taken in that one's pauses first, and during its work only by a slice that is behind. */
#define CONTEST_GUARANTEE_NS UINT64_C(500000000)
/* A slice that has not looked for this long had no work meanwhile. */
#define CONTEST_NO_WORK_NS UINT64_C(20000000)
#define CONTEST_BEHIND_NS UINT64_C(3000000)

struct shim_slice;

/* What one process knows about the GPU of one of its slices. */
struct contest {
    _Atomic uint64_t looked_at_ns;
    _Atomic uint64_t claimed_until_ns;
    _Atomic uint64_t busy_until_ns; /* when all that was charged would be done on an otherwise idle GPU */
    _Atomic uint64_t others_at_ns;  /* when another process was last seen at work, in this slice or another */
    _Atomic uint64_t peers_at_ns;   /* ...a peer */
    _Atomic uint64_t higher_at_ns;  /* ...a neighbour of higher priority */
    _Atomic uint64_t peer_launches;
    _Atomic uint64_t others_charged_ns; /* by all neighbours since this process began, as far as seen */
    _Atomic uint64_t others_seen_ns;
    _Atomic uint64_t backlog_at_ns; /* when our work was last seen queued on the GPU */
    _Atomic uintptr_t stream; /* the only one used since the last claim lapsed (0 is a stream, too), or STREAMS_MANY */
    _Atomic uint64_t longest_ns; /* launch of this window and the last, in ns; kept while we may have to give way */
    _Atomic uint64_t longest_now_ns; /* ...of this window */
    _Atomic uint64_t longest_since_ns;
    _Atomic uint64_t held_at_ns; /* when our own limit last held us back */
    _Atomic uint32_t pace_bp; /* the part of our share that we take, so as not to outrun the hungriest; 0: not known */
    _Atomic uint32_t rivals;  /* most neighbours that claimed at the same time, of late */
    uint64_t rivals_at_ns;    /* this and what follows are written only by the thread that looks */
    uint64_t pace_since_ns;
    uint64_t pace_own_ns;
    uint64_t pace_charged_ns[REGION_BOARD_SLOTS];
    int64_t guarantee_owed_ns; /* GPU time that our guarantee earned and we have not had; below 0: had in advance */
    uint64_t guarantee_at_ns;
    uint64_t guarantee_charged_ns;
    _Atomic uint32_t behind;   /* guarantee_owed_ns is above 0 */
    _Atomic uint32_t share_bp; /* what we may take now; 0: the limit itself, or no look yet */
    _Atomic uint32_t held_by;  /* enum region_held_by: why share_bp is less than the limit */
    _Atomic uint32_t alone;
    _Atomic uint32_t neighbours; /* slices on this GPU besides ours */
    _Atomic uint32_t bounded; /* a neighbour may become entitled to its part at any time: keep work in flight short */
    _Atomic uint32_t tight;   /* a neighbour of higher priority was seen of late: keep work in flight very short */
    _Atomic uint32_t prefers; /* a neighbour has a lower priority: claim at each launch, and no longer than needed */
    _Atomic uint32_t owes;    /* a neighbour that gives way to us is behind with its guarantee */
    _Atomic uint32_t waits_expected; /* claims that may lapse before we stop expecting a wait */
    struct lines *lines;
};

/* Reads and writes the board if the interval is over, or if our work has outgrown our claim. charged: GPU time that is
 * being charged now. wants: there is work, and the others should make room for it; false where we only wait for our
 * own limit, which is no claim. */
void contest_look(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                  uint64_t now, uint64_t charged, bool wants);

/* The same, however recent the last look was. */
void contest_look_now(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                      uint64_t now, uint64_t charged, bool wants);

/* A look before a timing is learned from, because whether it was taken alone is judged then: claims outlive the work,
 * so a neighbour that was there is still seen. */
void contest_look_to_learn(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                           uint64_t now);

/* A neighbour of higher priority is about, and we launch something of this price: the longest is what that neighbour
 * may have to wait for. */
void contest_launching(struct contest *contest, uint64_t now, uint64_t charged);

/* The program has waited for all of its work: the claim ends. */
void contest_done(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                  uint64_t now);

/* How many take turns with us on the GPU, at least 1: neighbours, and all peers together as one. */
uint32_t contest_others(const struct contest *contest);

/* Our share of the GPU's time now, in bp. 10000: nothing holds us back. */
uint32_t contest_share(const struct contest *contest, const struct region_policy *policy);

#endif
