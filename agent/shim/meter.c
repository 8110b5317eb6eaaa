#include "meter.h"

#include "bucket.h"
#include "region_file.h"
#include "shim.h"
#include "timing.h"

#include <string.h>
#include <unistd.h>

static const struct shim_slice *slice_of(const struct launch *launch)
{
    return &launch->shim->slices[launch->slice];
}

static struct meter *meter_of(const struct launch *launch)
{
    return &launch->process->meters[launch->slice];
}

static struct region_entry *entry_of(const struct launch *launch)
{
    return launch->process->entries[launch->slice];
}

static uint32_t limit_of(const struct shim_slice *slice)
{
    return atomic_load_explicit(&slice->policy->compute_limit_bp, memory_order_relaxed);
}

static uint64_t corrected(const struct shim_slice *slice, uint64_t ns)
{
    uint32_t bp = atomic_load_explicit(&slice->usage->price_correction_bp, memory_order_relaxed);
    if (bp == 0 || bp == BUCKET_FULL_BP) {
        return ns;
    }
    bp = bp < METER_CORRECTION_MIN_BP ? METER_CORRECTION_MIN_BP : bp;
    bp = bp > METER_CORRECTION_MAX_BP ? METER_CORRECTION_MAX_BP : bp;
    return ns / BUCKET_FULL_BP * bp + ns % BUCKET_FULL_BP * bp / BUCKET_FULL_BP;
}

/* ---- the board ---- */

/* Has any other process of this slice launched something since the last look? */
static bool peers_launched(const struct launch *launch)
{
    const struct region_usage *usage = slice_of(launch)->usage;
    uint32_t high = atomic_load(&usage->entries_high);
    uint64_t sum = 0;
    for (uint32_t at = 0; at < high && at < REGION_USAGE_ENTRIES; at++) {
        if (&usage->entries[at] != entry_of(launch) && atomic_load(&usage->entries[at].token) != 0) {
            sum += atomic_load_explicit(&usage->entries[at].launches, memory_order_relaxed);
        }
    }
    return atomic_exchange(&meter_of(launch)->peer_launches, sum) != sum;
}

/* Says that this slice has work, and looks whether another says so. */
static void board_exchange(const struct launch *launch, uint64_t now)
{
    const struct shim_slice *slice = slice_of(launch);
    struct meter *meter = meter_of(launch);
    uint64_t last = atomic_load_explicit(&meter->claimed_at_ns, memory_order_relaxed);
    if (now < last + METER_CLAIM_INTERVAL_NS || !atomic_compare_exchange_strong(&meter->claimed_at_ns, &last, now)) {
        return;
    }
    bool others = peers_launched(launch);
    int fd;
    if (slice->board_path[0] != 0 && region_board_open(slice->board_path, &fd) == 0) {
        struct region_board board;
        struct region_board_slot line;
        memset(&line, 0, sizeof line);
        atomic_store(&line.slice_tag, region_slice_tag(slice->policy->slice_id));
        atomic_store(&line.claim_until_ns, now + METER_CLAIM_NS);
        atomic_store(&line.waits_since_ns, atomic_load(&entry_of(launch)->throttled_since_ns));
        atomic_store(&line.charged_ns, atomic_load(&entry_of(launch)->charged_ns));
        uint32_t own = slice->policy->board_slot;
        (void)region_board_write_slot(fd, own, &line); /* a board that fails costs knowledge of others, no more */
        if (region_board_read(fd, &board) == 0) {
            for (uint32_t at = 0; at < REGION_BOARD_SLOTS; at++) {
                others = others || (at != own && atomic_load(&board.slots[at].claim_until_ns) >= now);
            }
        }
        close(fd);
    }
    if (others) {
        atomic_store(&meter->others_at_ns, now);
    }
    uint64_t seen = atomic_load(&meter->others_at_ns);
    atomic_store(&meter->alone, seen == 0 || now > seen + METER_QUIET_NS);
}

/* ---- holding back ---- */

