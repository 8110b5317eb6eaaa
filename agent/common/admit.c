#include "admit.h"

#include <errno.h>
#include <fcntl.h>
#ifdef ADMIT_BROKEN
#include <sched.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_PID_MASK UINT64_C(0xffffffff)
#define TOKEN_START_MASK UINT64_C(0x7fffffff)

uint64_t admit_token(uint32_t pid, uint64_t start_ticks)
{
    return (start_ticks & TOKEN_START_MASK) << 32 | pid;
}

uint64_t admit_start_ticks(uint32_t pid, bool *zombie_out)
{
    char path[32];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0) {
        return 0;
    }
    text[got] = 0;
    /* The second field is the command in brackets and may hold brackets and spaces itself. */
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ') {
        return 0;
    }
    at += 2;
    char state = *at;
    unsigned long long threads = 0;
    unsigned long long start = 0;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return 0;
        }
        at++;
        if (field + 1 == 20) {
            threads = strtoull(at, NULL, 10);
        }
    }
    start = strtoull(at, NULL, 10);
    if (zombie_out != NULL) {
        /* A dead main thread shows as Z while other threads run on. */
        *zombie_out = (state == 'Z' || state == 'X') && threads <= 1;
    }
    return start;
}

bool admit_token_alive(uint64_t token)
{
    uint32_t pid = (uint32_t)(token & TOKEN_PID_MASK);
    if (pid == 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)) {
        return false;
    }
    bool zombie = false;
    uint64_t start = admit_start_ticks(pid, &zombie);
    if (start == 0) {
        return true; /* /proc hides it or it is going just now: only certainty counts */
    }
    return !zombie && (start & TOKEN_START_MASK) == (token >> 32 & TOKEN_START_MASK);
}

static unsigned entries_in_use(const struct region_usage *usage)
{
    uint32_t high = atomic_load(&usage->entries_high);
    return high > REGION_USAGE_ENTRIES ? REGION_USAGE_ENTRIES : high;
}

static void entry_clear(struct region_entry *entry, uint64_t now_ns)
{
    atomic_store(&entry->memory_bytes, 0);
    atomic_store(&entry->pending_bytes, 0);
    atomic_store(&entry->denied_count, 0);
    atomic_store(&entry->denied_bytes, 0);
    atomic_store(&entry->denied_at_ns, 0);
    atomic_store(&entry->charged_ns, 0);
    atomic_store(&entry->throttled_ns, 0);
    atomic_store(&entry->throttled_since_ns, 0);
    atomic_store(&entry->launches, 0);
    atomic_store(&entry->claimed_at_ns, now_ns);
    atomic_store(&entry->seen_epoch, 0);
    atomic_store(&entry->flags, 0);
    atomic_store(&entry->estimate_until, 0);
    atomic_store(&entry->estimate_bytes, 0);
}

static void raise_high(struct region_usage *usage, uint32_t at_least)
{
    uint32_t high = atomic_load(&usage->entries_high);
    while (high < at_least && !atomic_compare_exchange_weak(&usage->entries_high, &high, at_least)) {
    }
}

static struct region_entry *claim_free(struct region_usage *usage, uint64_t token, uint64_t now_ns)
{
    for (unsigned index = 0; index < REGION_USAGE_ENTRIES; index++) {
        struct region_entry *entry = &usage->entries[index];
        uint64_t expected = 0;
        if (atomic_load(&entry->token) == 0 &&
            atomic_compare_exchange_strong(&entry->token, &expected, token | REGION_CLAIMING)) {
            entry_clear(entry, now_ns);
            raise_high(usage, index + 1);
            atomic_store(&entry->token, token);
            return entry;
        }
    }
    return NULL;
}

