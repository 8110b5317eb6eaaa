/* What the shim adds to a call, in nanoseconds, over a driver that does nothing: real functions and hooks in turn in one
 * process. One JSON line per call.
 * usage: shim_cost RUNTIME_DIR NULL_DRIVER    (makes a slice there, then runs itself under LD_PRELOAD) */
#include "cuda_min.h"
#include "env.h"
#include "one_slice.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 301
#define CALLS 2000

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double direct[ROUNDS], hooked[ROUNDS], added[ROUNDS];

static void report(const char *id)
{
    for (int at = 0; at < ROUNDS; at++) added[at] = hooked[at] - direct[at];
    qsort(direct, ROUNDS, sizeof *direct, ascending);
    qsort(hooked, ROUNDS, sizeof *hooked, ascending);
    qsort(added, ROUNDS, sizeof *added, ascending);
    printf("{\"id\": \"%s\", \"directNs\": %.2f, \"hookedNs\": %.2f, \"addedNs\": %.2f}\n", id, direct[ROUNDS / 2],
           hooked[ROUNDS / 2], added[ROUNDS / 2]);
}

#define PAIR(id, body)                                                                                                \
    for (int round = 0; round < 2 * ROUNDS; round++) {                                                                \
        int way = (round + round / 2) & 1;                                                                            \
        double began = now_ns();                                                                                      \
        for (int call = 0; call < CALLS; call++) {                                                                    \
            body;                                                                                                     \
        }                                                                                                             \
        (way ? hooked : direct)[round / 2] = (now_ns() - began) / CALLS;                                              \
    }                                                                                                                 \
    report(id);

/* The driver's own: this program opened it, so its handle gives what stands behind the hook. */
static void *own(void *driver, const char *name)
{
    void *(*real_dlsym)(void *, const char *) =
        (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (real_dlsym == NULL) real_dlsym = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    void *found = real_dlsym == NULL ? NULL : real_dlsym(driver, name);
    if (found == NULL) exit(3);
    return found;
}

static int inside(const char *mode)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (driver == NULL) return 4;
#define WAYS(type, variable, name)                                                                                    \
    type variable[2] = {(type)own(driver, name), (type)dlsym(driver, name)};                                          \
    if (variable[0] == variable[1]) return 5
    typedef CUresult (*launch_fn)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                  CUstream, void **, void **);
    typedef CUresult (*ex_fn)(const CUlaunchConfig *, CUfunction, void **, void **);
    typedef CUresult (*graph_fn)(CUgraphExec, CUstream);
    typedef CUresult (*alloc_fn)(CUdeviceptr *, size_t);
    typedef CUresult (*free_fn)(CUdeviceptr);
    typedef CUresult (*async_fn)(CUdeviceptr *, size_t, CUstream);
    typedef CUresult (*free_async_fn)(CUdeviceptr, CUstream);
    WAYS(launch_fn, launch, "cuLaunchKernel");
    WAYS(ex_fn, ex, "cuLaunchKernelEx");
    WAYS(graph_fn, graph, "cuGraphLaunch");
    WAYS(alloc_fn, alloc, "cuMemAlloc_v2");
    WAYS(free_fn, give, "cuMemFree_v2");
    WAYS(async_fn, async, "cuMemAllocAsync");
    WAYS(free_async_fn, give_async, "cuMemFreeAsync");
    CUfunction function = (CUfunction)(void *)&direct;
    CUlaunchConfig config = {
        .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1, .blockDimY = 1, .blockDimZ = 1};
    CUdeviceptr p;
    char id[64];
#define ID(name) (snprintf(id, sizeof id, "shim.%s%s", name, mode), id)
    PAIR(ID("launch"), launch[way](function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    PAIR(ID("launchEx"), ex[way](&config, function, NULL, NULL));
    PAIR(ID("graphLaunch"), graph[way]((CUgraphExec)(void *)&hooked, NULL));
    PAIR(ID("alloc"), alloc[way](&p, 4 << 20); give[way](p));
    PAIR(ID("async"), async[way](&p, 4 << 20, NULL); give_async[way](p, NULL));
    return 0;
}

int main(int argc, char **argv)
{
    if (getenv("SHIM_COST_MODE") != NULL) return inside(getenv("SHIM_COST_MODE"));
    if (argc != 4) return 2;
    const char *limited = getenv("SHIM_COST_LIMITED");
    if (make_slice(argv[1], "s-cost", limited != NULL ? 9900 : 10000) != 0) return 6;
    setenv("SHIM_COST_MODE", limited != NULL ? ".limited" : "", 1);
    setenv(ENV_SLICES, "s-cost", 1);
    setenv(ENV_RUNTIME_DIR, argv[1], 1);
    setenv("LD_LIBRARY_PATH", argv[2], 1);
    setenv("LD_PRELOAD", argv[3], 1);
    execv("/proc/self/exe", argv);
    return 7;
}
