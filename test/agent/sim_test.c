/* The simulated driver itself: what it models must hold, or the tests that stand on it prove nothing.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_api.h"
#include "cuda_min.h"
#include "nvml_min.h"
#include "program.h"

#include <dlfcn.h>
#include <time.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct fixture fixture;

#define DRIVER(X)                                                                                                     \
    X(CUresult, cuInit, (unsigned flags))                                                                             \
    X(CUresult, cuDeviceGetCount, (int *count))                                                                       \
    X(CUresult, cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                     \
    X(CUresult, cuCtxSetCurrent, (CUcontext context))                                                                 \
    X(CUresult, cuCtxSynchronize, (void))                                                                             \
    X(CUresult, cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes))                                                     \
    X(CUresult, cuMemGetInfo_v2, (size_t * free_bytes, size_t * total))                                               \
    X(CUresult, cuStreamCreate, (CUstream * out, unsigned flags))                                                     \
    X(CUresult, cuStreamQuery, (CUstream stream))                                                                     \
    X(CUresult, cuStreamSynchronize, (CUstream stream))                                                               \
    X(CUresult, cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode))                                 \
    X(CUresult, cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                               \
    X(CUresult, cuThreadExchangeStreamCaptureMode, (CUstreamCaptureMode * mode))                                      \
    X(CUresult, cuEventCreate, (CUevent * event, unsigned flags))                                                     \
    X(CUresult, cuEventRecord, (CUevent event, CUstream stream))                                                      \
    X(CUresult, cuEventQuery, (CUevent event))                                                                        \
    X(CUresult, cuEventElapsedTime, (float *milliseconds, CUevent start, CUevent end))                                \
    X(CUresult, cuModuleLoadData, (CUmodule * out, const void *image))                                                \
    X(CUresult, cuModuleGetFunction, (CUfunction * out, CUmodule module, const char *name))                           \
    X(CUresult, cuLaunchKernel,                                                                                       \
      (CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,             \
       unsigned shared, CUstream stream, void **parameters, void **extra))                                            \
    X(CUresult, cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))
#define MEMBER(type, name, parameters) static type(*name) parameters;
DRIVER(MEMBER)
#undef MEMBER

static const struct tranche_sim_api *sim;
static CUstream stream;
static CUfunction spin;

static void enter(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    CUcontext context;
    CUmodule module;
    if (cuda == NULL) fixture_fail("libcuda.so.1");
#define LOAD(type, name, parameters) name = (type(*) parameters)dlsym(cuda, #name);
    DRIVER(LOAD)
#undef LOAD
    sim = *(const struct tranche_sim_api **)dlsym(cuda, TRANCHE_SIM_SYMBOL);
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
    CHECK_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CHECK_EQ(cuModuleLoadData(&module, "image"), CUDA_SUCCESS);
    CHECK_EQ(cuModuleGetFunction(&spin, module, "spin"), CUDA_SUCCESS);
    CHECK_EQ(cuModuleGetFunction(&spin, module, "missing"), CUDA_ERROR_NOT_FOUND);
    CHECK_EQ(cuModuleGetFunction(&spin, module, "spin"), CUDA_SUCCESS);
}

static CUresult launch(uint64_t nanoseconds)
{
    void *parameters[] = {&nanoseconds};
    return cuLaunchKernel(spin, 1, 1, 1, 32, 1, 1, 0, stream, parameters, NULL);
}

static void time_is_virtual_and_events_measure_it(void)
{
    CUevent start;
    CUevent end;
    float milliseconds;
    struct timespec before;
    struct timespec after;
    CHECK_EQ(launch(1000), CUDA_SUCCESS); /* loads the code */
    cuCtxSynchronize();
    cuEventCreate(&start, 0);
    cuEventCreate(&end, 0);
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t from = sim->now_ns();
    cuEventRecord(start, stream);
    CHECK_EQ(launch(UINT64_C(100000000000)), CUDA_SUCCESS);
    cuEventRecord(end, stream);
    CHECK_EQ(cuEventQuery(end), CUDA_ERROR_NOT_READY);
    CHECK_EQ(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(cuEventElapsedTime(&milliseconds, start, end), CUDA_SUCCESS);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK_THAT(milliseconds > 97900 && milliseconds < 102100, "%f", (double)milliseconds);
    CHECK(sim->now_ns() - from > UINT64_C(97000000000));
    CHECK(after.tv_sec - before.tv_sec < 5); /* 100 s of it in no time */
}

static void the_queue_blocks_when_full(void)
{
    CHECK_EQ(launch(1000), CUDA_SUCCESS);
    cuCtxSynchronize();
    uint64_t from = sim->now_ns();
    for (int at = 0; at < 1000; at++) launch(1000000);
    CHECK(sim->now_ns() - from < 10000000); /* 1000 ms of work, handed over in a few */
    for (int at = 0; at < 200; at++) launch(1000000);
    CHECK(sim->now_ns() - from > 150000000); /* these had to wait for places */
}

