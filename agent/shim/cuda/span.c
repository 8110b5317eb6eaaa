#include "cuda/span.h"

#include "bucket.h"
#include "core/backend.h"
#include "core/clock.h"
#include "core/meter.h"
#include "core/meter_parts.h"
#include "core/shim.h"
#include "core/span_state.h"
#include "cuda/resolve.h"
#include "cuda/timing.h"
#include "cuda_min.h"

static bool enter(struct span *span)
{
    return !atomic_flag_test_and_set_explicit(&span->busy, memory_order_acquire);
}

static void leave(struct span *span)
{
    atomic_flag_clear_explicit(&span->busy, memory_order_release);
}

static bool has_calls(void)
{
    return REAL(cuEventRecord) && REAL(cuEventQuery) && REAL(cuEventElapsedTime) && REAL(cuStreamQuery);
}

static bool beside_others(const struct meter *meter)
{
    return atomic_load_explicit(&meter->contest.alone, memory_order_relaxed) == 0;
}

static bool is_useful(const struct process *process, const struct meter *meter)
{
    return process->shim->slice_count == 1 && process->shim->counts_bp >= BUCKET_FULL_BP && beside_others(meter) &&
           atomic_load_explicit(&meter->contest.tight, memory_order_relaxed) == 0;
}

/* A burst begins with the next launch: decides whether to measure it. */
static void may_begin(struct span *span, uint64_t now, enum span_wanted wanted)
{
    if (now >= span->due_at_ns) {
        uint64_t interval = span->interval_ns == 0 ? SPAN_INTERVAL_NS : span->interval_ns;
        span->random = span->random * 1664525u + 1013904223u;
        span->due_at_ns = now + interval / 2 + (span->random >> 8) % interval;
        atomic_store(&span->wanted, wanted);
    } else {
        atomic_store(&span->wanted, SPAN_NOT_WANTED);
    }
}

/* ---- what was measured ---- */

static uint64_t most_of(const struct span *span)
{
    return span->most_ns == 0 ? SPAN_MOST_NS : span->most_ns;
}

static uint64_t ratio_of(uint64_t measured_ns, uint64_t priced_ns)
{
    uint64_t ratio = priced_ns == 0 ? BUCKET_FULL_BP : measured_ns * BUCKET_FULL_BP / priced_ns;
    ratio = ratio < SPAN_CORRECTION_MIN_BP ? SPAN_CORRECTION_MIN_BP : ratio;
    return ratio > SPAN_CORRECTION_MAX_BP ? SPAN_CORRECTION_MAX_BP : ratio;
}

/* Updates the correction: older measurements weigh ever less, and nothing at all once the newest have said twice in a
 * row that the work is now something else. */
static void follow(struct span *span, uint64_t known, uint64_t now)
{
    uint64_t passed = now - span->followed_at_ns;
    uint64_t kept = passed < SPAN_MEMORY_NS ? SPAN_MEMORY_NS - passed : 0;
    uint64_t ratio = ratio_of(span->new.measured_ns, span->new.priced_ns);
    int off = ratio * 100 > known * SPAN_JUMP_PERCENT ? 1 : known * 100 > ratio * SPAN_JUMP_PERCENT ? -1 : 0;
    bool again = off != 0 && off == span->off;
    span->off = off;
    if (known == 0 || again) {
        kept = 0;
        span->unsettled = (struct span_sum){0, 0}; /* what was issued since is of two kinds of work */
        span->issued_ns = span->charged_ns = 0;
    }
    span->followed_at_ns = now;
    span->late.measured_ns = span->late.measured_ns * kept / SPAN_MEMORY_NS + span->new.measured_ns;
    span->late.priced_ns = span->late.priced_ns * kept / SPAN_MEMORY_NS + span->new.priced_ns;
    bool steady = ratio * 100 < known * 103 && known * 100 < ratio * 103;
    span->interval_ns = steady && span->interval_ns < SPAN_INTERVAL_STEADY_NS ? span->interval_ns + SPAN_INTERVAL_NS
                        : steady                                              ? SPAN_INTERVAL_STEADY_NS
                                                                              : SPAN_INTERVAL_NS;
    atomic_store(&span->correction_bp, (uint32_t)ratio_of(span->late.measured_ns, span->late.priced_ns));
}

