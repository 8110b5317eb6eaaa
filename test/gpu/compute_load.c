/* A program of the driver API that keeps the GPU busy in a known way and says how fast, for test/gpu/compute.py. Its
 * kernels do a number of steps, not an amount of time, so that a turn of somebody else's within makes them longer. It
 * runs on a real driver and on the simulated one (where a step is a nanosecond and no kernel can stamp its times).
 *
 * usage: compute_load calibrate            prints the steps in a microsecond and the blocks that fill the card; others
 *                                          take them from STEPS_PER_US and FULL_BLOCKS, because with a part of the
 *                                          multiprocessors a program is told of fewer, and would do less work
 *        compute_load KIND [MICROSECONDS]  kinds: spin mixed graph bursts copy fill upload
 * then, a line each on standard input, answered by one JSON object a line:
 *   rate WARM SECONDS [DUTY]      units a second, from the first synchronization after WARM to the first after SECONDS;
 *                                 progress: [seconds, units done] since then, at synchronizations
 *   stamp SECONDS FILE [ON OFF]   as fast as it can, or ON seconds of work and OFF of none; the GPU's own start and end
 *                                 of each kernel go to FILE, as pairs of uint64 nanoseconds of its clock; the answer
 *                                 says when, by CLOCK_MONOTONIC, each stretch of work was begun
 *   length MICROSECONDS           the same kernel and grid with other work to do from here on; of spin
 *   clock                         what to add to such a stamp for CLOCK_MONOTONIC
 *   probe SECONDS PER_SECOND SEED tiny kernels at random times: microseconds from launch to start, each
 */
#include "cuda_min.h"

#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STAMPS (1u << 18)
#define CLOCK_PROBES 200
#define CALIBRATION_STEPS UINT64_C(100000)
#define GRAPH_NODES 40
#define BURSTS_MAX 64
#define MARKS 8192
#define MARK_S 0.002
#define ATTRIBUTE_SM_COUNT 16
#define HOST_PORTABLE_MAPPED 3u
#define COPY_BYTES ((size_t)256 << 20) /* more than any cache */
#define UPLOAD_BYTES ((size_t)64 << 20)
/* A kernel that has not begun by then never will: said, not waited for. */
#define START_MAX_S 30.0

