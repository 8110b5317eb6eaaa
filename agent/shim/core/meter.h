/* Compute shares: charges each launch its price, holds back who is in debt, keeps the work in flight short, and learns
 * prices by timing launches. */
#ifndef TRANCHE_METER_H
#define TRANCHE_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"
#include "core/contest.h"
#include "core/price.h"
#include "core/span_state.h"
#include "region.h"

/* GPU time a process may spend before it looks at the clock and the bucket again. */
#define METER_CREDIT_NS INT64_C(200000)
/* ...and where no limit is near: one that is set meanwhile is then felt after so much work at most. */
#define METER_CREDIT_EASY_NS INT64_C(1000000)
#define METER_EASE_NS INT64_C(4000000)
/* A limited slice marks its stream each time it has issued so much, and has at most so many marks unreached. */
#define METER_MARK_NS INT64_C(2000000)
#define METER_MARKS_AHEAD 3u
#define METER_MARKS 8u
/* Longest wait for the bucket; then the limit is reported as not held. */
#define METER_THROTTLE_MAX_NS UINT64_C(30000000000)
/* The window in which the processes of one slice get the same, and the longest wait for a peer that does not take what
 * is left to him: he may be gone. */
#define METER_PEERS_NS UINT64_C(100000000)
#define METER_PEER_MAX_NS UINT64_C(5000000)
/* A peer that waits says so anew with each look, of which there is one in SHIM_WAIT_SLICE_NS at least. */
#define METER_WAITS_BELIEVED_NS UINT64_C(30000000)
/* Shortest: a futex wakes no sooner anyway, and what is overslept stays in the bucket. */
#define METER_WAIT_MIN_NS UINT64_C(100000)
/* Longest wait for work in flight. Soft: the work may wait for us, as a collective over several GPUs does. */
#define METER_DRAIN_MAX_NS UINT64_C(1000000000)
#define METER_DRAIN_MANY_GPUS_NS UINT64_C(50000000)
#define METER_DRAIN_SLICE_NS UINT64_C(200000)
/* Launches of unknown price that may be out before a limited slice waits for the first timing. */
#define METER_UNPRICED_MAX 4u
#define METER_FIRST_PRICE_MAX_NS UINT64_C(50000000)
/* Beyond these, one that has no price yet is charged the mean of the process's launches, within these. */
#define METER_UNKNOWN_MIN_NS UINT64_C(20000)
#define METER_UNKNOWN_MAX_NS UINT64_C(10000000)
/* Programmatic dependent launches are not timed, unless this many went by with no price. */
#define METER_UNTIMED_MAX 64u
/* While somebody of higher priority is about: marks are closer, and what may be in flight is counted in work and not in
 * marks, so that short kernels follow each other without a gap, and of long ones there is one. A mark is then waited for
 * without sleeping, for so long. */
#define METER_MARK_TIGHT_NS INT64_C(100000)
#define METER_IN_FLIGHT_TIGHT_NS UINT64_C(200000)
#define METER_DRAIN_SPIN_NS UINT64_C(1000000)
/* Who gives way looks so often whether he still has to, and takes at most so much along from before. */
#define METER_GIVING_WAY_NS UINT64_C(100000)
#define METER_SAVINGS_BESIDE_NS INT64_C(500000)
/* Beside others: how much one who was held back has before he goes on. About a turn of the hardware's. */
#define METER_TURN_NS INT64_C(500000)
#define METER_TURN_MAX_NS UINT64_C(3000000)
/* Settlement: measured over charged, when so much has been measured, and the bounds of one correction. Never upwards: a
 * limited slice times its kernels so often that prices are right, and what is measured holds our own events and moments
 * in which the stream ran dry. Downwards far, where streams overlap. */
#define METER_SETTLE_NS UINT64_C(200000000)
#define METER_CORRECTION_MIN_BP 2500u
#define METER_CORRECTION_MAX_BP 10000u

#define METER_SAMPLES 32u
/* A timing of one launch is charged in place of its price, up to this. */
#define METER_ADJUST_MAX_NS UINT64_C(10000000000)

enum sample_state { SAMPLE_EMPTY, SAMPLE_IDLE, SAMPLE_BUSY, SAMPLE_PENDING };

struct sample {
    _Atomic uint32_t state;
    uint32_t slice;
    backend_context context;
    backend_event start;
    backend_event end;
    struct price *price;
    backend_event after; /* recorded behind end, to learn what a pair of events takes with nothing between */
    uint64_t gap_ns;     /* host time between start and launch, if the stream had nothing to do */
    uint64_t others_ns;  /* charged by others when it began */
    uint64_t charged_ns;
    uint32_t generation; /* of the book when it began: afterwards its price may be another's */
    bool alone;
    bool calibrates;
};

struct meter_shared {
    struct price_book book;
    struct sample samples[METER_SAMPLES];
    _Atomic uint32_t pending;
    _Atomic uint32_t calibrations;
    _Atomic uint64_t event_pair_ns; /* the least seen */
};

