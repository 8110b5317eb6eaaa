#include "ledger.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_CAPACITY 128u

static uint64_t hash_of(uint64_t key)
{
    /* Addresses share their low bits: mix before use. */
    key ^= key >> 33;
    key *= UINT64_C(0xff51afd7ed558ccd);
    key ^= key >> 33;
    return key;
}

static struct ledger_shard *shard_lock(struct ledger *ledger, uint64_t hash)
{
    struct ledger_shard *shard = &ledger->shards[hash >> 58];
    while (atomic_flag_test_and_set_explicit(&shard->busy, memory_order_acquire)) {
        sched_yield();
    }
    return shard;
}

static void shard_unlock(struct ledger_shard *shard)
{
    atomic_flag_clear_explicit(&shard->busy, memory_order_release);
}

/* Where the key is, or the empty place where it would go. The table is never full. */
static struct ledger_slot *find(struct ledger_shard *shard, uint64_t key, uint64_t hash)
{
    uint32_t mask = shard->capacity - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (shard->slots[at].key != 0 && shard->slots[at].key != key) {
        at = (at + 1) & mask;
    }
    return &shard->slots[at];
}

/* Where the key is; NULL: it is not there. */
static struct ledger_slot *known(struct ledger_shard *shard, uint64_t key, uint64_t hash)
{
    struct ledger_slot *slot = shard->count > 0 && key != 0 ? find(shard, key, hash) : NULL;
    return slot != NULL && slot->key == key ? slot : NULL;
}

static bool grow(struct ledger_shard *shard)
{
    uint32_t capacity = shard->capacity == 0 ? FIRST_CAPACITY : shard->capacity * 2;
    size_t bytes = (size_t)capacity * sizeof(struct ledger_slot);
    /* mmap, not malloc: we may be inside the program's allocator. */
    struct ledger_slot *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED) {
        return false;
    }
    struct ledger_slot *before = shard->slots;
    uint32_t before_capacity = shard->capacity;
    shard->slots = slots;
    shard->capacity = capacity;
    for (uint32_t at = 0; at < before_capacity; at++) {
        if (before[at].key != 0) {
            *find(shard, before[at].key, hash_of(before[at].key)) = before[at];
        }
    }
    if (before != NULL) {
        munmap(before, (size_t)before_capacity * sizeof *before);
    }
    return true;
}

/* Removes without tombstones: what follows and may no longer be found moves up. */
static void erase(struct ledger_shard *shard, struct ledger_slot *slot)
{
    uint32_t mask = shard->capacity - 1;
    uint32_t hole = (uint32_t)(slot - shard->slots);
    for (uint32_t at = (hole + 1) & mask; shard->slots[at].key != 0; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)hash_of(shard->slots[at].key) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            shard->slots[hole] = shard->slots[at];
            hole = at;
        }
    }
    memset(&shard->slots[hole], 0, sizeof shard->slots[hole]);
    shard->count--;
}

void ledger_expect(const struct ledger *ledger, uint64_t key)
{
    __builtin_prefetch(&ledger->shards[hash_of(key) >> 58], 1);
}

enum ledger_put_result ledger_put(struct ledger *ledger, uint64_t key, const struct ledger_value *value,
                                  struct ledger_value *old)
{
    if (key == 0) {
        return LEDGER_FULL;
    }
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    enum ledger_put_result result = LEDGER_ADDED;
    if (shard->count * 4 >= shard->capacity * 3 && !grow(shard) && shard->count + 1 >= shard->capacity) {
        result = LEDGER_FULL;
    } else {
        struct ledger_slot *slot = find(shard, key, hash);
        if (slot->key == key) {
            *old = slot->value;
            result = LEDGER_REPLACED;
        } else {
            shard->count++;
        }
        slot->key = key;
        slot->value = *value;
    }
    shard_unlock(shard);
    return result;
}

bool ledger_get(struct ledger *ledger, uint64_t key, struct ledger_value *out)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    struct ledger_slot *slot = known(shard, key, hash);
    if (slot != NULL) {
        *out = slot->value;
    }
    shard_unlock(shard);
    return slot != NULL;
}

bool ledger_take(struct ledger *ledger, uint64_t key, struct ledger_value *out)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    struct ledger_slot *slot = known(shard, key, hash);
    if (slot != NULL) {
        *out = slot->value;
        erase(shard, slot);
    }
    shard_unlock(shard);
    return slot != NULL;
}

bool ledger_refer(struct ledger *ledger, uint64_t key, int delta, struct ledger_value *out)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    struct ledger_slot *slot = known(shard, key, hash);
    if (slot != NULL) {
        slot->value.references = (uint32_t)((int64_t)slot->value.references + delta);
        *out = slot->value;
        if (slot->value.references == 0) {
            erase(shard, slot);
        }
    }
    shard_unlock(shard);
    return slot != NULL;
}

void ledger_take_tag(struct ledger *ledger, uint64_t tag, void (*visit)(const struct ledger_value *value, void *user),
                     void *user)
{
    for (uint64_t index = 0; index < LEDGER_SHARDS; index++) {
        struct ledger_shard *shard = shard_lock(ledger, index << 58);
        for (uint32_t at = 0; at < shard->capacity;) {
            if (shard->slots[at].key != 0 && shard->slots[at].value.tag == tag) {
                struct ledger_value value = shard->slots[at].value;
                erase(shard, &shard->slots[at]); /* another may have moved to this place: look again */
                visit(&value, user);
            } else {
                at++;
            }
        }
        shard_unlock(shard);
    }
}

void ledger_visit(struct ledger *ledger, void (*visit)(uint64_t key, const struct ledger_value *value, void *user),
                  void *user)
{
    for (uint64_t index = 0; index < LEDGER_SHARDS; index++) {
        struct ledger_shard *shard = shard_lock(ledger, index << 58);
        for (uint32_t at = 0; at < shard->capacity; at++) {
            if (shard->slots[at].key != 0) {
                visit(shard->slots[at].key, &shard->slots[at].value, user);
            }
        }
        shard_unlock(shard);
    }
}

void ledger_dispose(struct ledger *ledger)
{
    for (uint32_t index = 0; index < LEDGER_SHARDS; index++) {
        struct ledger_shard *shard = &ledger->shards[index];
        if (shard->slots != NULL) {
            munmap(shard->slots, (size_t)shard->capacity * sizeof *shard->slots);
        }
        memset(shard, 0, sizeof *shard);
    }
}
