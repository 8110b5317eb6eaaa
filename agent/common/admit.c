#include "admit.h"

#include "host_clock.h"
#include "proc_stat.h"

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

uint64_t admit_start_ticks(uint32_t pid)
{
    struct proc_stat stat;
    return proc_stat_read(pid, 0, &stat) == 0 ? stat.start_ticks : 0;
}

bool admit_token_alive(uint64_t token)
{
    uint32_t pid = (uint32_t)(token & TOKEN_PID_MASK);
    if (pid == 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)) return false;
    struct proc_stat stat;
    if (proc_stat_read(pid, 0, &stat) != 0) return true; /* /proc hides it, or it is ending: only certainty counts */
    uint64_t claimed = token >> 32 & TOKEN_START_MASK;   /* 0: the process could not read its own */
    return !proc_stat_is_dead(&stat) && (claimed == 0 || (stat.start_ticks & TOKEN_START_MASK) == claimed);
}

static unsigned entries_in_use(const struct region_usage *usage)
{
    uint32_t high = atomic_load(&usage->entries_high);
    return high > REGION_USAGE_ENTRIES ? REGION_USAGE_ENTRIES : high;
}

/* How its life is told is written first: until the token stands without CLAIMING, a reader may meet what the last
 * owner left. */
static void entry_clear(struct region_entry *entry, const struct life_place *place, bool locked, uint64_t now_ns)
{
    atomic_store(&entry->flags, locked ? REGION_ENTRY_LOCKED : 0);
    atomic_store(&entry->pid_namespace, place->pid_namespace);
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
    atomic_store(&entry->held_by, 0);
    atomic_store(&entry->estimate_until, 0);
    atomic_store(&entry->estimate_bytes, 0);
    atomic_store(&entry->meetings, 0);
    atomic_store(&entry->waits_at_ns, 0);
}

static void raise_high(struct region_usage *usage, uint32_t at_least)
{
    uint32_t high = atomic_load(&usage->entries_high);
    while (high < at_least && !atomic_compare_exchange_weak(&usage->entries_high, &high, at_least)) {
    }
}

/* A descriptor for the locks of the usage file. 0: there are no locks, and entries are judged by token. Negative: for
 * want of something that may be there later. */
static int lock_file(const struct life_place *place)
{
    int fd = !place->path || place->file.inode == 0 ? -ESTALE : life_open(place->path, &place->file);
    bool later = fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -EINTR;
    return fd > 0 || later ? fd : 0;
}

/* The state of claiming an entry. */
struct claim {
    const struct life_place *place;
    uint64_t token, now_ns;
    int fd; /* 0: no locks here */
    int error;
    void *kept;
};

/* true: no other process is at this entry. Without locks only the token shows that. */
static bool claim_lock(struct claim *claim, unsigned index)
{
    int got = claim->fd > 0 ? life_lock(claim->fd, index) : 1;
    if (got == -EOPNOTSUPP) {
        close(claim->fd);
        claim->fd = 0;
        got = 1;
    }
    claim->error = got < 0 ? got : claim->error;
    return got == 1;
}

static void claim_unlock(struct claim *claim, unsigned index)
{
    if (claim->fd > 0) life_unlock(claim->fd, index);
}

/* The lock is held and the token is CLAIMING. */
static struct region_entry *claim_finish(struct claim *claim, unsigned index)
{
    struct region_entry *entry = &claim->place->usage->entries[index];
    claim->kept = claim->fd > 0 ? life_keep(claim->fd) : NULL;
    entry_clear(entry, claim->place, claim->kept, claim->now_ns);
    raise_high(claim->place->usage, index + 1);
    atomic_store(&entry->token, claim->token);
    return entry;
}

