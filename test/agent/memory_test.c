/* Memory limits on every path, what programs are told, live changes, files that are not what they claim. Each case is
 * this program again, in a slice of 1 GiB under the shim on the simulated driver.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "cuda_min.h"
#include "nvml_min.h"
#include "program.h"

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

#define MIB (UINT64_C(1) << 20)
#define LIMIT (UINT64_C(1) << 30)
#define STEP (64 * MIB)
#define STEPS (LIMIT / STEP)

/* ---- inside: the driver and the slice ---- */

#define DRIVER(X)                                                                                                     \
    X(CUresult, cuInit, (unsigned flags))                                                                             \
    X(CUresult, cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                     \
    X(CUresult, cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                                      \
    X(CUresult, cuCtxSetCurrent, (CUcontext context))                                                                 \
    X(CUresult, cuCtxCreate_v2, (CUcontext * context, unsigned flags, CUdevice device))                               \
    X(CUresult, cuCtxDestroy_v2, (CUcontext context))                                                                 \
    X(CUresult, cuCtxSynchronize, (void))                                                                             \
    X(CUresult, cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes))                                                     \
    X(CUresult, cuMemAllocPitch_v2,                                                                                   \
      (CUdeviceptr * out, size_t * pitch, size_t width, size_t height, unsigned element))                             \
    X(CUresult, cuMemAllocManaged, (CUdeviceptr * out, size_t bytes, unsigned flags))                                 \
    X(CUresult, cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream))                                  \
    X(CUresult, cuMemAllocAsync_ptsz, (CUdeviceptr * out, size_t bytes, CUstream stream))                             \
    X(CUresult, cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream))       \
    X(CUresult, cuMemFree_v2, (CUdeviceptr address))                                                                  \
    X(CUresult, cuMemFreeAsync, (CUdeviceptr address, CUstream stream))                                               \
    X(CUresult, cuMemFreeAsync_ptsz, (CUdeviceptr address, CUstream stream))                                          \
    X(CUresult, cuMemCreate,                                                                                          \
      (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags))  \
    X(CUresult, cuMemRelease, (CUmemGenericAllocationHandle handle))                                                  \
    X(CUresult, cuMemRetainAllocationHandle, (CUmemGenericAllocationHandle * out, void *address))                     \
    X(CUresult, cuMemAddressReserve,                                                                                  \
      (CUdeviceptr * out, size_t bytes, size_t alignment, CUdeviceptr hint, unsigned long long flags))                \
    X(CUresult, cuMemMap,                                                                                             \
      (CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,                         \
       unsigned long long flags))                                                                                     \
    X(CUresult, cuMemUnmap, (CUdeviceptr address, size_t bytes))                                                      \
    X(CUresult, cuMemPoolCreate, (CUmemoryPool * out, const CUmemPoolProps *props))                                   \
    X(CUresult, cuMemGetInfo_v2, (size_t * free_bytes, size_t * total))                                               \
    X(CUresult, cuDeviceTotalMem_v2, (size_t * bytes, CUdevice device))

#define MEMBER(type, name, parameters) static type(*name) parameters;
DRIVER(MEMBER)
#undef MEMBER

static struct fixture_slice inside;
static struct fixture_slice second; /* where there is one */

static void map_slice(struct fixture_slice *into, const char *id, size_t length)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/policy/%.*s", getenv(ENV_RUNTIME_DIR), (int)length, id);
    if (region_policy_map_rw(path, &into->policy) != 0) into->policy = NULL; /* the cases about broken files */
    snprintf(path, sizeof path, "%s/usage/%.*s", getenv(ENV_RUNTIME_DIR), (int)length, id);
    if (region_usage_map(path, &into->usage, NULL) != 0) into->usage = NULL;
}

static void enter(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (cuda == NULL) fixture_fail("libcuda.so.1");
#define LOAD(type, name, parameters) name = (type(*) parameters)dlsym(cuda, #name);
    DRIVER(LOAD)
#undef LOAD
    const char *ids = getenv(ENV_SLICES) == NULL ? "" : getenv(ENV_SLICES);
    size_t length = strcspn(ids, ",");
    map_slice(&inside, ids, length);
    if (ids[length] == ',') map_slice(&second, ids + length + 1, strlen(ids + length + 1));
    if (strcmp(check_name, "one_that_only_looks") == 0 || strncmp(check_name, "no_memory", 9) == 0) return;
    CUcontext context;
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
}