/* Settles up all that was issued by what the bursts of the same time measured, whatever was charged for it. If only
 * future launches were corrected, launches of many lengths would get more than their share: a correction that is too
 * low for a while lets more through than one that is as much too high keeps back. */
static void settle_up(struct meter *meter, uint64_t known)
{
    struct span *span = &meter->span;
    uint64_t priced = atomic_load(&meter->priced_ns);
    uint64_t issued = priced - span->priced_up_to_ns;
    span->priced_up_to_ns = priced;
    span->issued_ns += issued;
    span->charged_ns += issued * (known == 0 ? BUCKET_FULL_BP : known) / BUCKET_FULL_BP;
    span->unsettled.measured_ns += span->new.measured_ns;
    span->unsettled.priced_ns += span->new.priced_ns;
    if (span->unsettled.measured_ns < SPAN_SETTLE_UP_NS) return;
    uint64_t ratio = ratio_of(span->unsettled.measured_ns, span->unsettled.priced_ns);
    int64_t owed = (int64_t)(span->issued_ns * ratio / BUCKET_FULL_BP) - (int64_t)span->charged_ns;
    owed = owed > SPAN_OWED_MAX_NS ? SPAN_OWED_MAX_NS : owed < -SPAN_OWED_MAX_NS ? -SPAN_OWED_MAX_NS : owed;
    atomic_fetch_sub(&meter->credit_ns, owed);
    span->issued_ns = span->charged_ns = 0;
    span->unsettled = (struct span_sum){0, 0};
}

static void settle(struct meter *meter, uint64_t measured_ns, uint64_t now)
{
    struct span *span = &meter->span;
    uint64_t known = atomic_load(&span->correction_bp);
    span->new.measured_ns += measured_ns * span->weight;
    span->new.priced_ns += span->priced_ns * span->weight;
    uint64_t charged = span->new.priced_ns / BUCKET_FULL_BP *(known == 0 ? BUCKET_FULL_BP : known);
    if (span->new.measured_ns < SPAN_SETTLE_NS && charged < SPAN_SETTLE_NS) return;
    settle_up(meter, known);
    follow(span, known, now);
    span->new = (struct span_sum){0, 0};
}

/* Alone, prices are learned again, and spans start anew with the next neighbour. */
static void forget(struct meter *meter)
{
    struct span *span = &meter->span;
    atomic_store(&span->correction_bp, 0);
    span->new = span->late = span->unsettled = (struct span_sum){0, 0};
    span->issued_ns = span->charged_ns = 0;
    span->priced_up_to_ns = atomic_load(&meter->priced_ns);
}

static void learn(struct process *process, struct meter *meter)
{
    struct span *span = &meter->span;
    float milliseconds = 0;
    if (atomic_load(&span->spoilt) != 0 ||
        REAL(cuEventElapsedTime)(&milliseconds, span->start, span->end) != CUDA_SUCCESS || milliseconds <= 0)
        return;
    uint64_t measured = (uint64_t)((double)milliseconds * 1e6);
    uint64_t now = shim_now();
    if (span->issued_in_ns == 0)
        span->whole_at_ns = now;
    else if (span->issued_in_ns * SPAN_ISSUE_PART > measured ||
             (!span->after_pause && now - span->whole_at_ns < SPAN_WHOLE_NS))
        return; /* the GPU may have waited for the host, or there are better spans */
    uint64_t pair = atomic_load(&process->metering.event_pair_ns);
    pair += pair / 3;
    measured = measured > 2 * pair ? measured - pair : measured;
    uint64_t known = span_correction(span);
    uint64_t expected = span->priced_ns * (known == 0 ? BUCKET_FULL_BP : known) / BUCKET_FULL_BP;
    if (span->issued_in_ns > 0 && measured > expected + expected / 2)
        measured = expected + expected / 2; /* it began in the middle of a turn, which may have ended meanwhile */
    uint64_t most = most_of(span);
    if (measured >= SPAN_TURN_NS && expected >= SPAN_TURN_NS) {
        /* Longer than a turn, as expected: that tells nothing, and the next one is not tried for so soon. */
        span->due_at_ns = now + SPAN_INTERVAL_LONG_NS;
        return;
    }
    if (measured >= SPAN_TURN_NS) {
        /* It took at least a turn. Left out, the long ones among launches of many lengths would be missing. */
        measured = SPAN_TURN_NS;
        span->most_ns = most / 2 + 1; /* down to one launch */
    } else {
        span->most_ns = most + most / 4 > SPAN_MOST_NS ? SPAN_MOST_NS : most + most / 4;
    }
    settle(meter, measured, now);
}