static void throttle(const struct launch *launch, uint64_t now)
{
    const struct shim_slice *slice = slice_of(launch);
    struct region_entry *entry = entry_of(launch);
    struct meter *meter = meter_of(launch);
    uint64_t began = now;
    bool held = true;
    if (atomic_fetch_add(&meter->waiting, 1) == 0) {
        atomic_store(&entry->throttled_since_ns, began);
        atomic_fetch_or(&entry->flags, REGION_ENTRY_WAITS);
    }
    for (;;) {
        uint32_t epoch = atomic_load(&slice->policy->epoch);
        uint32_t limit = limit_of(slice);
        atomic_store(&entry->seen_epoch, epoch);
        if (limit >= BUCKET_FULL_BP) {
            break; /* the limit was lifted: debts under it are forgotten */
        }
        bucket_refill(slice->usage, now, limit);
        int64_t level = bucket_level(slice->usage);
        if (level >= 0) {
            break;
        }
        if (now - began >= METER_THROTTLE_MAX_NS) {
            held = false;
            break;
        }
        uint64_t wait = bucket_wait_ns(level, limit);
        shim_wait_word(&slice->policy->epoch, epoch, now + (wait < METER_WAIT_MIN_NS ? METER_WAIT_MIN_NS : wait));
        now = shim_now();
    }
    atomic_fetch_add(&entry->throttled_ns, now - began);
    if (held) {
        atomic_fetch_and(&entry->flags, ~(uint32_t)REGION_ENTRY_LIMIT_NOT_HELD);
    } else {
        atomic_fetch_or(&entry->flags, REGION_ENTRY_LIMIT_NOT_HELD);
    }
    if (atomic_fetch_sub(&meter->waiting, 1) == 1) {
        atomic_store(&entry->throttled_since_ns, 0);
        atomic_fetch_and(&entry->flags, ~(uint32_t)REGION_ENTRY_WAITS);
    }
}

/* The local credit is spent: look at the clock, the samples, the board and the bucket. */
static void refill(const struct launch *launch)
{
    const struct shim_slice *slice = slice_of(launch);
    struct meter *meter = meter_of(launch);
    uint32_t limit = limit_of(slice);
    bool limited = limit < BUCKET_FULL_BP;
    timing_poll(launch->process);
    int64_t credit = atomic_load(&meter->credit_ns);
    int64_t grant = limited ? METER_CREDIT_NS : METER_CREDIT_UNLIMITED_NS;
    do {
        if (credit >= 0) {
            return; /* another thread was quicker */
        }
    } while (!atomic_compare_exchange_weak(&meter->credit_ns, &credit, grant));
    int64_t need = grant - credit;
    uint64_t now = shim_now();
    atomic_fetch_add_explicit(&entry_of(launch)->charged_ns, (uint64_t)need, memory_order_relaxed);
    atomic_store_explicit(&entry_of(launch)->seen_epoch, atomic_load(&slice->policy->epoch), memory_order_relaxed);
    board_exchange(launch, now);
    if (limited) {
        bucket_refill(slice->usage, now, limit);
        if (bucket_take(slice->usage, need) < 0) {
            throttle(launch, now);
        }
    }
}

/* A launch whose price nobody knows. A few may go; then a limited slice waits for the first of them to be timed. */
static void await_first_price(const struct launch *launch)
{
    const struct shim_slice *slice = slice_of(launch);
    timing_poll(launch->process);
    if (limit_of(slice) >= BUCKET_FULL_BP || launch->shim->slice_count > 1 ||
        atomic_load(&launch->price->unpriced) < METER_UNPRICED_MAX) {
        return;
    }
    uint64_t now = shim_now();
    uint64_t until = now + METER_FIRST_PRICE_MAX_NS;
    while (now < until && atomic_load(&launch->price->ns) == 0 && atomic_load(&launch->price->timing) != 0 &&
           atomic_load(&launch->process->captures) == 0) {
        uint32_t epoch = atomic_load(&slice->policy->epoch);
        shim_wait_word(&slice->policy->epoch, epoch, now + METER_DRAIN_SLICE_NS);
        timing_poll(launch->process);
        now = shim_now();
    }
}

/* ---- marks: the work in flight, and what it really took ---- */

