/* Programs as users run them, for the demo lab and the tests: see usage() for the list. They know nothing of Tranche
 * and nothing of the simulator but the names of its kernels. */
#include "env.h"
#include "driver.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SECOND_NS 1e9
#define MIB ((size_t)1 << 20)
#define BLOCKS_MAX 4096
#define ANSWERS_MAX 65536
#define LONG_KERNEL_US 50000 /* waited for one by one */

struct settings {
    const char *kind;
    double seconds; /* 0: until SIGTERM */
    size_t memory;
    double kernel_us; /* 0: the kind's own */
    unsigned grid;    /* 0: one of the kernel's length, so that each length has a shape of its own */
    double rate;      /* requests a second */
    unsigned seed;
    const char *call; /* which of the launching calls; NULL: cuLaunchKernel */
    const char *wait; /* how a server waits for its work; NULL: cuStreamSynchronize */
    const char *phases;
    const char *capture; /* "open" or "lost"; NULL: none */
};

#define PHASES_MAX 8
#define PHASE_SETTLES_NS 1e9 /* what is measured of a phase begins after this */
#define LAUNCH_NS 2000.0     /* what one kernel more takes of a full stream beside its own time, as on a card */

struct run {
    struct driver driver;
    struct settings settings;
    CUstream stream;
    CUevent event;
    CUfunction spin;
    CUdeviceptr blocks[BLOCKS_MAX];
    size_t sizes[BLOCKS_MAX];
    int block_count;
    size_t held;
    uint64_t started_ns;
    uint64_t iterations;
    uint64_t refusals;
    double busy_ns;                  /* asked of the GPU */
    double phase_shares[PHASES_MAX]; /* of the time, once a phase had settled: what was asked of the GPU and done */
    int phase_count;
    uint64_t answers_ns[ANSWERS_MAX]; /* of a server: from the arrival of a request to its end */
    size_t answers;
};

static volatile sig_atomic_t stopping;

static void on_term(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: tranche-sim-workload KIND [--seconds S] [--memory BYTES] [--kernel-us N] [--grid N] [--rate R] "
        "[--seed N]\n"
        "                            [--call ex|cooperative] [--wait context|event] [--phases TEXT] [--capture "
        "open|lost] "
        "[--process-title TEXT]\n"
        "  trainer   steps of kernels; memory grows to a working set, a refusal makes it smaller\n"
        "  server    Poisson requests of 5 kernels each (--rate, default 20 a second)\n"
        "  notebook  holds its memory, runs a cell now and then\n"
        "  greedy    allocates until refused, frees some, again and again\n"
        "  heavy     1 ms kernels back to back       tiny   10 us kernels back to back\n"
        "  graph     a graph of 40 kernels of 10 us, launched back to back\n"
        "  mixed     one kernel and grid that takes 50 to 800 us, as a product does with another inner length\n"
        "  cycle     the same ten of those lengths in the same order\n"
        "  decode    3 us kernels, each after 10 us of the host's\n"
        "  steps     steps as of training: 24 ms of kernels at once, 120 short ones from a slow host, 5 ms of "
        "nothing\n"
        "  copies, fills, uploads   256 MiB within the GPU, 256 MiB of one value, 16 MiB from the host, back to back\n"
        "  bursts    300 ms of work, 200 ms of none, again and again\n"
        "  phases    one kernel and grid, as --phases says: KERNEL:SECONDS,... where KERNEL is microseconds, 0 for "
        "nothing, \n"
        "            or mixed or cycle, the lengths of those kinds\n");
    return 2;
}

static bool parse(int argc, char **argv, struct settings *settings, const char **title)
{
    if (argc < 2) return false;
    settings->kind = argv[1];
    for (int at = 2; at + 1 < argc; at += 2) {
        const char *value = argv[at + 1];
        if (strcmp(argv[at], "--seconds") == 0)
            settings->seconds = atof(value);
        else if (strcmp(argv[at], "--memory") == 0)
            settings->memory = strtoull(value, NULL, 10);
        else if (strcmp(argv[at], "--kernel-us") == 0)
            settings->kernel_us = atof(value);
        else if (strcmp(argv[at], "--grid") == 0)
            settings->grid = (unsigned)atoi(value);
        else if (strcmp(argv[at], "--rate") == 0)
            settings->rate = atof(value);
        else if (strcmp(argv[at], "--seed") == 0)
            settings->seed = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[at], "--call") == 0) /* plain, ex or cooperative */
            settings->call = value;
        else if (strcmp(argv[at], "--wait") == 0) /* stream, context or event */
            settings->wait = value;
        else if (strcmp(argv[at], "--capture") == 0)
            settings->capture = value;
        else if (strcmp(argv[at], "--phases") == 0)
            settings->phases = value;
        else if (strcmp(argv[at], "--process-title") == 0)
            *title = value;
        else
            return false;
    }
    return argc % 2 == 0;
}

