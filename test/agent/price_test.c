/* The price book: what is timed when, and what a price becomes.
 * build: agent/shim/core/price.c
 * sanitize: address,undefined | thread
 */
#include "check.h"
#include "core/price.h"

#include <stdlib.h>

static struct price_book book;

static struct price *fresh(uintptr_t code)
{
    struct price_shape shape = {.code = code, .grid = {1, 1, 1}, .block = {32, 1, 1}};
    return price_find(&book, price_key(&shape));
}

static void shapes_have_their_own_price(void)
{
    struct price_shape shape = {.code = 1, .grid = {4, 2, 1}, .block = {32, 1, 1}, .shared = 0};
    uint64_t key = price_key(&shape);
    CHECK_EQ(price_key(&shape), key);
    for (int field = 0; field < 8; field++) {
        struct price_shape other = shape;
        uint32_t *words[] = {&other.grid[0],  &other.grid[1],  &other.grid[2], &other.block[0],
                             &other.block[1], &other.block[2], &other.shared};
        if (field == 7)
            other.code++;
        else
            (*words[field])++;
        CHECK_THAT(price_key(&other) != key, "field %d", field);
    }
    CHECK(price_find(&book, key) == price_find(&book, key));
}

static void the_first_are_timed_then_ever_fewer(void)
{
    struct price *price = fresh(100);
    int timed = 0;
    for (int launch = 0; launch < 100000; launch++) {
        if (price_due(price, PRICE_SPARSE)) {
            timed++;
            price_learn(price, 30000, 0, 0, false);
            CHECK(launch >= (int)PRICE_EAGER_SAMPLES || timed == launch + 1);
        }
    }
    CHECK_THAT(timed > 300 && timed < 600, "%d", timed);
}

static void so_many_timings_at_once(void)
{
    struct price *price = fresh(200);
    unsigned under_way = 0;
    for (int launch = 0; launch < 100; launch++) {
        under_way += price_due(price, PRICE_EXACT);
        CHECK_EQ(atomic_load(&price->due) == 0, launch + 1 > (int)PRICE_EAGER_SAMPLES); /* each looks for the answer */
    }
    CHECK_EQ(under_way, PRICE_EAGER_SAMPLES);
    for (unsigned at = 0; at < PRICE_EAGER_SAMPLES; at++) price_learn(price, 5, 0, 0, false);
    under_way = 0;
    for (int launch = 0; launch < 100000; launch++) under_way += price_due(price, PRICE_EXACT);
    CHECK_EQ(under_way, PRICE_TIMINGS_MAX);
    price_learn(price, 5, 0, 0, false);
    price_timing_ended(price);
    for (int launch = 0; launch < 100000; launch++) under_way += price_due(price, PRICE_EXACT);
    CHECK_EQ(under_way, PRICE_TIMINGS_MAX + 2);
}

/* One kernel that takes other times in a fixed order, ten launches to a synchronization: all are met alike. */
static void timings_are_not_in_step(void)
{
    struct price *price = fresh(210);
    int met[10] = {0};
    int pending[10] = {0};
    int total = 0;
    for (int launch = 0; launch < 300000; launch++) {
        int at = launch % 10;
        if (price_due(price, PRICE_EXACT)) pending[at]++;
        for (int one = 0; at == 9 && one < 10; one++) {
            for (; pending[one] > 0; pending[one]--) {
                met[one]++;
                total++;
                price_learn(price, 300000, 0, 0, false);
            }
        }
    }
    for (int at = 0; at < 10; at++)
        CHECK_THAT(met[at] > total / 10 * 0.85 && met[at] < total / 10 * 1.15, "%d of %d at %d", met[at], total, at);
}

static void a_seed_holds_until_it_is_contradicted(void)
{
    struct price *price = fresh(230);
    price_seed(price, 1000, 1000000);
    CHECK_EQ(atomic_load(&price->ns), 1000);
    price_seed(price, 5, 1000000); /* what is known stays */
    CHECK_EQ(atomic_load(&price->ns), 1000);
    CHECK(price_due(price, PRICE_SPARSE));
    price_learn(price, 1900, 0, 0, false);
    CHECK_EQ(atomic_load(&price->ns), 1100); /* one of nine */
    price = fresh(231);
    price_seed(price, UINT64_C(10000000000), 1000000);
    CHECK(price_due(price, PRICE_SPARSE));
    price_learn(price, 1000, 0, 0, false);
    CHECK_EQ(atomic_load(&price->ns), 1000); /* a lie does not outlive the first timing */
    price = fresh(232);
    price_seed(price, 500, UINT32_MAX);
    CHECK(price_due(price, PRICE_SPARSE));
    price_learn(price, 1000000, 0, 0, false);
    CHECK_EQ(atomic_load(&price->ns), 1000000);
}