/* The oldest mark was reached: compare what was charged since the one before with what the GPU measured. */
static void settle(const struct launch *launch, const struct mark *before, const struct mark *mark)
{
    struct meter *meter = meter_of(launch);
    float milliseconds = 0;
    if (!mark->gapless || mark->unpriced_before || atomic_load(&meter->alone) == 0 ||
        before->context != mark->context || before->stream != mark->stream ||
        REAL(cuEventElapsedTime)(&milliseconds, before->event, mark->event) != CUDA_SUCCESS || milliseconds <= 0) {
        return;
    }
    meter->settle_measured_ns += (uint64_t)((double)milliseconds * 1e6);
    meter->settle_charged_ns += mark->priced_ns - before->priced_ns;
    if (meter->settle_charged_ns < METER_SETTLE_NS) {
        return;
    }
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

/* Takes back marks that were reached. true: there are still so many unreached that a launch should wait. */
static bool marks_ahead(const struct launch *launch)
{
    struct meter *meter = meter_of(launch);
    struct capture_pass pass;
    if (meter->mark_head - meter->mark_tail < METER_MARKS_AHEAD || atomic_load(&launch->process->captures) != 0 ||
        !capture_pass_enter(&pass)) {
        return false;
    }
    bool ahead = true;
    while (meter->mark_head - meter->mark_tail >= METER_MARKS_AHEAD) {
        struct mark *mark = &meter->marks[meter->mark_tail % METER_MARKS];
        CUresult result = REAL(cuEventQuery)(mark->event);
        if (result == CUDA_ERROR_NOT_READY) {
            break;
        }
        if (result != CUDA_SUCCESS) {
            meter->mark_tail = meter->mark_head; /* a broken context: its events will never be reached */
            break;
        }
        settle(launch, &meter->marks[(meter->mark_tail - 1) % METER_MARKS], mark);
        meter->mark_tail++;
    }
    ahead = meter->mark_head - meter->mark_tail >= METER_MARKS_AHEAD;
    capture_pass_leave(&pass);
    return ahead;
}

static void drain(const struct launch *launch)
{
    struct meter *meter = meter_of(launch);
    const struct shim_slice *slice = slice_of(launch);
    uint64_t until = 0;
    for (;;) {
        if (atomic_flag_test_and_set_explicit(&meter->marking, memory_order_acquire)) {
            return; /* another thread looks after it */
        }
        bool ahead = marks_ahead(launch);
        atomic_flag_clear_explicit(&meter->marking, memory_order_release);
        if (!ahead) {
            return;
        }
        uint64_t now = shim_now();
        if (until == 0) {
            until = now + (launch->shim->slice_count > 1 ? METER_DRAIN_MANY_GPUS_NS : METER_DRAIN_MAX_NS);
        }
        if (now >= until || limit_of(slice) >= BUCKET_FULL_BP) {
            return;
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
    if (context == NULL || REAL(cuEventRecord) == NULL || REAL(cuEventQuery) == NULL ||
        REAL(cuEventElapsedTime) == NULL || atomic_load(&launch->process->captures) != 0 ||
        meter->mark_head - meter->mark_tail >= METER_MARKS - 2 || !capture_pass_enter(&pass)) {
        return;
    }
    struct mark *mark = &meter->marks[meter->mark_head % METER_MARKS];
    struct mark *before = &meter->marks[(meter->mark_head - 1) % METER_MARKS];
    if (mark->event != NULL && mark->context != context) {
        REAL(cuEventDestroy_v2)(mark->event);
        mark->event = NULL;
    }
    if (mark->event == NULL) {
        mark->event = timing_event();
        mark->context = context;
    }
    if (mark->event != NULL) {
        mark->stream = launch->stream;
        mark->priced_ns = atomic_load(&meter->priced_ns);
        mark->unpriced_before = atomic_exchange(&meter->unpriced, 0) != 0;
        mark->gapless = meter->mark_head != meter->mark_tail && before->event != NULL &&
                        REAL(cuEventQuery)(before->event) == CUDA_ERROR_NOT_READY;
        if (REAL(cuEventRecord)(mark->event, launch->stream) == CUDA_SUCCESS) {
            meter->mark_head++;
        }
    }
    capture_pass_leave(&pass);
}

/* ---- around one launch ---- */

__thread struct meter_pace meter_pace;

uint32_t meter_skipped(const _Atomic uint32_t *limit, uint32_t most)
{
    struct meter_pace *pace = &meter_pace;
    /* A limit that was set meanwhile ends the skipping early: those that were not let through do not count. */
    uint32_t stands_for = pace->stands_for > pace->left ? pace->stands_for - pace->left : 1;
    uint64_t now = shim_now();
    uint64_t passed = now - pace->at_ns;
    uint32_t interval = pace->interval == 0 ? 1 : pace->interval;
    if (passed < METER_PACE_NS / 2 && interval < most) {
        interval *= 2;
    } else if (passed > METER_PACE_NS * 2 && interval > 1) {
        interval /= 2;
    }
    /* Never in step with a loop of the program: between half and one and a half of the interval. */
    pace->random = pace->random * 1664525u + 1013904223u;
    pace->left = interval == 1 ? 0 : interval / 2 + (pace->random >> 16) % interval;
    pace->limit = limit;
    pace->stands_for = pace->left + 1;
    pace->interval = interval;
    pace->at_ns = now;
    return stands_for;
}

void meter_begin(struct launch *launch, const struct price_shape *shape, CUstream stream, bool timeable)
{
    struct meter *meter = meter_of(launch);
    const struct shim_slice *slice = slice_of(launch);
    launch->stream = stream;
    launch->sample = NULL;
    launch->price = price_find(&launch->process->metering.book, price_key(shape));
    /* For display and for "has it moved": a count lost between threads is no matter, a locked add on each launch is. */
    _Atomic uint64_t *launches = &entry_of(launch)->launches;
    atomic_store_explicit(launches, atomic_load_explicit(launches, memory_order_relaxed) + launch->weight,
                          memory_order_relaxed);
    if (atomic_load_explicit(&launch->price->ns, memory_order_relaxed) == 0) {
        await_first_price(launch);
    }
    uint64_t ns = atomic_load_explicit(&launch->price->ns, memory_order_relaxed);
    launch->charged_ns = corrected(slice, ns) * launch->weight;
    if (ns == 0) {
        atomic_fetch_add_explicit(&launch->price->unpriced, launch->weight, memory_order_relaxed);
        atomic_store_explicit(&meter->unpriced, 1, memory_order_relaxed);
    }
    int64_t charge = (int64_t)launch->charged_ns;
    if (atomic_fetch_sub_explicit(&meter->credit_ns, charge, memory_order_relaxed) < charge) {
        refill(launch);
    }
    if (limit_of(slice) < BUCKET_FULL_BP) {
        atomic_fetch_add_explicit(&meter->priced_ns, ns, memory_order_relaxed);
        drain(launch);
    }
    bool wanted = timeable || atomic_load(&launch->price->unpriced) >= METER_UNTIMED_MAX;
    if (wanted && atomic_load_explicit(&launch->process->captures, memory_order_relaxed) == 0 &&
        price_due(launch->price)) {
        launch->sample =
            timing_start(launch->process, (unsigned)launch->slice, launch->price, stream, &launch->started_ns);
    }
}

void meter_end(struct launch *launch, CUresult result)
{
    struct meter *meter = meter_of(launch);
    bool failed = result != CUDA_SUCCESS;
    if (launch->sample != NULL) {
        timing_end(launch->process, launch->sample, launch->stream, launch->started_ns, failed);
    }
    int64_t charge = (int64_t)launch->charged_ns;
    if (failed) {
        atomic_fetch_add(&meter->credit_ns, charge);
        return;
    }
    if (limit_of(slice_of(launch)) >= BUCKET_FULL_BP) {
        return;
    }
    if (atomic_fetch_add_explicit(&meter->since_mark_ns, charge, memory_order_relaxed) + charge < METER_MARK_NS ||
        atomic_flag_test_and_set_explicit(&meter->marking, memory_order_acquire)) {
        return;
    }
    atomic_store(&meter->since_mark_ns, 0);
    record_mark(launch);
    atomic_flag_clear_explicit(&meter->marking, memory_order_release);
}

void meter_forget_context(struct process *process, CUcontext context)
{
    for (unsigned at = 0; at < METER_SAMPLES; at++) {
        struct sample *sample = &process->metering.samples[at];
        uint32_t state = atomic_load(&sample->state);
        if (sample->context == context && (state == SAMPLE_IDLE || state == SAMPLE_PENDING) &&
            atomic_compare_exchange_strong(&sample->state, &state, SAMPLE_BUSY)) {
            if (state == SAMPLE_PENDING) {
                atomic_store(&sample->price->timing, 0);
                atomic_fetch_sub(&process->metering.pending, 1);
            }
            sample->context = NULL;
            atomic_store(&sample->state, SAMPLE_EMPTY);
        }
    }
    for (unsigned slice = 0; slice < SHIM_SLICES; slice++) {
        struct meter *meter = &process->meters[slice];
        if (atomic_flag_test_and_set_explicit(&meter->marking, memory_order_acquire)) {
            continue; /* in use at the end of its context: the next query fails and clears the marks */
        }
        for (unsigned at = 0; at < METER_MARKS; at++) {
            if (meter->marks[at].context == context) {
                meter->marks[at].event = NULL;
                meter->marks[at].context = NULL;
                meter->mark_tail = meter->mark_head;
            }
        }
        atomic_flag_clear_explicit(&meter->marking, memory_order_release);
    }
}
