#include "core/meter.h"

#include "bucket.h"
#include "core/backend.h"
#include "core/clock.h"
#include "core/code.h"
#include "core/contest.h"
#include "core/group.h"
#include "core/meter_parts.h"
#include "core/price.h"
#include "core/price_shared.h"
#include "core/shim.h"
#include "core/span_state.h"
#include "region.h"

/* ---- holding back ---- */

/* A process that was stopped in its wait, or whose thread was cancelled there, cannot clear its flag. */
static bool waits_now(const struct region_entry *peer, uint64_t now)
{
    uint64_t at = atomic_load_explicit(&peer->waits_at_ns, memory_order_relaxed);
    return (atomic_load_explicit(&peer->flags, memory_order_relaxed) & REGION_ENTRY_WAITS) != 0 &&
           atomic_load(&peer->token) != 0 && now < at + METER_WAITS_BELIEVED_NS && at < now + METER_WAITS_BELIEVED_NS;
}

/* The processes of a slice get equal time: of those that want more, the one that got less in this window goes first.
 * Without this, whoever asks more often or for more at once takes it all. */
static bool peer_goes_first(const struct launch *launch, uint64_t now)
{
    const struct region_usage *usage = slice_of(launch)->usage;
    const struct region_entry *own = entry_of(launch);
    struct meter *meter = meter_of(launch);
    uint32_t high = atomic_load(&usage->entries_high);
    high = high < REGION_USAGE_ENTRIES ? high : REGION_USAGE_ENTRIES;
    bool window_over = now - atomic_load(&meter->peers_since_ns) >= METER_PEERS_NS;
    if (window_over) {
        atomic_store(&meter->peers_since_ns, now);
        for (uint32_t at = 0; at < high; at++) {
            atomic_store_explicit(&meter->peers_charged_ns[at], atomic_load(&usage->entries[at].charged_ns),
                                  memory_order_relaxed);
        }
    }
    uint64_t own_charged = atomic_load(&own->charged_ns) - atomic_load(&meter->peers_charged_ns[own - usage->entries]);
    for (uint32_t at = 0; at < high; at++) {
        const struct region_entry *peer = &usage->entries[at];
        if (peer == own || !waits_now(peer, now)) continue;
        /* A peer that came after the window began counts from its first instant; what its entry held before is not
         * known. */
        uint64_t charged = atomic_load(&peer->charged_ns);
        uint64_t before = atomic_load_explicit(&meter->peers_charged_ns[at], memory_order_relaxed);
        if (charged - (before <= charged ? before : 0) < own_charged) return true;
    }
    return false;
}

/* What a process needs in the bucket before it takes a turn: two kernels of a millisecond in one turn cost one switch
 * less than one in each of two turns. Not among the processes of one slice: the one that asks for less would always be
 * first. */
static int64_t turn_of(const struct launch *launch, uint64_t now)
{
    uint64_t peers_at = atomic_load(&meter_of(launch)->contest.peers_at_ns);
    if (peers_at != 0 && now < peers_at + CONTEST_EXPECT_NS) return METER_TURN_NS;
    uint64_t one = launch->charged_ns > METER_TURN_MAX_NS ? METER_TURN_MAX_NS : launch->charged_ns;
    return (int64_t)one > METER_TURN_NS ? (int64_t)one : METER_TURN_NS;
}

/* Waits until what was issued before is paid for. The launch itself is paid for afterwards, so that a program which
 * waits for its own kernels pays while they run. Beside others we wait until a turn of useful length is in the bucket:
 * a switch between processes costs the GPU as much as a short turn. */
