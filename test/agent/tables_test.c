/* Every fixed table of the shim at one more than it holds: refused like on a full card, never let through; and after a
 * place is free again, granted.
 * build: agent/common/region_file.c agent/common/life.c
 * needs: native
 * sanitize: none */
#include "check.h"
#include "cuda_min.h"
#include "program.h"
#include "core/shim.h"

#include <dlfcn.h>

#define STEP (UINT64_C(32) << 20)
#define LIMIT (UINT64_C(1) << 30)

#define DRIVER(X)                                                                                                     \
    X(cuInit, (unsigned flags))                                                                                       \
    X(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                               \
    X(cuCtxSetCurrent, (CUcontext context))                                                                           \
    X(cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes))                                                               \
    X(cuMemFree_v2, (CUdeviceptr address))                                                                            \
    X(cuMemPoolCreate, (CUmemoryPool * out, const CUmemPoolProps *props))                                             \
    X(cuMemPoolDestroy, (CUmemoryPool pool))                                                                          \
    X(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream))                                            \
    X(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream))
#define MEMBER(name, parameters) static CUresult(*name) parameters;
DRIVER(MEMBER)
#undef MEMBER

static void enter(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (cuda == NULL) fixture_fail("libcuda.so.1");
#define LOAD(name, parameters) name = (CUresult(*) parameters)dlsym(cuda, #name);
    DRIVER(LOAD)
#undef LOAD
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
}

static CUresult make_context(void)
{
    CUcontext context;
    CUresult result = cuDevicePrimaryCtxRetain(&context, 0);
    return result != CUDA_SUCCESS ? result : cuCtxSetCurrent(context);
}

static void one_pool_more(void)
{
    static CUmemoryPool pools[POOLS + 1];
    const CUmemPoolProps props = {.allocType = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    CUdeviceptr address;
    CHECK_EQ(make_context(), CUDA_SUCCESS);
    for (unsigned at = 0; at < POOLS; at++) CHECK_EQ(cuMemPoolCreate(&pools[at], &props), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, STEP, pools[POOLS - 1], NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolCreate(&pools[POOLS], &props), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemAllocAsync(&address, STEP, NULL),
             CUDA_ERROR_OUT_OF_MEMORY); /* the default pool has no place either */
    CHECK_EQ(cuMemPoolDestroy(pools[0]), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolCreate(&pools[POOLS], &props), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, STEP, pools[POOLS], NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, LIMIT, pools[POOLS], NULL), CUDA_ERROR_OUT_OF_MEMORY);
}

/* Nothing is to be had: not even a context, though nobody knows yet what one takes here. */
static void refused(void)
{
    CHECK_EQ(make_context(), CUDA_ERROR_OUT_OF_MEMORY);
}

/* Waits for the word that a place is free, and then gets all of the slice. */
static void refused_at_first(void)
{
    CUdeviceptr address;
    char path[PATH_MAX];
    refused();
    printf("refused\n");
    fflush(stdout);
    snprintf(path, sizeof path, "%s/free", getenv(ENV_RUNTIME_DIR));
    for (int tick = 0; tick < 1000 && access(path, F_OK) != 0; tick++) usleep(10000); /* the step of a bounded wait */
    CHECK_EQ(make_context(), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT + 1), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT), CUDA_SUCCESS);
}

static void granted(void)
{
    CUdeviceptr address;
    CHECK_EQ(make_context(), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT + 1), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT), CUDA_SUCCESS);
}

static const struct program programs[] = {
    PROGRAM(one_pool_more),
    PROGRAM(refused),
    PROGRAM(refused_at_first),
    PROGRAM(granted),
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

/* ---- outside ---- */

static struct fixture fixture;
static struct fixture_slice slice;

static void one_process_more(void)
{
    char output[256] = "";
    fixture_slice(&fixture, &slice, 2, LIMIT, 10000);
    int fd = life_open(slice.place.path, &slice.place.file);
    CHECK(fd >= 0);
    for (unsigned at = 0; at < REGION_USAGE_ENTRIES; at++) { /* all alive, and holding nothing */
        CHECK_EQ(life_lock(fd, at), 1);
        atomic_store(&slice.usage->entries[at].flags, REGION_ENTRY_LOCKED);
        atomic_store(&slice.usage->entries[at].token, at + 1);
    }
    atomic_store(&slice.usage->entries_high, REGION_USAGE_ENTRIES);
    char *argv[] = {"/proc/self/exe", "refused_at_first", NULL};
    pid_t pid = fixture_start(&fixture, slice.id, true, "waits", argv);
    for (int tick = 0; tick < 1000 && strstr(output, "refused") == NULL; tick++) {
        usleep(10000); /* the step of a bounded wait */
        fixture_output(&fixture, "waits", output, sizeof output);
    }
    close(fd); /* they are gone now, and nobody has said so */
    fixture_write(&fixture, "free", "");
    int status = fixture_wait(pid, 60);
    fixture_output(&fixture, "waits", output, sizeof output);
    CHECK_THAT(status == 0, "status %d: %s", status, output);
}

/* The one that this GPU belongs to is named last, behind as many as there are places for. */
static void one_slice_more(void)
{
    char ids[(SHIM_SLICES + 1) * REGION_ID_BYTES] = "";
    struct fixture_slice others[SHIM_SLICES];
    fixture_slice(&fixture, &slice, 3, LIMIT, 10000);
    for (unsigned at = 0; at < SHIM_SLICES; at++) {
        char uuid[REGION_UUID_BYTES];
        snprintf(uuid, sizeof uuid, "GPU-51000000-0000-4000-8000-0000000001%02u", at);
        fixture_slice_on(&fixture, &others[at], 10 + at, LIMIT, 10000, uuid);
        strcat(strcat(ids, others[at].id), ",");
    }
    strcat(ids, slice.id);
    program_again(&fixture, ids, true, "refused");
    program_again(&fixture, strchr(ids, ',') + 1, true, "granted"); /* one less, and it has a place */
}

int main(int argc, char **argv)
{
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], enter);
    check_needs_build();
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, LIMIT, 10000);
    program_test(&fixture, slice.id, true, "one_pool_more");
    RUN(one_process_more);
    RUN(one_slice_more);
    fixture_close(&fixture);
    return check_done();
}
