/* Bounds the work in flight: at intervals of priced work an event (a mark) is recorded in the stream, and a launch
 * waits while too many marks were not reached. The time between two marks also tells what the work between them really
 * took. */
#include "bucket.h"
#include "core/backend.h"
#include "core/clock.h"
#include "core/group.h"
#include "core/meter.h"
#include "core/meter_parts.h"
#include "core/shim.h"
#include "cuda/resolve.h"
#include "cuda/timing.h"
#include "cuda_min.h"

static bool is_tight(struct meter *meter)
{
    return atomic_load_explicit(&meter->contest.tight, memory_order_relaxed) != 0;
}

/* The oldest mark was reached: compares what was priced since the mark before with what the GPU measured. */
static void settle(const struct launch *launch, const struct mark *before, const struct mark *mark)
{
    struct meter *meter = meter_of(launch);
    float milliseconds = 0;
    if (!mark->gapless || mark->unpriced_before || atomic_load(&meter->contest.alone) == 0 ||
        before->context != mark->context || before->stream != mark->stream ||
        REAL(cuEventElapsedTime)(&milliseconds, before->event, mark->event) != CUDA_SUCCESS || milliseconds <= 0)
        return;
    uint64_t measured = (uint64_t)((double)milliseconds * 1e6);
    uint64_t charged = mark->priced_ns - before->priced_ns;
    meter->settle_measured_ns += measured;
    meter->settle_charged_ns += charged;
    if (meter->settle_charged_ns < METER_SETTLE_NS) return;
    uint64_t ratio = meter->settle_measured_ns * BUCKET_FULL_BP / meter->settle_charged_ns;
    ratio = ratio < METER_CORRECTION_MIN_BP ? METER_CORRECTION_MIN_BP : ratio;
    ratio = ratio > METER_CORRECTION_MAX_BP ? METER_CORRECTION_MAX_BP : ratio;
    _Atomic uint32_t *word = &slice_of(launch)->usage->price_correction_bp;
    uint32_t known = atomic_load(word);
    known = known == 0 ? BUCKET_FULL_BP : known;
    atomic_store(word, (uint32_t)((3 * (uint64_t)known + ratio + 2) / 4));
    meter->settle_measured_ns = 0;
    meter->settle_charged_ns = 0;
}

/* Is so much in flight that a launch should wait, as far as marks were seen to be reached? */
static bool is_ahead(struct meter *meter)
{
    uint32_t marks = meter->mark_head - meter->mark_tail;
    return is_tight(meter) ? marks > 0 && meter->marked_ns - meter->reached_ns >= METER_IN_FLIGHT_TIGHT_NS
                           : marks >= METER_MARKS_AHEAD;
}

/* Removes marks that were reached. true: too much is still in flight. */
static bool marks_ahead(const struct launch *launch)
{
    struct meter *meter = meter_of(launch);
    struct capture_pass pass;
    if (!is_ahead(meter) || !capture_pass_enter(launch->process, &pass)) return false;
    while (is_ahead(meter)) {
        struct mark *mark = &meter->marks[meter->mark_tail % METER_MARKS];
        CUresult result = REAL(cuEventQuery)(mark->event);
        if (result == CUDA_ERROR_NOT_READY) break;
        if (result != CUDA_SUCCESS) {
            meter->mark_tail = meter->mark_head; /* a broken context: its events will never be reached */
            meter->reached_ns = meter->marked_ns;
            break;
        }
        settle(launch, &meter->marks[(meter->mark_tail - 1) % METER_MARKS], mark);
        meter->reached_ns = mark->priced_ns;
        meter->mark_tail++;
    }
    bool ahead = is_ahead(meter);
    capture_pass_leave(&pass);
    return ahead;
}

