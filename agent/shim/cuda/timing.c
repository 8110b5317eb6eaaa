#include "cuda/timing.h"

#include "core/backend.h"
#include "core/clock.h"
#include "core/contest.h"
#include "core/meter.h"
#include "core/meter_parts.h"
#include "core/price.h"
#include "core/price_shared.h"
#include "core/shim.h"
#include "core/span_state.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

bool capture_pass_enter(const struct process *process, struct capture_pass *pass)
{
    cuThreadExchangeStreamCaptureMode_fn exchange = REAL(cuThreadExchangeStreamCaptureMode);
    pass->mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    pass->exchanged = exchange && exchange(&pass->mode) == CUDA_SUCCESS;
    return pass->exchanged || (!exchange && atomic_load(&process->captures) == 0);
}

void capture_pass_leave(struct capture_pass *pass)
{
    if (pass->exchanged) REAL(cuThreadExchangeStreamCaptureMode)(&pass->mode);
}

CUcontext timing_context(void)
{
    CUcontext context = NULL;
    cuCtxGetCurrent_fn current = REAL(cuCtxGetCurrent);
    return current && current(&context) == CUDA_SUCCESS ? context : NULL;
}

CUevent timing_event(void)
{
    CUevent event = NULL;
    cuEventCreate_fn create = REAL(cuEventCreate);
    return create && create(&event, CU_EVENT_DEFAULT) == CUDA_SUCCESS ? event : NULL;
}

static bool take(struct sample *sample, uint32_t from)
{
    return atomic_load_explicit(&sample->state, memory_order_relaxed) == from &&
           atomic_compare_exchange_strong(&sample->state, &from, SAMPLE_BUSY);
}

/* A sample whose events are of this context; its state is BUSY on return. */
static struct sample *sample_for(struct process *process, CUcontext context)
{
    struct sample *samples = process->metering.samples;
    for (unsigned at = 0; at < METER_SAMPLES; at++) {
        if (samples[at].context == context && take(&samples[at], SAMPLE_IDLE)) {
            if (samples[at].context == context) return &samples[at];
            atomic_store(&samples[at].state, SAMPLE_IDLE);
        }
    }
    for (unsigned at = 0; at < METER_SAMPLES; at++) {
        struct sample *sample = &samples[at];
        if (!take(sample, SAMPLE_EMPTY)) continue;
        sample->context = context;
        sample->after = NULL;
        sample->start = timing_event();
        sample->end = !sample->start ? NULL : timing_event();
        if (sample->end) return sample;
        if (sample->start && REAL(cuEventDestroy_v2)) REAL(cuEventDestroy_v2)(sample->start);
        atomic_store(&sample->state, SAMPLE_EMPTY);
        return NULL;
    }
    return NULL;
}

struct sample *timing_start(struct process *process, unsigned slice, struct price *price, backend_stream stream,
                            uint64_t *started_ns)
{
    struct capture_pass pass;
    struct sample *sample = NULL;
    cuEventRecord_fn record = REAL(cuEventRecord);
    CUcontext context = timing_context();
    if (record && REAL(cuEventQuery) && REAL(cuEventElapsedTime) && context && capture_pass_enter(process, &pass)) {
        sample = sample_for(process, context);
        if (sample && record(sample->start, stream) != CUDA_SUCCESS) {
            atomic_store(&sample->state, SAMPLE_IDLE);
            sample = NULL;
        }
        capture_pass_leave(&pass);
    }
    if (!sample) {
        price_timing_ended(price);
        return NULL;
    }
    sample->price = price;
    sample->generation = atomic_load(&process->metering.book.generation);
    sample->slice = slice;
    sample->others_ns = atomic_load(&process->meters[slice].contest.others_charged_ns);
    *started_ns = shim_now();
    return sample;
}

/* A pair of events takes a little time even with nothing between them; that is no part of the launch. */
static bool calibrate(struct process *process, struct sample *sample, CUstream stream)
{
    if (atomic_load_explicit(&process->metering.calibrations, memory_order_relaxed) >= TIMING_CALIBRATIONS)
        return false;
    if (!sample->after) sample->after = timing_event();
    return sample->after && REAL(cuEventRecord)(sample->after, stream) == CUDA_SUCCESS;
}

static void learn_calibration(struct process *process, const struct sample *sample)
{
    float milliseconds = 0;
    if (REAL(cuEventElapsedTime)(&milliseconds, sample->end, sample->after) != CUDA_SUCCESS || milliseconds < 0)
        return;
    uint64_t pair = (uint64_t)((double)milliseconds * 1e6);
    uint64_t known = atomic_load(&process->metering.event_pair_ns);
    if (pair < TIMING_EVENT_PAIR_MAX_NS && (known == 0 || pair < known))
        atomic_store(&process->metering.event_pair_ns, pair);
    atomic_fetch_add(&process->metering.calibrations, 1);
}

