/* Compute shares: charges each launch its price, holds back a process whose slice is in debt, keeps the work in flight
 * short, and learns prices by timing launches. The words (credit, tight, at ease) are defined in contest.h, the way of
 * a launch is drawn in docs/compute.md. */
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
/* ...and where no limit is near: a limit that is set meanwhile takes effect after at most this much work. */
#define METER_CREDIT_EASY_NS INT64_C(1000000)
#define METER_EASE_NS INT64_C(4000000)
/* A slice whose work in flight is kept short records an event (a mark) in its stream each time it has issued this much
 * work, and has at most this many marks that were not reached. */
#define METER_MARK_NS INT64_C(2000000)
#define METER_MARKS_AHEAD 3u
#define METER_MARKS 8u
/* Longest wait for the bucket; then the limit is reported as not held. */
#define METER_THROTTLE_MAX_NS UINT64_C(30000000000)
/* The window in which the processes of one slice get equal time, and the longest wait for a peer that does not take
 * what is left to it: it may be gone. */
#define METER_PEERS_NS UINT64_C(100000000)
#define METER_PEER_MAX_NS UINT64_C(5000000)
/* A peer that waits says so again with each look, and there is one at least every SHIM_WAIT_SLICE_NS. What it said is
 * believed for this long. */
#define METER_WAITS_BELIEVED_NS UINT64_C(30000000)
/* Shortest wait: a futex wakes no sooner anyway, and what is overslept stays in the bucket. */
#define METER_WAIT_MIN_NS UINT64_C(100000)
/* Longest wait for work in flight. It is soft (the launch then goes): the work may be waiting for us, as a collective
 * over several GPUs does. */
#define METER_DRAIN_MAX_NS UINT64_C(1000000000)
#define METER_DRAIN_MANY_GPUS_NS UINT64_C(50000000)
#define METER_DRAIN_SLICE_NS UINT64_C(200000)
/* Launches of unknown price that may be in flight before a limited slice waits for the first timing. */
#define METER_UNPRICED_MAX 4u
#define METER_FIRST_PRICE_MAX_NS UINT64_C(50000000)
/* Beyond that many, a launch without a price is charged the mean of the process's launches, within these bounds. */
#define METER_UNKNOWN_MIN_NS UINT64_C(20000)
#define METER_UNKNOWN_MAX_NS UINT64_C(10000000)
/* Programmatic dependent launches are not timed, unless this many of a shape went by without a price. */
#define METER_UNTIMED_MAX 64u
/* While tight: marks are closer, and what may be in flight is counted in GPU time and not in marks, so that short
 * kernels follow each other without a gap and there is one long kernel at most. A mark is waited for without sleeping,
 * for at most this long (the last). */
#define METER_MARK_TIGHT_NS INT64_C(100000)
#define METER_IN_FLIGHT_TIGHT_NS UINT64_C(200000)
#define METER_DRAIN_SPIN_NS UINT64_C(1000000)
/* A process that gives way re-checks this often, and keeps at most this much unused credit. */
#define METER_GIVING_WAY_NS UINT64_C(100000)
#define METER_SAVINGS_BESIDE_NS INT64_C(500000)
/* Beside others: what a process that was held back must have in the bucket before it goes on. About a turn of the
 * hardware's. */
#define METER_TURN_NS INT64_C(500000)
#define METER_TURN_MAX_NS UINT64_C(3000000)
/* Settlement: the ratio of measured to charged time, taken when this much has been charged, and the bounds of one
 * correction. Never upwards: a limited slice times its kernels so often that prices are right, and what is measured
 * includes our own events and moments in which the stream ran dry. Far downwards, where streams overlap. */
#define METER_SETTLE_NS UINT64_C(200000000)
#define METER_CORRECTION_MIN_BP 2500u
#define METER_CORRECTION_MAX_BP 10000u

#define METER_SAMPLES 32u
/* What a timed launch took is charged in place of its price, up to this. */
#define METER_ADJUST_MAX_NS UINT64_C(10000000000)

enum sample_state { SAMPLE_EMPTY, SAMPLE_IDLE, SAMPLE_BUSY, SAMPLE_PENDING };

struct sample {
    _Atomic uint32_t state;
    uint32_t slice;
    backend_context context;
    backend_event start;
    backend_event end;
    struct price *price;
    backend_event after; /* recorded after end, to learn what a pair of events takes with nothing between them */
    uint64_t gap_ns;     /* host time between start and launch, if the stream had nothing to do */
    uint64_t others_ns;  /* charged to others before it began */
    uint64_t charged_ns;
    uint32_t generation; /* of the price book when it began: if it has changed, the price may be another code's */
    bool alone;
    bool calibrates;
};

struct meter_shared {
    struct price_book book;
    struct sample samples[METER_SAMPLES];
    _Atomic uint32_t pending;
    _Atomic uint32_t calibrations;
    _Atomic uint64_t event_pair_ns; /* the shortest seen */
};

