/* How cheap a hook can be: the driver's own function and one that stands before it and does less and less, in turn in
 * one process. Run natively; what the shim adds is to be read beside it. One JSON line per step, nanoseconds added.
 * build: gcc -O2 -I CUDA/include hook_floor.c libcuda.so.1 */
#define _GNU_SOURCE
#include <cuda.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define ROUNDS 601
#define CALLS 200
#define LINES 16
#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        CUresult check_code = (call);                                                                                 \
        if (check_code != CUDA_SUCCESS) {                                                                             \
            printf("{\"id\": \"failed\", \"call\": \"%s\", \"code\": %d}\n", #call, check_code);                      \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

typedef CUresult (*launch_fn)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                              CUstream, void **, void **);
typedef CUresult (*alloc_fn)(CUdeviceptr *, size_t, CUstream);
typedef CUresult (*free_fn)(CUdeviceptr, CUstream);

static launch_fn volatile real_launch = cuLaunchKernel;
static alloc_fn volatile real_alloc = cuMemAllocAsync;
static free_fn volatile real_free = cuMemFreeAsync;

/* What a hook reads or locks: as many lines of memory, each on a page of its own as in files that are mapped. */
static _Atomic unsigned *lines[LINES];
static int reads, locks;

static inline void touch(void)
{
    for (int at = 0; at < reads; at++)
        if (atomic_load_explicit(lines[at], memory_order_relaxed) == 12345) exit(2);
    for (int at = 0; at < locks; at++) atomic_fetch_add_explicit(lines[at], 2, memory_order_relaxed);
}

static __attribute__((noinline)) CUresult jump_launch(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                                      unsigned by, unsigned bz, unsigned shared, CUstream stream,
                                                      void **parameters, void **extra)
{
    return real_launch(f, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra);
}
static __attribute__((noinline)) CUresult touching_launch(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
                                                          unsigned bx, unsigned by, unsigned bz, unsigned shared,
                                                          CUstream stream, void **parameters, void **extra)
{
    touch();
    return real_launch(f, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra);
}
static __attribute__((noinline)) CUresult touching_alloc(CUdeviceptr *out, size_t bytes, CUstream stream)
{
    touch();
    return real_alloc(out, bytes, stream);
}
static __attribute__((noinline)) CUresult touching_free(CUdeviceptr p, CUstream stream)
{
    touch();
    return real_free(p, stream);
}

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

#define STEP(name, type, first, second, body)                                                                         \
    do {                                                                                                              \
        static double each[2][ROUNDS], added[ROUNDS];                                                                 \
        for (int r = 0; r < 2 * ROUNDS; r++) {                                                                        \
            int way = (r + r / 2) & 1;                                                                                \
            type call = way == 0 ? first : second;                                                                    \
            CHECK(cuCtxSynchronize());                                                                                \
            double began = now_ns();                                                                                  \
            for (int i = 0; i < CALLS; i++) body;                                                                     \
            each[way][r / 2] = (now_ns() - began) / CALLS;                                                            \
        }                                                                                                             \
        for (int r = 0; r < ROUNDS; r++) added[r] = each[1][r] - each[0][r];                                          \
        qsort(added, ROUNDS, sizeof added[0], ascending);                                                             \
        qsort(each[0], ROUNDS, sizeof added[0], ascending);                                                           \
        printf("{\"id\": \"floor.%s\", \"reads\": %d, \"locks\": %d, \"driverNs\": %.1f, \"addedNs\": %.1f, "         \
               "\"addedP25\": %.1f, \"addedP75\": %.1f}\n",                                                           \
               name, reads, locks, each[0][ROUNDS / 2], added[ROUNDS / 2], added[ROUNDS / 4], added[ROUNDS * 3 / 4]); \
    } while (0)

int main(void)
{
    static const char *const image = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { ret; }\n";
    static const int steps[][2] = {{0, 0}, {1, 0}, {4, 0}, {8, 0}, {16, 0}, {0, 2}, {0, 4}, {0, 8}};
    CUcontext context;
    CUmodule module;
    CUfunction f;
    CUstream stream;
    CUdeviceptr p;
    CUmemoryPool pool;
    cuuint64_t keep = ~0ull;
    if (cuInit(0) != CUDA_SUCCESS || cuDevicePrimaryCtxRetain(&context, 0) != CUDA_SUCCESS) return 77;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuModuleLoadData(&module, image));
    CHECK(cuModuleGetFunction(&f, module, "k"));
    CHECK(cuDeviceGetDefaultMemPool(&pool, 0));
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    CHECK(cuMemAllocAsync(&p, 64u << 20, stream));
    CHECK(cuMemFreeAsync(p, stream));
    for (int at = 0; at < LINES; at++) {
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                          0); /* a line each, not the same */
        if (page == MAP_FAILED) return 1;
        lines[at] = (_Atomic unsigned *)(void *)(page + at % 64 * 64);
    }
    STEP("launch.jump", launch_fn, cuLaunchKernel, jump_launch,
         CHECK(call(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL)));
    for (unsigned at = 0; at < sizeof steps / sizeof steps[0]; at++) {
        reads = steps[at][0];
        locks = steps[at][1];
        STEP("launch", launch_fn, cuLaunchKernel, touching_launch,
             CHECK(call(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL)));
        STEP("async", alloc_fn, cuMemAllocAsync, touching_alloc, CHECK(call(&p, 4u << 20, stream));
             CHECK(call == touching_alloc ? touching_free(p, stream) : cuMemFreeAsync(p, stream)));
    }
    return 0;
}