void timing_end(struct process *process, struct sample *sample, backend_stream stream, uint64_t started_ns,
                bool failed)
{
    uint64_t launched_ns = shim_now();
    struct capture_pass pass;
    bool recorded = false;
    if (!failed && capture_pass_enter(process, &pass)) {
        recorded = REAL(cuEventRecord)(sample->end, stream) == CUDA_SUCCESS;
        /* Queried after the end is in the stream, so that the query adds nothing to what is measured. If the start was
         * reached at once, the GPU was idle and waited for the launch. */
        bool idle = recorded && launched_ns > started_ns && REAL(cuEventQuery)(sample->start) == CUDA_SUCCESS;
        sample->gap_ns = idle ? launched_ns - started_ns : 0;
        sample->calibrates = recorded && calibrate(process, sample, stream);
        capture_pass_leave(&pass);
    }
    if (!recorded) {
        price_timing_ended(sample->price);
        atomic_store(&sample->state, SAMPLE_IDLE);
        return;
    }
    sample->alone = atomic_load(&process->meters[sample->slice].contest.alone) != 0;
    atomic_store(&sample->state, SAMPLE_PENDING);
    atomic_fetch_add(&process->metering.pending, 1);
}

static void learn(struct process *process, struct sample *sample)
{
    float milliseconds = 0;
    struct meter *meter = &process->meters[sample->slice];
    if (sample->generation != atomic_load(&process->metering.book.generation))
        return; /* its code went away, and its entry in the book may belong to another */
    if (REAL(cuEventElapsedTime)(&milliseconds, sample->start, sample->end) != CUDA_SUCCESS || milliseconds < 0) {
        price_timing_ended(sample->price);
        return;
    }
    uint64_t elapsed = (uint64_t)((double)milliseconds * 1e6);
    /* A launch that took the host this long loaded code: the kernel is a small part of what was measured, if any. */
    if (sample->gap_ns > TIMING_GAP_MAX_NS && price_discard(sample->price)) return;
    /* With a gap longer than the kernel the end event waited for the host, too: all that is known is that the kernel
     * is short. */
    uint64_t measured = elapsed > sample->gap_ns + elapsed / 8 ? elapsed - sample->gap_ns : elapsed / 8;
    uint64_t pair = atomic_load(&process->metering.event_pair_ns);
    /* With work between them, the end is stamped a third of a pair later: 1.4 to 2.0 us in all where an empty pair
     * takes 1.25, against the rate of a full stream. On an idle stream the start is long past when the launch comes: a
     * third is what remains, as measured against a profiler's times. */
    pair = sample->gap_ns > 0 ? pair / 3 : pair + pair / 3;
    measured = measured > 2 * pair ? measured - pair : measured - measured / 2;
    if (process->shim->slice_count > 1) {
        atomic_fetch_sub(&meter->credit_ns, price_learn_waiting(sample->price, measured));
        return;
    }
    bool alone = sample->alone && atomic_load(&meter->contest.alone) != 0;
    uint64_t theirs = atomic_load(&meter->contest.others_charged_ns) - sample->others_ns;
    int64_t owed = price_learn(sample->price, measured, alone ? 0 : contest_others(&meter->contest), theirs,
                               span_correction(&meter->span) != 0);
    if (alone) price_shared_tell(process->shim->slices[sample->slice].usage, sample->price);
    if (owed != 0) {
        atomic_fetch_sub(&meter->credit_ns, owed);
    } else if (alone && sample->charged_ns > 0 && measured < METER_ADJUST_MAX_NS) {
        /* What this launch took is charged in place of its price. */
        atomic_fetch_add(&meter->credit_ns,
                         (int64_t)sample->charged_ns - (int64_t)meter_counted(process->shim, measured));
    }
}

void timing_poll(struct process *process)
{
    struct capture_pass pass;
    if (atomic_load_explicit(&process->metering.pending, memory_order_relaxed) == 0 ||
        !capture_pass_enter(process, &pass))
        return;
    for (unsigned at = 0; at < METER_SAMPLES; at++) {
        struct sample *sample = &process->metering.samples[at];
        if (!take(sample, SAMPLE_PENDING)) continue;
        CUresult result = REAL(cuEventQuery)(sample->calibrates ? sample->after : sample->end);
        if (result == CUDA_ERROR_NOT_READY) {
            atomic_store(&sample->state, SAMPLE_PENDING);
            continue;
        }
        if (result == CUDA_SUCCESS) {
            if (sample->calibrates) learn_calibration(process, sample);
            contest_look_to_learn(&process->meters[sample->slice].contest, &process->shim->slices[sample->slice],
                                  process->entries[sample->slice], shim_now());
            learn(process, sample);
        } else {
            price_timing_ended(sample->price);
        }
        atomic_fetch_sub(&process->metering.pending, 1);
        atomic_store(&sample->state, result == CUDA_SUCCESS ? SAMPLE_IDLE : SAMPLE_EMPTY);
    }
    capture_pass_leave(&pass);
}