/* Starts this program again with the words of the title before its own arguments gone: ps, NVML tools and the agent
 * then see "python train.py --config nightly.yaml". The settings travel in one environment variable. */
static void set_title(int argc, char **argv, const char *title)
{
    char joined[2048] = "";
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--process-title") == 0) {
            at++;
            continue;
        }
        strncat(joined, argv[at], sizeof joined - strlen(joined) - 2);
        strcat(joined, "\n");
    }
    char *words[64];
    int count = 0;
    char *copy = strdup(title);
    for (char *word = strtok(copy, " "); word && count < 63; word = strtok(NULL, " ")) words[count++] = word;
    words[count] = NULL;
    if (count == 0 || setenv(ENV_SIM_WORKLOAD, joined, 1) != 0) return;
    execv("/proc/self/exe", words);
    fprintf(stderr, "could not take the title \"%s\": %s\n", title, strerror(errno));
}

/* After set_title: the real arguments, out of the environment. */
static int restore_arguments(char **words, int capacity, char *program)
{
    char *joined = getenv(ENV_SIM_WORKLOAD);
    if (!joined) return 0;
    int count = 0;
    words[count++] = program;
    char *copy = strdup(joined);
    unsetenv(ENV_SIM_WORKLOAD);
    for (char *word = strtok(copy, "\n"); word && count < capacity; word = strtok(NULL, "\n")) words[count++] = word;
    const char *base = strrchr(program, '/');
    prctl(PR_SET_NAME, !base ? program : base + 1, 0, 0, 0);
    return count;
}

static const char *error_text(struct run *run, CUresult code)
{
    const char *text = NULL;
    run->driver.cuGetErrorString(code, &text);
    return !text ? "unknown error" : text;
}

static bool succeeded(struct run *run, CUresult code, const char *what)
{
    if (code == CUDA_SUCCESS) return true;
    fprintf(stderr, "%s: CUDA error %d: %s\n", what, code, error_text(run, code));
    return false;
}

static double uniform(struct run *run)
{
    return (rand_r(&run->settings.seed) + 1.0) / ((double)RAND_MAX + 2.0);
}

static bool go_on(struct run *run)
{
    if (stopping) return false;
    double elapsed = (double)(driver_now_ns(&run->driver) - run->started_ns);
    return run->settings.seconds <= 0 || elapsed < run->settings.seconds * SECOND_NS;
}

/* false: refused. */
static bool grab(struct run *run, size_t bytes)
{
    if (run->block_count == BLOCKS_MAX) return false;
    CUresult result = run->driver.cuMemAlloc(&run->blocks[run->block_count], bytes);
    if (result != CUDA_SUCCESS) {
        run->refusals++;
        return false;
    }
    run->sizes[run->block_count++] = bytes;
    run->held += bytes;
    return true;
}

static void drop(struct run *run)
{
    if (run->block_count > 0) {
        run->block_count--;
        run->held -= run->sizes[run->block_count];
        succeeded(run, run->driver.cuMemFree(run->blocks[run->block_count]), "cuMemFree");
    }
}