static void a_timing_that_loaded_code_is_thrown_away(void)
{
    struct price *price = fresh(220);
    for (unsigned at = 0; at < PRICE_DISCARDS_MAX; at++) {
        CHECK(price_due(price, PRICE_EXACT));
        CHECK(price_discard(price));
        CHECK_EQ(atomic_load(&price->ns), 0);
    }
    CHECK(price_due(price, PRICE_EXACT)); /* whoever always takes so long must get a price too */
    CHECK(!price_discard(price));
    price_learn(price, 7, 0, 0, false);
    CHECK_EQ(atomic_load(&price->ns), 7);
    CHECK(price_due(price, PRICE_EXACT));
    CHECK(price_discard(price));
}

/* What a launch may be paid by without another look: a known price, until the next timing is due. */
static void known_prices_pay_until_a_timing_is_due(void)
{
    struct price *price = fresh(250);
    uint64_t key = price->key;
    CHECK_EQ(price_of_known(&book, key), 0);
    CHECK(price_due(price, PRICE_SPARSE));
    CHECK_EQ(price_of_known(&book, key), 0); /* nothing is known yet */
    price_learn(price, 700, 0, 0, false);
    CHECK_EQ(price_of_known(&book, key), 0); /* the next is to be timed as well */
    for (uint32_t timed = 1; timed < PRICE_EAGER_SAMPLES; timed++) {
        CHECK(price_due(price, PRICE_SPARSE));
        price_learn(price, 700, 0, 0, false);
    }
    int paid = 0;
    CHECK(!price_due(price, PRICE_SPARSE));
    while (price_of_known(&book, key) == 700) paid++;
    CHECK_THAT(paid >= 1 && paid <= 4, "%d", paid); /* the interval is drawn around 4, and one was looked at */
    CHECK(price_due(price, PRICE_SPARSE));
    for (unsigned timing = 1; timing < PRICE_TIMINGS_MAX; timing++) {
        while (!price_due(price, PRICE_SPARSE)) {
        }
    }
    CHECK(!price_due(price, PRICE_SPARSE));
    for (int launch = 0; launch < 1000; launch++)
        CHECK_EQ(price_of_known(&book, key), 700); /* enough timings are under way: nothing is due */
    price_timing_ended(price);
    CHECK_EQ(price_of_known(&book, key), 0);
    price_not_timed(price);
    for (paid = 0; price_of_known(&book, key) == 700; paid++) {
    }
    CHECK_EQ(paid, PRICE_INTERVAL_MAX - 1);
    price_forget(price);
    CHECK_EQ(price_of_known(&book, key), 0);
}

/* Beside others a timing holds their turns; but not so many of them. */
static void other_work_is_told_from_turns(void)
{
    struct price *price = fresh(260);
    price_seed(price, 300000, 40); /* as another process of the slice has it */
    price_due(price, PRICE_EXACT);
    price_learn(price, 100000000, 1, 0, false);
    CHECK_THAT(atomic_load(&price->ns) > 90000000, "%llu", (unsigned long long)atomic_load(&price->ns));
    price = fresh(261);
    for (int timed = 0; timed < 40; timed++) {
        price_due(price, PRICE_EXACT);
        price_learn(price, 300000, 0, 0, false);
    }
    price_due(price, PRICE_EXACT);
    price_learn(price, 5000000, 1, 0, false); /* two turns of somebody else's */
    CHECK_EQ(atomic_load(&price->ns), 300000);
    price_due(price, PRICE_EXACT);
    price_learn(price, 100000000, 1, 40000000, false);
    CHECK_THAT(atomic_load(&price->ns) > 50000000, "%llu", (unsigned long long)atomic_load(&price->ns));
}