static void throttle(const struct launch *launch, uint64_t now)
{
    const struct shim_slice *slice = slice_of(launch);
    struct region_entry *entry = entry_of(launch);
    struct meter *meter = meter_of(launch);
    span_end(launch->process, (unsigned)launch->slice, launch->stream, launch->issued_ns);
    uint64_t began = now;
    uint64_t paid_at = 0; /* since when nothing but a peer holds us back */
    bool held = true;
    if (atomic_fetch_add(&meter->waiting, 1) == 0) atomic_store(&entry->throttled_since_ns, began);
    for (;;) {
        atomic_store(&entry->waits_at_ns, now);
        atomic_fetch_or(&entry->flags, REGION_ENTRY_WAITS);
        uint32_t epoch = atomic_load(&slice->policy->epoch);
        uint32_t limit = limit_of(slice);
        bool gives_way = contest_share(&meter->contest, slice->policy) < limit;
        contest_look(&meter->contest, slice, entry, now, 0, gives_way);
        uint32_t share = contest_share(&meter->contest, slice->policy);
        atomic_store(&entry->seen_epoch, epoch);
        uint64_t together = group_wait_ns(launch->shim, now);
        if (group_is_behind(launch) || (share >= BUCKET_FULL_BP && together == 0))
            break; /* the limit was lifted, or nobody else wants the GPU any more: debts are forgotten */
        if (share < BUCKET_FULL_BP) bucket_refill(slice->usage, now, share);
        int64_t wanted = atomic_load(&meter->contest.alone) ? 0 : turn_of(launch, now);
        int64_t level = share >= BUCKET_FULL_BP ? 0 : bucket_level(slice->usage) - wanted;
        paid_at = level < 0 ? 0 : paid_at == 0 ? now : paid_at;
        if (level >= 0 && together == 0 && (now - paid_at >= METER_PEER_MAX_NS || !peer_goes_first(launch, now)))
            break;
        if (share >= limit) atomic_store(&meter->contest.held_at_ns, now);
        if (now - began >= METER_THROTTLE_MAX_NS) {
            held = false;
            break;
        }
        atomic_store(&entry->held_by, level >= 0      ? REGION_HELD_BY_PEER
                                      : share < limit ? atomic_load(&meter->contest.held_by)
                                                      : REGION_HELD_BY_LIMIT);
        uint64_t wait = bucket_wait_ns(level, share);
        wait = wait < together ? together : wait;
        wait = share < limit && wait > METER_GIVING_WAY_NS ? METER_GIVING_WAY_NS : wait;
        shim_wait_word(&slice->policy->epoch, epoch, now + (wait < METER_WAIT_MIN_NS ? METER_WAIT_MIN_NS : wait));
        now = shim_now();
    }
    atomic_fetch_add(&entry->throttled_ns, now - began);
    if (held)
        atomic_fetch_and(&entry->flags, ~(uint32_t)REGION_ENTRY_LIMIT_NOT_HELD);
    else
        atomic_fetch_or(&entry->flags, REGION_ENTRY_LIMIT_NOT_HELD);
    if (atomic_fetch_sub(&meter->waiting, 1) == 1) {
        atomic_store(&entry->throttled_since_ns, 0);
        atomic_fetch_and(&entry->flags, ~(uint32_t)REGION_ENTRY_WAITS);
    }
}

/* Time saved up under a higher limit is not kept under a lower one. */
static void note_limit(const struct shim_slice *slice)
{
    uint32_t limit = limit_of(slice);
    uint32_t before = atomic_load_explicit(&slice->usage->bucket_limit_bp, memory_order_relaxed);
    if (before != limit && atomic_compare_exchange_strong(&slice->usage->bucket_limit_bp, &before, limit) &&
        limit < before) {
        int64_t level = bucket_level(slice->usage);
        if (level > METER_SAVINGS_BESIDE_NS) bucket_take(slice->usage, level - METER_SAVINGS_BESIDE_NS);
    }
}

