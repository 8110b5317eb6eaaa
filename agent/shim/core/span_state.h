/* What a burst of launches really takes of the GPU beside others. A timing of one launch there may hold a neighbour's
 * turn, and a price that was learned alone may be of other arguments. But a burst that was issued whole before the GPU
 * began with it, into a stream with nothing before it, begins with our turn, and one that is shorter than a turn ends in
 * it: two events around it say what its launches take together, whichever they are and whatever they were given. What was
 * measured over what the price book says is the correction of all prices while others are about. */
#ifndef TRANCHE_SPAN_STATE_H
#define TRANCHE_SPAN_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"

/* A span ends after so much, by price as corrected, if nothing ended it before; each that took too long halves that. */
#define SPAN_MOST_NS UINT64_C(900000)
/* Measured: longer than this may be more than one turn, which is 2.4 ms with its switch. */
#define SPAN_TURN_NS UINT64_C(2150000)
/* Bursts that are measured follow each other by half to one and a half of this, drawn anew each time: a loop of the
 * program must not be met at the same place for ever. Nearly all of them are, at the cost of half a per cent, while their
 * launches take different times; where one says what the next does, few are enough. */
#define SPAN_INTERVAL_NS UINT64_C(700000)
#define SPAN_INTERVAL_STEADY_NS UINT64_C(4000000)
/* ...and where launches are longer than a turn. */
#define SPAN_INTERVAL_LONG_NS UINT64_C(200000000)
/* The host's part in a span that the GPU began at once: it may have paused for so long, of which this part is allowed. */
#define SPAN_ISSUE_PART 16u
/* Of the bursts that find earlier work before them, one in so many is measured, after that. */
#define SPAN_WAITS_PART 4u
/* Who is never held back has no pause in which a span could begin: then one is made, by waiting for the stream, so often
 * and at most so long. */
#define SPAN_OVERDUE_NS UINT64_C(8000000)
#define SPAN_DRAIN_MAX_NS UINT64_C(10000000)
/* A span that the GPU began at once may have lost its turn before its end, if nobody else had one since our last: it is
 * believed for half more than was expected, and not used for so long after one that was there whole before. But for the
 * first after a pause of the program, which is seldom there whole: without it a loop would lose its beginning. */
#define SPAN_WHOLE_NS UINT64_C(400000000)
/* The correction follows when so much more was measured or charged, and remembers about so long; where that is off by more
 * than this, twice in a row, it forgets all but the newest. */
#define SPAN_SETTLE_NS UINT64_C(5000000)
#define SPAN_MEMORY_NS UINT64_C(250000000)
#define SPAN_JUMP_PERCENT 150u
/* What was charged is settled up when so much was measured; at most so much is charged or given back at once. */
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
    _Atomic uint32_t wanted;        /* enum span_wanted: the next launch may begin one */
    _Atomic uint32_t correction_bp; /* of prices, beside others; 0: not known */
    _Atomic uint32_t open;          /* between its two events */
    _Atomic uint32_t spoilt;        /* something happened that its two events do not tell */
    atomic_flag busy;               /* tried, never waited for: guards what follows */
    bool closed;                    /* its end is in the stream */
    bool after_pause;               /* of the program */
    backend_context context;
    backend_stream stream;
    backend_event start;
    backend_event end;
    uint64_t priced_from_ns;  /* the meter's priced_ns at its start */
    uint64_t priced_ns;       /* ...and what was priced in it */
    uint64_t priced_up_to_ns; /* ...and when the correction was last set */
    uint64_t most_ns;         /* 0: SPAN_MOST_NS */
    uint64_t due_at_ns;
    uint64_t interval_ns; /* 0: SPAN_INTERVAL_NS */
    uint64_t begun_at_ns;
    uint64_t whole_at_ns;  /* when one was last there whole before the GPU began it */
    uint64_t issued_in_ns; /* host time from its first to its last launch, if the GPU began before the last; else 0 */
    uint32_t random;
    uint32_t weight; /* bursts that this one stands for */
    uint32_t next_weight;
    struct span_sum new;       /* since the correction was last set */
    struct span_sum late;      /* ...of late: what it is made of */
    struct span_sum unsettled; /* ...since charges were last settled up, */
    uint64_t issued_ns;        /* in which so much was priced, measured or not, */
    uint64_t charged_ns;       /* and charged */
    uint64_t followed_at_ns;
    int off; /* the newest was far above or below what was known */
};

/* The correction of prices beside others; 0: not known. */
static inline uint32_t span_correction(const struct span *span)
{
    return atomic_load_explicit(&span->correction_bp, memory_order_relaxed);
}

#endif
