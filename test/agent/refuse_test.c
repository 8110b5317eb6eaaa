/* The driver refuses a call: nothing in the ledger may have moved because of it, and what comes after is counted as if it
 * had not been made. Each hooked call that gives or takes memory, in turn.
 * build: agent/common/region_file.c
 * needs: native
 * sanitize: none */
#include "check.h"
#include "cuda_min.h"
#include "program.h"

#include <dlfcn.h>

#define STEP (UINT64_C(32) << 20)
#define LIMIT (UINT64_C(1) << 30)

#define CALL(name, parameters, arguments) static CUresult(*name) parameters;
#include "refused_calls.h"
#undef CALL
static CUresult (*cuInit)(unsigned);
static CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *, CUdevice);
static CUresult (*cuCtxSetCurrent)(CUcontext);
static CUresult (*cuCtxCreate_v2)(CUcontext *, unsigned, CUdevice);
static CUresult (*cuMemPoolCreate)(CUmemoryPool *, const CUmemPoolProps *);
static CUresult (*cuMemAddressReserve)(CUdeviceptr *, size_t, size_t, CUdeviceptr, unsigned long long);
static CUresult (*cuStreamSynchronize)(CUstream);
static const char **refuse_call;
static struct region_usage *usage;

static void *find(void *cuda, const char *name)
{
    void *found = dlsym(cuda, name);
    if (found == NULL) fixture_fail(name);
    return found;
}

static void enter(void)
{
    char path[PATH_MAX];
    CUcontext context;
    snprintf(path, sizeof path, "%s/libcuda.so.refusing", getenv(ENV_RUNTIME_DIR));
    void *cuda = dlopen(path, RTLD_NOW);
    if (cuda == NULL) fixture_fail(dlerror());
#define FIND(name) *(void **)&name = find(cuda, #name)
#define CALL(name, parameters, arguments) FIND(name);
#include "refused_calls.h"
#undef CALL
    FIND(cuInit);
    FIND(cuDevicePrimaryCtxRetain);
    FIND(cuCtxSetCurrent);
    FIND(cuCtxCreate_v2);
    FIND(cuMemPoolCreate);
    FIND(cuMemAddressReserve);
    FIND(cuStreamSynchronize);
    FIND(refuse_call);
    snprintf(path, sizeof path, "%s/usage/%s", getenv(ENV_RUNTIME_DIR), getenv(ENV_SLICES));
    CHECK_EQ(region_usage_map(path, &usage, NULL), 0);
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
}

static uint64_t used(void)
{
    uint64_t sum = 0;
    for (unsigned at = 0; at < REGION_USAGE_ENTRIES; at++)
        sum += atomic_load(&usage->entries[at].token) != 0 ? atomic_load(&usage->entries[at].memory_bytes) : 0;
    return sum;
}

/* The call is refused and changes nothing; then it is made again, and the slice holds so much. */
#define REFUSED(call, held_after, ...)                                                                                \
    do {                                                                                                              \
        uint64_t before = used();                                                                                     \
        *refuse_call = #call;                                                                                         \
        CHECK_EQ(call(__VA_ARGS__), CUDA_ERROR_INVALID_VALUE);                                                        \
        *refuse_call = "";                                                                                            \
        CHECK_EQ(used(), before);                                                                                     \
        CHECK_EQ(call(__VA_ARGS__), CUDA_SUCCESS);                                                                    \
        CHECK_EQ(used(), held_after);                                                                                 \
    } while (0)

static void plain(void)
{
    CUdeviceptr address, managed;
    REFUSED(cuMemAlloc_v2, STEP, &address, STEP);
    REFUSED(cuMemAllocManaged, 2 * STEP, &managed, STEP, 1);
    REFUSED(cuMemFree_v2, STEP, managed);
    REFUSED(cuMemFree_v2, 0, address);
}