static void first_launch_synchronizes(void)
{
    CUmodule module;
    CUfunction other;
    CHECK_EQ(launch(1000), CUDA_SUCCESS);
    cuCtxSynchronize();
    CHECK_EQ(launch(50000000), CUDA_SUCCESS);
    uint64_t from = sim->now_ns();
    CHECK_EQ(cuModuleLoadData(&module, "image"), CUDA_SUCCESS);
    CHECK_EQ(cuModuleGetFunction(&other, module, "another"), CUDA_SUCCESS);
    CHECK_EQ(cuLaunchKernel(other, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL), CUDA_SUCCESS);
    CHECK(sim->now_ns() - from > 45000000);
}

static void copies_overlap_kernels_but_not_their_stream(void)
{
    CUstream second;
    cuStreamCreate(&second, CU_STREAM_NON_BLOCKING);
    CHECK_EQ(launch(1000), CUDA_SUCCESS);
    cuCtxSynchronize();
    uint64_t from = sim->now_ns();
    launch(100000000);
    cuMemcpyHtoDAsync_v2(0x1000, &fixture, 2500 * MIB, second); /* about 105 ms at 25 GB/s */
    cuCtxSynchronize();
    CHECK(sim->now_ns() - from < 130000000);
    from = sim->now_ns();
    launch(100000000);
    cuMemcpyHtoDAsync_v2(0x1000, &fixture, 2500 * MIB, stream);
    cuCtxSynchronize();
    CHECK(sim->now_ns() - from > 190000000);
}