static struct region_entry *claim_free(struct claim *claim)
{
    for (unsigned index = 0; index < REGION_USAGE_ENTRIES && claim->error == 0; index++) {
        struct region_entry *entry = &claim->place->usage->entries[index];
        uint64_t expected = 0;
        if (atomic_load(&entry->token) != 0 || !claim_lock(claim, index)) continue;
        if (atomic_compare_exchange_strong(&entry->token, &expected, claim->token | REGION_CLAIMING))
            return claim_finish(claim, index);
        claim_unlock(claim, index);
    }
    return NULL;
}

/* The entry that this process left before exec, emptied. An entry of another process may bear the same token in
 * another PID namespace; its lock, or its namespace, says that it is not ours. */
static struct region_entry *claim_left(struct claim *claim)
{
    unsigned kept = REGION_USAGE_ENTRIES;
    struct region_usage *usage = claim->place->usage;
    for (unsigned index = 0; index < entries_in_use(usage) && claim->error == 0; index++) {
        struct region_entry *entry = &usage->entries[index];
        uint64_t seen = atomic_load(&entry->token);
        if ((seen & ~REGION_CLAIMING) != claim->token ||
            atomic_load(&entry->pid_namespace) != claim->place->pid_namespace || !claim_lock(claim, index))
            continue;
        if (kept != REGION_USAGE_ENTRIES) { /* two of ours: a claim was cut short by exec */
            atomic_compare_exchange_strong(&entry->token, &seen, 0);
            claim_unlock(claim, index);
        } else if (atomic_compare_exchange_strong(&entry->token, &seen, claim->token | REGION_CLAIMING)) {
            kept = index;
        } else {
            claim_unlock(claim, index);
        }
    }
    return kept == REGION_USAGE_ENTRIES ? NULL : claim_finish(claim, kept);
}

int admit_claim(const struct life_place *place, uint64_t token, uint64_t now_ns, struct region_entry **own_out,
                void **kept_out)
{
    struct claim claim = {.place = place, .token = token, .now_ns = now_ns, .fd = lock_file(place)};
    if (claim.fd < 0) return claim.fd;
    struct region_entry *own = claim_left(&claim);
    own = !own ? claim_free(&claim) : own;
    if (!own && claim.error == 0 && admit_reap(place) > 0) own = claim_free(&claim);
    if (claim.fd > 0) close(claim.fd);
    *own_out = own;
    *kept_out = claim.kept;
    return own ? 0 : claim.error != 0 ? claim.error : -ENOSPC;
}

bool admit_own_again(struct region_entry *own, uint64_t token, const void *kept)
{
    uint64_t expected = 0;
    if (kept) { /* nobody else may write here: we hold the lock */
        atomic_store(&own->token, token);
        return true;
    }
    return atomic_compare_exchange_strong(&own->token, &expected, token) || expected == token;
}

void admit_leave(struct region_entry *entry, uint64_t token, void *kept)
{
    atomic_compare_exchange_strong(&entry->token, &token, 0);
    life_end(kept);
}

/* lock: the result of taking the entry's lock. An entry whose lock is held is not judged, nor is one without a lock
 * whose pid means something else to us. */
static bool entry_is_dead(const struct life_place *place, const struct region_entry *entry, int lock)
{
    uint64_t token = atomic_load(&entry->token);
    if (token == 0 || lock == 0) return false;
    if ((atomic_load(&entry->flags) & REGION_ENTRY_LOCKED) != 0) return lock == 1;
    return place->pid_namespace != 0 && atomic_load(&entry->pid_namespace) == place->pid_namespace &&
           !admit_token_alive(token);
}

unsigned admit_reap(const struct life_place *place)
{
    unsigned reaped = 0;
    int saved = errno;
    int fd = lock_file(place);
    for (unsigned index = 0; fd >= 0 && index < entries_in_use(place->usage); index++) {
        struct region_entry *entry = &place->usage->entries[index];
        uint64_t token = atomic_load(&entry->token);
        if (token == 0) continue;
        int lock = fd > 0 ? life_lock(fd, index) : -EOPNOTSUPP;
        if (entry_is_dead(place, entry, lock)) reaped += atomic_compare_exchange_strong(&entry->token, &token, 0);
        if (lock == 1) life_unlock(fd, index);
    }
    if (fd > 0) close(fd);
    errno = saved;
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
        if (token != 0 && (token & REGION_CLAIMING) == 0) sum = add_saturating(sum, atomic_load(&entry->memory_bytes));
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
        if (token != 0 && (token & REGION_CLAIMING) == 0 && atomic_load(&entry->estimate_until) > sequence)
            sum = add_saturating(sum, atomic_load(&entry->estimate_bytes));
    }
    return sum;
}