static void poll(struct process *process, struct meter *meter)
{
    struct span *span = &meter->span;
    struct capture_pass pass;
    if (!span->closed || !capture_pass_enter(process, &pass)) return;
    CUresult result = REAL(cuEventQuery)(span->end);
    if (result == CUDA_SUCCESS) learn(process, meter);
    capture_pass_leave(&pass);
    span->closed = result == CUDA_ERROR_NOT_READY;
}

/* ---- a span ---- */

static bool has_events(struct span *span, CUcontext context)
{
    if (span->context != context && span->context) {
        REAL(cuEventDestroy_v2)(span->start);
        REAL(cuEventDestroy_v2)(span->end);
        span->start = span->end = NULL;
        span->context = NULL;
    }
    if (!span->context) {
        span->start = timing_event();
        span->end = !span->start ? NULL : timing_event();
        if (!span->end) {
            if (span->start) REAL(cuEventDestroy_v2)(span->start);
            return false;
        }
        span->context = context;
    }
    return true;
}

/* Waits until nothing of ours is in the stream before the next launch. */
static bool is_drained(const struct launch *launch)
{
    uint64_t until = shim_now() + SPAN_DRAIN_MAX_NS;
    for (;;) {
        const _Atomic uint32_t *epoch = &slice_of(launch)->policy->epoch;
        shim_wait_word(epoch, atomic_load(epoch), shim_now() + METER_DRAIN_SLICE_NS);
        CUresult result = REAL(cuStreamQuery)(launch->stream);
        if (result != CUDA_ERROR_NOT_READY || shim_now() >= until) return result == CUDA_SUCCESS;
    }
}

/* Is the stream free for a span? A burst that finds nothing before it is measured as it is. Otherwise the earlier work
 * must be waited for: that is done for one burst in SPAN_WAITS_PART, which counts for all of them, because leaving
 * them out would leave out what follows long bursts. */
static bool has_way(const struct launch *launch, uint32_t wanted)
{
    struct span *span = &meter_of(launch)->span;
    CUresult result = REAL(cuStreamQuery)(launch->stream);
    span->next_weight = 1;
    /* A launch that will take longer than a turn is not worth the wait. */
    if (result != CUDA_ERROR_NOT_READY || launch->charged_ns >= SPAN_TURN_NS) return result == CUDA_SUCCESS;
    if (wanted != SPAN_ANY) {
        span->random = span->random * 1664525u + 1013904223u;
        span->next_weight = SPAN_WAITS_PART;
        if ((span->random >> 8) % SPAN_WAITS_PART != 0) return false;
    }
    return is_drained(launch);
}

static void open_span(const struct launch *launch, uint64_t price_ns, uint32_t wanted)
{
    struct meter *meter = meter_of(launch);
    struct span *span = &meter->span;
    struct capture_pass pass;
    CUcontext context = timing_context();
    if (!context || !has_calls() || !capture_pass_enter(launch->process, &pass)) return;
    bool clear = has_way(launch, wanted);
    poll(launch->process, meter); /* the burst before is done now, and the two events are free */
    if (clear && !span->closed && has_events(span, context) &&
        REAL(cuEventRecord)(span->start, launch->stream) == CUDA_SUCCESS) {
        span->stream = launch->stream;
        span->priced_from_ns = atomic_load(&meter->priced_ns) - price_ns;
        span->begun_at_ns = shim_now();
        span->weight = span->next_weight;
        span->after_pause = wanted == SPAN_AFTER_PAUSE;
        atomic_store(&span->spoilt, 0);
        atomic_store(&span->open, 1);
    }
    capture_pass_leave(&pass);
}

void span_begin(const struct launch *launch, uint64_t price_ns)
{
    struct span *span = &meter_of(launch)->span;
    if (atomic_load_explicit(&span->open, memory_order_relaxed) != 0) {
        if (price_ns == 0 || launch->weight != 1 || launch->stream != span->stream) atomic_store(&span->spoilt, 1);
        return;
    }
    uint32_t wanted = atomic_load_explicit(&span->wanted, memory_order_relaxed);
    if (wanted == SPAN_NOT_WANTED || price_ns == 0 || launch->weight != 1 || !enter(span)) return;
    atomic_store(&span->wanted, SPAN_NOT_WANTED);
    open_span(launch, price_ns, wanted);
    leave(span);
}