static bool launch_as(struct run *run, double microseconds, unsigned grid)
{
    uint64_t nanoseconds = (uint64_t)(microseconds * 1000.0);
    void *parameters[] = {&nanoseconds};
    run->busy_ns += (double)nanoseconds;
    if (run->settings.call && strcmp(run->settings.call, "ex") == 0) {
        const CUlaunchConfig config = {.gridDimX = grid,
                                       .gridDimY = 1,
                                       .gridDimZ = 1,
                                       .blockDimX = 256,
                                       .blockDimY = 1,
                                       .blockDimZ = 1,
                                       .hStream = run->stream};
        return succeeded(run, run->driver.cuLaunchKernelEx(&config, run->spin, parameters, NULL), "cuLaunchKernelEx");
    }
    if (run->settings.call && strcmp(run->settings.call, "cooperative") == 0) {
        return succeeded(
            run, run->driver.cuLaunchCooperativeKernel(run->spin, grid, 1, 1, 256, 1, 1, 0, run->stream, parameters),
            "cuLaunchCooperativeKernel");
    }
    return succeeded(run,
                     run->driver.cuLaunchKernel(run->spin, grid, 1, 1, 256, 1, 1, 0, run->stream, parameters, NULL),
                     "cuLaunchKernel");
}

/* The grid follows the work, as it does in most kernels: another size is another launch shape. */
static bool launch(struct run *run, double microseconds)
{
    return launch_as(run, microseconds, run->settings.grid > 0 ? run->settings.grid : (unsigned)microseconds + 1);
}

static void fill(struct run *run, size_t target, size_t step)
{
    while (run->held < target && !stopping) {
        size_t bytes = target - run->held < step ? target - run->held : step;
        if (!grab(run, bytes)) {
            fprintf(stderr, "CUDA out of memory: tried to allocate %zu MiB, %zu MiB held; going on with less\n",
                    bytes / MIB, run->held / MIB);
            return;
        }
    }
}

static int run_trainer(struct run *run)
{
    size_t target = run->settings.memory;
    double kernel = run->settings.kernel_us > 0 ? run->settings.kernel_us : 400;
    while (go_on(run)) {
        if (run->iterations < 10) fill(run, target / 10 * (run->iterations + 1), 256 * MIB);
        if (run->iterations % 200 == 199 && run->held < target)
            fill(run, target, 256 * MIB); /* perhaps the slice was made larger */
        for (int layer = 0; layer < 24; layer++)
            if (!launch(run, layer % 3 == 0 ? kernel * 2 : kernel / 2)) return 1;
        if (!succeeded(run, run->driver.cuStreamSynchronize(run->stream), "cuStreamSynchronize")) return 1;
        driver_sleep(&run->driver, 1000000); /* the data loader */
        run->iterations++;
    }
    return 0;
}

/* For all that was launched, in one of the ways that programs have. */
static bool wait_for_all(struct run *run)
{
    const struct driver *driver = &run->driver;
    const char *way = !run->settings.wait ? "stream" : run->settings.wait;
    if (strcmp(way, "context") == 0)
        return driver->cuCtxSynchronize_v2 && succeeded(run, driver->cuCtxSynchronize_v2(NULL), "cuCtxSynchronize_v2");
    if (strcmp(way, "event") == 0) {
        return (run->event || succeeded(run, driver->cuEventCreate(&run->event, 0), "cuEventCreate")) &&
               succeeded(run, driver->cuEventRecord(run->event, run->stream), "cuEventRecord") &&
               succeeded(run, driver->cuEventSynchronize(run->event), "cuEventSynchronize");
    }
    return succeeded(run, driver->cuStreamSynchronize(run->stream), "cuStreamSynchronize");
}

