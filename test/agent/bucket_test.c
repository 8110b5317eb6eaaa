/* Token arithmetic.
 * build: agent/common/bucket.c
 * sanitize: address,undefined | thread
 */
#include "bucket.h"
#include "check.h"

#include <pthread.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

static struct region_usage usage;

static void fresh(void)
{
    memset(&usage, 0, sizeof usage);
    bucket_refill(&usage, SECOND, 5000); /* starts the count with nothing saved */
}

static void first_use_grants_nothing(void)
{
    fresh();
    CHECK_EQ(bucket_level(&usage), 0);
    bucket_refill(&usage, SECOND + 2 * MS, 5000);
    CHECK_EQ(bucket_level(&usage), MS);
}

static void refill_stops_at_the_burst(void)
{
    fresh();
    bucket_refill(&usage, 3600 * SECOND, 10000);
    CHECK_EQ(bucket_level(&usage), BUCKET_BURST_NS);
    bucket_refill(&usage, UINT64_MAX / 2, 10000); /* absurd intervals do not overflow */
    CHECK_EQ(bucket_level(&usage), BUCKET_BURST_NS);
}

static void small_intervals_lose_nothing(void)
{
    fresh();
    uint64_t now = SECOND;
    int64_t spent = 0;
    for (int step = 0; step < 100000; step++) {
        now += 777; /* far below the smallest refill */
        bucket_refill(&usage, now, 2500);
        if (bucket_level(&usage) > 1000) {
            spent += bucket_level(&usage);
            bucket_take(&usage, bucket_level(&usage));
        }
    }
    double share = (double)(spent + bucket_level(&usage)) / (double)(now - SECOND);
    CHECK_THAT(share > 0.2499 && share < 0.2501, "%f", share);
}

static void debt_is_paid_at_the_share(void)
{
    fresh();
    CHECK_EQ(bucket_take(&usage, 4 * (int64_t)MS), -4 * (int64_t)MS);
    CHECK_EQ(bucket_wait_ns(-4 * (int64_t)MS, 2500), 16 * MS + 1);
    CHECK_EQ(bucket_wait_ns(0, 2500), 0);
    CHECK_EQ(bucket_wait_ns(5, 2500), 0);
    bucket_refill(&usage, SECOND + 16 * MS, 2500);
    CHECK_EQ(bucket_level(&usage), 0);
}

static void debt_has_a_floor(void)
{
    fresh();
    for (int at = 0; at < 100; at++) bucket_take(&usage, INT64_MAX);
    CHECK_EQ(bucket_level(&usage), -BUCKET_DEBT_MAX_NS);
    CHECK(bucket_wait_ns(INT64_MIN, 1) <= (uint64_t)BUCKET_DEBT_MAX_NS * 10000 + 1);
}

/* Any tenant of the slice can write these words. */
static void nonsense_in_the_page_is_survived(void)
{
    fresh();
    atomic_store(&usage.bucket_level_ns, INT64_MIN);
    CHECK_EQ(bucket_take(&usage, 1), -BUCKET_DEBT_MAX_NS);
    atomic_store(&usage.bucket_level_ns, INT64_MAX);
    CHECK_EQ(bucket_take(&usage, 1), BUCKET_BURST_NS - 1);
    atomic_store(&usage.bucket_refilled_at_ns, UINT64_MAX); /* a stamp from the future must not stop the slice */
    atomic_store(&usage.bucket_level_ns, -5);
    bucket_refill(&usage, 2 * SECOND, 5000);
    bucket_refill(&usage, 2 * SECOND + MS, 5000);
    CHECK(bucket_level(&usage) > 0);
    atomic_store(&usage.bucket_level_ns, INT64_MIN);
    bucket_refill(&usage, 3 * SECOND, 0); /* share 0 counts as the smallest */
    CHECK(bucket_level(&usage) < 0);
}

static void *taker(void *unused)
{
    for (int at = 0; at < 20000; at++) {
        bucket_take(&usage, 7);
        bucket_refill(&usage, SECOND, 5000);
    }
    return unused;
}

static void threads_take_exactly(void)
{
    pthread_t threads[4];
    fresh();
    for (int at = 0; at < 4; at++) pthread_create(&threads[at], NULL, taker, NULL);
    for (int at = 0; at < 4; at++) pthread_join(threads[at], NULL);
    CHECK_EQ(bucket_level(&usage), -4 * 20000 * 7);
}

static void *refiller(void *unused)
{
    for (uint64_t at = 1; at <= 2000; at++) bucket_refill(&usage, SECOND + at * 20000, 5000);
    return unused;
}

static void an_interval_is_added_once(void)
{
    pthread_t threads[4];
    fresh();
    bucket_take(&usage, (int64_t)SECOND);
    for (int at = 0; at < 4; at++) pthread_create(&threads[at], NULL, refiller, NULL);
    for (int at = 0; at < 4; at++) pthread_join(threads[at], NULL);
    CHECK_EQ(bucket_level(&usage), -(int64_t)SECOND + 2000 * 10000);
}

int main(void)
{
    RUN(first_use_grants_nothing);
    RUN(refill_stops_at_the_burst);
    RUN(small_intervals_lose_nothing);
    RUN(debt_is_paid_at_the_share);
    RUN(debt_has_a_floor);
    RUN(nonsense_in_the_page_is_survived);
    RUN(threads_take_exactly);
    RUN(an_interval_is_added_once);
    return check_done();
}