static uint64_t used_in(struct fixture_slice *one)
{
    return FIXTURE_SUM(one, memory_bytes);
}

static uint64_t used(void)
{
    return used_in(&inside);
}

/* One way of allocating and freeing: exactly the limit fits, the next is refused, everything comes back. */
static void to_the_limit(CUresult (*get)(CUdeviceptr *out), CUresult (*put)(CUdeviceptr address))
{
    CUdeviceptr blocks[STEPS + 1];
    for (int round = 0; round < 3; round++) {
        for (uint64_t at = 0; at < STEPS; at++) CHECK_EQ(get(&blocks[at]), CUDA_SUCCESS);
        CHECK_EQ(used(), LIMIT);
        uint64_t denied = FIXTURE_SUM(&inside, denied_count);
        CHECK_EQ(get(&blocks[STEPS]), CUDA_ERROR_OUT_OF_MEMORY);
        CHECK_EQ(FIXTURE_SUM(&inside, denied_count), denied + 1);
        CHECK_EQ(FIXTURE_SUM(&inside, denied_bytes), STEP);
        CHECK_EQ(FIXTURE_SUM(&inside, pending_bytes) & ((UINT64_C(1) << 48) - 1), 0);
        for (uint64_t at = 0; at < STEPS; at++) CHECK_EQ(put(blocks[at]), CUDA_SUCCESS);
        /* A pool keeps what was freed until a synchronization, which nobody tells us of: seen when somebody asks. */
        size_t free_bytes;
        size_t total;
        CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
        CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
        CHECK_EQ(free_bytes, LIMIT);
        CHECK_EQ(used(), 0);
    }
}