static void unpriced_launches_owe(void)
{
    struct price *price = fresh(300);
    atomic_store(&price->unpriced, 7);
    CHECK_EQ(price_learn(price, 1000, 0, 0, false), 7000);
    CHECK_EQ(price_learn(price, 1000, 0, 0, false), 0);
    /* What was charged for them in advance is taken off, and given back where it was too much. */
    price = fresh(310);
    price_due(price, PRICE_SPARSE);
    atomic_store(&price->unpriced, 7);
    price_advance(price, 3, 2000);
    CHECK_EQ(price_learn(price, 1000, 0, 0, false), 1000);
    price = fresh(320);
    price_due(price, PRICE_SPARSE);
    atomic_store(&price->unpriced, 7);
    price_advance(price, 5, 2000);
    CHECK_EQ(price_learn(price, 1000, 0, 0, false), -3000);
}

static void alone_every_timing_counts(void)
{
    struct price *price = fresh(400);
    for (int at = 0; at < 400; at++)
        price_learn(price, at % 4 == 0 ? 4000 : 1000, 0, 0, false); /* arguments decide: the mean is 1750 */
    uint64_t ns = atomic_load(&price->ns);
    CHECK_THAT(ns > 1400 && ns < 2100, "%llu", (unsigned long long)ns);
}

static void beside_others_their_turns_do_not_count(void)
{
    struct price *price = fresh(500);
    price_learn(price, 2001000, 1, 2000000, false); /* the very first lies under somebody's turn, who says so */
    CHECK_EQ(atomic_load(&price->ns), 1000500);     /* ...and is not believed altogether */
    price_learn(price, 1000, 1, 0, false);
    CHECK_EQ(atomic_load(&price->ns), 1000);
    for (int at = 0; at < 100; at++) price_learn(price, at % 2 == 0 ? 1900000 : 1000, 1, 0, false);
    uint64_t ns = atomic_load(&price->ns);
    CHECK_THAT(ns >= 990 && ns < 1100, "%llu", (unsigned long long)ns);
    for (int at = 0; at < 600; at++) price_learn(price, 5000, 1, 0, false); /* it really became dearer */
    CHECK(atomic_load(&price->ns) > 4000);
}

/* A card that others heat runs slower: the mean that was taken alone moves with the quartile. */
static void a_mean_taken_alone_follows_the_clock(void)
{
    struct price *price = fresh(600);
    for (int at = 0; at < 400; at++) price_learn(price, at % 4 == 0 ? 400000 : 100000, 0, 0, false);
    uint64_t alone = atomic_load(&price->ns);
    CHECK_THAT(alone > 150000 && alone < 205000, "%llu", (unsigned long long)alone);
    for (int at = 0; at < 400; at++) price_learn(price, at % 4 == 0 ? 440000 : 110000, 1, 0, false);
    double ratio = (double)atomic_load(&price->ns) / (double)alone;
    CHECK_THAT(ratio > 1.07 && ratio < 1.13, "%.3f", ratio);
}

/* Longer than a turn: every timing holds others' turns. What is known from before is kept, else theirs is taken off. */
static void long_kernels_beside_others(void)
{
    struct price *price = fresh(700);
    price_learn(price, 200000000, 1, 100000000, false);
    CHECK_EQ(atomic_load(&price->ns), 100000000);
    struct price *known = fresh(701);
    for (uint32_t at = 0; at < PRICE_EAGER_SAMPLES; at++) /* fewer may have begun before the other was seen */
        price_learn(known, 100000000, 0, 0, false);
    price_learn(known, 230000000, 1, 0, false);
    CHECK_EQ(atomic_load(&known->ns), 100000000);
}

/* What others launch is charged in lumps; and what they say of it is bounded by what turns of one length leave. */
static void long_kernels_beside_lumps(void)
{
    struct price *price = fresh(710);
    for (int at = 0; at < 300; at++) price_learn(price, 40000000, 1, at % 4 == 0 ? 80000000 : 0, false);
    double ms = (double)atomic_load(&price->ns) / 1e6;
    CHECK_THAT(ms > 19.5 && ms < 21, "%.2f", ms);
    for (uint32_t others = 1; others < 4; others += 2) {
        price = fresh(711 + others);
        price_learn(price, 40000000, others, 200000000, false);
        CHECK_EQ(atomic_load(&price->ns), 40000000 / (others + 1));
    }
    /* One that began before the other was seen counts for nothing. */
    price = fresh(720);
    price_learn(price, 40000000, 0, 0, false);
    price_learn(price, 40000000, 1, 20000000, false);
    CHECK_EQ(atomic_load(&price->ns), 20000000);
    price_forget(price); /* the place is another kernel's now */
    price_learn(price, 10000000, 1, 0, false);
    CHECK_EQ(atomic_load(&price->ns), 9999999); /* a mean is never 0: one nanosecond was theirs */
}