void marks_drain(const struct launch *launch)
{
    struct meter *meter = meter_of(launch);
    const struct shim_slice *slice = slice_of(launch);
    uint64_t until = 0;
    for (;;) {
        if (atomic_flag_test_and_set_explicit(&meter->marking, memory_order_acquire))
            return; /* another thread takes care of it */
        bool ahead = marks_ahead(launch);
        atomic_flag_clear_explicit(&meter->marking, memory_order_release);
        if (!ahead || meter_at_ease(launch)) return;
        uint64_t now = shim_now();
        if (until == 0) until = now + (launch->shim->slice_count > 1 ? METER_DRAIN_MANY_GPUS_NS : METER_DRAIN_MAX_NS);
        if (now >= until || !meter_is_bounded(launch) || group_is_behind(launch)) return;
        if (is_tight(meter) && now + METER_DRAIN_MAX_NS < until + METER_DRAIN_SPIN_NS) {
            shim_pause(); /* the GPU would idle while we sleep */
            continue;
        }
        uint32_t epoch = atomic_load(&slice->policy->epoch);
        shim_wait_word(&slice->policy->epoch, epoch, now + METER_DRAIN_SLICE_NS);
    }
}

static void record_mark(const struct launch *launch)
{
    struct meter *meter = meter_of(launch);
    struct capture_pass pass;
    CUcontext context = timing_context();
    if (!context || !REAL(cuEventRecord) || !REAL(cuEventQuery) || !REAL(cuEventElapsedTime) ||
        meter->mark_head - meter->mark_tail >= METER_MARKS - 2 || !capture_pass_enter(launch->process, &pass))
        return;
    struct mark *mark = &meter->marks[meter->mark_head % METER_MARKS];
    struct mark *before = &meter->marks[(meter->mark_head - 1) % METER_MARKS];
    if (mark->event && mark->context != context) {
        REAL(cuEventDestroy_v2)(mark->event);
        mark->event = NULL;
    }
    if (!mark->event) {
        mark->event = timing_event();
        mark->context = context;
    }
    if (mark->event) {
        mark->stream = launch->stream;
        mark->priced_ns = atomic_load(&meter->priced_ns);
        mark->unpriced_before = atomic_exchange(&meter->unpriced, 0) != 0;
        mark->gapless = meter->mark_head != meter->mark_tail && before->event &&
                        REAL(cuEventQuery)(before->event) == CUDA_ERROR_NOT_READY;
        if (mark->gapless) atomic_store(&meter->contest.backlog_at_ns, shim_now());
        if (REAL(cuEventRecord)(mark->event, launch->stream) == CUDA_SUCCESS) {
            meter->marked_ns = mark->priced_ns;
            meter->mark_head++;
        }
    }
    capture_pass_leave(&pass);
}

void marks_issued(const struct launch *launch, int64_t charge)
{
    struct meter *meter = meter_of(launch);
    int64_t due = is_tight(meter) ? METER_MARK_TIGHT_NS : METER_MARK_NS;
    if (atomic_fetch_add_explicit(&meter->since_mark_ns, charge, memory_order_relaxed) + charge < due ||
        atomic_flag_test_and_set_explicit(&meter->marking, memory_order_acquire))
        return;
    atomic_store(&meter->since_mark_ns, 0);
    record_mark(launch);
    atomic_flag_clear_explicit(&meter->marking, memory_order_release);
}

void marks_forget_context(struct process *process, backend_context context)
{
    for (unsigned slice = 0; slice < SHIM_SLICES; slice++) {
        struct meter *meter = &process->meters[slice];
        if (atomic_flag_test_and_set_explicit(&meter->marking, memory_order_acquire))
            continue; /* in use while its context ends: the next query fails and clears the marks */
        for (unsigned at = 0; at < METER_MARKS; at++) {
            if (meter->marks[at].context == context) {
                meter->marks[at].event = NULL;
                meter->marks[at].context = NULL;
                meter->mark_tail = meter->mark_head;
                meter->reached_ns = meter->marked_ns;
            }
        }
        atomic_flag_clear_explicit(&meter->marking, memory_order_release);
    }
}
