/* For kernel_limit.test.ts: a program that takes memory of the simulated driver without any library of ours, and root's way
 * to that driver's limits of control groups, as `nvidia-smi memory-limits` is one. Says results as numbers. */
#include "cuda_min.h"
#include "nvml_min.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK_BYTES (32ull << 20)
#define WRONG_USE 2

static void *driver, *manager;

#define FIND(library, name, ...) int (*name)(__VA_ARGS__) = (int (*)(__VA_ARGS__))dlsym(library, #name)

static int limits(int argc, char **argv)
{
    nvmlDevice_t device;
    FIND(manager, nvmlInit_v2, void);
    FIND(manager, nvmlDeviceGetHandleByUUID, const char *, nvmlDevice_t *);
    FIND(manager, nvmlDeviceSetMemoryLimits_v1, nvmlDevice_t, nvmlSetMemoryLimits_v1_t *);
    FIND(manager, nvmlDeviceGetMemoryLimits_v1, nvmlDevice_t, nvmlGetMemoryLimits_v1_t *);
    int result = nvmlInit_v2();
    if (result == 0) result = nvmlDeviceGetHandleByUUID(argv[2], &device);
    if (result == 0 && argc == 6) {
        nvmlSetMemoryLimits_v1_t set = {argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10)};
        result = nvmlDeviceSetMemoryLimits_v1(device, &set);
    }
    nvmlGetMemoryLimits_v1_t got = {.nameSpace = argv[3]};
    if (result == 0) result = nvmlDeviceGetMemoryLimits_v1(device, &got);
    printf("%d %llu %llu %llu\n", result, got.softLimit, got.hardLimit, got.currentUsed);
    return 0;
}

static int stale(void)
{
    FIND(manager, nvmlInit_v2, void);
    FIND(manager, tranche_sim_stale_limits, void);
    if (nvmlInit_v2() != 0) return 1;
    printf("%d\n", tranche_sim_stale_limits());
    return 0;
}

static int begin(void)
{
    CUcontext context;
    FIND(driver, cuInit, unsigned);
    FIND(driver, cuDevicePrimaryCtxRetain, CUcontext *, CUdevice);
    FIND(driver, cuCtxSetCurrent, CUcontext);
    int result = cuInit(0);
    if (result == 0) result = cuDevicePrimaryCtxRetain(&context, 0);
    return result == 0 ? cuCtxSetCurrent(context) : result;
}

/* Until it is refused, or has that much. */
static int take(unsigned long long most_bytes, unsigned long long *taken_bytes)
{
    CUdeviceptr block;
    FIND(driver, cuMemAlloc_v2, CUdeviceptr *, size_t);
    int result = begin();
    while (result == 0 && *taken_bytes < most_bytes) {
        result = cuMemAlloc_v2(&block, BLOCK_BYTES);
        if (result == 0) *taken_bytes += BLOCK_BYTES;
    }
    return result;
}

static void stay(void)
{
    fflush(stdout);
    for (;;) pause();
}

/* Children that take all there is and are killed with it, one after the other. Says that the first one was, and how many were refused in time, and the
 * most that one of them got. */
static int storm(int rounds, unsigned long long most_bytes)
{
    unsigned long long got, most = 0;
    int refused = 0, pipes[2];
    for (int i = 0; i < rounds; i++) {
        if (pipe(pipes) != 0) return 1;
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            got = 0;
            if (take(most_bytes, &got) == 0) got = most_bytes;
            if (write(pipes[1], &got, sizeof got) != sizeof got) _exit(1);
            stay();
        }
        if (read(pipes[0], &got, sizeof got) != sizeof got) return 1;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(pipes[0]);
        close(pipes[1]);
        refused += got < most_bytes;
        if (got > most) most = got;
        if (i == 0 && (puts("begun") < 0 || fflush(stdout) != 0)) return 1;
    }
    printf("%d %llu\n", refused, most);
    return 0;
}

static int hold(int managed, unsigned long long most_bytes)
{
    unsigned long long taken = 0;
    size_t free_bytes = 0, total_bytes = 0;
    CUdeviceptr block;
    FIND(driver, cuMemAllocManaged, CUdeviceptr *, size_t, unsigned);
    FIND(driver, cuMemGetInfo_v2, size_t *, size_t *);
    int result = managed ? begin() : take(most_bytes, &taken);
    if (managed && result == 0) {
        result = cuMemAllocManaged(&block, most_bytes, 1);
        taken = result == 0 ? most_bytes : 0;
    }
    int told = cuMemGetInfo_v2(&free_bytes, &total_bytes);
    printf("%d %llu %zu %zu\n", result, taken, told == 0 ? total_bytes : 0, told == 0 ? free_bytes : 0);
    stay();
    return 0;
}

int main(int argc, char **argv)
{
    manager = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!manager || !driver || argc < 2) return WRONG_USE;
    if (strcmp(argv[1], "limits") == 0 && argc >= 4) return limits(argc, argv);
    if (strcmp(argv[1], "stale") == 0) return stale();
    if (strcmp(argv[1], "storm") == 0 && argc == 4) return storm(atoi(argv[2]), strtoull(argv[3], NULL, 10));
    if (strcmp(argv[1], "take") == 0 && argc == 3) return hold(0, strtoull(argv[2], NULL, 10));
    if (strcmp(argv[1], "managed") == 0 && argc == 3) return hold(1, strtoull(argv[2], NULL, 10));
    return WRONG_USE;
}