static void a_limit_is_timed_as_often_as_pays(void)
{
    struct price *dear = fresh(800);
    struct price *cheap = fresh(801);
    int timed[2] = {0};
    for (int launch = 0; launch < 10000; launch++) {
        if (price_due(dear, PRICE_EXACT)) {
            timed[0]++;
            price_learn(dear, 1000000, 0, 0, false);
        }
        if (price_due(cheap, PRICE_EXACT)) {
            timed[1]++;
            price_learn(cheap, 5000, 0, 0, false);
        }
    }
    CHECK_EQ(timed[0], 10000);
    CHECK_THAT(timed[1] * 4 < 10000 * 5 / 100, "%d", timed[1]); /* 4 us each, of 5 us x 10,000: under a hundredth */
}

static void short_kernels_are_timed_seldom(void)
{
    struct price *price = fresh(802);
    int timed = 0;
    for (int launch = 0; launch < 200000; launch++) {
        if (price_due(price, PRICE_EXACT)) {
            timed++;
            price_learn(price, 2000, 0, 0, false);
        }
    }
    /* 0.8 ms of GPU time between two, 4 us each; and often enough to follow a clock within a tenth of a second. */
    CHECK_THAT(timed > 200 && timed < 400, "%d", timed);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void shapes_do_not_meet(void)
{
    enum { CODES = 64, GRIDS = 64, BLOCKS = 32, KEYS = CODES * GRIDS * BLOCKS };
    static uint64_t keys[KEYS];
    static unsigned places[PRICE_BOOK_ENTRIES];
    size_t count = 0;
    for (uint32_t code = 0; code < CODES; code++) {
        for (uint32_t grid = 1; grid <= GRIDS; grid++) {
            for (uint32_t block = 1; block <= BLOCKS; block++) {
                struct price_shape shape = {
                    .code = UINT64_C(0x7f0012340000) + 128 * code, .grid = {grid, 1, 1}, .block = {32 * block, 1, 1}};
                keys[count] = price_key(&shape);
                places[price_place(keys[count++])]++;
            }
        }
    }
    qsort(keys, KEYS, sizeof keys[0], ascending);
    for (size_t at = 1; at < KEYS; at++) CHECK(keys[at] != keys[at - 1]);
    for (size_t at = 0; at < PRICE_BOOK_ENTRIES; at++) /* 16 on average */
        CHECK_THAT(places[at] < 48, "%u at %zu", places[at], at);
}

static void a_full_book_still_answers(void)
{
    for (uintptr_t code = 1000; code < 1000 + 3 * PRICE_BOOK_ENTRIES; code++) CHECK(fresh(code) != NULL);
    price_forget_all(&book);
    CHECK_EQ(atomic_load(&fresh(500)->ns), 0);
}

int main(void)
{
    RUN(shapes_have_their_own_price);
    RUN(the_first_are_timed_then_ever_fewer);
    RUN(shapes_do_not_meet);
    RUN(short_kernels_are_timed_seldom);
    RUN(known_prices_pay_until_a_timing_is_due);
    RUN(so_many_timings_at_once);
    RUN(timings_are_not_in_step);
    RUN(a_seed_holds_until_it_is_contradicted);
    RUN(a_timing_that_loaded_code_is_thrown_away);
    RUN(other_work_is_told_from_turns);
    RUN(unpriced_launches_owe);
    RUN(alone_every_timing_counts);
    RUN(beside_others_their_turns_do_not_count);
    RUN(a_mean_taken_alone_follows_the_clock);
    RUN(long_kernels_beside_others);
    RUN(long_kernels_beside_lumps);
    RUN(a_limit_is_timed_as_often_as_pays);
    RUN(a_full_book_still_answers);
    return check_done();
}