/* Looks at the board and the bucket now, and may hold us back. charged: GPU time taken from the process's credit. */
static void look_and_wait(const struct launch *launch, uint64_t now, uint64_t charged)
{
    const struct shim_slice *slice = slice_of(launch);
    atomic_store_explicit(&entry_of(launch)->seen_epoch, atomic_load(&slice->policy->epoch), memory_order_relaxed);
    contest_look(&meter_of(launch)->contest, slice, entry_of(launch), now, charged, true);
    uint32_t share = share_of(launch);
    if (share >= BUCKET_FULL_BP) {
        if (group_wait_ns(launch->shim, now) > 0) throttle(launch, now);
        return;
    }
    note_limit(slice);
    bucket_refill(slice->usage, now, share);
    int64_t level = bucket_level(slice->usage);
    if (share < limit_of(slice) && level > METER_SAVINGS_BESIDE_NS)
        bucket_take(slice->usage, level - METER_SAVINGS_BESIDE_NS); /* saved up while nobody else wanted the GPU */
    if (bucket_level(slice->usage) < 0 || peer_goes_first(launch, now) || group_wait_ns(launch->shim, now) > 0)
        throttle(launch, now);
    bucket_take(slice->usage, (int64_t)charged);
}

/* The process's credit is spent: look at the clock, the samples, the board and the bucket. */
static void refill(const struct launch *launch)
{
    struct meter *meter = meter_of(launch);
    timing_poll(launch->process);
    bool far = meter_at_ease(launch);
    int64_t credit = atomic_load(&meter->credit_ns);
    /* A preferred slice gets no credit in advance, so that it renews its claim with each launch. */
    int64_t grant = atomic_load(&meter->contest.prefers) != 0 ? 0 : far ? METER_CREDIT_EASY_NS : METER_CREDIT_NS;
    do {
        if (credit >= 0) return; /* another thread was faster */
    } while (!atomic_compare_exchange_weak(&meter->credit_ns, &credit, grant));
    uint64_t need = (uint64_t)(grant - credit);
    atomic_fetch_add_explicit(&entry_of(launch)->charged_ns, need, memory_order_relaxed);
    uint64_t now = shim_now();
    uint64_t waited = atomic_load_explicit(&entry_of(launch)->throttled_ns, memory_order_relaxed);
    look_and_wait(launch, now, need);
    waited = atomic_load_explicit(&entry_of(launch)->throttled_ns, memory_order_relaxed) - waited;
    span_look(launch, now + waited, waited > 0);
}

/* Tight, and what we had in flight is done: does a neighbour of higher priority want the GPU before we go on? */
static void give_way(const struct launch *launch)
{
    const struct shim_slice *slice = slice_of(launch);
    struct contest *contest = &meter_of(launch)->contest;
    uint64_t now = shim_now();
    contest_launching(contest, now, launch->charged_ns);
    if (launch->charged_ns >= CONTEST_INTERVAL_TIGHT_NS)
        contest_look_now(contest, slice, entry_of(launch), now, 0, true);
    else
        contest_look(contest, slice, entry_of(launch), now, 0, true);
    if (contest_share(contest, slice->policy) < limit_of(slice) && atomic_load(&contest->behind) == 0) {
        int64_t level = bucket_level(slice->usage);
        if (level > 0)
            bucket_take(slice->usage, level); /* saved up while nobody else wanted the GPU, and now a neighbour does */
        throttle(launch, now);
    }
}

/* The launch has no price yet. A few such launches may go; then a limited slice waits until the first of them was
 * timed. */
static void await_first_price(const struct launch *launch)
{
    const struct shim_slice *slice = slice_of(launch);
    timing_poll(launch->process);
    if (!meter_is_bounded(launch) || launch->shim->slice_count > 1 ||
        atomic_load(&launch->price->unpriced) < METER_UNPRICED_MAX)
        return;
    uint64_t now = shim_now();
    uint64_t until = now + METER_FIRST_PRICE_MAX_NS;
    while (now < until && atomic_load(&launch->price->ns) == 0 && atomic_load(&launch->price->timing) != 0) {
        uint32_t epoch = atomic_load(&slice->policy->epoch);
        shim_wait_word(&slice->policy->epoch, epoch, now + METER_DRAIN_SLICE_NS);
        timing_poll(launch->process);
        now = shim_now();
    }
}