static CUresult free_plain(CUdeviceptr address)
{
    return cuMemFree_v2(address);
}
static CUresult free_async(CUdeviceptr address)
{
    return cuMemFreeAsync(address, NULL);
}
static CUresult free_async_ptsz(CUdeviceptr address)
{
    return cuMemFreeAsync_ptsz(address, NULL);
}
static CUresult get_plain(CUdeviceptr *out)
{
    return cuMemAlloc_v2(out, STEP);
}
static CUresult get_managed(CUdeviceptr *out)
{
    return cuMemAllocManaged(out, STEP, 1);
}
static CUresult get_async(CUdeviceptr *out)
{
    return cuMemAllocAsync(out, STEP, NULL);
}
static CUresult get_async_ptsz(CUdeviceptr *out)
{
    return cuMemAllocAsync_ptsz(out, STEP, NULL);
}
static CUresult get_pitch(CUdeviceptr *out)
{
    size_t pitch;
    return cuMemAllocPitch_v2(out, &pitch, 1000, STEP / 1024, 4); /* rows of 1000 bytes take 1024 */
}
static CUmemoryPool pool;
static CUresult get_pool(CUdeviceptr *out)
{
    CUmemPoolProps props = {.allocType = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    if (pool == NULL && cuMemPoolCreate(&pool, &props) != CUDA_SUCCESS) return CUDA_ERROR_UNKNOWN;
    return cuMemAllocFromPoolAsync(out, STEP, pool, NULL);
}
static const CUmemAllocationProp on_device = {.type = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
static CUresult get_vmm(CUdeviceptr *out)
{
    return cuMemCreate((CUmemGenericAllocationHandle *)out, STEP, &on_device, 0);
}
static CUresult put_vmm(CUdeviceptr handle)
{
    return cuMemRelease(handle);
}

static void limit_plain(void)
{
    to_the_limit(get_plain, free_plain);
}
static void limit_managed(void)
{
    to_the_limit(get_managed, free_plain);
}
static void limit_pitch(void)
{
    to_the_limit(get_pitch, free_plain);
}
static void limit_async(void)
{
    to_the_limit(get_async, free_async);
}
static void limit_async_freed_plainly(void)
{
    to_the_limit(get_async, free_plain);
}
static void limit_async_ptsz(void)
{
    to_the_limit(get_async_ptsz, free_async_ptsz);
}
static void limit_pool(void)
{
    to_the_limit(get_pool, free_async);
}
static void limit_vmm(void)
{
    to_the_limit(get_vmm, put_vmm);
}

static void vmm_lives_until_last_unmap(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemGenericAllocationHandle again;
    CUdeviceptr address;
    CHECK_EQ(cuMemCreate(&handle, STEP, &on_device, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemAddressReserve(&address, 4 * STEP, 0, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemMap(address, STEP, 0, handle, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemMap(address + STEP, STEP, 0, handle, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
    CHECK_EQ(used(), STEP);
    CHECK_EQ(cuMemUnmap(address, STEP), CUDA_SUCCESS);
    CHECK_EQ(used(), STEP);
    CHECK_EQ(cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)(address + STEP)), CUDA_SUCCESS);
    CHECK_EQ(cuMemUnmap(address + STEP, STEP), CUDA_SUCCESS);
    CHECK_EQ(used(), STEP);
    CHECK_EQ(cuMemRelease(again), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
    /* One unmap over several mappings. */
    CUmemGenericAllocationHandle two[2];
    for (int at = 0; at < 2; at++) {
        CHECK_EQ(cuMemCreate(&two[at], STEP, &on_device, 0), CUDA_SUCCESS);
        CHECK_EQ(cuMemMap(address + (unsigned)at * STEP, STEP, 0, two[at], 0), CUDA_SUCCESS);
        CHECK_EQ(cuMemRelease(two[at]), CUDA_SUCCESS);
    }
    CHECK_EQ(used(), 2 * STEP);
    CHECK_EQ(cuMemUnmap(address, 2 * STEP), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
}

static void vmm_on_host_is_free(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp prop = {.type = 1, .location = {3, 0}};
    CHECK_EQ(cuMemCreate(&handle, 4 * LIMIT, &prop, 0), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
}

static void *create_without_context(void *out)
{
    CHECK_EQ(cuMemCreate(out, STEP, &on_device, 0), CUDA_SUCCESS);
    return NULL;
}

static void vmm_from_threads_without_context(void)
{
    pthread_t threads[4];
    CUmemGenericAllocationHandle handles[4];
    for (int at = 0; at < 4; at++) pthread_create(&threads[at], NULL, create_without_context, &handles[at]);
    for (int at = 0; at < 4; at++) pthread_join(threads[at], NULL);
    CHECK_EQ(used(), 4 * STEP);
}

static void another_gpu_has_no_memory(void)
{
    CUmemAllocationProp prop = {.type = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 1}};
    CUmemGenericAllocationHandle handle;
    CUcontext context;
    CUdeviceptr address;
    size_t total;
    CHECK_EQ(cuMemCreate(&handle, STEP, &prop, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuCtxCreate_v2(&context, 0, 1), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 1), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuDeviceTotalMem_v2(&total, 1), CUDA_SUCCESS);
    CHECK_EQ(total, UINT64_C(80) << 30);
    CHECK_EQ(used(), 0);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT), CUDA_SUCCESS);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
}

/* What a script means by CUDA_VISIBLE_DEVICES=0: the first of its own, here on the second GPU of the host. */
static void a_number_counts_its_slices(void)
{
    CUdeviceptr address;
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT + 1), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT), CUDA_SUCCESS);
    CHECK_EQ(used(), LIMIT);
    CHECK_STR(getenv("CUDA_VISIBLE_DEVICES"), "0");
}

/* Two slices, one on each GPU, in one program: what is got on one and freed while the other is current. */
static void each_gpu_has_its_slice(void)
{
    CUcontext contexts[2];
    CUdeviceptr addresses[2];
    for (int device = 0; device < 2; device++) {
        CHECK_EQ(cuCtxCreate_v2(&contexts[device], 0, device), CUDA_SUCCESS);
        CHECK_EQ(cuMemAlloc_v2(&addresses[device], (size_t)(device + 1) * STEP), CUDA_SUCCESS);
    }
    CHECK_EQ(used(), STEP);
    CHECK_EQ(used_in(&second), 2 * STEP);
    CHECK_EQ(cuMemFree_v2(addresses[0]), CUDA_SUCCESS); /* the second GPU's context is current */
    CHECK_EQ(used(), 0);
    CHECK_EQ(used_in(&second), 2 * STEP);
    CHECK_EQ(cuMemAllocAsync(&addresses[0], STEP, NULL), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
    CHECK_EQ(cuCtxSetCurrent(contexts[0]), CUDA_SUCCESS);
    CHECK_EQ(cuMemFreeAsync(addresses[0], NULL), CUDA_SUCCESS);
    CHECK_EQ(cuMemFree_v2(addresses[1]), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
    CHECK(used_in(&second) < LIMIT); /* no more than what its pool keeps */
}

/* Looks and computes nothing, as nvidia-smi does: it has no entry in the slice, and is told the same. */
static void one_that_only_looks(void)
{
    nvmlDevice_t device;
    nvmlMemory_t memory;
    nvmlMemory_v2_t newer = {.version = NVML_MEMORY_V2};
    struct {
        unsigned version;
        unsigned char rest[sizeof(nvmlMemory_v2_t)];
    } unknown = {.version = 77};
    memset(unknown.rest, 0xa5, sizeof unknown.rest);
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    CHECK_EQ(((nvmlReturn_t(*)(void))dlsym(nvml, "nvmlInit_v2"))(), NVML_SUCCESS);
    CHECK_EQ(((nvmlReturn_t(*)(unsigned, nvmlDevice_t *))dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2"))(0, &device),
             NVML_SUCCESS);
    CHECK_EQ(((nvmlReturn_t(*)(nvmlDevice_t, nvmlMemory_t *))dlsym(nvml, "nvmlDeviceGetMemoryInfo"))(device, &memory),
             NVML_SUCCESS);
    CHECK_EQ(memory.total, LIMIT);
    nvmlReturn_t (*info2)(nvmlDevice_t, nvmlMemory_v2_t *) =
        (nvmlReturn_t(*)(nvmlDevice_t, nvmlMemory_v2_t *))dlsym(nvml, "nvmlDeviceGetMemoryInfo_v2");
    CHECK_EQ(info2(device, &newer), NVML_SUCCESS);
    CHECK_EQ(newer.total, LIMIT);
    /* A structure of another version is for the driver to judge; nothing of it is written. */
    CHECK_EQ(info2(device, (nvmlMemory_v2_t *)(void *)&unknown), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    for (size_t at = 0; at < sizeof unknown.rest; at++) CHECK_EQ(unknown.rest[at], 0xa5);
    CHECK_EQ(atomic_load(&inside.usage->entries_high), 0);
}

static void strange_arguments_are_the_drivers(void)
{
    CUdeviceptr address = 0;
    CHECK_EQ(cuMemAlloc_v2(NULL, STEP), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemAlloc_v2(&address, 0), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemAlloc_v2(&address, SIZE_MAX), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemFree_v2(0), CUDA_SUCCESS);
    CHECK_EQ(cuMemFree_v2(0x1234567), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemGetInfo_v2(NULL, NULL), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuDeviceTotalMem_v2(NULL, 0), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuMemAllocManaged(&address, STEP, 77), CUDA_ERROR_INVALID_VALUE); /* refused by the driver: rolled back */
    CHECK_EQ(used(), 0);
}

static void contexts_free_what_is_in_them(void)
{
    CUcontext context;
    CUdeviceptr address;
    CHECK_EQ(cuMemAlloc_v2(&address, STEP), CUDA_SUCCESS);
    CHECK_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, 2 * STEP), CUDA_SUCCESS);
    CHECK_EQ(used(), 3 * STEP);
    CHECK_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
    CHECK_EQ(used(), STEP);
    CHECK_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
}

static void views(void)
{
    size_t free_bytes;
    size_t total;
    CUdeviceptr address;
    CHECK_EQ(cuMemAlloc_v2(&address, 3 * STEP), CUDA_SUCCESS);
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(total, LIMIT);
    CHECK_EQ(free_bytes, LIMIT - 3 * STEP);
    CHECK_EQ(cuDeviceTotalMem_v2(&total, 0), CUDA_SUCCESS);
    CHECK_EQ(total, LIMIT);
    atomic_store(&inside.policy->residue_bytes, 2 * STEP);
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(free_bytes, LIMIT - 5 * STEP);
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    nvmlDevice_t device;
    nvmlMemory_t memory;
    nvmlMemory_v2_t newer = {.version = NVML_MEMORY_V2};
    nvmlMemory_v2_t unknown = {.version = 77};
    CHECK_EQ(((nvmlReturn_t(*)(void))dlsym(nvml, "nvmlInit_v2"))(), NVML_SUCCESS);
    CHECK_EQ(((nvmlReturn_t(*)(unsigned, nvmlDevice_t *))dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2"))(0, &device),
             NVML_SUCCESS);
    nvmlReturn_t (*info)(nvmlDevice_t, nvmlMemory_t *) =
        (nvmlReturn_t(*)(nvmlDevice_t, nvmlMemory_t *))dlsym(nvml, "nvmlDeviceGetMemoryInfo");
    nvmlReturn_t (*info2)(nvmlDevice_t, nvmlMemory_v2_t *) =
        (nvmlReturn_t(*)(nvmlDevice_t, nvmlMemory_v2_t *))dlsym(nvml, "nvmlDeviceGetMemoryInfo_v2");
    CHECK_EQ(info(device, &memory), NVML_SUCCESS);
    CHECK_EQ(memory.total, LIMIT);
    CHECK_EQ(memory.used, 5 * STEP);
    CHECK_EQ(info2(device, &newer), NVML_SUCCESS);
    CHECK_EQ(newer.total, LIMIT);
    CHECK_EQ(newer.free, LIMIT - 5 * STEP);
    CHECK_EQ(info2(device, &unknown), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    CHECK_EQ(info(device, NULL), NVML_ERROR_INVALID_ARGUMENT);
    /* Above the limit after a shrink: nothing free, and no error. */
    atomic_store(&inside.policy->memory_limit_bytes, STEP);
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(total, STEP);
    CHECK_EQ(free_bytes, 0);
    CHECK_EQ(info(device, &memory), NVML_SUCCESS);
    CHECK_EQ(memory.free, 0);
    CHECK_EQ(memory.used, STEP);
    /* A limit above the card: the card. */
    atomic_store(&inside.policy->memory_limit_bytes, UINT64_C(1) << 50);
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(total, UINT64_C(80) << 30);
    CHECK(free_bytes < total);
}

static void live_resize(void)
{
    CUdeviceptr blocks[STEPS];
    for (uint64_t at = 0; at < STEPS; at++) CHECK_EQ(cuMemAlloc_v2(&blocks[at], STEP), CUDA_SUCCESS);
    CUdeviceptr more;
    CHECK_EQ(cuMemAlloc_v2(&more, STEP), CUDA_ERROR_OUT_OF_MEMORY);
    atomic_store(&inside.policy->memory_limit_bytes, LIMIT + STEP);
    region_policy_announce(inside.policy);
    CHECK_EQ(cuMemAlloc_v2(&more, STEP), CUDA_SUCCESS);
    atomic_store(&inside.policy->memory_limit_bytes, LIMIT / 2);
    region_policy_announce(inside.policy);
    CHECK_EQ(cuMemFree_v2(more), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&more, STEP), CUDA_ERROR_OUT_OF_MEMORY);
    for (uint64_t at = 0; at < STEPS; at++) CHECK_EQ(cuMemFree_v2(blocks[at]), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&more, STEP), CUDA_SUCCESS);
}

static void deleted_slice_admits_nothing(void)
{
    CUdeviceptr address;
    CUdeviceptr other;
    CHECK_EQ(cuMemAlloc_v2(&address, STEP), CUDA_SUCCESS);
    atomic_store(&inside.policy->flags, REGION_POLICY_DELETED);
    CHECK_EQ(cuMemAlloc_v2(&other, STEP), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
}

/* A forked child has its own entry and never gives back what its parent holds. The child never used CUDA in its
 * parent's stead: here the parent forks before its first call, as multiprocessing does. */
static void fork_has_its_own_entry(void)
{
    CUdeviceptr address;
    CHECK_EQ(cuMemAlloc_v2(&address, STEP), CUDA_SUCCESS);
    pid_t child = fork();
    if (child == 0) {
        CUmemGenericAllocationHandle handle;
        bool own = false;
        (void)cuMemFree_v2(address); /* the driver refuses, it is not initialized here */
        (void)cuMemCreate(&handle, STEP, &on_device, 0);
        for (unsigned at = 0; at < REGION_USAGE_ENTRIES; at++)
            own = own || (uint32_t)atomic_load(&inside.usage->entries[at].token) == (uint32_t)getpid();
        _exit(own ? 0 : 3);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
    CHECK_EQ(used(), STEP);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
}

/* Somebody wrote into our entry: it is ours again, with what it holds, before anything more is admitted. */
static void an_entry_written_over_is_taken_back(void)
{
    static const uint64_t tokens[] = {0, 12345, REGION_CLAIMING | 12345};
    CUdeviceptr address;
    CUdeviceptr other;
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT - STEP), CUDA_SUCCESS);
    for (unsigned at = 0; at < sizeof tokens / sizeof tokens[0]; at++) {
        atomic_store(&inside.usage->entries[0].token, tokens[at]);
        CHECK_EQ(cuMemAlloc_v2(&other, 2 * STEP), CUDA_ERROR_OUT_OF_MEMORY);
        CHECK_EQ(used(), LIMIT - STEP);
    }
    atomic_store(&inside.usage->entries[0].token, 0);
    atomic_store(&inside.usage->entries[0].memory_bytes, 0);
    CHECK_EQ(cuMemAlloc_v2(&other, 2 * STEP), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemAlloc_v2(&other, STEP), CUDA_SUCCESS);
    CHECK_EQ(used(), LIMIT);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(cuMemFree_v2(other), CUDA_SUCCESS);
    CHECK_EQ(used(), 0);
}

/* An exec keeps pid and start time, and nothing else: what the image before held is not counted. */
static void exec_starts_empty(void)
{
    CUdeviceptr address;
    const char *second = getenv("TEST_SECOND_IMAGE");
    CHECK_EQ(cuMemAlloc_v2(&address, STEP), CUDA_SUCCESS);
    CHECK_EQ(used(), STEP);
    if (second == NULL) {
        setenv("TEST_SECOND_IMAGE", "1", 1);
        execl("/proc/self/exe", "memory_test", "exec_starts_empty", (char *)NULL);
        fixture_fail("exec");
    }
}

/* Put into a slice whose files are not there, or not right: refused like on a full card, and never let through. */
static void no_memory(void)
{
    CUmemGenericAllocationHandle handle;
    CUcontext context;
    CUdeviceptr address;
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemCreate(&handle, STEP, &on_device, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK(cuMemAlloc_v2(&address, STEP) != CUDA_SUCCESS);
}

/* ...until they come. */
static void no_memory_before_its_files_come(void)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    CUcontext context;
    CUdeviceptr address;
    snprintf(path, sizeof path, "%s/policy/%s", getenv(ENV_RUNTIME_DIR), getenv(ENV_SLICES));
    snprintf(hidden, sizeof hidden, "%s/hidden", getenv(ENV_RUNTIME_DIR));
    CHECK_EQ(rename(path, hidden), 0);
    no_memory();
    CHECK_EQ(rename(hidden, path), 0);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, 2 * LIMIT), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT), CUDA_SUCCESS);
    CHECK_EQ(used(), LIMIT);
}

static void unlimited(void)
{
    CUdeviceptr address;
    size_t total;
    size_t free_bytes;
    CHECK_EQ(cuMemAlloc_v2(&address, 2 * LIMIT), CUDA_SUCCESS);
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(total, UINT64_C(80) << 30);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
}

/* Holds all of the slice until it is killed. */
static void hold(void)
{
    CUdeviceptr address;
    CHECK_EQ(cuMemAlloc_v2(&address, LIMIT), CUDA_SUCCESS);
    program_hold();
}

static const struct program programs[] = {
    PROGRAM(limit_plain),
    PROGRAM(limit_managed),
    PROGRAM(limit_pitch),
    PROGRAM(limit_async),
    PROGRAM(limit_async_freed_plainly),
    PROGRAM(limit_async_ptsz),
    PROGRAM(limit_pool),
    PROGRAM(limit_vmm),
    PROGRAM(vmm_lives_until_last_unmap),
    PROGRAM(vmm_on_host_is_free),
    PROGRAM(vmm_from_threads_without_context),
    PROGRAM(another_gpu_has_no_memory),
    PROGRAM(strange_arguments_are_the_drivers),
    PROGRAM(contexts_free_what_is_in_them),
    PROGRAM(views),
    PROGRAM(live_resize),
    PROGRAM(deleted_slice_admits_nothing),
    PROGRAM(fork_has_its_own_entry),
    PROGRAM(an_entry_written_over_is_taken_back),
    PROGRAM(exec_starts_empty),
    PROGRAM(no_memory_before_its_files_come),
    PROGRAM(a_number_counts_its_slices),
    PROGRAM(no_memory),
    PROGRAM(unlimited),
    PROGRAM(hold),
    PROGRAM(each_gpu_has_its_slice),
    PROGRAM(one_that_only_looks),
};
#define PROGRAMS (sizeof programs / sizeof programs[0])
#define PLAIN_PROGRAMS (PROGRAMS - 6) /* the last ones have their own arrangements */

/* ---- outside ---- */

static struct fixture fixture;
static struct fixture_slice slice;

static void run_as(const char *program, const char *slices, bool preload)
{
    program_again(&fixture, slices, preload, program);
}

static void killed_holder_is_reaped(void)
{
    pid_t holder = program_holder(&fixture, slice.id, true, "hold");
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    CHECK_EQ(FIXTURE_SUM(&slice, memory_bytes), LIMIT);
    run_as("limit_plain", slice.id, true); /* reaps by itself: no agent is here */
}

static void broken_files_mean_no_memory(void)
{
    char path[PATH_MAX];
    struct fixture_slice broken;
    run_as("no_memory", "s-not-there", true);
    run_as("no_memory", "../../etc/passwd", true);
    run_as("no_memory", ",,", true);
    for (unsigned kind = 0; kind < 5; kind++) {
        fixture_slice(&fixture, &broken, 10 + kind, LIMIT, 10000);
        snprintf(path, sizeof path, "%s/%s/%s", fixture.root, kind < 3 ? "policy" : "usage", broken.id);
        int fd = open(path, O_RDWR);
        const uint64_t wrong = 0x1122334455667788;
        CHECK(fd >= 0);
        switch (kind) {
        case 0: CHECK_EQ(ftruncate(fd, 100), 0); break;
        case 1: CHECK_EQ(pwrite(fd, &wrong, sizeof wrong, 0), sizeof wrong); break; /* magic */
        case 2: CHECK_EQ(pwrite(fd, &wrong, 4, 8), 4); break;                       /* ABI */
        case 3: CHECK_EQ(ftruncate(fd, 4096), 0); break;
        case 4: CHECK_EQ(unlink(path), 0); break;
        }
        close(fd);
        run_as("no_memory", broken.id, true);
    }
    /* And a file full of nonsense behind a good header may limit, but must not crash. */
    fixture_slice(&fixture, &broken, 20, LIMIT, 10000);
    memset(broken.usage->entries, 0xff, sizeof broken.usage->entries);
    atomic_store(&broken.usage->entries_high, UINT32_MAX);
    char *argv[] = {"/proc/self/exe", "no_memory", NULL};
    int status = fixture_wait(fixture_start(&fixture, broken.id, true, "nonsense", argv), 30);
    CHECK_THAT(status == 0 || status == 1, "status %d", status);
}

static void two_slices(void)
{
    struct fixture_slice other;
    char both[2 * REGION_ID_BYTES + 2];
    fixture_slice_on(&fixture, &other, 2, LIMIT, 10000, FIXTURE_SECOND_GPU_UUID);
    snprintf(both, sizeof both, "%s,%s", slice.id, other.id);
    run_as("each_gpu_has_its_slice", both, true);
}

static void numbers(void)
{
    struct fixture_slice other;
    fixture_slice_on(&fixture, &other, 4, LIMIT, 10000, FIXTURE_SECOND_GPU_UUID);
    setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    run_as("a_number_counts_its_slices", other.id, true);
    setenv(ENV_VISIBLE, "index", 1); /* the host's own numbers: that GPU is not ours */
    run_as("no_memory", other.id, true);
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    run_as("limit_plain", other.id, true);
    unsetenv(ENV_VISIBLE);
    unsetenv("CUDA_VISIBLE_DEVICES");
}

static void only_looking(void)
{
    struct fixture_slice untouched;
    fixture_slice(&fixture, &untouched, 3, LIMIT, 10000);
    run_as("one_that_only_looks", untouched.id, true);
}

static void switched_off(void)
{
    setenv(ENV_DISABLE, "1", 1);
    run_as("unlimited", slice.id, true);
    unsetenv(ENV_DISABLE);
    run_as("unlimited", NULL, true);
    run_as("unlimited", slice.id, false);
}

int main(int argc, char **argv)
{
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], enter);
    check_needs_build();
    for (size_t at = 0; at < PLAIN_PROGRAMS; at++) {
        fixture_open(&fixture, "");
        fixture_slice(&fixture, &slice, 1, LIMIT, 10000);
        program_test(&fixture, slice.id, true, programs[at].name);
        fixture_close(&fixture);
    }
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, LIMIT, 10000);
    RUN(killed_holder_is_reaped);
    RUN(broken_files_mean_no_memory);
    RUN(two_slices);
    RUN(numbers);
    RUN(only_looking);
    RUN(switched_off);
    fixture_close(&fixture);
    return check_done();
}
