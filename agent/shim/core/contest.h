/* Who else wants this GPU now, and what that leaves for us: each slice says on its line of the board until when it has
 * work, and everybody works out his own share from that and from what the agent says of his neighbours. No round trip
 * to anybody: a claim is felt as soon as the others look. */
#ifndef TRANCHE_CONTEST_H
#define TRANCHE_CONTEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "region.h"

/* A claim outlives the work that is known by so much, so that a pause between two launches gives nothing away. */
#define CONTEST_CLAIM_NS UINT64_C(3000000)
/* ...and that of one who is preferred to somebody by so much, because all of it is time that nobody uses: he claims anew
 * with the next launch, and what gives way to him has little in flight. */
#define CONTEST_CLAIM_PREFERRED_NS UINT64_C(300000)
/* ...and by this after he has waited for all of his work. */
#define CONTEST_CLAIM_DONE_NS UINT64_C(50000)
/* Who has waited for all of his work will again: until so many of his claims have run out and he did not. */
#define CONTEST_WAITS_EXPECTED 8u
#define CONTEST_STREAMS_MANY UINTPTR_MAX
/* Whoever gives way begins again at once with work up to this length. With longer kernels he lets so much more time go by:
 * one that is begun in a short pause of somebody preferred delays all that comes after it. */
#define CONTEST_SOON_NS UINT64_C(1000000)
/* What he expects to wait for first: a kernel of somebody who gives way, and no more than this. */
#define CONTEST_IN_FLIGHT_MAX_NS UINT64_C(20000000)
/* The window in which that is the longest. */
#define CONTEST_LONGEST_NS UINT64_C(100000000)
/* Longest claim that counts: work in flight, as priced. A longer one is somebody's error or lie. */
#define CONTEST_CLAIM_MAX_NS UINT64_C(500000000)
/* ...and beyond the launch itself where the work in flight is kept short: what three marks hold, beside others. */
#define CONTEST_CLAIM_BOUNDED_NS UINT64_C(12000000)
/* How often the board is read and written: while somebody else is there, and while nobody is. */
#define CONTEST_INTERVAL_NS UINT64_C(1000000)
#define CONTEST_INTERVAL_TIGHT_NS UINT64_C(100000)
#define CONTEST_INTERVAL_ALONE_NS UINT64_C(2000000)
/* ...and while nobody is who could claim more than his limit, and we could not either: all that a look is for then is
 * whether a timing was taken alone, and for that there is one before it is learned from. */
#define CONTEST_INTERVAL_CALM_NS UINT64_C(10000000)
#define CONTEST_CLAIM_CALM_NS UINT64_C(15000000)
/* One who is held back says nothing for a while and then launches: alone is who saw nobody for so long. */
#define CONTEST_QUIET_NS UINT64_C(100000000)
/* So long after a tenant of higher priority was last seen, its next launch is waited for with little in flight. */
#define CONTEST_EXPECT_NS UINT64_C(1000000000)
/* What remains to one who yields and was guaranteed nothing: its wait stays bounded. */
#define CONTEST_FLOOR_BP 100u
/* Limits that together promise the whole GPU, as they do when an operator cuts it up, are met in proportion: switching
 * between processes takes a part that nobody gets, and without this all of it would be the greatest share's loss. Who
 * reaches his limit follows the one who does not, measured over windows of so long, and at most by this. */
#define CONTEST_PACE_NS UINT64_C(100000000)
#define CONTEST_PACE_MIN_BP 7500u
#define CONTEST_HUNGRY_NS UINT64_C(30000000)
#define CONTEST_WHOLE_MIN_BP 9500u
#define CONTEST_WHOLE_MAX_BP 10050u

struct lines;
/* What a guarantee is of: the time in which there is work, as far back as this. Beside somebody preferred it is taken in
 * his pauses first, and in the middle of his work only by one who is behind with it. */
#define CONTEST_GUARANTEE_NS UINT64_C(500000000)
/* Who has not looked for so long had no work meanwhile. */
#define CONTEST_NO_WORK_NS UINT64_C(20000000)
#define CONTEST_BEHIND_NS UINT64_C(3000000)

