/* What a burst of launches really takes of the GPU beside others. There a timing of one launch may include a
 * neighbour's turn, and a price that was learned alone may be of other arguments. But a burst that was issued whole
 * before the GPU began it, into a stream with nothing before it, begins with our turn, and if it is shorter than a
 * turn it ends in the same one: two events around it (a span) measure what its launches take together, whichever
 * kernels they are and whatever arguments they got. The ratio of measured to priced time corrects all prices of the
 * process while others are about. */
#ifndef TRANCHE_SPAN_STATE_H
#define TRANCHE_SPAN_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"

/* A span ends after this much GPU time, by corrected prices, if nothing ended it before; each span that took longer
 * than a turn halves that. */
#define SPAN_MOST_NS UINT64_C(900000)
/* A span measured longer than this may have taken more than one turn, which is 2.4 ms with its switch. */
#define SPAN_TURN_NS UINT64_C(2150000)
/* Measured bursts are half to one and a half of this apart, drawn anew each time: a loop of the program must not be
 * met at the same place for ever. While launches take different times, nearly all bursts are measured, at a cost of
 * half a per cent; where one burst predicts the next, few are enough. */
#define SPAN_INTERVAL_NS UINT64_C(700000)
#define SPAN_INTERVAL_STEADY_NS UINT64_C(4000000)
/* ...and this far apart where launches are longer than a turn. */
#define SPAN_INTERVAL_LONG_NS UINT64_C(200000000)
/* In a span that the GPU began before it was issued whole, the host may have paused for the time that it took to
 * issue: the span is used if that is at most one part in this many of what was measured. */
#define SPAN_ISSUE_PART 16u
/* Of the bursts that find earlier work before them in the stream, one in this many is measured, after that work is
 * done. */
#define SPAN_WAITS_PART 4u
/* A process that is never held back has no pause in which a span could begin: a pause is then made, by waiting for the
 * stream, this often and for at most this long. */
#define SPAN_OVERDUE_NS UINT64_C(8000000)
#define SPAN_DRAIN_MAX_NS UINT64_C(10000000)
/* A span that the GPU began before it was issued whole may have lost its turn before its end, if nobody else had one
 * since our last. It counts for at most one and a half of what was expected, and is not used for this long after a
 * span that was issued whole; except the first after a pause of the program, which is seldom issued whole, and without
 * which the beginning of a loop would never be measured. */
#define SPAN_WHOLE_NS UINT64_C(400000000)
/* The correction is updated when this much more was measured or charged, and remembers about SPAN_MEMORY_NS. Where it
 * is off by more than SPAN_JUMP_PERCENT twice in a row, it forgets all but the newest. */
#define SPAN_SETTLE_NS UINT64_C(5000000)
#define SPAN_MEMORY_NS UINT64_C(250000000)
#define SPAN_JUMP_PERCENT 150u
/* Charges are settled up when this much was measured; at most SPAN_OWED_MAX_NS is charged or given back at once. */
#define SPAN_SETTLE_UP_NS UINT64_C(60000000)
#define SPAN_OWED_MAX_NS INT64_C(15000000)
#define SPAN_CORRECTION_MIN_BP 312u /* a 32nd, and 32 times */
#define SPAN_CORRECTION_MAX_BP 320000u

enum span_wanted { SPAN_NOT_WANTED, SPAN_BURST, SPAN_AFTER_PAUSE, SPAN_ANY };

struct span_sum {
    uint64_t measured_ns;
    uint64_t priced_ns;
};

struct span {
    _Atomic uint32_t wanted;        /* enum span_wanted: whether the next launch may begin a span */
    _Atomic uint32_t correction_bp; /* of prices, beside others; 0: not known */
    _Atomic uint32_t open;          /* a span is between its two events */
    _Atomic uint32_t spoilt;        /* something happened that its two events do not tell */
    atomic_flag busy;               /* a try-lock, never waited for: guards what follows */
    bool closed;                    /* its end event is in the stream */
    bool after_pause;               /* it began after a pause of the program */
    backend_context context;
    backend_stream stream;
    backend_event start;
    backend_event end;
    uint64_t priced_from_ns;  /* the meter's priced_ns at its start */
    uint64_t priced_ns;       /* what was priced in it */
    uint64_t priced_up_to_ns; /* the meter's priced_ns when the correction was last set */
    uint64_t most_ns;         /* 0: SPAN_MOST_NS */
    uint64_t due_at_ns;
    uint64_t interval_ns; /* 0: SPAN_INTERVAL_NS */
    uint64_t begun_at_ns;
    uint64_t whole_at_ns;  /* when a span was last issued whole before the GPU began it */
    uint64_t issued_in_ns; /* host time from its first to its last launch if the GPU began before the last; else 0 */
    uint32_t random;
    uint32_t weight; /* bursts that this span counts for */
    uint32_t next_weight;
    struct span_sum new;       /* measured and priced since the correction was last set */
    struct span_sum late;      /* of late, older ones weighing less: the correction is their ratio */
    struct span_sum unsettled; /* since charges were last settled up */
    uint64_t issued_ns;        /* priced since then, measured or not */
    uint64_t charged_ns;       /* charged since then */
    uint64_t followed_at_ns;
    int off; /* the newest was far above (1) or below (-1) what was known */
};

/* The correction of prices beside others, in bp; 0: not known. */
static inline uint32_t span_correction(const struct span *span)
{
    return atomic_load_explicit(&span->correction_bp, memory_order_relaxed);
}

#endif