struct mark {
    backend_event event;
    backend_context context;
    backend_stream stream;
    uint64_t priced_ns;   /* sum of all prices up to here, uncorrected */
    bool gapless;         /* the mark before was not reached yet when this was recorded: no idle time between */
    bool unpriced_before; /* a launch since the mark before had no price */
};

struct meter {
    _Atomic int64_t credit_ns;
    _Atomic int64_t since_mark_ns;
    _Atomic uint64_t priced_ns;
    _Atomic uint32_t unpriced; /* a launch without a price was issued since the last mark */
    _Atomic uint32_t waiting;  /* threads that are held back now */
    struct contest contest;
    struct span span;
    _Atomic uint64_t peers_since_ns; /* when peers_charged_ns was taken: each entry's charged_ns */
    _Atomic uint64_t peers_charged_ns[REGION_USAGE_ENTRIES];
    atomic_flag marking; /* a try-lock, never waited for: guards what follows */
    uint32_t mark_head;  /* next to record */
    uint32_t mark_tail;  /* the oldest that was not reached */
    uint64_t marked_ns;  /* priced_ns at the newest mark */
    uint64_t reached_ns; /* priced_ns at the newest mark that was reached */
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
    uint64_t issued_ns; /* prices that this thread paid from its portion since it was last metered */
    uint64_t started_ns;
    uint32_t weight; /* launches that this one is charged for: itself, and those let through before it */
    bool sets_pace;  /* the launches after it are of its kind, and may be let through */
};

/* Without a limit, at most one launch in this many is metered, and is charged for all since the one before. There are
 * about METER_PACE_NS between two that are metered, so a thread that launches slowly is metered at each launch. */
#define METER_SKIP_MAX 256u
#define METER_SKIP_MANY_GPUS_MAX 16u
#define METER_PACE_NS UINT64_C(1000000)
/* At ease (see meter_at_ease) likewise, but more often, and no more launches at once than take about this much GPU
 * time. */
#define METER_PACE_EASY_NS UINT64_C(500000)
#define METER_SKIP_EASY_NS UINT64_C(500000)

/* Otherwise a thread takes GPU time from its process in portions and pays its launches from its portion by their
 * prices, without looking at anything else. Portions are smaller while tight. */
#define METER_PORTION_NS INT64_C(100000)
#define METER_PORTION_TIGHT_NS INT64_C(25000)

/* A thread's own state, and all that a launch looks at besides its price: after a call of the driver every other cache
 * line is cold. A forked child that goes on with its parent's state lets a few launches through, and no more. */
struct meter_pace {
    const _Atomic uint32_t *limit; /* of the first slice */
    uint32_t limit_bp;             /* what it was at that time: a lower one ends the letting through */
    uint32_t left;                 /* launches that may still go without being metered */
    int64_t portion_ns;            /* what is left of the portion, in prices as they stand in the book */
    uint64_t issued_ns;
    struct price_book *book;
    uint32_t issued_count; /* launches paid from the portion and not reported yet */
    /* From here on only a metered launch looks. */
    uint32_t stands_for; /* launches that the next metered one is charged for, once left is 0 */
    uint32_t interval;
    uint32_t random;
    uint64_t at_ns;
    uint64_t mean_ns; /* mean price of the launches that were metered; rises fast, falls slowly */
};
_Static_assert(offsetof(struct meter_pace, stands_for) < 64, "what is looked at often is one line of memory");
extern __thread struct meter_pace meter_pace;

/* true: this launch may go without being metered. false: perhaps because of a limit. */
static inline bool meter_skip(void)
{
    struct meter_pace *pace = &meter_pace;
    if (pace->left > 0 && atomic_load_explicit(pace->limit, memory_order_relaxed) >= pace->limit_bp) {
        pace->left--;
        return true;
    }
    return false;
}

/* true: this launch was paid from the thread's portion. */
static inline bool meter_pays(struct price_shape shape)
{
    struct meter_pace *pace = &meter_pace;
    if (pace->portion_ns <= 0) return false;
    uint64_t ns = price_of_known(pace->book, price_key(&shape));
    if (ns == 0 || ns > (uint64_t)pace->portion_ns) return false;
    pace->portion_ns -= (int64_t)ns;
    pace->issued_ns += ns;
    pace->issued_count++;
    return true;
}

/* How many launches the metered one is charged for: itself, and those let through since the last. */
uint32_t meter_weight(void);

/* Before the real launch. stream is where its events may be recorded. timeable: see METER_UNTIMED_MAX. */
void meter_begin(struct launch *launch, const struct price_shape *shape, backend_stream stream, bool timeable);
/* After it. failed: the driver refused it. */
void meter_end(struct launch *launch, bool failed);

/* A context is gone, and with it the events that we made in it. */
void meter_forget_context(struct process *process, backend_context context);

#endif