/* The first few launches of a shape are charged once its price is known. Further ones, while it cannot be timed, are
 * not free: each is charged the mean of the process's launches in advance. */
static uint64_t charge_in_advance(const struct launch *launch)
{
    if (atomic_load_explicit(&launch->price->unpriced, memory_order_relaxed) < METER_UNPRICED_MAX) return 0;
    uint64_t launches = atomic_load_explicit(&entry_of(launch)->launches, memory_order_relaxed);
    uint64_t charged = atomic_load_explicit(&entry_of(launch)->charged_ns, memory_order_relaxed);
    uint64_t mean = launches == 0 ? 0 : charged / launches;
    mean = mean < METER_UNKNOWN_MIN_NS ? METER_UNKNOWN_MIN_NS : mean;
    mean = mean > METER_UNKNOWN_MAX_NS ? METER_UNKNOWN_MAX_NS : mean;
    price_advance(launch->price, launch->weight, mean);
    return mean;
}

/* Once spans correct the prices, single timings matter little. */
static enum price_effort effort_of(const struct launch *launch)
{
    if (share_of(launch) >= BUCKET_FULL_BP || span_correction(&meter_of(launch)->span) != 0) return PRICE_SPARSE;
    return meter_at_ease(launch) ? PRICE_EASY : PRICE_EXACT;
}

/* ---- around one launch ---- */

/* Not all zero: lld, with the 64 KiB pages of aarch64, leaves one page empty before a .tbss of this alignment. */
_Alignas(64) __thread struct meter_pace meter_pace = {.random = 1};

uint32_t meter_weight(void)
{
    struct meter_pace *pace = &meter_pace;
    /* A limit that was lowered meanwhile does not charge what was let through before it. */
    bool lowered = pace->limit && atomic_load_explicit(pace->limit, memory_order_relaxed) < pace->limit_bp;
    uint32_t stands_for = !lowered && pace->stands_for > pace->left ? pace->stands_for - pace->left : 1;
    pace->left = 0;
    pace->stands_for = 1;
    return stands_for;
}

/* For display, and to tell whether a process has launched: a count lost between threads does no harm, a locked add on
 * each launch would. */
static void count_launches(const struct launch *launch, uint32_t more)
{
    _Atomic uint64_t *launches = &entry_of(launch)->launches;
    atomic_store_explicit(launches, atomic_load_explicit(launches, memory_order_relaxed) + more, memory_order_relaxed);
}

/* Takes ns from the process's credit; when that is spent, the launch may have to wait. */
static void charge(const struct launch *launch, uint64_t ns)
{
    int64_t taken = (int64_t)ns;
    if (atomic_fetch_sub_explicit(&meter_of(launch)->credit_ns, taken, memory_order_relaxed) < taken) refill(launch);
}

/* Sets how many of the next launches are let through: at most `most`, and so that metered ones are pace_ns apart. */
static void let_through(const struct launch *launch, uint64_t pace_ns, uint64_t most)
{
    struct meter_pace *pace = &meter_pace;
    uint64_t now = shim_now();
    uint64_t passed = now - pace->at_ns;
    uint64_t interval = pace->interval == 0 ? 1 : pace->interval;
    if (passed < pace_ns / 2)
        interval *= 2;
    else if (passed > pace_ns * 2)
        interval /= 2;
    interval = interval > most ? most : interval;
    interval = interval == 0 ? 1 : interval;
    /* Drawn between half and one and a half of the interval, so as never to keep step with a loop of the program. */
    pace->random = pace->random * 1664525u + 1013904223u;
    pace->left = interval == 1 ? 0 : (uint32_t)(interval / 2 + (pace->random >> 16) % interval);
    pace->limit = launch->process->limits[0];
    pace->limit_bp = atomic_load_explicit(pace->limit, memory_order_relaxed);
    pace->stands_for = pace->left + 1;
    pace->interval = (uint32_t)interval;
    pace->at_ns = now;
}

/* The mean price, which rises fast: it bounds how much GPU time the launches that are let through may take
 * together. */
