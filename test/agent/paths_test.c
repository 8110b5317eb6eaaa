/* Every way to get GPU memory, in a slice of 1 GiB on the simulated driver: each grants the limit and no more, refuses
 * with the right code and gives everything back; and eight processes that race for the last bytes on all of them, one of
 * them killed every few moments, never hold more than the limit, as the driver counts it.
 * build: agent/common/region_file.c agent/common/admit.c agent/common/proc_stat.c agent/common/life.c agent/common/host_clock.c
 * sanitize: none
 * needs: native
 */
#include "admit.h"
#include "cuda_min.h"
#include "nvml_min.h"
#include "program.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <time.h>

#define MIB (UINT64_C(1) << 20)
#define LIMIT (UINT64_C(1) << 30)
#define STEP (32 * MIB) /* what pools and graphs grow by: nothing of it is left over then */
#define WORKERS 8
#define ROUNDS 10000
#define KILLS 40
#define KILL_EVERY_MS 25
#define RACE_SECONDS_MAX 120
#define REST_MS_MAX 500
#define SLOTS 12

#define DRIVER(X)                                                                                                     \
    X(cuInit, (unsigned flags))                                                                                       \
    X(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                               \
    X(cuCtxSetCurrent, (CUcontext context))                                                                           \
    X(cuCtxSynchronize, (void))                                                                                       \
    X(cuCtxCreate_v2, (CUcontext * context, unsigned flags, CUdevice device))                                         \
    X(cuCtxDestroy_v2, (CUcontext context))                                                                           \
    X(cuCtxSetLimit, (int limit, size_t value))                                                                       \
    X(cuStreamCreate, (CUstream * out, unsigned flags))                                                               \
    X(cuStreamSynchronize, (CUstream stream))                                                                         \
    X(cuMemGetInfo_v2, (size_t * free_bytes, size_t * total))                                                         \
    X(cuMemAlloc, (CUdeviceptr_v1 * out, unsigned bytes))                                                             \
    X(cuMemFree, (CUdeviceptr_v1 address))                                                                            \
    X(cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes))                                                               \
    X(cuMemAllocPitch_v2, (CUdeviceptr * out, size_t * pitch, size_t width, size_t height, unsigned element))         \
    X(cuMemAllocManaged, (CUdeviceptr * out, size_t bytes, unsigned flags))                                           \
    X(cuMemFree_v2, (CUdeviceptr address))                                                                            \
    X(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream))                                            \
    X(cuMemAllocAsync_ptsz, (CUdeviceptr * out, size_t bytes, CUstream stream))                                       \
    X(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream))                 \
    X(cuMemFreeAsync, (CUdeviceptr address, CUstream stream))                                                         \
    X(cuMemPoolCreate, (CUmemoryPool * out, const CUmemPoolProps *props))                                             \
    X(cuMemPoolDestroy, (CUmemoryPool pool))                                                                          \
    X(cuMemPoolSetAttribute, (CUmemoryPool pool, int attribute, void *value))                                         \
    X(cuDeviceGetDefaultMemPool, (CUmemoryPool * pool, CUdevice device))                                              \
    X(cuMemCreate,                                                                                                    \
      (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags))  \
    X(cuMemRelease, (CUmemGenericAllocationHandle handle))                                                            \
    X(cuMemAddressReserve,                                                                                            \
      (CUdeviceptr * out, size_t bytes, size_t alignment, CUdeviceptr hint, unsigned long long flags))                \
    X(cuMemMap, (CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,               \
                 unsigned long long flags))                                                                           \
    X(cuMemUnmap, (CUdeviceptr address, size_t bytes))                                                                \
    X(cuArrayCreate_v2, (CUarray * out, const CUDA_ARRAY_DESCRIPTOR *descriptor))                                     \
    X(cuArray3DCreate_v2, (CUarray * out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor))                                 \
    X(cuArrayDestroy, (CUarray array))                                                                                \
    X(cuMipmappedArrayCreate, (CUmipmappedArray * out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned levels))   \
    X(cuMipmappedArrayDestroy, (CUmipmappedArray array))                                                              \
    X(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode))                                           \
    X(cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                                         \
    X(cuGraphInstantiateWithFlags, (CUgraphExec * out, CUgraph graph, unsigned long long flags))                      \
    X(cuGraphLaunch, (CUgraphExec exec, CUstream stream))                                                             \
    X(cuGraphExecDestroy, (CUgraphExec exec))                                                                         \
    X(cuGraphDestroy, (CUgraph graph))                                                                                \
    X(cuDeviceGraphMemTrim, (CUdevice device))                                                                        \
    X(cuModuleLoadData, (CUmodule * out, const void *image))                                                          \
    X(cuModuleUnload, (CUmodule module))

#define MEMBER(name, parameters) static CUresult(*name) parameters;
DRIVER(MEMBER)
#undef MEMBER

static CUstream stream;
static CUmemoryPool own_pool;

static void enter(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    CUcontext context;
    if (cuda == NULL) fixture_fail("libcuda.so.1");
#define LOAD(name, parameters)                                                                                        \
    name = (CUresult(*) parameters)dlsym(cuda, #name);                                                                \
    if (name == NULL) fixture_fail(#name);
    DRIVER(LOAD)
#undef LOAD
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
    CHECK_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
}

/* ---- the paths ---- */

struct block {
    const struct path *path;
    uint64_t a, b, c, bytes;
};

struct path {
    const char *name;
    CUresult (*get)(struct block *block);
    CUresult (*put)(const struct block *block);
    bool pooled; /* the driver decides how much it takes, and tells afterwards */
};

static CUresult get_plain(struct block *block)
{
    return cuMemAlloc_v2((CUdeviceptr *)&block->a, block->bytes);
}
static CUresult put_plain(const struct block *block)
{
    return cuMemFree_v2(block->a);
}
static CUresult get_v1(struct block *block)
{
    return cuMemAlloc((CUdeviceptr_v1 *)&block->a, (unsigned)block->bytes);
}
static CUresult put_v1(const struct block *block)
{
    return cuMemFree((CUdeviceptr_v1)block->a);
}
static CUresult get_pitch(struct block *block)
{
    size_t pitch;
    return cuMemAllocPitch_v2((CUdeviceptr *)&block->a, &pitch, 4000, block->bytes / 4096, 4);
}
static CUresult get_managed(struct block *block)
{
    return cuMemAllocManaged((CUdeviceptr *)&block->a, block->bytes, 1);
}
static CUresult get_async(struct block *block)
{
    return cuMemAllocAsync((CUdeviceptr *)&block->a, block->bytes, stream);
}
static CUresult get_async_ptsz(struct block *block)
{
    return cuMemAllocAsync_ptsz((CUdeviceptr *)&block->a, block->bytes, stream);
}
static CUresult put_async(const struct block *block)
{
    return cuMemFreeAsync(block->a, stream);
}
static CUresult get_pool(struct block *block)
{
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    if (own_pool == NULL && cuMemPoolCreate(&own_pool, &props) != CUDA_SUCCESS) return CUDA_ERROR_UNKNOWN;
    return cuMemAllocFromPoolAsync((CUdeviceptr *)&block->a, block->bytes, own_pool, stream);
}
static CUresult get_vmm(struct block *block)
{
    CUmemAllocationProp prop = {.type = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    return cuMemCreate((CUmemGenericAllocationHandle *)&block->a, block->bytes, &prop, 0);
}
static CUresult put_vmm(const struct block *block)
{
    return cuMemRelease(block->a);
}
static CUresult get_mapped(struct block *block)
{
    CUresult result = get_vmm(block);
    if (result != CUDA_SUCCESS) return result;
    CHECK_EQ(cuMemAddressReserve((CUdeviceptr *)&block->b, block->bytes, 0, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemMap(block->b, block->bytes, 0, block->a, 0), CUDA_SUCCESS);
    return cuMemRelease(block->a);
}
static CUresult put_mapped(const struct block *block)
{
    return cuMemUnmap(block->b, block->bytes);
}
static CUresult get_array(struct block *block)
{
    CUDA_ARRAY_DESCRIPTOR descriptor = {
        .Width = 1024, .Height = block->bytes / (1024 * 16), .Format = 0x20, .NumChannels = 4};
    return cuArrayCreate_v2((CUarray *)&block->a, &descriptor);
}
static CUresult get_array3d(struct block *block)
{
    CUDA_ARRAY3D_DESCRIPTOR descriptor = {
        .Width = 256, .Height = 256, .Depth = block->bytes / (256 * 256 * 4), .Format = 0x20, .NumChannels = 1};
    return cuArray3DCreate_v2((CUarray *)&block->a, &descriptor);
}
static CUresult put_array(const struct block *block)
{
    return cuArrayDestroy((CUarray)(uintptr_t)block->a);
}
static CUresult get_mipmap(struct block *block)
{
    CUDA_ARRAY3D_DESCRIPTOR descriptor = {
        .Width = 1024, .Height = block->bytes / (1024 * 16), .Format = 0x20, .NumChannels = 4};
    return cuMipmappedArrayCreate((CUmipmappedArray *)&block->a, &descriptor, 1);
}
static CUresult put_mipmap(const struct block *block)
{
    return cuMipmappedArrayDestroy((CUmipmappedArray)(uintptr_t)block->a);
}
/* A graph that allocates and does not free; a captured allocation is such a node. */
static CUresult get_graph(struct block *block)
{
    CUresult result = CUDA_SUCCESS;
    CHECK_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync((CUdeviceptr *)&block->a, block->bytes, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamEndCapture(stream, (CUgraph *)&block->b), CUDA_SUCCESS);
    CHECK_EQ(cuGraphInstantiateWithFlags((CUgraphExec *)&block->c, (CUgraph)(uintptr_t)block->b, 0), CUDA_SUCCESS);
    result = cuGraphLaunch((CUgraphExec)(uintptr_t)block->c, stream);
    if (result != CUDA_SUCCESS) {
        CHECK_EQ(cuGraphExecDestroy((CUgraphExec)(uintptr_t)block->c), CUDA_SUCCESS);
        CHECK_EQ(cuGraphDestroy((CUgraph)(uintptr_t)block->b), CUDA_SUCCESS);
    }
    return result;
}
static CUresult put_graph(const struct block *block)
{
    CUresult result = cuMemFreeAsync(block->a, stream);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(cuGraphExecDestroy((CUgraphExec)(uintptr_t)block->c), CUDA_SUCCESS);
    CHECK_EQ(cuGraphDestroy((CUgraph)(uintptr_t)block->b), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    return result;
}

static const struct path paths[] = {
    {"plain", get_plain, put_plain, false},
    {"v1", get_v1, put_v1, false},
    {"pitch", get_pitch, put_plain, false},
    {"managed", get_managed, put_plain, false},
    {"async", get_async, put_async, true},
    {"async_ptsz", get_async_ptsz, put_async, true},
    {"async_freed_plainly", get_async, put_plain, true},
    {"pool", get_pool, put_async, true},
    {"vmm", get_vmm, put_vmm, false},
    {"vmm_mapped", get_mapped, put_mapped, false},
    {"array", get_array, put_array, false},
    {"array3d", get_array3d, put_array, false},
    {"mipmap", get_mipmap, put_mipmap, false},
    {"graph", get_graph, put_graph, false},
};
#define PATHS (sizeof paths / sizeof paths[0])

/* ---- one after the other ---- */

static uint64_t free_now(void)
{
    size_t free_bytes = 0;
    size_t total = 0;
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(total, LIMIT);
    return free_bytes;
}

static void each_grants_the_limit(void)
{
    static struct block blocks[LIMIT / STEP + 1];
    for (size_t at = 0; at < PATHS; at++) {
        uint64_t granted = 0;
        unsigned count = 0;
        CUresult result = CUDA_SUCCESS;
        CHECK_THAT(free_now() == LIMIT, "before %s", paths[at].name);
        for (; count <= LIMIT / STEP && result == CUDA_SUCCESS; count++) {
            blocks[count] = (struct block){.bytes = STEP};
            result = paths[at].get(&blocks[count]);
            granted += result == CUDA_SUCCESS ? STEP : 0;
        }
        CHECK_THAT(granted == LIMIT, "%s granted %llu bytes", paths[at].name, (unsigned long long)granted);
        CHECK_THAT(result == CUDA_ERROR_OUT_OF_MEMORY, "%s refused with %d", paths[at].name, result);
        CHECK_THAT(free_now() == 0, "%s: something is free at the limit", paths[at].name);
        while (count-- > 1) CHECK_THAT(paths[at].put(&blocks[count - 1]) == CUDA_SUCCESS, "%s: free", paths[at].name);
        CHECK_THAT(free_now() == LIMIT, "after %s", paths[at].name);
    }
}

/* The last bytes of a slice are not lost to the step by which a pool grows. */
static void a_pool_grants_the_last_bytes(void)
{
    struct block odd = {.bytes = 2 * MIB};
    struct block blocks[512];
    unsigned count = 0;
    CHECK_EQ(get_plain(&odd), CUDA_SUCCESS);
    for (; count < 512; count++) {
        blocks[count] = (struct block){.bytes = 2 * MIB};
        if (get_async(&blocks[count]) != CUDA_SUCCESS) break;
    }
    CHECK_EQ(count, LIMIT / (2 * MIB) - 1);
    while (count-- > 0) CHECK_EQ(put_async(&blocks[count]), CUDA_SUCCESS);
}

/* Memory that a pool keeps serves other requests before one of them is refused; as it would without a slice. */
static void a_full_pool_gives_way(void)
{
    uint64_t keep = UINT64_MAX;
    CUmemoryPool pool;
    struct block block = {.bytes = LIMIT - STEP};
    struct block other = {.bytes = LIMIT - STEP};
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep), CUDA_SUCCESS);
    CHECK_EQ(get_async(&block), CUDA_SUCCESS);
    CHECK_EQ(put_async(&block), CUDA_SUCCESS);
    CHECK_EQ(get_plain(&other), CUDA_SUCCESS);
    CHECK_EQ(put_plain(&other), CUDA_SUCCESS);
    CHECK_EQ(get_async(&block), CUDA_SUCCESS);
    CHECK_EQ(put_async(&block), CUDA_SUCCESS);
    CHECK_EQ(get_vmm(&other), CUDA_SUCCESS);
}

/* What this process holds on the card beyond its context, as the driver counts it. */
static uint64_t physical(void)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    nvmlDevice_t device;
    nvmlProcessInfo_t infos[16];
    unsigned count = 16;
    CHECK_EQ(((nvmlReturn_t(*)(void))dlsym(library, "nvmlInit_v2"))(), NVML_SUCCESS);
    CHECK_EQ(((nvmlReturn_t(*)(unsigned, nvmlDevice_t *))dlsym(library, "nvmlDeviceGetHandleByIndex_v2"))(0, &device),
             NVML_SUCCESS);
    CHECK_EQ(((nvmlReturn_t(*)(nvmlDevice_t, unsigned *, nvmlProcessInfo_t *))dlsym(
                 library, "nvmlDeviceGetComputeRunningProcesses_v3"))(device, &count, infos),
             NVML_SUCCESS);
    CHECK_EQ(count, 1);
    return infos[0].usedGpuMemory - MIB;
}

/* Free memory in pieces too small serves no larger request: the pool grows, though what it holds would be enough. */
static void a_fragmented_pool_stays_within(void)
{
    struct block blocks[LIMIT / STEP];
    struct block large = {.bytes = 2 * STEP};
    for (unsigned at = 0; at < LIMIT / STEP; at++) {
        blocks[at] = (struct block){.bytes = STEP};
        CHECK_EQ(get_async(&blocks[at]), CUDA_SUCCESS);
    }
    for (unsigned at = 0; at < LIMIT / STEP; at += 2) CHECK_EQ(put_async(&blocks[at]), CUDA_SUCCESS);
    CHECK_EQ(physical(), LIMIT);
    CHECK_EQ(get_async(&large), CUDA_SUCCESS); /* its pieces went back, and then there was room */
    CHECK_THAT(physical() <= LIMIT, "%llu bytes over", (unsigned long long)(physical() - LIMIT));
    CHECK_EQ(physical(), LIMIT / 2 + 2 * STEP);
    CHECK_EQ(free_now(), LIMIT / 2 - 2 * STEP);
}

/* A destroyed pool is charged until its last block is freed; a new one may get its handle. */
static void a_destroyed_pool_is_charged_to_its_end(void)
{
    struct block block = {.bytes = LIMIT / 2};
    struct block next = {.bytes = LIMIT / 2};
    struct block refused = {.bytes = STEP};
    CHECK_EQ(get_pool(&block), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolDestroy(own_pool), CUDA_SUCCESS);
    own_pool = NULL;
    CHECK_EQ(free_now(), LIMIT / 2);
    CHECK_EQ(get_pool(&next), CUDA_SUCCESS);
    CHECK_EQ(get_plain(&refused), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(put_async(&block), CUDA_SUCCESS);
    CHECK_EQ(free_now(), LIMIT / 2);
    CHECK_EQ(put_async(&next), CUDA_SUCCESS);
    CHECK_EQ(free_now(), LIMIT);
}

/* Two graphs share their memory when they do not run at once: the second needs no room of its own. */
static void graphs_share_their_memory(void)
{
    struct block graphs[2];
    for (int at = 0; at < 2; at++) {
        CHECK_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
        CHECK_EQ(cuMemAllocAsync((CUdeviceptr *)&graphs[at].a, LIMIT / 4 * 3, stream), CUDA_SUCCESS);
        CHECK_EQ(cuMemFreeAsync(graphs[at].a, stream), CUDA_SUCCESS);
        CHECK_EQ(cuStreamEndCapture(stream, (CUgraph *)&graphs[at].b), CUDA_SUCCESS);
        CHECK_EQ(cuGraphInstantiateWithFlags((CUgraphExec *)&graphs[at].c, (CUgraph)(uintptr_t)graphs[at].b, 0),
                 CUDA_SUCCESS);
    }
    CHECK_EQ(free_now(), LIMIT);
    for (int at = 0; at < 4; at++)
        CHECK_EQ(cuGraphLaunch((CUgraphExec)(uintptr_t)graphs[at % 2].c, stream), CUDA_SUCCESS);
    CHECK_EQ(free_now(), LIMIT / 4);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(free_now(), LIMIT);
    struct block most = {.bytes = LIMIT / 2};
    CHECK_EQ(get_plain(&most), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch((CUgraphExec)(uintptr_t)graphs[0].c, stream), CUDA_ERROR_OUT_OF_MEMORY);
}

/* Global variables and stacks take memory, too: what does not fit is refused, and nothing of it stays. */
static void code_and_stacks_are_refused(void)
{
    CUmodule module = NULL;
    struct block most = {.bytes = LIMIT - 4 * STEP};
    CHECK_EQ(get_plain(&most), CUDA_SUCCESS);
    CHECK_EQ(cuModuleLoadData(&module, "tranche-sim-image\nglobal big 512M\n"), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 65536), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(free_now(), 4 * STEP);
    CHECK_EQ(cuModuleLoadData(&module, "tranche-sim-image\nglobal big 64M\n"), CUDA_SUCCESS);
    CHECK_EQ(free_now(), 2 * STEP); /* as an estimate: no agent is here to measure it */
}

/* What a context is known to take is taken at its creation, for as long as nobody has measured it. */
static void contexts_are_admitted(void)
{
    CUcontext contexts[8];
    unsigned count = 0;
    while (count < 8 && cuCtxCreate_v2(&contexts[count], 0, 0) == CUDA_SUCCESS) count++;
    CHECK_EQ(count, 2); /* 300 MiB each, and the first is the primary one */
    CHECK_EQ(cuCtxCreate_v2(&contexts[0], 0, 0), CUDA_ERROR_OUT_OF_MEMORY);
}

/* ---- all at once ---- */

struct race {
    _Atomic uint64_t rounds;
    _Atomic uint64_t granted;
    _Atomic uint64_t refused;
    _Atomic uint64_t wrong; /* neither granted nor refused for want of memory */
    _Atomic uint32_t pause; /* between two calls */
    _Atomic uint32_t paused;
};

static struct race *race_map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct race)) != 0) fixture_fail(path);
    struct race *race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (race == MAP_FAILED) fixture_fail(path);
    return race;
}

