/* Many programs that make their first CUDA calls at the same moment, over a driver that does nothing, every second of them
 * in a slice: what a start takes them, milliseconds, one JSON line with the median of each half.
 * usage: shim_start RUNTIME_DIR NULL_DRIVER_DIR SHIM COUNT */
#include "cuda_min.h"
#include "env.h"
#include "one_slice.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 256

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One of them. Says on its standard output that it is there, waits until standard input ends, starts, and says how long. */
static int one(void)
{
    char nothing;
    double took;
    CUdeviceptr p;
    if (write(STDOUT_FILENO, "r", 1) != 1 || read(STDIN_FILENO, &nothing, 1) != 0) return 3;
    double began = now_ms();
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (driver == NULL) return 4;
    CUresult (*init)(unsigned) = (CUresult(*)(unsigned))dlsym(driver, "cuInit");
    CUresult (*alloc)(CUdeviceptr *, size_t) = (CUresult(*)(CUdeviceptr *, size_t))dlsym(driver, "cuMemAlloc_v2");
    if (init(0) != CUDA_SUCCESS || alloc(&p, 4 << 20) != CUDA_SUCCESS) return 5;
    took = now_ms() - began;
    return write(STDOUT_FILENO, &took, sizeof took) == (ssize_t)sizeof took ? 0 : 6;
}

static void become(char **argv, const int *start, int answer, bool preload)
{
    dup2(start[0], STDIN_FILENO);
    dup2(answer, STDOUT_FILENO);
    close(start[1]); /* or standard input would never end */
    setenv("SHIM_START_ONE", "1", 1);
    setenv("LD_LIBRARY_PATH", argv[2], 1);
    if (preload) {
        setenv(ENV_SLICES, "s-start", 1);
        setenv(ENV_RUNTIME_DIR, argv[1], 1);
        setenv("LD_PRELOAD", argv[3], 1);
    }
    execv("/proc/self/exe", argv);
    _exit(7);
}

int main(int argc, char **argv)
{
    if (getenv("SHIM_START_ONE") != NULL) return one();
    int count = argc == 5 ? atoi(argv[4]) : 0;
    int start[2];
    int answers[COUNT_MAX][2];
    double took[2][COUNT_MAX];
    int failed = 0;
    if (count < 2 || count > COUNT_MAX || make_slice(argv[1], "s-start", 10000) != 0 || pipe(start) != 0) return 2;
    for (int at = 0; at < count; at++) {
        if (pipe(answers[at]) != 0) return 2;
        pid_t child = fork();
        if (child < 0) return 2;
        if (child == 0) become(argv, start, answers[at][1], at % 2 != 0);
        close(answers[at][1]);
    }
    for (int at = 0; at < count; at++) {
        char ready;
        failed += read(answers[at][0], &ready, 1) != 1;
    }
    close(start[0]);
    close(start[1]);
    for (int at = 0; at < count; at++)
        failed += read(answers[at][0], &took[at % 2][at / 2], sizeof(double)) != (ssize_t)sizeof(double);
    for (int at = 0; at < count; at++) {
        int status;
        failed += wait(&status) < 0 || status != 0;
    }
    for (int half = 0; half < 2; half++) qsort(took[half], (size_t)count / 2, sizeof(double), ascending);
    printf("{\"nativeMs\": %.3f, \"sliceMs\": %.3f, \"failed\": %d}\n", took[0][count / 4], took[1][count / 4],
           failed);
    return failed == 0 ? 0 : 1;
}