static void follow_mean(uint64_t ns)
{
    struct meter_pace *pace = &meter_pace;
    pace->mean_ns = ns > pace->mean_ns ? (pace->mean_ns + ns + 1) / 2 : pace->mean_ns - (pace->mean_ns - ns) / 8;
}

/* Takes a portion from the credit, paid in advance. */
static void take_portion(const struct launch *launch, uint64_t price_ns)
{
    struct meter_pace *pace = &meter_pace;
    bool tight = atomic_load_explicit(&meter_of(launch)->contest.tight, memory_order_relaxed) != 0;
    int64_t portion = tight ? METER_PORTION_TIGHT_NS : METER_PORTION_NS;
    if (pace->portion_ns > portion / 8 || price_ns > (uint64_t)portion / 4) return;
    charge(launch,
           meter_counted(launch->shim, meter_corrected(meter_of(launch), slice_of(launch), (uint64_t)portion)));
    pace->book = &launch->process->metering.book;
    pace->portion_ns += portion;
}

/* Decides how the thread's next launches go (let through, or paid from a portion) until one is metered again. */
static void set_pace(const struct launch *launch, uint64_t price_ns)
{
    struct process *process = launch->process;
    bool one_gpu = process->shim->slice_count == 1;
    follow_mean(price_ns);
    if (!any_limit(process)) {
        /* With several slices a launch looks at the first alone, so fewer are let through between two full looks. */
        let_through(launch, METER_PACE_NS, one_gpu ? METER_SKIP_MAX : METER_SKIP_MANY_GPUS_MAX);
    } else if (!one_gpu || atomic_load_explicit(&process->devices, memory_order_relaxed) != 1 ||
               atomic_load_explicit(&meter_of(launch)->contest.prefers, memory_order_relaxed) != 0) {
        return; /* the next launch may be of another slice; a preferred slice claims with each launch */
    } else if (meter_at_ease(launch) && price_ns != 0) {
        uint64_t most = METER_SKIP_EASY_NS / (meter_pace.mean_ns == 0 ? 1 : meter_pace.mean_ns);
        let_through(launch, METER_PACE_EASY_NS, most > METER_SKIP_MAX ? METER_SKIP_MAX : most);
    } else {
        take_portion(launch, price_ns);
    }
}

/* What this thread paid from its portion since it was last metered. */
static uint64_t report_issued(const struct launch *launch)
{
    struct meter_pace *pace = &meter_pace;
    uint64_t issued = pace->issued_ns;
    if (pace->issued_count > 0) {
        count_launches(launch, pace->issued_count);
        pace->issued_count = 0;
        pace->issued_ns = 0;
    }
    return issued;
}

/* Remembers the only stream in use: work in another stream may go on when the program has waited for one. */
static void note_stream(struct contest *contest, uintptr_t stream)
{
    uintptr_t used = atomic_load_explicit(&contest->stream, memory_order_relaxed);
    bool lapsed = shim_now() > atomic_load_explicit(&contest->claimed_until_ns, memory_order_relaxed);
    atomic_store_explicit(&contest->stream, lapsed || used == stream ? stream : CONTEST_STREAMS_MANY,
                          memory_order_relaxed);
}

/* On several GPUs a function has a handle for each. They share a price: of kernels that wait for each other, only the
 * last to begin tells how long the work takes. */
static uint64_t key_of(const struct launch *launch, const struct price_shape *shape)
{
    uint64_t identity = launch->shim->slice_count < 2 ? 0 : code_identity(launch->process, shape->code);
    if (identity == 0) return price_key(shape);
    struct price_shape named = *shape;
    named.code = (uintptr_t)identity;
    return price_key(&named);
}

