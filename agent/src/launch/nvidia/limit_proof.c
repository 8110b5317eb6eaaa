#include "launch/nvidia/limit_proof.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/complain.h"
#include "cuda_min.h"
#include "env.h"
#include "fs.h"
#include "text.h"

#define LIBRARY "libcuda.so.1"
#define BLOCK_BYTES (UINT64_C(32) << 20)
#define BEYOND_BYTES (UINT64_C(256) << 20)
#define LONGEST_S 90

static void *open_driver(void)
{
    char path[FS_PATH_BYTES];
    const char *folder = getenv(ENV_DRIVER_DIR);
    void *library = folder && fs_join(path, folder, LIBRARY) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    return library ? library : dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
}

#define FUNCTION(name, ...) CUresult (*name)(__VA_ARGS__) = (CUresult(*)(__VA_ARGS__))dlsym(library, #name)

/* The result that it ended with. */
static CUresult take(void *library, uint64_t most_bytes, uint64_t *taken_bytes)
{
    CUcontext context;
    CUdeviceptr block;
    FUNCTION(cuInit, unsigned);
    FUNCTION(cuDevicePrimaryCtxRetain, CUcontext *, CUdevice);
    FUNCTION(cuCtxSetCurrent, CUcontext);
    FUNCTION(cuMemAlloc_v2, CUdeviceptr *, size_t);
    if (!cuInit || !cuDevicePrimaryCtxRetain || !cuCtxSetCurrent || !cuMemAlloc_v2) return -1;
    CUresult result = cuInit(0);
    if (result == CUDA_SUCCESS) result = cuDevicePrimaryCtxRetain(&context, 0);
    if (result == CUDA_SUCCESS) result = cuCtxSetCurrent(context);
    while (result == CUDA_SUCCESS && *taken_bytes < most_bytes) {
        result = cuMemAlloc_v2(&block, BLOCK_BYTES);
        if (result == CUDA_SUCCESS) *taken_bytes += BLOCK_BYTES;
    }
    return result;
}

int command_prove_limit(int argc, char **argv)
{
    int64_t limit;
    char go;
    uint64_t taken = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(LONGEST_S);
    if (argc != 4 || strcmp(argv[1], "nvidia") != 0 || text_parse_integer(argv[3], 0, INT64_MAX / 2, &limit) != 0)
        return complain("the agent tries drivers with this; there is nothing to say here");
    /* Nothing of ours in it, and no other GPU. */
    unsetenv(ENV_PRELOAD);
    unsetenv(ENV_SLICES);
    if (setenv(ENV_CUDA_VISIBLE, argv[2], 1) != 0 || read(STDIN_FILENO, &go, 1) != 1) return EXIT_OWN_FAILURE;
    void *library = open_driver();
    CUresult result = library ? take(library, (uint64_t)limit + BEYOND_BYTES, &taken) : -1;
    printf("%d %" PRIu64 "\n", (int)result, taken);
    if (fflush(stdout) != 0) return EXIT_OWN_FAILURE;
    while (read(STDIN_FILENO, &go, 1) > 0) continue;
    return 0;
}