/* If the GPU has not begun yet, the whole burst was issued before it did, and what lies between the two events is work
 * and not a pause of the host. Otherwise the host's own time bounds how long its pauses were. */
static void close_span(struct process *process, unsigned slice, uint64_t priced_ns)
{
    struct meter *meter = &process->meters[slice];
    struct span *span = &meter->span;
    struct capture_pass pass;
    if (atomic_load(&span->spoilt) == 0 && priced_ns > span->priced_from_ns && span->context == timing_context() &&
        capture_pass_enter(process, &pass)) {
        bool begun = REAL(cuEventQuery)(span->start) != CUDA_ERROR_NOT_READY;
        span->priced_ns = priced_ns - span->priced_from_ns;
        span->issued_in_ns = begun ? shim_now() - span->begun_at_ns : 0;
        span->closed = REAL(cuEventRecord)(span->end, span->stream) == CUDA_SUCCESS;
        capture_pass_leave(&pass);
    }
    atomic_store(&span->open, 0);
}

/* An event is recorded only in a stream that the program has just named or that cannot be destroyed: one that the
 * program has destroyed meanwhile must not be touched. */
static bool is_there(const struct span *span, CUstream named)
{
    return span->stream == named || !span->stream || span->stream == CU_STREAM_LEGACY;
}

void span_end(struct process *process, unsigned slice, backend_stream named, uint64_t issued_ns)
{
    struct meter *meter = &process->meters[slice];
    struct span *span = &meter->span;
    if (atomic_load_explicit(&span->open, memory_order_relaxed) != 0 && enter(span)) {
        if (atomic_load(&span->open) != 0) {
            if (!is_there(span, named)) atomic_store(&span->spoilt, 1);
            close_span(process, slice, atomic_load(&meter->priced_ns) + issued_ns);
        }
        leave(span);
    }
}

void span_pause(struct process *process, unsigned slice, CUstream named, uint64_t issued_ns)
{
    struct meter *meter = &process->meters[slice];
    if (is_useful(process, meter)) {
        span_end(process, slice, named, issued_ns);
        if (enter(&meter->span)) {
            may_begin(&meter->span, shim_now(), SPAN_AFTER_PAUSE);
            leave(&meter->span);
        }
    }
}

void span_issued(const struct launch *launch, bool failed)
{
    struct meter *meter = meter_of(launch);
    struct span *span = &meter->span;
    if (atomic_load_explicit(&span->open, memory_order_relaxed) == 0) return;
    if (failed) atomic_store(&span->spoilt, 1);
    uint64_t priced = atomic_load(&meter->priced_ns) - span->priced_from_ns;
    if (meter_corrected(meter, slice_of(launch), priced) >= most_of(span))
        span_end(launch->process, (unsigned)launch->slice, launch->stream, 0);
}

void span_look(const struct launch *launch, uint64_t now, bool held)
{
    struct meter *meter = meter_of(launch);
    struct span *span = &meter->span;
    if (!enter(span)) return;
    if (!beside_others(meter)) forget(meter);
    if (!is_useful(launch->process, meter) || !meter_is_bounded(launch)) {
        atomic_store(&span->wanted, SPAN_NOT_WANTED);
    } else {
        poll(launch->process, meter_of(launch));
        if (held) {
            may_begin(span, now, SPAN_BURST);
        } else if (now >= span->begun_at_ns + SPAN_OVERDUE_NS && now >= span->due_at_ns) {
            atomic_store(&span->wanted, SPAN_ANY);
            span->due_at_ns = now + SPAN_OVERDUE_NS;
        }
    }
    leave(span);
}

void span_forget_context(struct span *span, backend_context context)
{
    if (enter(span)) {
        if (span->context == context) {
            atomic_store(&span->open, 0);
            span->closed = false;
            span->start = span->end = NULL;
            span->context = NULL;
        }
        leave(span);
    } else {
        atomic_store(&span->spoilt, 1); /* in use while its context ends: the next query fails */
    }
}