void meter_begin(struct launch *launch, const struct price_shape *shape, backend_stream stream, bool timeable)
{
    struct meter *meter = meter_of(launch);
    const struct shim_slice *slice = slice_of(launch);
    launch->stream = stream;
    launch->sample = NULL;
    launch->price = price_find(&launch->process->metering.book, key_of(launch, shape));
    launch->issued_ns = report_issued(launch);
    count_launches(launch, launch->weight);
    if (atomic_load_explicit(&launch->price->ns, memory_order_relaxed) == 0)
        price_shared_look(launch->process, slice->usage, launch->price, shape);
    if (atomic_load_explicit(&launch->price->ns, memory_order_relaxed) == 0) await_first_price(launch);
    if (atomic_load_explicit(&launch->price->samples, memory_order_relaxed) < PRICE_EAGER_SAMPLES &&
        atomic_load_explicit(&launch->price->timing, memory_order_relaxed) > 0)
        timing_poll(launch->process); /* what another process said, or one timing, may be far off */
    uint64_t ns = atomic_load_explicit(&launch->price->ns, memory_order_relaxed);
    launch->charged_ns = meter_counted(launch->shim, meter_corrected(meter, slice, ns)) * launch->weight;
    if (ns == 0) {
        launch->charged_ns = meter_counted(launch->shim, charge_in_advance(launch)) * launch->weight;
        atomic_fetch_add_explicit(&launch->price->unpriced, launch->weight, memory_order_relaxed);
        atomic_store_explicit(&meter->unpriced, 1, memory_order_relaxed);
    }
    if (atomic_load_explicit(&meter->contest.prefers, memory_order_relaxed) != 0)
        note_stream(&meter->contest, (uintptr_t)stream);
    charge(launch, launch->charged_ns);
    if (launch->sets_pace) set_pace(launch, ns);
    if (meter_is_bounded(launch)) {
        atomic_fetch_add_explicit(&meter->priced_ns, ns * launch->weight + launch->issued_ns, memory_order_relaxed);
        marks_drain(launch);
        if (atomic_load_explicit(&meter->contest.tight, memory_order_relaxed) != 0) give_way(launch);
        span_begin(launch, ns);
    }
    bool wanted = timeable || atomic_load(&launch->price->unpriced) >= METER_UNTIMED_MAX;
    if (!wanted && ns != 0) price_not_timed(launch->price);
    if (wanted && price_due(launch->price, effort_of(launch))) {
        launch->sample =
            timing_start(launch->process, (unsigned)launch->slice, launch->price, stream, &launch->started_ns);
        if (launch->sample)
            launch->sample->charged_ns = launch->charged_ns / launch->weight; /* it is this one's alone */
    }
}

void meter_end(struct launch *launch, bool failed)
{
    struct meter *meter = meter_of(launch);
    if (launch->sample) timing_end(launch->process, launch->sample, launch->stream, launch->started_ns, failed);
    int64_t charged = (int64_t)launch->charged_ns;
    if (failed) {
        int64_t own = charged / launch->weight;
        atomic_fetch_add(&meter->credit_ns, own);
        charged -= own;
    }
    if (atomic_load_explicit(&launch->price->collective, memory_order_relaxed) != 0) group_met(launch);
    span_issued(launch, failed);
    if (meter_is_bounded(launch)) marks_issued(launch, charged + (int64_t)launch->issued_ns);
}

void meter_forget_context(struct process *process, backend_context context)
{
    for (unsigned at = 0; at < METER_SAMPLES; at++) {
        struct sample *sample = &process->metering.samples[at];
        uint32_t state = atomic_load(&sample->state);
        if (sample->context == context && (state == SAMPLE_IDLE || state == SAMPLE_PENDING) &&
            atomic_compare_exchange_strong(&sample->state, &state, SAMPLE_BUSY)) {
            if (state == SAMPLE_PENDING) {
                price_timing_ended(sample->price);
                atomic_fetch_sub(&process->metering.pending, 1);
            }
            sample->context = NULL;
            atomic_store(&sample->state, SAMPLE_EMPTY);
        }
    }
    marks_forget_context(process, context);
    for (unsigned slice = 0; slice < SHIM_SLICES; slice++) span_forget_context(&process->meters[slice].span, context);
}