static void race_on(bool pools)
{
    char path[PATH_MAX];
    struct block slots[SLOTS];
    unsigned random = (unsigned)getpid() * 2654435761u;
    snprintf(path, sizeof path, "%s/race", getenv(ENV_RUNTIME_DIR));
    struct race *race = race_map(path);
    memset(slots, 0, sizeof slots);
    for (;;) {
        if (atomic_load(&race->pause)) {
            atomic_fetch_add(&race->paused, 1);
            while (atomic_load(&race->pause)) usleep(20); /* until the looker has looked; he is bounded */
            atomic_fetch_sub(&race->paused, 1);
        }
        random = random * 1664525u + 1013904223u;
        struct block *block = &slots[(random >> 8) % SLOTS];
        if (block->path != NULL) {
            atomic_fetch_add(&race->wrong, block->path->put(block) != CUDA_SUCCESS);
            block->path = NULL;
            continue;
        }
        const struct path *path_used = &paths[(random >> 16) % PATHS];
        if (path_used->pooled && !pools) continue;
        *block = (struct block){.bytes = STEP * (1 + (random >> 24) % 4)};
        CUresult result = path_used->get(block);
        block->path = result == CUDA_SUCCESS ? path_used : NULL;
        atomic_fetch_add(&race->granted, result == CUDA_SUCCESS);
        atomic_fetch_add(&race->refused, result == CUDA_ERROR_OUT_OF_MEMORY);
        atomic_fetch_add(&race->wrong, result != CUDA_SUCCESS && result != CUDA_ERROR_OUT_OF_MEMORY);
        atomic_fetch_add(&race->rounds, 1);
    }
}

