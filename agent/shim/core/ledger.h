/* Address or handle -> what was charged for it. In this process only; safe for threads; knows no driver. */
#ifndef TRANCHE_LEDGER_H
#define TRANCHE_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_SHARDS 64u

struct ledger_value {
    uint64_t bytes;
    uint64_t tag; /* the user's own: a context, a handle, a pool */
    uint32_t slice;
    uint32_t references;
};

struct ledger_slot {
    uint64_t key; /* 0: empty */
    struct ledger_value value;
};

/* All zero bytes are a valid, empty table. Not safe for threads: its user has a lock that guards more than this. */
struct ledger_table {
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
    struct ledger_slot *slots;
};

struct ledger_shard {
    atomic_flag busy; /* held for a few instructions, never across a call out of here but mmap */
    struct ledger_table table;
};

/* All zero bytes are a valid, empty ledger. */
struct ledger {
    struct ledger_shard shards[LEDGER_SHARDS];
};

/* REPLACED: the key was still there (its owner freed it behind our back); *old is what it stood for. */
enum ledger_put_result { LEDGER_ADDED, LEDGER_REPLACED, LEDGER_FULL };

enum ledger_put_result ledger_table_put(struct ledger_table *table, uint64_t key, const struct ledger_value *value,
                                        struct ledger_value *old);
bool ledger_table_take(struct ledger_table *table, uint64_t key, struct ledger_value *out);

/* Says that key is about to be put: what that meets first is then on its way. */
void ledger_expect(const struct ledger *ledger, uint64_t key);
enum ledger_put_result ledger_put(struct ledger *ledger, uint64_t key, const struct ledger_value *value,
                                  struct ledger_value *old);
bool ledger_get(struct ledger *ledger, uint64_t key, struct ledger_value *out);
bool ledger_take(struct ledger *ledger, uint64_t key, struct ledger_value *out);
/* Adds delta to references; at 0 the key goes. true if the key was there; *out as it is afterwards. */
bool ledger_refer(struct ledger *ledger, uint64_t key, int delta, struct ledger_value *out);
/* Takes every key whose value has this tag, giving each value to visit. */
void ledger_take_tag(struct ledger *ledger, uint64_t tag, void (*visit)(const struct ledger_value *value, void *user),
                     void *user);
/* Shows every key. visit must not call back into this ledger. */
void ledger_visit(struct ledger *ledger, void (*visit)(uint64_t key, const struct ledger_value *value, void *user),
                  void *user);
void ledger_dispose(struct ledger *ledger);

/* A table that cannot grow for want of memory says so while a quarter of it is still free, for what is under way; then
 * nothing more should be begun that must be put into one. Of all ledgers of this process image. */
extern _Atomic uint32_t ledger_starving;
static inline bool ledger_starves(void)
{
    return atomic_load_explicit(&ledger_starving, memory_order_relaxed) != 0;
}
/* false: there is still no memory to grow with. true: it is forgotten, and relieve of all of them says whether it is over;
 * if not, it is said again. */
bool ledger_hope(void);
bool ledger_relieve(struct ledger *ledger);
bool ledger_table_relieve(struct ledger_table *table);

#endif
