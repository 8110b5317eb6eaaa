/* Graph capture under the shim in a limited slice: our events and queries must get into no capture and spoil none,
 * whatever other threads launch meanwhile; and a captured launch is not charged, its graph is.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "cuda_min.h"
#include "program.h"

#include <dlfcn.h>
#include <pthread.h>

#define CAPTURES 300
#define NODES 20
#define NODE_NS 20000
#define PLAIN_LAUNCHES 3000

#define DRIVER(X)                                                                                                     \
    X(cuInit, (unsigned flags))                                                                                       \
    X(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                               \
    X(cuCtxSetCurrent, (CUcontext context))                                                                           \
    X(cuCtxSynchronize, (void))                                                                                       \
    X(cuStreamCreate, (CUstream * out, unsigned flags))                                                               \
    X(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode))                                           \
    X(cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                                         \
    X(cuModuleLoadData, (CUmodule * out, const void *image))                                                          \
    X(cuModuleGetFunction, (CUfunction * out, CUmodule module, const char *name))                                     \
    X(cuGraphInstantiateWithFlags, (CUgraphExec * out, CUgraph graph, unsigned long long flags))                      \
    X(cuGraphLaunch, (CUgraphExec exec, CUstream stream))                                                             \
    X(cuGraphExecDestroy, (CUgraphExec exec))                                                                         \
    X(cuGraphDestroy, (CUgraph graph))                                                                                \
    X(cuLaunchKernel, (CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,          \
                       unsigned bz, unsigned shared, CUstream stream, void **parameters, void **extra))               \
    X(cuLaunchKernel_ptsz, (CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,     \
                            unsigned bz, unsigned shared, CUstream stream, void **parameters, void **extra))
#define MEMBER(name, parameters) static CUresult(*name) parameters;
DRIVER(MEMBER)
#undef MEMBER

static CUcontext context;
static CUfunction spin;
static _Atomic int stop_launching;
static _Atomic int launches_failed;
static _Atomic unsigned launched; /* for the GPU to run, graphs too; not into a capture */

static CUresult launch(CUstream stream, uint64_t nanoseconds)
{
    void *parameters[] = {&nanoseconds};
    return cuLaunchKernel(spin, 1, 1, 1, 32, 1, 1, 0, stream, parameters, NULL);
}

/* Launches of ever new shapes, each of which the shim wants to time. */
static void *launch_beside(void *stream)
{
    unsigned grid = 1;
    cuCtxSetCurrent(context);
    while (!atomic_load(&stop_launching)) {
        uint64_t nanoseconds = 20000;
        void *parameters[] = {&nanoseconds};
        grid = grid % 400 + 1;
        CUresult result = grid % 2 == 0 ? cuLaunchKernel(spin, grid, 1, 1, 32, 1, 1, 0, stream, parameters, NULL)
                                        : cuLaunchKernel_ptsz(spin, grid, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL);
        atomic_fetch_add(&launches_failed, result != CUDA_SUCCESS);
        atomic_fetch_add(&launched, 1);
    }
    return NULL;
}

static void inside(void)
{
    CUmodule module;
    CUstream stream;
    CUstream other;
    pthread_t thread;
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (cuda == NULL) fixture_fail("libcuda.so.1");
#define LOAD(name, parameters) name = (CUresult(*) parameters)dlsym(cuda, #name);
    DRIVER(LOAD)
#undef LOAD
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
    CHECK_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CHECK_EQ(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CHECK_EQ(cuModuleLoadData(&module, "image"), CUDA_SUCCESS);
    CHECK_EQ(cuModuleGetFunction(&spin, module, "spin"), CUDA_SUCCESS);
    CHECK_EQ(launch(stream, NODE_NS), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    pthread_create(&thread, NULL, launch_beside, other);
    for (int at = 0; at < CAPTURES; at++) {
        CUgraph graph = NULL;
        CUgraphExec exec = NULL;
        CHECK_EQ(cuStreamBeginCapture_v2(stream, at % 3), CUDA_SUCCESS);
        for (int node = 0; node < NODES; node++) CHECK_EQ(launch(stream, NODE_NS), CUDA_SUCCESS);
        CHECK_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
        CHECK_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
        CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
        atomic_fetch_add(&launched, 1);
        CHECK_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
        CHECK_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
    }
    atomic_store(&stop_launching, 1);
    pthread_join(thread, NULL);
    CHECK_EQ(launches_failed, 0);
    /* Where captures come one after the other little can be timed: what is charged is looked for in plain launches. */
    for (int at = 0; at < PLAIN_LAUNCHES; at++) {
        CHECK_EQ(launch(stream, NODE_NS), CUDA_SUCCESS);
        if (at % 50 == 49) CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    }
    printf("{\"launched\":%u}\n", atomic_load(&launched) + 1 + PLAIN_LAUNCHES);
}

static struct fixture fixture;
static struct fixture_slice slice;

static void captures_stay_whole(uint32_t limit_bp, bool preload)
{
    char output[8192];
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, limit_bp);
    program_again(&fixture, slice.id, preload, "inside");
    fixture_output(&fixture, "program", output, sizeof output);
    if (preload && limit_bp < 10000) { /* each is counted then */
        uint64_t counted = atomic_load(&slice.usage->entries[0].launches);
        CHECK_THAT((double)counted <= fixture_figure(output, "launched"), "%llu of %s", (unsigned long long)counted,
                   output);
    }
    if (preload) {
        CHECK(atomic_load(&slice.usage->entries[0].launches) > 0); /* counted in steps: the last ones may be missing */
        CHECK(atomic_load(&slice.usage->entries[0].charged_ns) > 0);
    }
    fixture_close(&fixture);
}

static void without_the_shim(void)
{
    captures_stay_whole(10000, false);
}

static void unlimited(void)
{
    captures_stay_whole(10000, true);
}

static void limited(void)
{
    captures_stay_whole(5000, true);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 2) {
        check_name = "inside";
        inside();
        return check_failures_here != 0;
    }
    check_needs_build();
    RUN(without_the_shim);
    RUN(unlimited);
    RUN(limited);
    return check_done();
}