/* A call in global capture mode by anybody spoils the capture, unless its thread said otherwise. */
static void captures_are_delicate(void)
{
    CUgraph graph;
    CUevent event;
    cuEventCreate(&event, 0);
    cuEventRecord(event, stream);
    CHECK_EQ(launch(1000), CUDA_SUCCESS);
    CHECK_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    CHECK_EQ(launch(1000), CUDA_SUCCESS);
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    cuThreadExchangeStreamCaptureMode(&mode);
    CHECK(cuEventQuery(event) != CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    cuThreadExchangeStreamCaptureMode(&mode);
    CHECK_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
    CHECK_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    CHECK_EQ(cuEventQuery(event), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    CHECK_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

static void visible_devices_by_uuid(void)
{
    int count = 0;
    CHECK_EQ(cuDeviceGetCount(&count), CUDA_SUCCESS);
    CHECK_EQ(count, 1);
}

static void hold_and_wait(void)
{
    CUdeviceptr address;
    CHECK_EQ(cuMemAlloc_v2(&address, 3 * GIB), CUDA_SUCCESS);
    program_hold();
}

static const struct program programs[] = {
    PROGRAM(time_is_virtual_and_events_measure_it, .conf = "clock = virtual\n"),
    PROGRAM(the_queue_blocks_when_full, .conf = "clock = virtual\n"),
    PROGRAM(first_launch_synchronizes, .conf = "clock = virtual\n"),
    PROGRAM(copies_overlap_kernels_but_not_their_stream, .conf = "clock = virtual\n"),
    PROGRAM(captures_are_delicate, .conf = ""),
    PROGRAM(visible_devices_by_uuid, .conf = "gpus = 4\n"),
    PROGRAM(hold_and_wait, .conf = ""),
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

/* ---- outside: NVML, several processes, death ---- */

static void *nvml;
#define NVML(name) ((nvmlReturn_t(*)())dlsym(nvml, #name))

static void open_nvml(nvmlDevice_t *device)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sim/libnvidia-ml.so.1", fixture.build);
    setenv(ENV_SIM_DIR, fixture.root, 1);
    nvml = dlmopen(LM_ID_NEWLM, path, RTLD_NOW); /* a fresh one: each machine has its own state */
    if (nvml == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    CHECK_EQ(NVML(nvmlInit_v2)(), NVML_SUCCESS);
    CHECK_EQ(NVML(nvmlDeviceGetHandleByIndex_v2)(0u, device), NVML_SUCCESS);
    CHECK(dlsym(nvml, TRANCHE_SIM_SYMBOL) != NULL);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void death_returns_memory(void)
{
    nvmlDevice_t device;
    nvmlMemory_t memory = {0};
    nvmlProcessInfo_t infos[4];
    unsigned count = 4;
    fixture_open(&fixture, "");
    open_nvml(&device);
    CHECK_EQ(NVML(nvmlDeviceGetMemoryInfo)(device, &memory), NVML_SUCCESS);
    uint64_t idle = memory.used;
    pid_t pid = program_holder(&fixture, NULL, false, "hold_and_wait");
    CHECK_EQ(NVML(nvmlDeviceGetMemoryInfo)(device, &memory), NVML_SUCCESS);
    CHECK_EQ(memory.used, idle + 3 * GIB + 300 * MIB); /* and the context */
    CHECK_EQ(NVML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, infos), NVML_SUCCESS);
    CHECK_EQ(count, 1);
    CHECK_EQ(infos[0].pid, pid);
    CHECK_EQ(infos[0].usedGpuMemory, 3 * GIB + 300 * MIB);
    count = 0;
    CHECK_EQ(NVML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, NULL), NVML_ERROR_INSUFFICIENT_SIZE);
    CHECK_EQ(count, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    uint64_t died = now_ns();
    do {
        usleep(2000);
        NVML(nvmlDeviceGetMemoryInfo)(device, &memory);
    } while (memory.used != idle && now_ns() - died < UINT64_C(5000000000));
    CHECK_EQ(memory.used, idle);
    CHECK_THAT(now_ns() - died > 50000000 && now_ns() - died < 1000000000, "%llu ms",
               (unsigned long long)(now_ns() - died) / 1000000);
    fixture_close(&fixture);
}

static void load_shows_in_nvml(void)
{
    nvmlDevice_t device;
    nvmlUtilization_t rates = {0};
    unsigned celsius = 0;
    unsigned milliwatts = 0;
    nvmlProcessUtilizationSample_t samples[4];
    unsigned count = 4;
    char *argv[] = {"tranche-sim-workload",
                    "heavy",
                    "--seconds",
                    "20",
                    "--process-title",
                    "python train.py --config nightly.yaml",
                    NULL};
    fixture_open(&fixture, "");
    open_nvml(&device);
    CHECK_EQ(NVML(nvmlDeviceGetProcessUtilization)(device, samples, &count, 0ull), NVML_ERROR_NOT_FOUND);
    pid_t pid = fixture_start(&fixture, NULL, false, "load", argv);
    uint64_t end = now_ns() + UINT64_C(10000000000);
    while (rates.gpu < 90 && now_ns() < end) {
        usleep(20000);
        NVML(nvmlDeviceGetUtilizationRates)(device, &rates);
    }
    CHECK(rates.gpu >= 90);
    NVML(nvmlDeviceGetTemperature)(device, 0, &celsius);
    NVML(nvmlDeviceGetPowerUsage)(device, &milliwatts);
    CHECK(celsius > 60 && milliwatts > 500000);
    count = 4;
    CHECK_EQ(NVML(nvmlDeviceGetProcessUtilization)(device, samples, &count, 0ull), NVML_SUCCESS);
    CHECK_EQ(count, 1);
    CHECK_EQ(samples[0].pid, pid);
    char path[64];
    char title[128] = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *file = fopen(path, "r");
    size_t got = fread(title, 1, sizeof title - 1, file);
    fclose(file);
    CHECK_EQ(got, sizeof "python train.py --config nightly.yaml");
    CHECK_STR(title, "python");
    kill(pid, SIGTERM);
    CHECK_EQ(fixture_wait(pid, 20), 0);
    fixture_close(&fixture);
}

/* One of two is killed in the middle; virtual time must go on for the other. */
static void virtual_time_survives_a_kill(void)
{
    char *longer[] = {"tranche-sim-workload", "heavy", "--seconds", "300", NULL};
    char *shorter[] = {"tranche-sim-workload", "tiny", "--seconds", "1", NULL};
    char output[256];
    fixture_open(&fixture, "clock = virtual\nparticipants = 2\n");
    pid_t killed = fixture_start(&fixture, NULL, false, "killed", longer);
    pid_t survivor = fixture_start(&fixture, NULL, false, "survivor", shorter);
    usleep(50000); /* somewhere in the run; any moment must do */
    kill(killed, SIGKILL);
    waitpid(killed, NULL, 0);
    CHECK_EQ(fixture_wait(survivor, 60), 0);
    fixture_output(&fixture, "survivor", output, sizeof output);
    CHECK(fixture_figure(output, "elapsedNs") >= 1e9);
    fixture_close(&fixture);
}

int main(int argc, char **argv)
{
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], enter);
    check_needs_build();
    setenv("CUDA_VISIBLE_DEVICES", "GPU-51000000-0000-4000-8000-000000000000", 1);
    for (size_t at = 0; at < PROGRAMS - 1; at++) {
        fixture_open(&fixture, programs[at].conf);
        program_test(&fixture, NULL, false, programs[at].name);
        fixture_close(&fixture);
    }
    RUN(death_returns_memory);
    RUN(load_shows_in_nvml);
    RUN(virtual_time_survives_a_kill);
    return check_done();
}