struct mark {
    backend_event event;
    backend_context context;
    backend_stream stream;
    uint64_t priced_ns;   /* all prices up to here, uncorrected */
    bool gapless;         /* the one before was not reached yet when this was recorded */
    bool unpriced_before; /* something between had no price */
};

struct meter {
    _Atomic int64_t credit_ns;
    _Atomic int64_t since_mark_ns;
    _Atomic uint64_t priced_ns;
    _Atomic uint32_t unpriced; /* something without a price was issued since the last mark */
    _Atomic uint32_t waiting;  /* threads held back now */
    struct contest contest;
    struct span span;
    _Atomic uint64_t peers_since_ns; /* when each entry of the slice was charged so much: */
    _Atomic uint64_t peers_charged_ns[REGION_USAGE_ENTRIES];
    atomic_flag marking; /* tried, never waited for: guards what follows */
    uint32_t mark_head;  /* next to record */
    uint32_t mark_tail;  /* oldest unreached */
    uint64_t marked_ns;  /* priced_ns at the newest mark */
    uint64_t reached_ns; /* ...and at the newest reached one */
    struct mark marks[METER_MARKS];
    uint64_t settle_measured_ns;
    uint64_t settle_charged_ns;
};

struct shim;
struct process;

struct launch {
    const struct shim *shim;
    struct process *process;
    int slice; /* -1: not metered */
    backend_stream stream;
    struct price *price;
    struct sample *sample;
    uint64_t charged_ns;
    uint64_t issued_ns; /* by this thread before, from its portion */
    uint64_t started_ns;
    uint32_t weight; /* launches that this one stands for */
    bool sets_pace;  /* those after it are of its kind, and may be let through */
};

/* Without a limit, one launch in so many is metered, for all since the one before: as many as make METER_PACE_NS between
 * two, so that a thread which launches slowly is metered at each. */
#define METER_SKIP_MAX 256u
#define METER_SKIP_MANY_GPUS_MAX 16u
#define METER_PACE_NS UINT64_C(1000000)
/* At ease (see meter_at_ease) likewise, but more often, and so many only as take about this much GPU time. */
#define METER_PACE_EASY_NS UINT64_C(500000)
#define METER_SKIP_EASY_NS UINT64_C(500000)

/* Otherwise a thread takes GPU time from its process in portions, and pays its launches from it by their prices, without
 * another look at anything; shorter ones while somebody of higher priority is about. */
#define METER_PORTION_NS INT64_C(100000)
#define METER_PORTION_TIGHT_NS INT64_C(25000)

/* A thread's own, and all that a launch looks at beside its price: after a driver's call every other line of memory is
 * a cold one. A forked child that goes on with its parent's lets a few launches through, and no more. */
struct meter_pace {
    const _Atomic uint32_t *limit; /* of the first slice */
    uint32_t limit_bp;             /* what it was, or less: a lower one ends the letting through */
    uint32_t left;                 /* launches to let through */
    int64_t portion_ns;            /* left of it, in prices as they stand in the book */
    uint64_t issued_ns;
    struct price_book *book;
    uint32_t issued_count; /* paid from the portion and not yet reported */
    /* From here on only a launch that is metered looks. */
    uint32_t stands_for; /* the next that is metered, if none of those to be let through is left */
    uint32_t interval;
    uint32_t random;
    uint64_t at_ns;
    uint64_t mean_ns; /* GPU time of the launches that were metered */
};
_Static_assert(offsetof(struct meter_pace, stands_for) < 64, "what is looked at often is one line of memory");
extern __thread struct meter_pace meter_pace;

/* true: let this launch through. Where it says no, a limit may be why. */
static inline bool meter_skip(void)
{
    struct meter_pace *pace = &meter_pace;
    if (pace->left > 0 && atomic_load_explicit(pace->limit, memory_order_relaxed) >= pace->limit_bp) {
        pace->left--;
        return true;
    }
    return false;
}

/* true: this launch is paid for. */
static inline bool meter_pays(struct price_shape shape)
{
    struct meter_pace *pace = &meter_pace;
    if (pace->portion_ns <= 0) {
        return false;
    }
    uint64_t ns = price_of_known(pace->book, price_key(&shape));
    if (ns == 0 || ns > (uint64_t)pace->portion_ns) {
        return false;
    }
    pace->portion_ns -= (int64_t)ns;
    pace->issued_ns += ns;
    pace->issued_count++;
    return true;
}

/* How many launches the one that was not let through stands for: itself, and those that were since the last. */
uint32_t meter_weight(void);

/* Around the real launch. stream is where events of it may be recorded. timeable: see METER_UNTIMED_MAX. */
void meter_begin(struct launch *launch, const struct price_shape *shape, backend_stream stream, bool timeable);
/* failed: the driver refused it. */
void meter_end(struct launch *launch, bool failed);

/* A context is gone, and with it the events we made in it. */
void meter_forget_context(struct process *process, backend_context context);

#endif
