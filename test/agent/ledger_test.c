/* The pointer ledger against a plain model, and from several threads.
 * build: agent/shim/core/ledger.c
 * sanitize: address,undefined | thread
 */
#include "check.h"
#include "core/ledger.h"

#include <pthread.h>
#include <sys/resource.h>

#define KEYS 5000

static struct ledger ledger;

static struct ledger_value value_of(uint64_t bytes)
{
    return (struct ledger_value){.bytes = bytes, .tag = bytes % 7, .slice = 1, .references = 1};
}

static void unknown_keys_are_unknown(void)
{
    struct ledger_value out;
    CHECK(!ledger_take(&ledger, 0, &out));
    CHECK(!ledger_take(&ledger, 0x1000, &out));
    CHECK(!ledger_get(&ledger, 0x1000, &out));
    CHECK(!ledger_refer(&ledger, 0x1000, 1, &out));
}

/* Random puts and takes; the model is an array. Addresses are 2 MiB apart, as a driver's are. */
static void agrees_with_a_model(void)
{
    static uint64_t model[KEYS];
    unsigned seed = 1;
    uint64_t held = 0;
    for (int step = 0; step < 200000; step++) {
        unsigned at = (unsigned)rand_r(&seed) % KEYS;
        uint64_t key = UINT64_C(0x7f4000000000) + (uint64_t)at * 0x200000;
        struct ledger_value out = {0};
        if (rand_r(&seed) % 2 == 0) {
            struct ledger_value value = value_of((uint64_t)step + 1);
            enum ledger_put_result result = ledger_put(&ledger, key, &value, &out);
            CHECK_EQ(result, model[at] == 0 ? LEDGER_ADDED : LEDGER_REPLACED);
            CHECK_EQ(out.bytes, model[at]);
            held += value.bytes - model[at];
            model[at] = value.bytes;
        } else {
            CHECK_EQ(ledger_take(&ledger, key, &out), model[at] != 0);
            CHECK_EQ(out.bytes, model[at]);
            held -= model[at];
            model[at] = 0;
        }
    }
    uint64_t sum = 0;
    for (unsigned at = 0; at < KEYS; at++) {
        struct ledger_value out = {0};
        ledger_take(&ledger, UINT64_C(0x7f4000000000) + (uint64_t)at * 0x200000, &out);
        sum += out.bytes;
    }
    CHECK_EQ(sum, held);
}

static void references_end_at_zero(void)
{
    struct ledger_value value = value_of(42);
    struct ledger_value out;
    CHECK_EQ(ledger_put(&ledger, 8, &value, &out), LEDGER_ADDED);
    CHECK(ledger_refer(&ledger, 8, 1, &out));
    CHECK_EQ(out.references, 2);
    CHECK(ledger_refer(&ledger, 8, -1, &out));
    CHECK(ledger_refer(&ledger, 8, -1, &out));
    CHECK_EQ(out.references, 0);
    CHECK_EQ(out.bytes, 42);
    CHECK(!ledger_refer(&ledger, 8, -1, &out));
}

static void add_bytes(const struct ledger_value *value, void *sum)
{
    *(uint64_t *)sum += value->bytes;
}

static void a_tag_takes_all_of_it(void)
{
    uint64_t expected = 0;
    for (uint64_t at = 1; at <= KEYS; at++) {
        struct ledger_value value = value_of(at);
        struct ledger_value old;
        CHECK_EQ(ledger_put(&ledger, at * 512, &value, &old), LEDGER_ADDED);
        expected += at % 7 == 3 ? at : 0;
    }
    uint64_t sum = 0;
    ledger_take_tag(&ledger, 3, add_bytes, &sum);
    CHECK_EQ(sum, expected);
    sum = 0;
    ledger_take_tag(&ledger, 3, add_bytes, &sum);
    CHECK_EQ(sum, 0);
    for (uint64_t at = 1; at <= KEYS; at++) {
        struct ledger_value out;
        CHECK_EQ(ledger_take(&ledger, at * 512, &out), at % 7 != 3);
    }
}

static void *churn(void *argument)
{
    uint64_t base = (uint64_t)(uintptr_t)argument << 32;
    uintptr_t wrong = 0;
    for (uint64_t round = 0; round < 50; round++) {
        for (uint64_t at = 1; at < 300; at++) {
            struct ledger_value value = value_of(at);
            struct ledger_value old;
            wrong += ledger_put(&ledger, base + at * 512, &value, &old) != LEDGER_ADDED;
        }
        for (uint64_t at = 1; at < 300; at++) {
            struct ledger_value out = {0};
            wrong += !ledger_take(&ledger, base + at * 512, &out) || out.bytes != at;
        }
    }
    return (void *)wrong;
}

static void threads_do_not_mix(void)
{
    pthread_t threads[4];
    for (uintptr_t at = 0; at < 4; at++) pthread_create(&threads[at], NULL, churn, (void *)(at + 1));
    for (int at = 0; at < 4; at++) {
        void *wrong;
        pthread_join(threads[at], &wrong);
        CHECK_EQ((uintptr_t)wrong, 0);
    }
}

/* No memory to grow with: said while there are still places for what is under way, and unsaid when there is again. */
static void a_table_that_cannot_grow_says_so_in_time(void)
{
    static struct ledger starved;
    struct rlimit before, none;
    struct ledger_value old;
    uint64_t key = 0;
    CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
    none = before;
    for (; key < 1000; key++) {
        struct ledger_value value = value_of(key + 1);
        CHECK_EQ(ledger_put(&starved, (key + 1) << 21, &value, &old), LEDGER_ADDED);
    }
    CHECK(!ledger_starves());
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
    uint64_t said_at = 0, full_at = 0;
    for (; full_at == 0 && key < 100000; key++) {
        struct ledger_value value = value_of(key + 1);
        full_at = ledger_put(&starved, (key + 1) << 21, &value, &old) == LEDGER_FULL ? key : 0;
        said_at = said_at == 0 && ledger_starves() ? key : said_at;
    }
    CHECK_THAT(said_at > 0 && full_at > said_at + 8, "said at %llu, full at %llu", (unsigned long long)said_at,
               (unsigned long long)full_at);
    CHECK(!ledger_hope());
    CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
    CHECK(ledger_hope() && ledger_relieve(&starved));
    CHECK(!ledger_starves());
    struct ledger_value value = value_of(1);
    CHECK_EQ(ledger_put(&starved, (key + 1) << 21, &value, &old), LEDGER_ADDED);
    ledger_dispose(&starved);
}

int main(void)
{
    RUN(unknown_keys_are_unknown);
    RUN(agrees_with_a_model);
    RUN(references_end_at_zero);
    RUN(a_tag_takes_all_of_it);
    RUN(threads_do_not_mix);
    RUN(a_table_that_cannot_grow_says_so_in_time);
    ledger_dispose(&ledger);
    return check_done();
}