struct region_entry *admit_claim(struct region_usage *usage, uint64_t token, uint64_t now_ns)
{
    struct region_entry *kept = NULL;
    for (unsigned index = 0; index < entries_in_use(usage); index++) {
        struct region_entry *entry = &usage->entries[index];
        uint64_t seen = atomic_load(&entry->token);
        if ((seen & ~REGION_CLAIMING) != token) {
            continue;
        }
        if (kept != NULL) { /* two of ours: a claim was cut short by exec */
            atomic_compare_exchange_strong(&entry->token, &seen, 0);
        } else if (atomic_compare_exchange_strong(&entry->token, &seen, token | REGION_CLAIMING)) {
            kept = entry;
        }
    }
    if (kept != NULL) {
        entry_clear(kept, now_ns);
        atomic_store(&kept->token, token);
        return kept;
    }
    kept = claim_free(usage, token, now_ns);
    if (kept == NULL && admit_reap(usage) > 0) {
        kept = claim_free(usage, token, now_ns);
    }
    return kept;
}

void admit_leave(struct region_entry *entry, uint64_t token)
{
    atomic_compare_exchange_strong(&entry->token, &token, 0);
}

unsigned admit_reap(struct region_usage *usage)
{
    unsigned reaped = 0;
    for (unsigned index = 0; index < entries_in_use(usage); index++) {
        struct region_entry *entry = &usage->entries[index];
        uint64_t token = atomic_load(&entry->token);
        if (token != 0 && !admit_token_alive(token)) {
            reaped += atomic_compare_exchange_strong(&entry->token, &token, 0);
        }
    }
    return reaped;
}