static void by_handle(void)
{
    const CUmemAllocationProp prop = {.type = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    CUmemGenericAllocationHandle handles[2];
    CUmemGenericAllocationHandle again;
    CUdeviceptr address;
    CHECK_EQ(cuMemAddressReserve(&address, 2 * STEP, 0, 0, 0), CUDA_SUCCESS);
    REFUSED(cuMemCreate, STEP, &handles[0], STEP, &prop, 0);
    CHECK_EQ(cuMemCreate(&handles[1], STEP, &prop, 0), CUDA_SUCCESS);
    REFUSED(cuMemMap, 2 * STEP, address, STEP, 0, handles[0], 0);
    CHECK_EQ(cuMemMap(address + STEP, STEP, 0, handles[1], 0), CUDA_SUCCESS);
    REFUSED(cuMemRetainAllocationHandle, 2 * STEP, &again, (void *)(uintptr_t)address);
    CHECK_EQ(cuMemRelease(again), CUDA_SUCCESS);
    /* Refused while the handle is held, and when only the mapping is left of it. */
    *refuse_call = "cuMemUnmap";
    CHECK_EQ(cuMemUnmap(address, 2 * STEP), CUDA_ERROR_INVALID_VALUE);
    *refuse_call = "";
    REFUSED(cuMemRelease, 2 * STEP, handles[0]);
    REFUSED(cuMemRelease, 2 * STEP, handles[1]);
    REFUSED(cuMemUnmap, 0, address, 2 * STEP);
}

static void arrays(void)
{
    const CUDA_ARRAY_DESCRIPTOR descriptor = {
        .Width = 4096, .Height = 4096, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    CUarray array;
    REFUSED(cuArrayCreate_v2, 2 * STEP, &array, &descriptor);
    REFUSED(cuArrayDestroy, 0, array);
}

static void pools(void)
{
    const CUmemPoolProps props = {.allocType = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    CUmemoryPool pool;
    CUdeviceptr address;
    CHECK_EQ(cuMemPoolCreate(&pool, &props), CUDA_SUCCESS);
    REFUSED(cuMemAllocFromPoolAsync, STEP, &address, STEP, pool, NULL);
    REFUSED(cuMemFreeAsync, used(), address, NULL);
    CHECK_EQ(cuStreamSynchronize(NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolTrimTo(pool, 0), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, STEP, pool, NULL), CUDA_SUCCESS);
    REFUSED(cuMemPoolDestroy, STEP, pool);
    CHECK_EQ(cuMemFreeAsync(address, NULL), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
}

static void contexts(void)
{
    CUcontext context;
    CUdeviceptr address;
    CHECK_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, STEP), CUDA_SUCCESS);
    REFUSED(cuCtxDestroy_v2, 0, context);
}

static const struct program programs[] = {PROGRAM(plain), PROGRAM(by_handle), PROGRAM(arrays), PROGRAM(pools),
                                          PROGRAM(contexts)};
#define PROGRAMS (sizeof programs / sizeof programs[0])

int main(int argc, char **argv)
{
    struct fixture fixture;
    struct fixture_slice slice;
    char command[3 * PATH_MAX];
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], enter);
    check_needs_build();
    fixture_open(&fixture, "");
    snprintf(command, sizeof command,
             "gcc -shared -fPIC -Iagent/vendor -Itest/agent -Wl,-soname,libcuda.so.refusing -Wl,--no-as-needed "
             "-o '%s/libcuda.so.refusing' test/agent/refusing_driver.c '%s/sim/libcuda.so.1' -ldl",
             fixture.root, fixture.build);
    if (system(command) != 0) fixture_fail(command);
    for (size_t at = 0; at < PROGRAMS; at++) {
        fixture_slice(&fixture, &slice, 1 + (unsigned)at, LIMIT, 10000);
        program_test(&fixture, slice.id, true, programs[at].name);
    }
    fixture_close(&fixture);
    return check_done();
}