static void race_without_pools(void)
{
    race_on(false);
}

static void race_with_pools(void)
{
    race_on(true);
}

static const struct program programs[] = {
    PROGRAM(each_grants_the_limit),
    PROGRAM(a_pool_grants_the_last_bytes),
    PROGRAM(a_full_pool_gives_way),
    PROGRAM(a_fragmented_pool_stays_within),
    PROGRAM(a_destroyed_pool_is_charged_to_its_end),
    PROGRAM(graphs_share_their_memory),
    PROGRAM(code_and_stacks_are_refused),
    PROGRAM(contexts_are_admitted, .context_bytes = 300 * MIB),
    PROGRAM(race_without_pools),
    PROGRAM(race_with_pools),
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

static struct fixture fixture;
static struct fixture_slice slice;
static void *nvml;

#define NVML(name) ((nvmlReturn_t(*)())dlsym(nvml, #name))

static pid_t workers[WORKERS];

/* What the workers that live hold on the card, in one look. The dead are left out: on a card their memory is free at the
 * moment of their death (docs/gpu-results.md), here a little later. */
static uint64_t held_by_workers(void)
{
    static nvmlDevice_t device;
    nvmlProcessInfo_t infos[64];
    unsigned count = 64;
    uint64_t sum = 0;
    if (device == NULL) {
        CHECK_EQ(NVML(nvmlInit_v2)(), NVML_SUCCESS);
        CHECK_EQ(NVML(nvmlDeviceGetHandleByIndex_v2)(0, &device), NVML_SUCCESS);
    }
    CHECK_EQ(NVML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, infos), NVML_SUCCESS);
    for (unsigned at = 0; at < count; at++)
        for (int worker = 0; worker < WORKERS; worker++)
            sum += (pid_t)infos[at].pid == workers[worker] ? infos[at].usedGpuMemory : 0;
    return sum;
}