struct shim_slice;

/* One process's knowledge about one slice's GPU. */
struct contest {
    _Atomic uint64_t looked_at_ns;
    _Atomic uint64_t claimed_until_ns;
    _Atomic uint64_t busy_until_ns; /* when what was charged so far would be done if nobody else were there */
    _Atomic uint64_t others_at_ns;  /* when somebody else was last seen at work, in this slice or another */
    _Atomic uint64_t peers_at_ns;   /* ...in this slice */
    _Atomic uint64_t higher_at_ns;  /* ...somebody of higher priority */
    _Atomic uint64_t peer_launches;
    _Atomic uint64_t others_charged_ns; /* by everybody else since this process began, as far as seen */
    _Atomic uint64_t others_seen_ns;
    _Atomic uint64_t backlog_at_ns;  /* when our work was last seen to queue up */
    _Atomic uintptr_t stream;        /* the only one in use since all work was done; 0 is one too */
    _Atomic uint64_t longest_ns;     /* launch of this and the last window; where we may have to give way */
    _Atomic uint64_t longest_now_ns; /* ...of this one */
    _Atomic uint64_t longest_since_ns;
    _Atomic uint64_t held_at_ns; /* when our own limit last held us back */
    _Atomic uint32_t pace_bp;    /* of our share, what we take so as not to outrun the hungry; 0: not known */
    _Atomic uint32_t rivals;     /* neighbours that claimed at once, the most of late */
    uint64_t rivals_at_ns;       /* this and what follows belong to whoever looks */
    uint64_t pace_since_ns;
    uint64_t pace_own_ns;
    uint64_t pace_charged_ns[REGION_BOARD_SLOTS];
    int64_t guarantee_owed_ns; /* of our guarantee and not had yet; less than 0: had in advance */
    uint64_t guarantee_at_ns;
    uint64_t guarantee_charged_ns;
    _Atomic uint32_t behind;   /* with our guarantee */
    _Atomic uint32_t share_bp; /* what we may take now; 0: not looked yet, the limit holds */
    _Atomic uint32_t held_by;  /* enum region_held_by: why that is less than the limit */
    _Atomic uint32_t alone;
    _Atomic uint32_t neighbours; /* slices on this GPU beside ours */
    _Atomic uint32_t bounded;    /* somebody may claim his part at any time: keep the work in flight short */
    _Atomic uint32_t tight;      /* ...and somebody of higher priority is about: very short */
    _Atomic uint32_t prefers; /* somebody is of lower priority than we are: claim at once, and no longer than needed */
    _Atomic uint32_t owes;    /* ...and behind with his guarantee */
    _Atomic uint32_t waits_expected; /* so many claims may run out before we believe that nothing waits for the work */
    struct lines *lines;
};

/* Reads and writes the board if it is time. charged: GPU time that is being charged now. wants: there is work, and it
 * is for the others to make room. Who only waits for his own limit claims nothing. */
void contest_look(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                  uint64_t now, uint64_t charged, bool wants);

/* The same, however short ago the last look was. */
void contest_look_now(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                      uint64_t now, uint64_t charged, bool wants);

/* A timing is about to be learned from, and whether it was taken alone is judged then: by claims that outlive the work. */
void contest_look_to_learn(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                           uint64_t now);

/* Somebody of higher priority is about, and so much is to be launched: what he may have to wait for. */
void contest_launching(struct contest *contest, uint64_t now, uint64_t charged);

/* All of our work is done. */
void contest_done(struct contest *contest, const struct shim_slice *slice, const struct region_entry *own,
                  uint64_t now);

/* How many take turns with us on the GPU, at least 1: neighbours, and the other processes of this slice as one. */
uint32_t contest_others(const struct contest *contest);

/* What we may take of the GPU's time now, of 10000; 10000: nothing holds us back. */
uint32_t contest_share(const struct contest *contest, const struct region_policy *policy);

#endif
