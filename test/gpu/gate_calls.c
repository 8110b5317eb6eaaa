/* What a request that enters the kernel costs, and a program that makes them until it is ended.
 *
 * usage: gate_calls pair    microseconds of cuMemAlloc and cuMemFree of 4 MiB, and of a launch: one JSON line each
 *        gate_calls loop    allocates and frees for ever; says {"id": "ready"} first, and {"id": "code"} before it ends
 *                           at a refusal that is none of memory
 * Built against the toolkit's cuda.h. Exit 77 where there is no driver. */
#include <cuda.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1ull << 20)
#define PAIRS 3001
#define LAUNCH_ROUNDS 301
#define LAUNCHES 200
#define HELD 64
#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        CUresult check_code = (call);                                                                                 \
        if (check_code != CUDA_SUCCESS) {                                                                             \
            printf("{\"id\": \"failed\", \"call\": \"%s\", \"line\": %d, \"code\": %d}\n", #call, __LINE__,           \
                   check_code);                                                                                       \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void say(const char *id, double *each, int count)
{
    qsort(each, (size_t)count, sizeof each[0], ascending);
    printf("{\"id\": \"%s\", \"us\": %.3f, \"p25\": %.3f, \"p75\": %.3f, \"p99\": %.3f}\n", id, each[count / 2],
           each[count / 4], each[count * 3 / 4], each[count * 99 / 100]);
}

static void pairs(void)
{
    static double each[PAIRS], launch[LAUNCH_ROUNDS];
    CUdeviceptr p;
    CUmodule module;
    CUfunction function;
    for (int i = 0; i < PAIRS; i++) {
        double began = now_us();
        CHECK(cuMemAlloc(&p, 4 * MIB));
        CHECK(cuMemFree(p));
        each[i] = now_us() - began;
    }
    say("gate.alloc", each, PAIRS);
    CHECK(cuModuleLoadData(&module, ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { ret; }\n"));
    CHECK(cuModuleGetFunction(&function, module, "k"));
    for (int r = 0; r < LAUNCH_ROUNDS; r++) {
        CHECK(cuCtxSynchronize());
        double began = now_us();
        for (int i = 0; i < LAUNCHES; i++) CHECK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
        launch[r] = (now_us() - began) / LAUNCHES;
    }
    say("gate.launch", launch, LAUNCH_ROUNDS);
}

static int loop(void)
{
    CUdeviceptr held[HELD] = {0};
    CUresult code;
    printf("{\"id\": \"ready\"}\n");
    for (unsigned i = 0;; i++) {
        CUdeviceptr *place = &held[i * 7 % HELD];
        if (*place != 0) CHECK(cuMemFree(*place));
        *place = 0;
        code = cuMemAlloc(place, (1 + i % 5) * 4 * MIB);
        if (code != CUDA_SUCCESS && code != CUDA_ERROR_OUT_OF_MEMORY) break;
    }
    printf("{\"id\": \"code\", \"code\": %d}\n", code);
    return 1;
}

int main(int argc, char **argv)
{
    CUdevice device;
    CUcontext context;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) return 2;
    if (cuInit(0) != CUDA_SUCCESS || cuDeviceGet(&device, 0) != CUDA_SUCCESS) return 77;
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    if (strcmp(argv[1], "loop") == 0) return loop();
    pairs();
    return 0;
}