static pid_t start_worker(const char *program)
{
    char *argv[] = {"/proc/self/exe", (char *)program, NULL};
    return fixture_start(&fixture, slice.id, true, "worker", argv);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What is held while nobody is inside a call; UINT64_MAX if they did not come to rest in time. */
static uint64_t held_at_rest(struct race *race)
{
    uint64_t held = UINT64_MAX;
    uint64_t until = now_ms() + REST_MS_MAX;
    atomic_store(&race->pause, 1);
    while (atomic_load(&race->paused) < WORKERS && now_ms() < until) usleep(20);
    if (atomic_load(&race->paused) == WORKERS) held = held_by_workers();
    atomic_store(&race->pause, 0);
    while (atomic_load(&race->paused) > 0 && now_ms() < until) usleep(20);
    return held;
}

struct most {
    uint64_t at_any_time;
    uint64_t at_rest;
    unsigned rests;
};

static struct most run_race(const char *program)
{
    char path[PATH_MAX];
    struct most most = {0, 0, 0};
    unsigned kills = 0;
    snprintf(path, sizeof path, "%s/sim/libnvidia-ml.so.1", fixture.build);
    setenv(ENV_SIM_DIR, fixture.root, 1);
    nvml = dlopen(path, RTLD_NOW);
    snprintf(path, sizeof path, "%s/race", fixture.root);
    struct race *race = race_map(path);
    memset(race, 0, sizeof *race);
    for (int at = 0; at < WORKERS; at++) workers[at] = start_worker(program);
    uint64_t until = now_ms() + RACE_SECONDS_MAX * 1000;
    uint64_t kill_at = now_ms() + 10 * KILL_EVERY_MS;
    while ((atomic_load(&race->rounds) < ROUNDS || kills < KILLS) && now_ms() < until) {
        uint64_t held = held_by_workers();
        most.at_any_time = held > most.at_any_time ? held : most.at_any_time;
        if (now_ms() < kill_at) continue;
        held = held_at_rest(race);
        most.rests += held != UINT64_MAX;
        most.at_rest = held != UINT64_MAX && held > most.at_rest ? held : most.at_rest;
        int victim = (int)(kills % WORKERS);
        pid_t pid = workers[victim];
        kill(pid, SIGKILL);
        workers[victim] = start_worker(program);
        waitpid(pid, NULL, 0);
        kills++;
        kill_at = now_ms() + KILL_EVERY_MS;
    }
    for (int at = 0; at < WORKERS; at++) {
        kill(workers[at], SIGKILL);
        waitpid(workers[at], NULL, 0);
    }
    printf("     %s: %llu rounds, %llu granted, %llu refused, %u kills; held at most %lld bytes over the limit at any "
           "time, %lld at rest (%u looks)\n",
           program, (unsigned long long)atomic_load(&race->rounds), (unsigned long long)atomic_load(&race->granted),
           (unsigned long long)atomic_load(&race->refused), kills, (long long)most.at_any_time - (long long)LIMIT,
           (long long)most.at_rest - (long long)LIMIT, most.rests);
    CHECK(atomic_load(&race->rounds) >= ROUNDS);
    CHECK(atomic_load(&race->refused) > ROUNDS / 10); /* it was a race for the last bytes */
    CHECK_EQ(atomic_load(&race->wrong), 0);
    CHECK(kills >= KILLS);
    CHECK(most.rests > KILLS / 4);
    CHECK(most.at_rest > LIMIT / 2);
    CHECK_THAT(most.at_rest <= LIMIT, "%llu bytes over", (unsigned long long)(most.at_rest - LIMIT));
    (void)admit_reap(&slice.place);
    CHECK_EQ(admit_used(slice.usage), 0);
    munmap(race, sizeof *race);
    return most;
}

static void nobody_ever_holds_a_byte_more(void)
{
    struct most most = run_race("race_without_pools");
    CHECK_THAT(most.at_any_time <= LIMIT, "%llu bytes over", (unsigned long long)(most.at_any_time - LIMIT));
}

/* How much a pool takes for a request is known after the call, which then gives it back: so at rest nothing is over, and
 * in between no more than what is being asked for. */
static void pools_are_never_over_between_calls(void)
{
    struct most most = run_race("race_with_pools");
    CHECK_THAT(most.at_any_time <= LIMIT + WORKERS * 4 * STEP, "%llu bytes over",
               (unsigned long long)(most.at_any_time - LIMIT));
}

int main(int argc, char **argv)
{
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], enter);
    check_needs_build();
    for (size_t at = 0; at + 2 < PROGRAMS; at++) {
        fixture_open(&fixture, "context_memory = 1M\n");
        fixture_slice(&fixture, &slice, 1, LIMIT, 10000);
        atomic_store(&slice.policy->context_bytes, programs[at].context_bytes);
        program_test(&fixture, slice.id, true, programs[at].name);
        fixture_close(&fixture);
    }
    /* One machine for both: NVML stays with the one that it met first. */
    fixture_open(&fixture, "context_memory = 0\n");
    fixture_slice(&fixture, &slice, 1, LIMIT, 10000);
    RUN(nobody_ever_holds_a_byte_more);
    fixture_slice(&fixture, &slice, 2, LIMIT, 10000);
    RUN(pools_are_never_over_between_calls);
    fixture_close(&fixture);
    return check_done();
}
