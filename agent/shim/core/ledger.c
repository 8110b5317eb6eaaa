#include "core/ledger.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_CAPACITY 128u

_Atomic uint32_t ledger_starving;

/* Word by word: what was just written so is read without waiting for it to reach the cache, which a copy in wider pieces
 * would do (a quarter of what a hook of an asynchronous allocation took). */
static void copy(struct ledger_value *to, const struct ledger_value *from)
{
    to->bytes = from->bytes;
    to->tag = from->tag;
    to->slice = from->slice;
    to->references = from->references;
}

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
    while (atomic_flag_test_and_set_explicit(&shard->busy, memory_order_acquire)) sched_yield();
    return shard;
}

static void shard_unlock(struct ledger_shard *shard)
{
    atomic_flag_clear_explicit(&shard->busy, memory_order_release);
}

/* Where the key is, or the empty place where it would go. The table is never full. */
static struct ledger_slot *find(const struct ledger_table *table, uint64_t key, uint64_t hash)
{
    uint32_t mask = table->capacity - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (table->slots[at].key != 0 && table->slots[at].key != key) at = (at + 1) & mask;
    return &table->slots[at];
}

static bool grow(struct ledger_table *table)
{
    uint32_t capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    size_t bytes = (size_t)capacity * sizeof(struct ledger_slot);
    /* mmap, not malloc: we may be inside the program's allocator. */
    struct ledger_slot *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED) {
        atomic_store(&ledger_starving, 1);
        return false;
    }
    struct ledger_slot *before = table->slots;
    uint32_t before_capacity = table->capacity;
    table->slots = slots;
    table->capacity = capacity;
    for (uint32_t at = 0; at < before_capacity; at++)
        if (before[at].key != 0) *find(table, before[at].key, hash_of(before[at].key)) = before[at];
    if (before) munmap(before, (size_t)before_capacity * sizeof *before);
    return true;
}

/* Removes without tombstones: what follows and may no longer be found moves up. */
static void erase(struct ledger_table *table, struct ledger_slot *slot)
{
    uint32_t mask = table->capacity - 1;
    uint32_t hole = (uint32_t)(slot - table->slots);
    for (uint32_t at = (hole + 1) & mask; table->slots[at].key != 0; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)hash_of(table->slots[at].key) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    memset(&table->slots[hole], 0, sizeof table->slots[hole]);
    table->count--;
}

/* Where the key is; NULL: nowhere. */
static struct ledger_slot *known(const struct ledger_table *table, uint64_t key, uint64_t hash)
{
    struct ledger_slot *slot = table->count == 0 || key == 0 ? NULL : find(table, key, hash);
    return !slot || slot->key != key ? NULL : slot;
}

static bool is_crowded(const struct ledger_table *table)
{
    return table->count * 4 >= table->capacity * 3;
}

bool ledger_hope(void)
{
    size_t bytes = FIRST_CAPACITY * sizeof(struct ledger_slot);
    void *probe = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) return false;
    munmap(probe, bytes);
    atomic_store(&ledger_starving, 0);
    return true;
}

bool ledger_table_relieve(struct ledger_table *table)
{
    return table->capacity == 0 || !is_crowded(table) || grow(table);
}

bool ledger_relieve(struct ledger *ledger)
{
    bool all = true;
    for (uint64_t index = 0; index < LEDGER_SHARDS; index++) {
        struct ledger_shard *shard = shard_lock(ledger, index << 58);
        all = ledger_table_relieve(&shard->table) && all;
        shard_unlock(shard);
    }
    return all;
}

static enum ledger_put_result put(struct ledger_table *table, uint64_t key, uint64_t hash,
                                  const struct ledger_value *value, struct ledger_value *old)
{
    if (key == 0 || (is_crowded(table) && !grow(table) && table->count + 1 >= table->capacity)) return LEDGER_FULL;
    struct ledger_slot *slot = find(table, key, hash);
    enum ledger_put_result result = slot->key == key ? LEDGER_REPLACED : LEDGER_ADDED;
    if (result == LEDGER_REPLACED)
        copy(old, &slot->value);
    else
        table->count++;
    slot->key = key;
    copy(&slot->value, value);
    return result;
}

static bool take(struct ledger_table *table, uint64_t key, uint64_t hash, struct ledger_value *out)
{
    struct ledger_slot *slot = known(table, key, hash);
    if (!slot) return false;
    copy(out, &slot->value);
    erase(table, slot);
    return true;
}

enum ledger_put_result ledger_table_put(struct ledger_table *table, uint64_t key, const struct ledger_value *value,
                                        struct ledger_value *old)
{
    return put(table, key, hash_of(key), value, old);
}

bool ledger_table_take(struct ledger_table *table, uint64_t key, struct ledger_value *out)
{
    return take(table, key, hash_of(key), out);
}

void ledger_expect(const struct ledger *ledger, uint64_t key)
{
    __builtin_prefetch(&ledger->shards[hash_of(key) >> 58], 1);
}

enum ledger_put_result ledger_put(struct ledger *ledger, uint64_t key, const struct ledger_value *value,
                                  struct ledger_value *old)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    enum ledger_put_result result = put(&shard->table, key, hash, value, old);
    shard_unlock(shard);
    return result;
}

bool ledger_get(struct ledger *ledger, uint64_t key, struct ledger_value *out)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    const struct ledger_slot *slot = known(&shard->table, key, hash);
    if (slot) copy(out, &slot->value);
    shard_unlock(shard);
    return slot;
}

bool ledger_take(struct ledger *ledger, uint64_t key, struct ledger_value *out)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    bool found = take(&shard->table, key, hash, out);
    shard_unlock(shard);
    return found;
}

bool ledger_refer(struct ledger *ledger, uint64_t key, int delta, struct ledger_value *out)
{
    uint64_t hash = hash_of(key);
    struct ledger_shard *shard = shard_lock(ledger, hash);
    struct ledger_slot *slot = known(&shard->table, key, hash);
    if (slot) {
        slot->value.references = (uint32_t)((int64_t)slot->value.references + delta);
        *out = slot->value;
        if (slot->value.references == 0) erase(&shard->table, slot);
    }
    shard_unlock(shard);
    return slot;
}

void ledger_take_tag(struct ledger *ledger, uint64_t tag, void (*visit)(const struct ledger_value *value, void *user),
                     void *user)
{
    for (uint64_t index = 0; index < LEDGER_SHARDS; index++) {
        struct ledger_shard *shard = shard_lock(ledger, index << 58);
        for (uint32_t at = 0; at < shard->table.capacity;) {
            if (shard->table.slots[at].key != 0 && shard->table.slots[at].value.tag == tag) {
                struct ledger_value value = shard->table.slots[at].value;
                erase(&shard->table, &shard->table.slots[at]); /* another may have moved to this place: look again */
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
        for (uint32_t at = 0; at < shard->table.capacity; at++)
            if (shard->table.slots[at].key != 0)
                visit(shard->table.slots[at].key, &shard->table.slots[at].value, user);
        shard_unlock(shard);
    }
}

void ledger_dispose(struct ledger *ledger)
{
    for (uint32_t index = 0; index < LEDGER_SHARDS; index++) {
        struct ledger_shard *shard = &ledger->shards[index];
        if (shard->table.slots) munmap(shard->table.slots, (size_t)shard->table.capacity * sizeof *shard->table.slots);
        memset(shard, 0, sizeof *shard);
    }
}