/* pending_bytes holds two things in one word, so that both are read at once: the bytes below, and above them how often
 * a request was taken back. A reader that finds the same word before and after summing, with no bytes in it, has
 * summed nothing of that entry that was later taken back. */
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
    for (unsigned index = 0; index < view->count; index++)
        changed = changed || atomic_load(&usage->entries[index].pending_bytes) != view->words[index];
    return changed;
}

/* A refusal first looks for dead peers, which costs a few microseconds per process. A peer that was seen alive is
 * believed to be for ADMIT_REAP_INTERVAL_NS. */
unsigned admit_reap_when_due(const struct life_place *place)
{
    static _Atomic uint64_t last_ns;
    static _Atomic(struct region_usage *) last_usage;
    uint64_t now_ns = host_clock_shown_ns();
    if (atomic_load(&last_usage) == place->usage && now_ns - atomic_load(&last_ns) < ADMIT_REAP_INTERVAL_NS) return 0;
    unsigned reaped = admit_reap(place);
    atomic_store(&last_ns, now_ns);
    atomic_store(&last_usage, place->usage);
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
    /* Entries wait for different times, so that two of them do not collide for ever. */
    long step = ADMIT_PAUSE_MIN_NS * (1 + ((own - usage->entries) * 5 + attempt * 3) % 11);
    long pause = step * (1 + attempt / 4);
    struct timespec span = {0, pause > ADMIT_PAUSE_MAX_NS ? ADMIT_PAUSE_MAX_NS : pause};
    nanosleep(&span, NULL);
}

/* For a request that is published. CONTESTED: refused, but others were deciding, so another try may be granted. */
enum decision { GRANTED, REFUSED, CONTESTED };

static enum decision decide(const struct region_policy *policy, const struct region_usage *usage,
                            const struct region_entry *own, uint64_t bytes)
{
    struct pending_view view;
#if defined(ADMIT_BROKEN) && ADMIT_BROKEN == 2
    sched_yield(); /* makes the collision likely on a machine with few processors */
#endif
    if (fits_with(policy, usage, 0)) return GRANTED;
    bool contested = pending_collect(usage, own, bytes, &view);
    if (fits_with(policy, usage, 0)) return GRANTED;
    contested = contested || pending_changed(usage, &view);
#if defined(ADMIT_BROKEN) && ADMIT_BROKEN == 2 /* the test of the test: gives up beside others */
    contested = false;
#endif
    return contested ? CONTESTED : REFUSED;
}

bool admit_reserve(const struct region_policy *policy, const struct life_place *place, struct region_entry *own,
                   uint64_t bytes)
{
    const struct region_usage *usage = place->usage;
    for (int attempt = 0; attempt < ADMIT_RETRIES; attempt++) {
        if ((atomic_load(&policy->flags) & REGION_POLICY_DELETED) != 0 || bytes > PENDING_BYTES ||
            bytes > atomic_load(&policy->memory_limit_bytes))
            return false; /* never published: a hopeless request must not make others fail */
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
        /* In this order: bytes that may be taken back are never seen without their mark. */
        atomic_fetch_add(&own->pending_bytes, PENDING_TAKEN_BACK - bytes);
        if (decision == CONTESTED)
            pause_before_retry(usage, own, attempt);
        else if (admit_reap_when_due(place) == 0)
            return false;
    }
    return false;
}

void admit_release(struct region_entry *own, uint64_t bytes)
{
    subtract_saturating(&own->memory_bytes, bytes);
}
