/* The price book: what is timed when, and what a price becomes.
 * build: agent/shim/price.c
 * sanitize: address,undefined | thread
 */
#include "check.h"
#include "price.h"

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
        if (field == 7) {
            other.code++;
        } else {
            (*words[field])++;
        }
        CHECK_THAT(price_key(&other) != key, "field %d", field);
    }
    CHECK(price_find(&book, key) == price_find(&book, key));
}

static void the_first_are_timed_then_ever_fewer(void)
{
    struct price *price = fresh(100);
    int timed = 0;
    for (int launch = 0; launch < 100000; launch++) {
        if (price_due(price)) {
            timed++;
            price_learn(price, 1000, true);
            CHECK(launch >= (int)PRICE_EAGER_SAMPLES || timed == launch + 1);
        }
    }
    CHECK_THAT(timed > 300 && timed < 600, "%d", timed);
}

static void one_timing_at_a_time(void)
{
    struct price *price = fresh(200);
    CHECK(price_due(price));
    CHECK(!price_due(price));
    price_learn(price, 5, true);
    CHECK(price_due(price));
}

static void unpriced_launches_owe(void)
{
    struct price *price = fresh(300);
    atomic_store(&price->unpriced, 7);
    CHECK_EQ(price_learn(price, 1000, true), 7000);
    CHECK_EQ(price_learn(price, 1000, true), 0);
}

static void alone_every_timing_counts(void)
{
    struct price *price = fresh(400);
    for (int at = 0; at < 400; at++) {
        price_learn(price, at % 4 == 0 ? 4000 : 1000, true); /* arguments decide: the mean is 1750 */
    }
    uint64_t ns = atomic_load(&price->ns);
    CHECK_THAT(ns > 1400 && ns < 2100, "%llu", (unsigned long long)ns);
}

static void beside_others_their_turns_do_not_count(void)
{
    struct price *price = fresh(500);
    price_learn(price, 2001000, false); /* the very first lies under somebody's turn */
    price_learn(price, 1000, false);
    CHECK_EQ(atomic_load(&price->ns), 1000);
    for (int at = 0; at < 100; at++) {
        price_learn(price, at % 2 == 0 ? 2001000 : 1000, false);
    }
    CHECK_EQ(atomic_load(&price->ns), 1000);
    for (unsigned at = 0; at < 10 * PRICE_OUTLIERS_MAX; at++) {
        price_learn(price, 5000, false); /* it really became dearer */
    }
    CHECK(atomic_load(&price->ns) > 2000);
}

static void a_full_book_still_answers(void)
{
    for (uintptr_t code = 1000; code < 1000 + 3 * PRICE_BOOK_ENTRIES; code++) {
        CHECK(fresh(code) != NULL);
    }
    price_forget_all(&book);
    CHECK_EQ(atomic_load(&fresh(500)->ns), 0);
}

int main(void)
{
    RUN(shapes_have_their_own_price);
    RUN(the_first_are_timed_then_ever_fewer);
    RUN(one_timing_at_a_time);
    RUN(unpriced_launches_owe);
    RUN(alone_every_timing_counts);
    RUN(beside_others_their_turns_do_not_count);
    RUN(a_full_book_still_answers);
    return check_done();
}
