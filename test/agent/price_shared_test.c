/* Prices that the processes of a slice share: who comes second is charged from his first launch, whatever he can time;
 * what is in the file is believed within bounds; another image is another price. Virtual time.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "check.h"
#include "region_fixture.h"

static struct fixture fixture;
static struct fixture_slice slice;

/* One program in the slice, alone in its own virtual time; its iterations a second. timed: it can time its kernels. */
static double run_long(const char *kind, const char *seconds, bool timed, const char *kernel_us)
{
    char output[4096];
    char *argv[] = {"tranche-sim-workload",
                    (char *)kind,
                    "--seconds",
                    (char *)seconds,
                    "--grid",
                    "64",
                    kernel_us == NULL ? NULL : "--kernel-us",
                    (char *)kernel_us,
                    NULL};
    if (!timed) setenv("TRANCHE_SIM_NO_EVENTS", "1", 1);
    pid_t pid = fixture_start(&fixture, slice.id, true, "tenant", argv);
    unsetenv("TRANCHE_SIM_NO_EVENTS");
    int status = fixture_wait(pid, 120);
    fixture_output(&fixture, "tenant", output, sizeof output);
    CHECK_THAT(status == 0, "%s ended with %d: %s", kind, status, output);
    return fixture_figure(output, "iterations") / fixture_figure(output, "elapsedNs") * 1e9;
}

static double run(const char *kind, const char *seconds, bool timed)
{
    return run_long(kind, seconds, timed, NULL);
}

static void begin(void)
{
    fixture_open(&fixture, "clock = virtual\nparticipants = 1\n");
    fixture_slice(&fixture, &slice, 1, UINT64_C(8) << 30, 2500);
}

static unsigned known_prices(void)
{
    unsigned count = 0;
    for (unsigned at = 0; at < REGION_PRICE_ENTRIES; at++)
        count += atomic_load(&slice.usage->prices[at].price_ns) != 0;
    return count;
}

static void a_second_process_is_charged_without_timing(void)
{
    begin();
    double blind = run("heavy", "4", false);
    CHECK_THAT(blind > 900, "%.1f", blind); /* nothing is known and nothing can be timed: nothing is charged */
    CHECK_EQ(known_prices(), 0);
    double first = run("heavy", "4", true);
    CHECK_THAT(known_prices() > 0, "%u", known_prices());
    double second = run("heavy", "4", false);
    printf("     1 ms kernels at 25 %%: %.1f a second, then %.1f without any timing\n", first, second);
    CHECK_THAT(second > 240 && second < 265, "%.1f", second);
    fixture_close(&fixture);
}

static void copies_have_prices_that_all_know(void)
{
    begin();
    double free_rate = run("copies", "2", false);
    run("copies", "2", true);
    double second = run("copies", "2", false);
    CHECK_THAT(second > 0.22 * free_rate && second < 0.30 * free_rate, "%.1f of %.1f", second, free_rate);
    fixture_close(&fixture);
}

static void hostile_prices_do_not_stop_a_program(void)
{
    begin();
    double honest = run("heavy", "4", true);
    static const uint64_t lies[] = {1, UINT64_MAX, UINT64_C(100000000)};
    for (int lie = 0; lie < 3; lie++) {
        for (unsigned at = 0; at < REGION_PRICE_ENTRIES; at++) {
            if (atomic_load(&slice.usage->prices[at].key) != 0) {
                atomic_store(&slice.usage->prices[at].price_ns, lies[lie]);
                atomic_store(&slice.usage->prices[at].samples, UINT32_MAX);
            }
        }
        double rate = run("heavy", "8", true);
        printf("     a price of %llu ns was written: %.1f a second of %.1f\n", (unsigned long long)lies[lie], rate,
               honest);
        /* The dearest that is believed costs tenths of a second of debt, once. */
        CHECK_THAT(rate > (lie == 2 ? 0.6 : 0.95) * honest && rate < 1.1 * honest, "%.1f of %.1f", rate, honest);
    }
    fixture_close(&fixture);
}

/* One function and shape, given other work by a program that comes later. */
static void another_length_is_learned_anew(void)
{
    begin();
    run("heavy", "4", true);
    double rate = run_long("heavy", "20", true, "100000");
    printf("     100 ms kernels at 25 %% after 1 ms kernels of their shape: %.2f a second\n", rate);
    CHECK_THAT(rate > 2.2 && rate < 2.8, "%.2f", rate);
    rate = run_long("heavy", "10", true, "100");
    printf("     100 us kernels after those: %.0f a second\n", rate);
    CHECK_THAT(rate > 2200 && rate < 2700, "%.0f", rate); /* a long kernel's price was owed for the first */
    fixture_close(&fixture);
}

/* Ten thousand times as long, and so seldom that the credit taken at the old price would last for half a minute. */
static void a_far_longer_one_is_noticed_at_once(void)
{
    begin();
    run_long("heavy", "2", true, "10");
    double rate = run_long("heavy", "8", true, "100000");
    printf("     100 ms kernels at 25 %% after 10 us kernels of their shape: %.2f a second\n", rate);
    CHECK_THAT(rate > 2.2 && rate < 3.2, "%.2f", rate); /* the first few were let through */
    fixture_close(&fixture);
}

static void a_full_table_is_no_matter(void)
{
    begin();
    for (unsigned at = 0; at < REGION_PRICE_ENTRIES; at++) atomic_store(&slice.usage->prices[at].key, at + 1);
    double rate = run("heavy", "4", true);
    CHECK_THAT(rate > 235 && rate < 265, "%.1f", rate);
    fixture_close(&fixture);
}

int main(void)
{
    check_needs_build();
    RUN(a_second_process_is_charged_without_timing);
    RUN(copies_have_prices_that_all_know);
    RUN(hostile_prices_do_not_stop_a_program);
    RUN(another_length_is_learned_anew);
    RUN(a_far_longer_one_is_noticed_at_once);
    RUN(a_full_table_is_no_matter);
    return check_done();
}