static uint64_t add_saturating(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

static void subtract_saturating(_Atomic uint64_t *word, uint64_t bytes)
{
    uint64_t before = atomic_load(word);
    while (!atomic_compare_exchange_weak(word, &before, before < bytes ? 0 : before - bytes)) {
    }
}

uint64_t admit_used(const struct region_usage *usage)
{
    uint64_t sum = 0;
    for (unsigned index = 0; index < entries_in_use(usage); index++) {
        const struct region_entry *entry = &usage->entries[index];
        uint64_t token = atomic_load(&entry->token);
        if (token != 0 && (token & REGION_CLAIMING) == 0) {
            sum = add_saturating(sum, atomic_load(&entry->memory_bytes));
        }
    }
    return sum;
}

uint64_t admit_beyond(const struct region_policy *policy, const struct region_usage *usage)
{
    uint64_t sequence = atomic_load(&policy->residue_sequence);
    uint64_t sum = atomic_load(&policy->residue_bytes);
    for (unsigned index = 0; index < entries_in_use(usage); index++) {
        const struct region_entry *entry = &usage->entries[index];
        uint64_t token = atomic_load(&entry->token);
        if (token != 0 && (token & REGION_CLAIMING) == 0 && atomic_load(&entry->estimate_until) > sequence) {
            sum = add_saturating(sum, atomic_load(&entry->estimate_bytes));
        }
    }
    return sum;
}

/* pending_bytes holds two things in one word, so that both are read at once: the bytes below, and above them how often
 * a request was taken back. Whoever reads the same word before and after summing, with no bytes in it, has summed
 * nothing of that entry that was later taken back. */
#define PENDING_BITS 48
#define PENDING_BYTES ((UINT64_C(1) << PENDING_BITS) - 1)
#define PENDING_TAKEN_BACK (UINT64_C(1) << PENDING_BITS)

struct pending_view {
    unsigned count;
    uint64_t words[REGION_USAGE_ENTRIES];
};

/* true: requests of others, or of other threads of this process, are still being decided. */
static bool pending_collect(const struct region_usage *usage, const struct region_entry *own, uint64_t bytes,
                            struct pending_view *view)
{
    bool contested = false;
    view->count = entries_in_use(usage);
    for (unsigned index = 0; index < view->count; index++) {
        const struct region_entry *entry = &usage->entries[index];
        uint64_t token = atomic_load(&entry->token);
        bool counted = token != 0 && (token & REGION_CLAIMING) == 0;
        view->words[index] = atomic_load(&entry->pending_bytes);
        contested = contested || (counted && (view->words[index] & PENDING_BYTES) != (entry == own ? bytes : 0));
    }
    return contested;
}

static bool pending_changed(const struct region_usage *usage, const struct pending_view *view)
{
    bool changed = entries_in_use(usage) != view->count;
    for (unsigned index = 0; index < view->count; index++) {
        changed = changed || atomic_load(&usage->entries[index].pending_bytes) != view->words[index];
    }
    return changed;
}

/* A refusal first looks whether somebody has died, which costs a few microseconds a process. Who was seen alive just now
 * is believed for so long. */
unsigned admit_reap_when_due(struct region_usage *usage)
{
    static _Atomic uint64_t last_ns;
    static _Atomic(struct region_usage *) last_usage;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    if (atomic_load(&last_usage) == usage && now_ns - atomic_load(&last_ns) < ADMIT_REAP_INTERVAL_NS) {
        return 0;
    }
    unsigned reaped = admit_reap(usage);
    atomic_store(&last_ns, now_ns);
    atomic_store(&last_usage, usage);
    return reaped;
}

static bool fits_with(const struct region_policy *policy, const struct region_usage *usage, uint64_t more)
{
    uint64_t limit = atomic_load(&policy->memory_limit_bytes);
    uint64_t beyond = admit_beyond(policy, usage);
    return add_saturating(add_saturating(admit_used(usage), beyond), more) <= limit;
}

static void pause_before_retry(const struct region_usage *usage, const struct region_entry *own, int attempt)
{
    /* Entries wait differently long, so that two of them do not meet again for ever. */
    long step = ADMIT_PAUSE_MIN_NS * (1 + ((own - usage->entries) * 5 + attempt * 3) % 11);
    long pause = step * (1 + attempt / 4);
    struct timespec span = {0, pause > ADMIT_PAUSE_MAX_NS ? ADMIT_PAUSE_MAX_NS : pause};
    nanosleep(&span, NULL);
}

/* Published already. Granted, refused for good, or contested: then it is worth another try. */
enum decision { GRANTED, REFUSED, CONTESTED };

static enum decision decide(const struct region_policy *policy, const struct region_usage *usage,
                            const struct region_entry *own, uint64_t bytes)
{
    struct pending_view view;
#if defined(ADMIT_BROKEN) && ADMIT_BROKEN == 2
    sched_yield(); /* makes the meeting likely on a machine with few processors */
#endif
    if (fits_with(policy, usage, 0)) {
        return GRANTED;
    }
    bool contested = pending_collect(usage, own, bytes, &view);
    if (fits_with(policy, usage, 0)) {
        return GRANTED;
    }
    contested = contested || pending_changed(usage, &view);
#if defined(ADMIT_BROKEN) && ADMIT_BROKEN == 2 /* the test of the test: gives up beside others */
    contested = false;
#endif
    return contested ? CONTESTED : REFUSED;
}

bool admit_reserve(const struct region_policy *policy, struct region_usage *usage, struct region_entry *own,
                   uint64_t bytes)
{
    for (int attempt = 0; attempt < ADMIT_RETRIES; attempt++) {
        if ((atomic_load(&policy->flags) & REGION_POLICY_DELETED) != 0 || bytes > PENDING_BYTES ||
            bytes > atomic_load(&policy->memory_limit_bytes)) {
            return false; /* never published: a hopeless request must not make others fail */
        }
        atomic_fetch_add(&own->pending_bytes, bytes);
#if defined(ADMIT_BROKEN) && ADMIT_BROKEN == 1 /* the test of the test: looks before it publishes */
        enum decision decision = fits_with(policy, usage, bytes) ? GRANTED : REFUSED;
        sched_yield();
        atomic_fetch_add(&own->memory_bytes, bytes);
#else
        atomic_fetch_add(&own->memory_bytes, bytes);
        enum decision decision = decide(policy, usage, own, bytes);
#endif
        if (decision == GRANTED) {
            atomic_fetch_sub(&own->pending_bytes, bytes);
            return true;
        }
        subtract_saturating(&own->memory_bytes, bytes);
        /* In this order: bytes that may go again are never seen without their mark. */
        atomic_fetch_add(&own->pending_bytes, PENDING_TAKEN_BACK - bytes);
        if (decision == CONTESTED) {
            pause_before_retry(usage, own, attempt);
        } else if (admit_reap_when_due(usage) == 0) {
            return false;
        }
    }
    return false;
}

void admit_release(struct region_entry *own, uint64_t bytes)
{
    subtract_saturating(&own->memory_bytes, bytes);
}
