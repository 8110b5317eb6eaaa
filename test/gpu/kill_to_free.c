/* How long after kill -9 is a process's GPU memory free again? For each size: milliseconds from the signal until the
 * process's pidfd is readable, and until NVML's used figure is back at its idle level. One JSON line per size.
 * Exit 77 where there is no driver. Run it with and without the shim preloaded: `tranche run … -- ./kill_to_free`. */
#include "cuda_min.h"
#include "nvml_min.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77
#define DEATH_TIMEOUT_MS 20000
#define IDLE_SLACK_BYTES (16ull << 20)

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Holds gib GiB and writes one byte to ready: 'y', or 'n' when the driver refused. */
static void hold(int gib, int ready)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    int (*init)(unsigned) = cuda ? (int (*)(unsigned))dlsym(cuda, "cuInit") : NULL;
    int (*retain)(void **, int) = cuda ? (int (*)(void **, int))dlsym(cuda, "cuDevicePrimaryCtxRetain") : NULL;
    int (*set)(void *) = cuda ? (int (*)(void *))dlsym(cuda, "cuCtxSetCurrent") : NULL;
    int (*alloc)(unsigned long long *, size_t) =
        cuda ? (int (*)(unsigned long long *, size_t))dlsym(cuda, "cuMemAlloc_v2") : NULL;
    void *context = NULL;
    unsigned long long pointer = 0;
    int good = init && retain && set && alloc && init(0) == 0 && retain(&context, 0) == 0 && set(context) == 0 &&
               alloc(&pointer, (size_t)gib << 30) == 0;
    char answer = good ? 'y' : 'n';
    if (write(ready, &answer, 1) != 1) _exit(1);
    for (;;) pause();
}

static int measure(int gib, int (*memory_info)(nvmlDevice_t, nvmlMemory_t *), nvmlDevice_t device)
{
    nvmlMemory_t idle, used;
    int ready[2];
    if (memory_info(device, &idle) != NVML_SUCCESS || pipe(ready) != 0) return 1;
    pid_t pid = fork();
    if (pid == 0) hold(gib, ready[1]);
    close(ready[1]);
    char answer = 'n';
    if (pid < 0 || read(ready[0], &answer, 1) != 1) answer = 'n';
    close(ready[0]);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    memory_info(device, &used);
    double killed = now_ms();
    kill(pid, SIGKILL);
    struct pollfd poller = {.fd = pidfd, .events = POLLIN};
    int died = poll(&poller, 1, DEATH_TIMEOUT_MS);
    double dead = now_ms() - killed, freed = -1;
    while (now_ms() - killed < DEATH_TIMEOUT_MS) {
        nvmlMemory_t after;
        if (memory_info(device, &after) == NVML_SUCCESS && after.used <= idle.used + IDLE_SLACK_BYTES) {
            freed = now_ms() - killed;
            break;
        }
    }
    waitpid(pid, NULL, 0);
    if (pidfd >= 0) close(pidfd);
    printf("{\"id\":\"kill-to-free\",\"gib\":%d,\"granted\":%s,\"heldBytes\":%llu,\"deadMs\":%.1f,\"freeMs\":%.1f}\n",
           gib, answer == 'y' ? "true" : "false", used.used - idle.used, died == 1 ? dead : -1.0, freed);
    return answer == 'y' && died == 1 && freed >= 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!nvml) {
        printf("skipped: %s\n", dlerror());
        return SKIPPED;
    }
    int (*init)(void) = (int (*)(void))dlsym(nvml, "nvmlInit_v2");
    int (*handle)(unsigned, nvmlDevice_t *) =
        (int (*)(unsigned, nvmlDevice_t *))dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2");
    int (*info)(nvmlDevice_t, nvmlMemory_t *) =
        (int (*)(nvmlDevice_t, nvmlMemory_t *))dlsym(nvml, "nvmlDeviceGetMemoryInfo");
    nvmlDevice_t device;
    if (!init || !handle || !info || init() != NVML_SUCCESS || handle(0, &device) != NVML_SUCCESS) {
        printf("skipped: NVML does not start\n");
        return SKIPPED;
    }
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= measure(atoi(argv[i]), info, device);
    return failed;
}