static int run_server(struct run *run)
{
    double kernel = run->settings.kernel_us > 0 ? run->settings.kernel_us : 600;
    double rate = run->settings.rate > 0 ? run->settings.rate : 20;
    fill(run, run->settings.memory, 512 * MIB);
    double arrival = (double)driver_now_ns(&run->driver);
    while (go_on(run)) {
        arrival += -log(uniform(run)) / rate * SECOND_NS; /* whether the one before is answered or not */
        uint64_t now = driver_now_ns(&run->driver);
        if (arrival > (double)now) driver_sleep(&run->driver, (uint64_t)arrival - now);
        for (int layer = 0; layer < 5; layer++)
            if (!launch(run, kernel)) return 1;
        if (!wait_for_all(run)) return 1;
        run->answers_ns[run->answers++ % ANSWERS_MAX] = driver_now_ns(&run->driver) - (uint64_t)arrival;
        run->iterations++;
    }
    return 0;
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The one below which this part of all answers lies; 0 of no answers. */
static double answer_quantile(struct run *run, double part)
{
    size_t count = run->answers < ANSWERS_MAX ? run->answers : ANSWERS_MAX;
    qsort(run->answers_ns, count, sizeof run->answers_ns[0], compare_ns);
    return count == 0 ? 0 : (double)run->answers_ns[(size_t)(part * (double)(count - 1))];
}

static int run_notebook(struct run *run)
{
    fill(run, run->settings.memory, 256 * MIB);
    while (go_on(run)) {
        for (int nap = 0; nap < 50 && go_on(run); nap++) driver_sleep(&run->driver, (uint64_t)(0.1 * SECOND_NS));
        for (int kernel = 0; kernel < 100 && go_on(run); kernel++)
            if (!launch(run, 2000)) return 1;
        run->driver.cuStreamSynchronize(run->stream);
        run->iterations++;
    }
    return 0;
}

static int run_greedy(struct run *run)
{
    size_t step = run->settings.memory > 0 && run->settings.memory < 512 * MIB ? run->settings.memory : 512 * MIB;
    while (go_on(run)) {
        while (go_on(run) && grab(run, step)) driver_sleep(&run->driver, 20000000);
        launch(run, 3000);
        run->driver.cuStreamSynchronize(run->stream);
        for (int count = run->block_count / 4 + 1; count > 0; count--) drop(run);
        driver_sleep(&run->driver, (uint64_t)(0.5 * SECOND_NS));
        run->iterations++;
    }
    return 0;
}

/* Back to back, synchronizing now and then as real programs do. */
static int run_kernels(struct run *run, double kernel, int batch)
{
    kernel = run->settings.kernel_us > 0 ? run->settings.kernel_us : kernel;
    batch = kernel < LONG_KERNEL_US ? batch : 1;
    fill(run, run->settings.memory, 256 * MIB);
    while (go_on(run)) {
        for (int index = 0; index < batch && !stopping; index++) {
            if (!launch(run, kernel)) return 1;
            run->iterations++;
        }
        if (!succeeded(run, run->driver.cuStreamSynchronize(run->stream), "cuStreamSynchronize")) return 1;
    }
    return 0;
}

static bool launch_mixed(struct run *run, int index, bool in_order)
{
    static const double lengths[] = {50, 800, 100, 400, 200, 50, 200, 100, 800, 400};
    return launch_as(run, lengths[in_order ? index % 10 : (int)(uniform(run) * 10)], 64);
}

/* in_order: always the same ten, one after the other. */
static int run_mixed(struct run *run, bool in_order)
{
    while (go_on(run)) {
        for (int index = 0; index < 20 && !stopping; index++) {
            if (!launch_mixed(run, index, in_order)) return 1;
            run->iterations++;
        }
        if (!succeeded(run, run->driver.cuStreamSynchronize(run->stream), "cuStreamSynchronize")) return 1;
    }
    return 0;
}

static bool launch_of_phase(struct run *run, const char *kernel, int index)
{
    bool in_order = strncmp(kernel, "cycle", 5) == 0;
    return in_order || strncmp(kernel, "mixed", 5) == 0 ? launch_mixed(run, index, in_order)
                                                        : launch_as(run, atof(kernel), 64);
}

/* Until the phase is over: 10 ms of launches, then a wait for them. false: a call failed. */
static bool run_phase(struct run *run, const char *kernel, double seconds, double *share)
{
    const double began = (double)driver_now_ns(&run->driver);
    const int batch = atof(kernel) > 0 && atof(kernel) < 500 ? (int)(10000 / atof(kernel)) : 20;
    double settled_at = 0;
    double settled_busy = 0;
    double now = began;
    while (!stopping && now - began < seconds * SECOND_NS) {
        for (int index = 0; index < batch && kernel[0] != '0'; index++) {
            if (!launch_of_phase(run, kernel, index)) return false;
            run->iterations++;
        }
        if (kernel[0] == '0') driver_sleep(&run->driver, 1000000);
        if (!succeeded(run, run->driver.cuStreamSynchronize(run->stream), "cuStreamSynchronize")) return false;
        now = (double)driver_now_ns(&run->driver);
        if (settled_at == 0 && now - began >= PHASE_SETTLES_NS) {
            settled_at = now;
            settled_busy = run->busy_ns + LAUNCH_NS * (double)run->iterations;
        }
    }
    double busy = run->busy_ns + LAUNCH_NS * (double)run->iterations - settled_busy;
    *share = settled_at == 0 || now <= settled_at ? 0 : busy / (now - settled_at);
    return true;
}

/* The same kernel with other arguments: prefill then decode, another batch size, training then evaluation. */
static int run_phases(struct run *run)
{
    for (const char *at = run->settings.phases; at && *at != 0 && run->phase_count < PHASES_MAX;) {
        const char *colon = strchr(at, ':');
        if (!colon) return usage();
        if (!run_phase(run, at, atof(colon + 1), &run->phase_shares[run->phase_count++])) return 1;
        at = strchr(colon, ',');
        at += at ? 1 : 0;
    }
    return 0;
}

/* Kernels so short that the host, which does something else in between, never fills the stream. */
static int run_decode(struct run *run)
{
    double kernel = run->settings.kernel_us > 0 ? run->settings.kernel_us : 3;
    while (go_on(run)) {
        for (int index = 0; index < 100 && !stopping; index++) {
            if (!launch(run, kernel)) return 1;
            driver_sleep(&run->driver, 7500);
            run->iterations++;
        }
        if (!wait_for_all(run)) return 1;
    }
    return 0;
}

/* The host runs ahead of the GPU where kernels are long, and lives on that where they are short. */
static int run_steps(struct run *run)
{
    while (go_on(run)) {
        for (int index = 0; index < 144 && !stopping; index++) {
            if (!launch(run, index < 24 ? 1000 : 10)) return 1;
            driver_sleep(&run->driver, index < 24 ? 0 : 100000);
        }
        if (!wait_for_all(run)) return 1;
        driver_sleep(&run->driver, 5000000);
        run->iterations++;
    }
    return 0;
}

static int run_bursts(struct run *run)
{
    double kernel = run->settings.kernel_us > 0 ? run->settings.kernel_us : 200;
    while (go_on(run)) {
        /* This much work per burst: a process that is held back takes longer over it. */
        for (int index = 0; index * kernel < 300000 && !stopping; index++) {
            if (!launch(run, kernel)) return 1;
            run->iterations++;
        }
        run->driver.cuStreamSynchronize(run->stream);
        driver_sleep(&run->driver, (uint64_t)(0.2 * SECOND_NS));
    }
    return 0;
}

static int run_copies(struct run *run)
{
    static char host[64]; /* the simulated driver reads nothing */
    bool uploads = strcmp(run->settings.kind, "uploads") == 0;
    bool fills = strcmp(run->settings.kind, "fills") == 0;
    size_t bytes = uploads ? 16 * MIB : 256 * MIB;
    if (!grab(run, bytes) || !grab(run, bytes)) return 1;
    while (go_on(run)) {
        for (int index = 0; index < 20 && !stopping; index++) {
            CUdeviceptr to = run->blocks[0];
            CUresult result = uploads ? run->driver.cuMemcpyHtoDAsync(to, host, bytes, run->stream)
                              : fills ? run->driver.cuMemsetD32Async(to, 0, bytes / 4, run->stream)
                                      : run->driver.cuMemcpyDtoDAsync(to, run->blocks[1], bytes, run->stream);
            if (!succeeded(run, result, run->settings.kind)) return 1;
            run->iterations++;
        }
        if (!succeeded(run, run->driver.cuStreamSynchronize(run->stream), "cuStreamSynchronize")) return 1;
    }
    return 0;
}

static int run_graph(struct run *run)
{
    double kernel = run->settings.kernel_us > 0 ? run->settings.kernel_us : 10;
    CUgraph graph = NULL;
    CUgraphExec exec = NULL;
    bool ready = launch(run, kernel) && /* the code must be loaded before it is captured */
                 succeeded(run, run->driver.cuStreamBeginCapture(run->stream, CU_STREAM_CAPTURE_MODE_GLOBAL),
                           "cuStreamBeginCapture");
    for (int node = 0; ready && node < 40; node++) ready = launch(run, kernel);
    ready = ready && succeeded(run, run->driver.cuStreamEndCapture(run->stream, &graph), "cuStreamEndCapture") &&
            succeeded(run, run->driver.cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiate");
    double one = run->busy_ns / 41 * 40;
    run->busy_ns = 0;
    while (ready && go_on(run)) {
        for (int index = 0; index < 20 && !stopping && ready; index++) {
            ready = succeeded(run, run->driver.cuGraphLaunch(exec, run->stream), "cuGraphLaunch");
            run->busy_ns += one;
            run->iterations++;
        }
        run->driver.cuStreamSynchronize(run->stream);
    }
    return ready ? 0 : 1;
}

static bool begin(struct run *run)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    static const char image[] = "kernels of the simulated driver";
    struct driver *driver = &run->driver;
    return driver_open(driver) == 0 && succeeded(run, driver->cuInit(0), "cuInit") &&
           succeeded(run, driver->cuDeviceGet(&device, 0), "cuDeviceGet") &&
           succeeded(run, driver->cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain") &&
           succeeded(run, driver->cuCtxSetCurrent(context), "cuCtxSetCurrent") &&
           succeeded(run, driver->cuStreamCreate(&run->stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") &&
           succeeded(run, driver->cuModuleLoadData(&module, image), "cuModuleLoadData") &&
           succeeded(run, driver->cuModuleGetFunction(&run->spin, module, "spin_kernel"), "cuModuleGetFunction");
}

/* As programs do that fail in the middle: a capture that nobody ends, or whose stream goes first. */
static bool leave_capture(struct run *run)
{
    CUstream stream;
    const struct driver *driver = &run->driver;
    return !run->settings.capture || strcmp(run->settings.capture, "none") == 0 ||
           (succeeded(run, driver->cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") &&
            succeeded(run, driver->cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED),
                      "cuStreamBeginCapture") &&
            (strcmp(run->settings.capture, "lost") != 0 ||
             succeeded(run, driver->cuStreamDestroy(stream), "cuStreamDestroy")));
}

static int dispatch(struct run *run)
{
    const char *kind = run->settings.kind;
    if (strcmp(kind, "trainer") == 0) return run_trainer(run);
    if (strcmp(kind, "server") == 0) return run_server(run);
    if (strcmp(kind, "notebook") == 0) return run_notebook(run);
    if (strcmp(kind, "greedy") == 0) return run_greedy(run);
    if (strcmp(kind, "heavy") == 0) return run_kernels(run, 1000, 8);
    if (strcmp(kind, "tiny") == 0) return run_kernels(run, 10, 500);
    if (strcmp(kind, "mixed") == 0) return run_mixed(run, false);
    if (strcmp(kind, "cycle") == 0) return run_mixed(run, true);
    if (strcmp(kind, "copies") == 0 || strcmp(kind, "fills") == 0 || strcmp(kind, "uploads") == 0)
        return run_copies(run);
    if (strcmp(kind, "decode") == 0) return run_decode(run);
    if (strcmp(kind, "steps") == 0) return run_steps(run);
    if (strcmp(kind, "bursts") == 0) return run_bursts(run);
    if (strcmp(kind, "phases") == 0) return run_phases(run);
    return strcmp(kind, "graph") == 0 ? run_graph(run) : usage();
}

int main(int argc, char **argv)
{
    static struct run run;
    const char *title = NULL;
    char *words[64];
    int restored = restore_arguments(words, 64, argv[0]);
    if (restored > 0) {
        argc = restored;
        argv = words;
    }
    run.settings = (struct settings){.memory = 1024 * MIB, .seed = 1};
    if (!parse(argc, argv, &run.settings, &title)) return usage();
    if (title) set_title(argc, argv, title);
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (!begin(&run) || !leave_capture(&run)) return 1;
    run.started_ns = driver_now_ns(&run.driver);
    int result = dispatch(&run);
    run.driver.cuCtxSynchronize();
    printf("{\"iterations\":%llu,\"gpuBusyNs\":%.0f,\"elapsedNs\":%llu,\"refusals\":%llu,\"p50Ns\":%.0f,\"p99Ns\":%."
           "0f",
           (unsigned long long)run.iterations, run.busy_ns,
           (unsigned long long)(driver_now_ns(&run.driver) - run.started_ns), (unsigned long long)run.refusals,
           answer_quantile(&run, 0.5), answer_quantile(&run, 0.99));
    for (int phase = 0; phase < run.phase_count; phase++) printf(",\"phase%d\":%.5f", phase, run.phase_shares[phase]);
    puts("}");
    return result;
}