static const char image[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry spin_kernel(.param .u64 steps, .param .u64 stamp, .param .u64 flag, .param .u64 value) {\n"
    " .reg .u64 n, s, f, v, t0, t1; .reg .f32 x; .reg .pred first, p; .reg .u32 a, b;\n"
    " ld.param.u64 n, [steps]; ld.param.u64 s, [stamp]; ld.param.u64 f, [flag]; ld.param.u64 v, [value];\n"
    " mov.u64 t0, %globaltimer; mov.u32 a, %tid.x; mov.u32 b, %ctaid.x; or.b32 a, a, b; setp.eq.u32 first, a, 0;\n"
    " @!first bra WORK; setp.eq.u64 p, f, 0; @p bra WORK; st.volatile.global.u64 [f], v;\n"
    "WORK: cvt.rn.f32.u32 x, a;\n"
    "LOOP: setp.eq.u64 p, n, 0; @p bra DONE; fma.rn.f32 x, x, 0f3F800001, 0f3F000000; sub.u64 n, n, 1; bra LOOP;\n"
    "DONE: setp.eq.f32 p, x, 0f3DFBE76D; @p st.global.f32 [s], x;\n"
    " @!first bra END; setp.eq.u64 p, s, 0; @p bra END; mov.u64 t1, %globaltimer;\n"
    " st.global.u64 [s], t0; st.global.u64 [s+8], t1;\n"
    "END: ret; }\n";

#define FUNCTIONS(F)                                                                                                  \
    F(cuInit, 2000, (unsigned))                                                                                       \
    F(cuDeviceGet, 2000, (CUdevice *, int))                                                                           \
    F(cuDeviceGetAttribute, 2000, (int *, int, CUdevice))                                                             \
    F(cuDevicePrimaryCtxRetain, 7000, (CUcontext *, CUdevice))                                                        \
    F(cuCtxSetCurrent, 4000, (CUcontext))                                                                             \
    F(cuModuleLoadData, 2000, (CUmodule *, const void *))                                                             \
    F(cuModuleGetFunction, 2000, (CUfunction *, CUmodule, const char *))                                              \
    F(cuStreamCreate, 2000, (CUstream *, unsigned))                                                                   \
    F(cuStreamSynchronize, 2000, (CUstream))                                                                          \
    F(cuStreamBeginCapture, 10010, (CUstream, CUstreamCaptureMode))                                                   \
    F(cuStreamEndCapture, 10000, (CUstream, CUgraph *))                                                               \
    F(cuGraphInstantiateWithFlags, 11040, (CUgraphExec *, CUgraph, unsigned long long))                               \
    F(cuGraphLaunch, 10000, (CUgraphExec, CUstream))                                                                  \
    F(cuMemAlloc, 3020, (CUdeviceptr *, size_t))                                                                      \
    F(cuMemcpyDtoDAsync, 3020, (CUdeviceptr, CUdeviceptr, size_t, CUstream))                                          \
    F(cuMemcpyHtoDAsync, 3020, (CUdeviceptr, const void *, size_t, CUstream))                                         \
    F(cuMemsetD32Async, 3020, (CUdeviceptr, unsigned, size_t, CUstream))                                              \
    F(cuMemHostAlloc, 2020, (void **, size_t, unsigned))                                                              \
    F(cuEventCreate, 2000, (CUevent *, unsigned))                                                                     \
    F(cuEventRecord, 2000, (CUevent, CUstream))                                                                       \
    F(cuEventElapsedTime, 2000, (float *, CUevent, CUevent))                                                          \
    F(cuLaunchKernel, 4000,                                                                                           \
      (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **))
#define DECLARE(name, version, parameters) static CUresult(*name) parameters;
FUNCTIONS(DECLARE)

#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        CUresult code = (call);                                                                                       \
        if (code != CUDA_SUCCESS) {                                                                                   \
            fprintf(stderr, "%s: CUDA error %d\n", #call, code);                                                      \
            exit(code == CUDA_ERROR_NO_DEVICE ? 77 : 1);                                                              \
        }                                                                                                             \
    } while (0)

struct stamp {
    uint64_t start;
    uint64_t end;
};

static CUstream stream;
static CUfunction spin;
static CUgraphExec graph;
static unsigned grid_full;
static double steps_per_us = 1;
static CUdeviceptr near_memory[2]; /* for copies and fills */
static void *host_memory;
static struct stamp *stamps; /* the GPU writes them */
static volatile uint64_t *flag;
static uint64_t flag_value;
static int simulated; /* its kernels write nothing */

static const char *kind;
static double kernel_us;
static int batch; /* kernels between two synchronizations */

/* How many units were done when, for windows within a turn. */
static struct {
    double began;
    long done;
    int count;
    double at[MARKS];
    long units[MARKS];
} progress;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_s(double seconds)
{
    struct timespec span = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    if (seconds > 0) nanosleep(&span, NULL);
}

static void open_driver(void)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    CUresult (*get)(const char *, void **, int, cuuint64_t, void *) =
        library == NULL
            ? NULL
            : (CUresult(*)(const char *, void **, int, cuuint64_t, void *))dlsym(library, "cuGetProcAddress_v2");
    if (get == NULL) {
        fprintf(stderr, "no driver that has cuGetProcAddress_v2: %s\n", library == NULL ? dlerror() : "too old");
        exit(77);
    }
#define GET(name, version, parameters)                                                                                \
    if (get(#name, (void **)&name, version, 0, NULL) != CUDA_SUCCESS || name == NULL) {                               \
        fprintf(stderr, "the driver has no " #name "\n");                                                             \
        exit(1);                                                                                                      \
    }
    FUNCTIONS(GET)
    simulated = dlsym(library, "tranche_sim_v1") != NULL;
}

static void launch_steps(uint64_t steps, unsigned grid, unsigned block, struct stamp *out, volatile uint64_t *tell,
                         uint64_t value)
{
    void *parameters[] = {&steps, &out, &tell, &value};
    CHECK(cuLaunchKernel(spin, grid, 1, 1, block, 1, 1, 0, stream, parameters, NULL));
}

static void launch_us(double us, struct stamp *out)
{
    launch_steps((uint64_t)(us * steps_per_us), grid_full, 1024, out, NULL, 0);
}

static void begin(void)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    int processors = 132;
    open_driver();
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuModuleLoadData(&module, image));
    CHECK(cuModuleGetFunction(&spin, module, "spin_kernel"));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    if (cuDeviceGetAttribute(&processors, ATTRIBUTE_SM_COUNT, device) == CUDA_SUCCESS && processors > 0)
        grid_full = 2 * (unsigned)processors; /* two blocks of 1024 threads fill one */
    else
        grid_full = 264;
    if (getenv("FULL_BLOCKS") != NULL) grid_full = (unsigned)atoi(getenv("FULL_BLOCKS"));
    void *memory;
    CHECK(cuMemHostAlloc(&memory, sizeof(struct stamp) * STAMPS + 64, HOST_PORTABLE_MAPPED));
    stamps = memory;
    flag = (volatile uint64_t *)(stamps + STAMPS);
    *flag = 0;
}

/* Steps a microsecond with the card awake: the fastest of many, so that a neighbour does not matter. */
static double calibrate(void)
{
    CUevent start, end;
    double best = 0;
    CHECK(cuEventCreate(&start, CU_EVENT_DEFAULT));
    CHECK(cuEventCreate(&end, CU_EVENT_DEFAULT));
    for (int round = 0; round < 60; round++) {
        float ms = 0;
        CHECK(cuEventRecord(start, stream));
        launch_steps(CALIBRATION_STEPS, grid_full, 1024, NULL, NULL, 0);
        CHECK(cuEventRecord(end, stream));
        CHECK(cuStreamSynchronize(stream));
        CHECK(cuEventElapsedTime(&ms, start, end));
        best = fmax(best, (double)CALIBRATION_STEPS / ((double)ms * 1e3));
    }
    return best;
}

static void prepare_graph(void)
{
    CUgraph made;
    launch_us(kernel_us, NULL); /* its code must be there before it is captured */
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    for (int node = 0; node < GRAPH_NODES; node++) launch_us(kernel_us, NULL);
    CHECK(cuStreamEndCapture(stream, &made));
    CHECK(cuGraphInstantiateWithFlags(&graph, made, 0));
}

static int is_copy(void)
{
    return strcmp(kind, "copy") == 0 || strcmp(kind, "fill") == 0 || strcmp(kind, "upload") == 0;
}

static void prepare_copies(void)
{
    CHECK(cuMemAlloc(&near_memory[0], COPY_BYTES));
    CHECK(cuMemAlloc(&near_memory[1], COPY_BYTES));
    CHECK(cuMemHostAlloc(&host_memory, UPLOAD_BYTES, HOST_PORTABLE_MAPPED));
}

static void copy_one(void)
{
    if (strcmp(kind, "copy") == 0)
        CHECK(cuMemcpyDtoDAsync(near_memory[0], near_memory[1], COPY_BYTES, stream));
    else if (strcmp(kind, "fill") == 0)
        CHECK(cuMemsetD32Async(near_memory[0], 7, COPY_BYTES / 4, stream));
    else
        CHECK(cuMemcpyHtoDAsync(near_memory[0], host_memory, UPLOAD_BYTES, stream));
}

/* One batch, to its synchronization; returns the units done. */
static int work(struct stamp *out)
{
    static const double lengths[] = {50, 800, 100, 400, 200, 50, 200, 100, 800, 400};
    int count = batch;
    if (strcmp(kind, "mixed") == 0) count = sizeof lengths / sizeof lengths[0];
    for (int at = 0; at < count; at++)
        if (host_memory != NULL)
            copy_one();
        else if (graph != NULL)
            CHECK(cuGraphLaunch(graph, stream));
        else
            launch_us(strcmp(kind, "mixed") == 0 ? lengths[at] : kernel_us, out == NULL ? NULL : out + at);
    CHECK(cuStreamSynchronize(stream));
    return count;
}

static void note_progress(int units)
{
    double at = now_s() - progress.began;
    progress.done += units;
    if (progress.count < MARKS && (progress.count == 0 || at - progress.at[progress.count - 1] >= MARK_S)) {
        progress.at[progress.count] = at;
        progress.units[progress.count++] = progress.done;
    }
}

static void forget_progress(void)
{
    progress.began = now_s();
    progress.done = 0;
    progress.count = 0;
}

/* 60 ms of work, then 40 ms of none. Who is held back takes longer over the work. */
static int burst(void)
{
    int done = 0;
    while (done * kernel_us < 60000) {
        int units = work(NULL);
        note_progress(units);
        done += units;
    }
    sleep_s(0.04);
    return done;
}

/* From a synchronization to a synchronization, so that whole kernels and whole periods are counted. */
static void rate(double warm, double seconds, double duty)
{
    double started = now_s();
    double first = 0;
    double last = 0;
    long done = 0;
    long all = 0;
    while (last == 0 || last - first < seconds) {
        double began = now_s();
        bool bursts = strcmp(kind, "bursts") == 0;
        int units = bursts ? burst() : work(NULL);
        double now = now_s();
        if (!bursts) note_progress(units);
        if (duty > 0 && duty < 1) {
            sleep_s((now - began) / duty - (now - began) - 60e-6); /* a sleep takes so much longer */
            now = now_s();
        }
        all += units;
        if (first == 0) {
            first = now - started >= warm ? now : 0;
            forget_progress();
        } else {
            done += units;
            last = now;
        }
    }
    printf("{\"id\":\"turn\",\"perSecond\":%.6f,\"units\":%ld,\"allUnits\":%ld,\"seconds\":%.6f,\"progress\":[",
           (double)done / (last - first), done, all, last - first);
    for (int at = 0; at < progress.count; at++)
        printf("%s[%.4f,%ld]", at > 0 ? "," : "", progress.at[at], progress.units[at]);
    printf("]}\n");
}

static void stamped(double seconds, const char *path, double on, double off)
{
    double started = now_s();
    double pause_at = on > 0 ? started + on : INFINITY;
    uint32_t count = 0;
    double bursts[BURSTS_MAX];
    int burst_count = 0;
    memset(stamps, 0, sizeof *stamps * STAMPS);
    bursts[burst_count++] = now_s();
    while (now_s() - started < seconds && count + (uint32_t)batch <= STAMPS) {
        double began = now_s();
        int units = work(stamps + count);
        for (int at = 0; simulated && at < units; at++) { /* as if the batch had run back to back to its end */
            double end = now_s() * 1e9 - (units - 1 - at) * kernel_us * 1e3;
            stamps[count + (uint32_t)at] =
                (struct stamp){(uint64_t)fmax(end - kernel_us * 1e3, began * 1e9), (uint64_t)end};
        }
        count += (uint32_t)units;
        if (now_s() >= pause_at) {
            sleep_s(off);
            pause_at = now_s() + on;
            if (burst_count < BURSTS_MAX) bursts[burst_count++] = now_s();
        }
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(stamps, sizeof *stamps, count, file) != count || fclose(file) != 0) {
        fprintf(stderr, "%s could not be written\n", path);
        exit(1);
    }
    printf("{\"id\":\"stamps\",\"count\":%u,\"burstsNs\":[", count);
    for (int at = 0; at < burst_count; at++) printf("%s%.0f", at == 0 ? "" : ",", bursts[at] * 1e9);
    printf("]}\n");
}

/* One tiny kernel; returns when the host saw it begin. */
static double start_one(struct stamp *out)
{
    launch_steps(1, 1, 32, out, flag, ++flag_value);
    if (simulated) {
        CHECK(cuStreamSynchronize(stream));
        return now_s();
    }
    double launched = now_s();
    while (*flag != flag_value) {
        if (now_s() - launched > START_MAX_S) {
            fprintf(stderr, "a kernel did not begin within %g s\n", START_MAX_S);
            exit(1);
        }
    }
    double seen = now_s();
    CHECK(cuStreamSynchronize(stream));
    return seen;
}

static void clock_offset(void)
{
    double least = INFINITY;
    for (int round = 0; round < CLOCK_PROBES && !simulated; round++) {
        stamps[0] = (struct stamp){0, 0};
        double seen = start_one(stamps);
        least = fmin(least, seen * 1e9 - (double)stamps[0].start);
    }
    printf("{\"id\":\"clock\",\"offsetNs\":%.0f,\"nowNs\":%.0f}\n", simulated ? 0 : least, now_s() * 1e9);
}

static void probe(double seconds, double per_second, unsigned seed)
{
    double started = now_s();
    int first = 1;
    start_one(NULL);
    printf("{\"id\":\"probe\",\"us\":[");
    while (now_s() - started < seconds) {
        sleep_s(-log((rand_r(&seed) + 1.0) / ((double)RAND_MAX + 2.0)) / per_second);
        double launched = now_s();
        double began = start_one(NULL);
        printf("%s%.2f", first ? "" : ",", (began - launched) * 1e6);
        first = 0;
    }
    printf("]}\n");
}

static int batch_of(double microseconds)
{
    return microseconds >= 20000 ? 1 : (int)fmax(2, fmin(500, 8000 / microseconds));
}

static void serve_lines(void)
{
    char line[512];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char path[400];
        double a = 0;
        double b = 0;
        double c = 0;
        unsigned seed;
        if (sscanf(line, "rate %lf %lf %lf", &a, &b, &c) >= 2) {
            rate(a, b, c);
        } else if (sscanf(line, "stamp %lf %399s %lf %lf", &a, path, &b, &c) >= 2) {
            stamped(a, path, b, c);
        } else if (sscanf(line, "length %lf", &a) == 1 && a > 0 && strcmp(kind, "spin") == 0) {
            kernel_us = a;
            batch = batch_of(a);
            printf("{\"id\":\"length\"}\n");
        } else if (strcmp(line, "clock\n") == 0) {
            clock_offset();
        } else if (sscanf(line, "probe %lf %lf %u", &a, &b, &seed) == 3) {
            probe(a, b, seed);
        } else {
            fprintf(stderr, "not understood: %s", line);
            exit(2);
        }
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: compute_load calibrate | KIND [MICROSECONDS]\n");
        return 2;
    }
    kind = argv[1];
    begin();
    steps_per_us = getenv("STEPS_PER_US") != NULL ? atof(getenv("STEPS_PER_US")) : calibrate();
    if (strcmp(kind, "calibrate") == 0) {
        printf("{\"id\":\"calibration\",\"stepsPerUs\":%.4f,\"fullBlocks\":%u}\n", steps_per_us, grid_full);
        return 0;
    }
    kernel_us = argc > 2 ? atof(argv[2]) : strcmp(kind, "bursts") == 0 ? 200 : strcmp(kind, "graph") == 0 ? 10 : 1000;
    batch = strcmp(kind, "graph") == 0 ? 20 : batch_of(kernel_us);
    if (is_copy()) {
        prepare_copies();
        batch = 16;
    }
    if (strcmp(kind, "graph") == 0) prepare_graph();
    work(NULL);
    printf("{\"id\":\"ready\"}\n");
    fflush(stdout);
    serve_lines();
    return 0;
}
