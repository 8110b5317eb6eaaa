#include "bucket.h"

void bucket_refill(struct region_usage *usage, uint64_t now_ns, uint32_t share_bp)
{
    uint64_t last = atomic_load_explicit(&usage->bucket_refilled_at_ns, memory_order_acquire);
    if (last == 0 || last > now_ns + UINT64_C(1000000000)) {
        /* First use, or a stamp from another boot or from a tenant that lies: start to count now, with nothing saved
         * up. */
        atomic_compare_exchange_strong(&usage->bucket_refilled_at_ns, &last, now_ns == 0 ? 1 : now_ns);
        return;
    }
    if (now_ns < last + BUCKET_REFILL_MIN_NS) return;
    if (!atomic_compare_exchange_strong(&usage->bucket_refilled_at_ns, &last, now_ns))
        return; /* another process adds this interval */
    uint64_t interval = now_ns - last;
    /* Beyond this the result is the burst anyway; the bound keeps the product in 64 bits. */
    uint64_t longest = ((uint64_t)BUCKET_BURST_NS + (uint64_t)BUCKET_DEBT_MAX_NS) * BUCKET_FULL_BP;
    if (interval > longest) interval = longest;
    share_bp = share_bp == 0 ? 1 : share_bp > BUCKET_FULL_BP ? BUCKET_FULL_BP : share_bp;
    int64_t earned =
        (int64_t)(interval / BUCKET_FULL_BP * share_bp + interval % BUCKET_FULL_BP * share_bp / BUCKET_FULL_BP);
    int64_t burst = BUCKET_SAVINGS_WINDOW_NS / BUCKET_FULL_BP * share_bp;
    burst = burst < BUCKET_BURST_MIN_NS ? BUCKET_BURST_MIN_NS : burst;
    int64_t level = atomic_load(&usage->bucket_level_ns);
    for (;;) {
        /* Any process of the slice can write this word: clamp it before arithmetic. */
        int64_t base = level < -BUCKET_DEBT_MAX_NS ? -BUCKET_DEBT_MAX_NS : level;
        base = base > burst ? burst : base;
        int64_t filled = base + earned > burst ? burst : base + earned;
        if (atomic_compare_exchange_weak(&usage->bucket_level_ns, &level, filled)) return;
    }
}

int64_t bucket_take(struct region_usage *usage, int64_t ns)
{
    int64_t level = atomic_load(&usage->bucket_level_ns);
    for (;;) {
        int64_t base = level > BUCKET_BURST_NS ? BUCKET_BURST_NS : level;
        base = base < -BUCKET_DEBT_MAX_NS ? -BUCKET_DEBT_MAX_NS : base;
        int64_t taken = ns > BUCKET_DEBT_MAX_NS    ? BUCKET_DEBT_MAX_NS
                        : ns < -BUCKET_DEBT_MAX_NS ? -BUCKET_DEBT_MAX_NS
                                                   : ns;
        int64_t after = base - taken;
        after = after < -BUCKET_DEBT_MAX_NS ? -BUCKET_DEBT_MAX_NS : after;
        if (atomic_compare_exchange_weak(&usage->bucket_level_ns, &level, after)) return after;
    }
}

int64_t bucket_level(const struct region_usage *usage)
{
    return atomic_load(&usage->bucket_level_ns);
}

uint64_t bucket_wait_ns(int64_t level_ns, uint32_t share_bp)
{
    if (level_ns >= 0) return 0;
    share_bp = share_bp == 0 ? 1 : share_bp;
    uint64_t debt = level_ns < -BUCKET_DEBT_MAX_NS ? (uint64_t)BUCKET_DEBT_MAX_NS : (uint64_t)-level_ns;
    return debt * BUCKET_FULL_BP / share_bp + 1;
}
