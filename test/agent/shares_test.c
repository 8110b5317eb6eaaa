/* Compute shares on the simulated GPU's virtual time: what each tenant got, to the percentage point.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "check.h"
#include "region_fixture.h"

#define TENANTS 2
#define SECONDS "8"

struct tenant {
    const char *kind;
    uint32_t limit_bp; /* 0: without the shim */
    double expected;   /* share of the GPU's time, percent */
};

/* GPU time each tenant was given over the time both ran. */
static void measure(const struct tenant *tenants, int count, double *shares)
{
    struct fixture fixture;
    struct fixture_slice slices[TENANTS];
    char conf[128];
    pid_t pids[TENANTS];
    snprintf(conf, sizeof conf, "clock = virtual\nparticipants = %d\n", count);
    fixture_open(&fixture, conf);
    for (int at = 0; at < count; at++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", at);
        fixture_slice(&fixture, &slices[at], (unsigned)at, UINT64_C(8) << 30, tenants[at].limit_bp);
        char *argv[] = {"tranche-sim-workload", (char *)tenants[at].kind, "--seconds", SECONDS, NULL};
        pids[at] = fixture_start(&fixture, slices[at].id, tenants[at].limit_bp != 0, name, argv);
    }
    for (int at = 0; at < count; at++) {
        char name[8];
        char output[4096];
        snprintf(name, sizeof name, "t%d", at);
        int status = fixture_wait(pids[at], 120);
        fixture_output(&fixture, name, output, sizeof output);
        CHECK_THAT(status == 0, "%s ended with %d: %s", tenants[at].kind, status, output);
        shares[at] = 100.0 * fixture_figure(output, "gpuBusyNs") / fixture_figure(output, "elapsedNs");
    }
    fixture_close(&fixture);
}

static void expect(const struct tenant *tenants, int count)
{
    double shares[TENANTS] = {0};
    measure(tenants, count, shares);
    for (int at = 0; at < count; at++) {
        CHECK_THAT(shares[at] > tenants[at].expected - 1.0 && shares[at] < tenants[at].expected + 1.0,
                   "%s at %u.%02u %%: got %.2f, expected %.2f", tenants[at].kind, tenants[at].limit_bp / 100,
                   tenants[at].limit_bp % 100, shares[at], tenants[at].expected);
        printf("     %s limit %u bp: %.2f %% of the GPU\n", tenants[at].kind, tenants[at].limit_bp, shares[at]);
    }
}

#define ALONE(name, kind, bp)                                                                                         \
    static void name(void)                                                                                            \
    {                                                                                                                 \
        expect((struct tenant[]){{kind, bp, bp / 100.0}}, 1);                                                         \
    }
ALONE(heavy_alone_25, "heavy", 2500)
ALONE(heavy_alone_75, "heavy", 7500)
ALONE(tiny_alone_25, "tiny", 2500)
ALONE(tiny_alone_75, "tiny", 7500)
ALONE(graph_alone_25, "graph", 2500)
ALONE(graph_alone_75, "graph", 7500)

#define TOGETHER(name, kind, first, second)                                                                           \
    static void name(void)                                                                                            \
    {                                                                                                                 \
        expect((struct tenant[]){{kind, first, first / 100.0}, {kind, second, second / 100.0}}, 2);                   \
    }
TOGETHER(heavy_25_75, "heavy", 2500, 7500)
TOGETHER(heavy_10_90, "heavy", 1000, 9000)
TOGETHER(tiny_25_75, "tiny", 2500, 7500)
TOGETHER(tiny_10_90, "tiny", 1000, 9000)
TOGETHER(graph_25_75, "graph", 2500, 7500)
TOGETHER(graph_10_90, "graph", 1000, 9000)

/* Two processes in one slice share its limit. Each lies within the other's timings, so prices come out a little high:
 * together they may stay below the limit by up to a tenth of it, and never go above. */
static void one_slice_two_processes(void)
{
    struct fixture fixture;
    struct fixture_slice slice;
    pid_t pids[2];
    double sum = 0;
    fixture_open(&fixture, "clock = virtual\nparticipants = 2\n");
    fixture_slice(&fixture, &slice, 0, UINT64_C(8) << 30, 4000);
    for (int at = 0; at < 2; at++) {
        char *argv[] = {"tranche-sim-workload", at == 0 ? "heavy" : "tiny", "--seconds", SECONDS, NULL};
        pids[at] = fixture_start(&fixture, slice.id, true, at == 0 ? "t0" : "t1", argv);
    }
    for (int at = 0; at < 2; at++) {
        char output[4096];
        CHECK_EQ(fixture_wait(pids[at], 120), 0);
        fixture_output(&fixture, at == 0 ? "t0" : "t1", output, sizeof output);
        double share = 100.0 * fixture_figure(output, "gpuBusyNs") / fixture_figure(output, "elapsedNs");
        printf("     one of two in a slice of 4000 bp: %.2f %%\n", share);
        sum += share;
    }
    CHECK_THAT(sum > 36 && sum < 41, "%.2f", sum);
    fixture_close(&fixture);
}

/* What the limited one leaves goes to the one without a limit, managed or not. */
static void limited_beside_unlimited(void)
{
    expect((struct tenant[]){{"heavy", 2500, 25}, {"heavy", 10000, 75}}, 2);
    expect((struct tenant[]){{"tiny", 2500, 25}, {"heavy", 10000, 75}}, 2);
}

/* A neighbour without the shim is on no board, so its turns can lie within our timings: prices come out too high, and
 * the tenant may get less than its limit, by up to a tenth of it, but never more. */
static void limited_beside_unmanaged(void)
{
    static const char *const kinds[][2] = {{"heavy", "heavy"}, {"tiny", "graph"}, {"graph", "heavy"}};
    for (int at = 0; at < 3; at++) {
        double shares[TENANTS] = {0};
        measure((struct tenant[]){{kinds[at][0], 2500, 25}, {kinds[at][1], 0, 75}}, 2, shares);
        printf("     %s limit 2500 bp beside unmanaged %s: %.2f %%\n", kinds[at][0], kinds[at][1], shares[0]);
        CHECK_THAT(shares[0] > 22.5 && shares[0] < 26, "%.2f", shares[0]);
        CHECK_THAT(shares[0] + shares[1] > 97, "%.2f", shares[0] + shares[1]);
    }
}

/* A program that is not held back takes the whole GPU: the yardstick itself can fail. */
static void without_shim_everything(void)
{
    double share;
    measure((struct tenant[]){{"heavy", 0, 0}}, 1, &share);
    CHECK_THAT(share > 97, "%.2f", share);
}

int main(void)
{
    if (getenv("BUILD_DIR") == NULL) {
        check_skip("BUILD_DIR is not set");
    }
    RUN(without_shim_everything);
    RUN(heavy_alone_25);
    RUN(heavy_alone_75);
    RUN(tiny_alone_25);
    RUN(tiny_alone_75);
    RUN(graph_alone_25);
    RUN(graph_alone_75);
    RUN(heavy_25_75);
    RUN(heavy_10_90);
    RUN(tiny_25_75);
    RUN(tiny_10_90);
    RUN(graph_25_75);
    RUN(graph_10_90);
    RUN(one_slice_two_processes);
    RUN(limited_beside_unlimited);
    RUN(limited_beside_unmanaged);
    return check_done();
}
