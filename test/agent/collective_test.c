/* Programs on two GPUs whose kernels wait for each other, as NCCL's do: held back as one, never stuck, whatever the limits
 * of their slices. Virtual time, two simulated GPUs.
 * build: agent/common/region_file.c agent/sim/workload/driver.c
 * flags: -Iagent/sim/workload
 * sanitize: none
 * needs: native
 */
#include "check.h"
#include "driver.h"
#include "region_fixture.h"
#include "sim_state.h"

#include <sys/mman.h>

#define WORK_US 500
#define WORKS 4
#define MEET_US 200
/* What one step takes of each GPU, launches included. */
#define STEP_US (WORKS * (WORK_US + 2) + MEET_US + 2)
#define SECONDS 12

/* ---- the program ---- */

struct rank {
    CUcontext context;
    CUstream stream;
    CUfunction spin;
    CUfunction meet;
};

static struct driver driver;

static void rank_begin(struct rank *rank, int device, const char *meet)
{
    CUdevice handle;
    CUmodule module;
    CHECK_EQ(driver.cuDeviceGet(&handle, device), CUDA_SUCCESS);
    CHECK_EQ(driver.cuDevicePrimaryCtxRetain(&rank->context, handle), CUDA_SUCCESS);
    CHECK_EQ(driver.cuCtxSetCurrent(rank->context), CUDA_SUCCESS);
    CHECK_EQ(driver.cuStreamCreate(&rank->stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CHECK_EQ(driver.cuModuleLoadData(&module, "collectives"), CUDA_SUCCESS);
    CHECK_EQ(driver.cuModuleGetFunction(&rank->spin, module, "spin"), CUDA_SUCCESS);
    CHECK_EQ(driver.cuModuleGetFunction(&rank->meet, module, meet), CUDA_SUCCESS);
}

static void rank_step(struct rank *rank, uint64_t number)
{
    uint64_t work_ns = WORK_US * 1000;
    uint64_t meet_ns = MEET_US * 1000;
    uint32_t parties = 2;
    void *work[] = {&work_ns};
    void *meet[] = {&meet_ns, &number, &parties};
    CHECK_EQ(driver.cuCtxSetCurrent(rank->context), CUDA_SUCCESS);
    for (int at = 0; at < WORKS; at++)
        CHECK_EQ(driver.cuLaunchKernel(rank->spin, 1, 1, 1, 32, 1, 1, 0, rank->stream, work, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver.cuLaunchKernel(rank->meet, 1, 1, 1, 32, 1, 1, 0, rank->stream, meet, NULL), CUDA_SUCCESS);
}

/* ranks: the GPUs that this process works on. Both sides do the same number of steps, or they would never end. */
static void inside(const char *meet, int first, int count, uint64_t steps)
{
    struct rank ranks[2];
    if (driver_open(&driver) != 0 || driver.cuInit(0) != CUDA_SUCCESS) fixture_fail("driver");
    for (int at = 0; at < count; at++) rank_begin(&ranks[at], first + at, meet);
    uint64_t started = driver_now_ns(&driver);
    for (uint64_t step = 1; step <= steps; step++) {
        for (int at = 0; at < count; at++) rank_step(&ranks[at], step);
        for (int at = 0; at < count && step % 4 == 0; at++) {
            driver.cuCtxSetCurrent(ranks[at].context);
            CHECK_EQ(driver.cuStreamSynchronize(ranks[at].stream), CUDA_SUCCESS);
        }
    }
    printf("{\"elapsedNs\":%llu}\n", (unsigned long long)(driver_now_ns(&driver) - started));
}

/* ---- the test ---- */

static struct fixture fixture;
static struct fixture_slice slices[2];

/* How long the GPUs were occupied, work and kernels that waited for others alike. */
static double busiest_s(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sim.shm", fixture.root);
    int fd = open(path, O_RDONLY);
    const struct sim_state *state = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *state, PROT_READ, MAP_SHARED, fd, 0);
    if (state == MAP_FAILED) fixture_fail(path);
    uint64_t busiest =
        state->gpus[0].busy_ns > state->gpus[1].busy_ns ? state->gpus[0].busy_ns : state->gpus[1].busy_ns;
    munmap((void *)(uintptr_t)state, sizeof *state);
    close(fd);
    return (double)busiest / 1e9;
}

static double occupied_s; /* of the last run */

/* Seconds that so many steps took; processes: 2 with a GPU each, or 1 with both. */
static double run(int processes, const char *meet, uint32_t first_bp, uint32_t second_bp, uint64_t steps)
{
    const uint32_t limits[2] = {first_bp, second_bp};
    char both[2 * REGION_ID_BYTES];
    char conf[128];
    char text[32];
    pid_t pids[2];
    double longest = 0;
    snprintf(conf, sizeof conf, "clock = virtual\nparticipants = %d\ngpus = 2\n", processes);
    fixture_open(&fixture, conf);
    for (unsigned at = 0; at < 2; at++) {
        fixture_slice_on(&fixture, &slices[at], at, UINT64_C(8) << 30, limits[at],
                         at == 0 ? FIXTURE_GPU_UUID : FIXTURE_SECOND_GPU_UUID);
    }
    snprintf(both, sizeof both, "%s,%s", slices[0].id, slices[1].id);
    snprintf(text, sizeof text, "%llu", (unsigned long long)steps);
    setenv("TRANCHE_GROUP", "one program", 1);
    for (int at = 0; at < processes; at++) {
        char *argv[] = {"/proc/self/exe", (char *)meet, at == 0 ? "0" : "1", processes == 1 ? "2" : "1", text, NULL};
        pids[at] = fixture_start(&fixture, both, true, at == 0 ? "rank0" : "rank1", argv);
    }
    for (int at = 0; at < processes; at++) {
        char output[4096];
        int status = fixture_wait(pids[at], 60);
        fixture_output(&fixture, at == 0 ? "rank0" : "rank1", output, sizeof output);
        CHECK_THAT(status == 0, "rank %d ended with %d: %s", at, status, output);
        double took = fixture_figure(output, "elapsedNs") / 1e9;
        longest = took > longest ? took : longest;
    }
    occupied_s = busiest_s();
    fixture_close(&fixture);
    return longest;
}

/* As fast as the tighter of both limits lets it, give or take. */
static void held_as_one(int processes, const char *meet, uint32_t first_bp, uint32_t second_bp, double at_least)
{
    double share = (first_bp < second_bp ? first_bp : second_bp) / 1e4;
    uint64_t steps = (uint64_t)(SECONDS * share * 1e6 / STEP_US) / 4 * 4;
    double seconds = run(processes, meet, first_bp, second_bp, steps);
    double got = (double)steps * STEP_US / 1e6 / seconds;
    printf("     %d process%s, %s, limits %u/%u: %.3f of the GPUs' time, %.3f asked, %.3f occupied\n", processes,
           processes == 1 ? "" : "es", meet, first_bp / 100, second_bp / 100, got, share, occupied_s / seconds);
    CHECK_THAT(got >= at_least * share, "%.3f", got);
    CHECK_THAT(got <= 1.1 * share, "%.3f", got);
    if (strstr(meet, "nccl") != NULL) /* nobody is held back while another's kernel occupies its GPU waiting for him */
        CHECK_THAT(occupied_s / seconds <= share + 0.1, "%.3f", occupied_s / seconds);
}

static void two_processes(void)
{
    held_as_one(2, "ncclDevKernel_AllReduce", 1000, 1000, 0.9);
    held_as_one(2, "ncclDevKernel_AllReduce", 1000, 9000, 0.9);
    held_as_one(2, "ncclDevKernel_AllReduce", 10000, 2500, 0.9);
    held_as_one(2, "ncclDevKernel_AllReduce", 10000, 10000, 0.9);
}

static void one_process(void)
{
    held_as_one(1, "ncclDevKernel_AllReduce", 1000, 1000, 0.9);
    held_as_one(1, "ncclDevKernel_AllReduce", 1000, 9000, 0.9);
    held_as_one(1, "ncclDevKernel_AllReduce", 10000, 2500, 0.9);
}

/* Kernels that wait for each other and do not say so by their name: slower, but never stuck and never free. */
static void unknown_names(void)
{
    held_as_one(2, "meet", 1000, 1000, 0.5);
    held_as_one(2, "meet", 1000, 9000, 0.5);
    held_as_one(1, "meet", 1000, 9000, 0.5);
}

int main(int argc, char **argv)
{
    if (argc == 5) {
        check_name = "inside";
        inside(argv[1], atoi(argv[2]), atoi(argv[3]), strtoull(argv[4], NULL, 10));
        return check_failures_here != 0;
    }
    check_needs_build();
    RUN(two_processes);
    RUN(one_process);
    RUN(unknown_names);
    return check_done();
}
