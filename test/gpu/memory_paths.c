/* Memory on a card, natively and in a slice: what calls cost, and how much each way of allocating grants.
 *
 * usage: memory_paths cost [NAME]   nanoseconds of allocations, launches and queries, one JSON line each
 *        memory_paths init          milliseconds from nothing to the first allocation
 *        memory_paths cap           in a slice: for each path, what was free before, what was granted until the refusal,
 *                                   the refusal's code, and how long refusals take
 *        memory_paths fill NAME     fills by that path until it is refused, says so, and holds it until a line comes; then
 *                                   frees all, takes one block more and says how that went. Managed memory is written to
 *                                   from here, and taken MANAGED_BYTES of at most: nobody may refuse it
 * Built against the toolkit's cuda.h. Exit 77 where there is no driver. */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include <cuda.h>

#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1ull << 20)
#define REFUSALS 2000
#define BLOCKS 4096
#define MANAGED_BYTES (12ull << 30) /* beyond the limit, and far below what the card has free */
#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        CUresult check_code = (call);                                                                                 \
        if (check_code != CUDA_SUCCESS) {                                                                             \
            printf("{\"id\": \"failed\", \"call\": \"%s\", \"line\": %d, \"code\": %d}\n", #call, __LINE__,           \
                   check_code);                                                                                       \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

static CUdevice device;
static CUcontext primary;
static CUstream stream;
static CUmemoryPool own_pool;

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

static void start(void)
{
    if (cuInit(0) != CUDA_SUCCESS || cuDeviceGet(&device, 0) != CUDA_SUCCESS) exit(77);
    CHECK(cuDevicePrimaryCtxRetain(&primary, device));
    CHECK(cuCtxSetCurrent(primary));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
}

/* ---- costs ---- */

static const char *only = ""; /* of what is measured, names that hold this */

static const char *const empty_kernel =
    ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { ret; }\n";

static CUfunction kernel(void)
{
    CUmodule module;
    CUfunction function;
    CHECK(cuModuleLoadData(&module, empty_kernel));
    CHECK(cuModuleGetFunction(&function, module, "k"));
    return function;
}

/* A function as libcuda's own symbol table has it, whoever stands before it: so the same process can call both ways in
 * turn, and what differs between processes and minutes differs not between them. */
static void *real_symbol(const char *name)
{
    static char *file;
    static unsigned long base;
    if (file == NULL) {
        char line[512], path[400] = "";
        FILE *maps = fopen("/proc/self/maps", "r");
        while (maps != NULL && path[0] == 0 && fgets(line, sizeof line, maps) != NULL) {
            unsigned long start, offset;
            char found[400];
            if (strstr(line, "libcuda.so") != NULL &&
                sscanf(line, "%lx-%*x %*s %lx %*s %*s %399s", &start, &offset, found) == 3 && offset == 0) {
                base = start;
                strcpy(path, found);
            }
        }
        FILE *library = fopen(path, "rb");
        if (maps == NULL || library == NULL || fseek(library, 0, SEEK_END) != 0) exit(1);
        long size = ftell(library);
        file = malloc((size_t)size);
        rewind(library);
        if (file == NULL || fread(file, 1, (size_t)size, library) != (size_t)size) exit(1);
        fclose(maps);
        fclose(library);
    }
    Elf64_Ehdr *header = (Elf64_Ehdr *)file;
    Elf64_Shdr *sections = (Elf64_Shdr *)(file + header->e_shoff);
    for (int at = 0; at < header->e_shnum; at++) {
        if (sections[at].sh_type != SHT_DYNSYM) continue;
        Elf64_Sym *symbols = (Elf64_Sym *)(file + sections[at].sh_offset);
        const char *names = file + sections[sections[at].sh_link].sh_offset;
        for (size_t n = 0; n < sections[at].sh_size / sizeof *symbols; n++)
            if (symbols[n].st_value != 0 && strcmp(names + symbols[n].st_name, name) == 0)
                return (void *)(base + symbols[n].st_value);
    }
    printf("{\"id\": \"failed\", \"call\": \"no %s in libcuda\"}\n", name);
    exit(1);
}

/* way[0] is the driver's function, way[1] what this program got. Rounds alternate; a round's figure is the mean over its
 * calls; reported are both medians and the median of the differences of neighbours. */
#define COST(name, rounds, calls, symbol, function, body)                                                             \
    do {                                                                                                              \
        if (strstr(name, only) == NULL) break;                                                                        \
        static double each[2][rounds], difference[rounds];                                                            \
        typeof(&function) way[2] = {(typeof(&function))real_symbol(symbol),                                           \
                                    (typeof(&function))dlsym(RTLD_DEFAULT, symbol)};                                  \
        for (int r = 0; r < 2 * (rounds); r++) {                                                                      \
            typeof(&function) call = way[(r + r / 2) & 1]; /* first one, then the other goes first */                 \
            CHECK(cuCtxSynchronize());                                                                                \
            double began = now_ns();                                                                                  \
            for (int i = 0; i < (calls); i++) body;                                                                   \
            each[(r + r / 2) & 1][r / 2] = (now_ns() - began) / (calls);                                              \
        }                                                                                                             \
        for (int r = 0; r < (rounds); r++) difference[r] = each[1][r] - each[0][r];                                   \
        qsort(difference, rounds, sizeof difference[0], ascending);                                                   \
        qsort(each[0], rounds, sizeof difference[0], ascending);                                                      \
        qsort(each[1], rounds, sizeof difference[0], ascending);                                                      \
        printf("{\"id\": \"%s\", \"ns\": %.1f, \"driverNs\": %.1f, \"addedNs\": %.1f, \"addedP25\": %.1f, "           \
               "\"addedP75\": %.1f, \"hooked\": %s}\n",                                                               \
               name, each[1][(rounds) / 2], each[0][(rounds) / 2], difference[(rounds) / 2],                          \
               difference[(rounds) / 4], difference[(rounds)*3 / 4], way[0] == way[1] ? "false" : "true");            \
    } while (0)

static void costs(void)
{
    CUfunction function = kernel();
    CUdeviceptr p;
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED};
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    size_t free_bytes, total;
    CHECK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    COST("mem.launch", 601, 200, "cuLaunchKernel", cuLaunchKernel,
         CHECK(call(function, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL)));
    CUlaunchConfig config = {.gridDimX = 1,
                             .gridDimY = 1,
                             .gridDimZ = 1,
                             .blockDimX = 1,
                             .blockDimY = 1,
                             .blockDimZ = 1,
                             .hStream = stream};
    COST("mem.launchEx", 601, 200, "cuLaunchKernelEx", cuLaunchKernelEx, CHECK(call(&config, function, NULL, NULL)));
    /* Memory must be given back the way it was got: the pair is one hook each. */
    typeof(&cuMemFree) give[2] = {(typeof(&cuMemFree))real_symbol("cuMemFree_v2"),
                                  (typeof(&cuMemFree))dlsym(RTLD_DEFAULT, "cuMemFree_v2")};
    COST("mem.alloc", 6001, 1, "cuMemAlloc_v2", cuMemAlloc, CHECK(call(&p, 4 * MIB)); CHECK(give[call == way[1]](p)));
    COST("mem.alloc.small", 501, 20, "cuMemAlloc_v2", cuMemAlloc, CHECK(call(&p, 4096));
         CHECK(give[call == way[1]](p)));
    /* Memory is in the pool already, as in a program that runs. */
    cuuint64_t keep = ~0ull;
    CUmemoryPool pool;
    CHECK(cuDeviceGetDefaultMemPool(&pool, device));
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    CHECK(cuMemAllocAsync(&p, 64 * MIB, stream));
    CHECK(cuMemFreeAsync(p, stream));
    typeof(&cuMemFreeAsync) give_async[2] = {(typeof(&cuMemFreeAsync))real_symbol("cuMemFreeAsync"),
                                             (typeof(&cuMemFreeAsync))dlsym(RTLD_DEFAULT, "cuMemFreeAsync")};
    COST("mem.async", 601, 200, "cuMemAllocAsync", cuMemAllocAsync, CHECK(call(&p, 4 * MIB, stream));
         CHECK(give_async[call == way[1]](p, stream)));
    typeof(&cuMemRelease) release[2] = {(typeof(&cuMemRelease))real_symbol("cuMemRelease"),
                                        (typeof(&cuMemRelease))dlsym(RTLD_DEFAULT, "cuMemRelease")};
    COST("mem.vmm", 101, 10, "cuMemCreate", cuMemCreate, CHECK(call(&handle, 4 * MIB, &prop, 0));
         CHECK(release[call == way[1]](handle)));
    COST("mem.getinfo", 101, 50, "cuMemGetInfo_v2", cuMemGetInfo, CHECK(call(&free_bytes, &total)));
    CUgraph graph;
    CUgraphExec exec;
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    for (int i = 0; i < 10; i++) CHECK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    COST("mem.graphLaunch", 301, 50, "cuGraphLaunch", cuGraphLaunch, CHECK(call(exec, stream)));
}

/* ---- how much each path grants ---- */

struct path {
    const char *name;
    CUresult (*get)(size_t bytes, void **out);
    void (*put)(void *block);
    size_t largest; /* first step; each refusal goes on with half of it */
};

static CUresult get_plain(size_t bytes, void **out)
{
    return cuMemAlloc((CUdeviceptr *)out, bytes);
}
static void put_plain(void *block)
{
    CHECK(cuMemFree((CUdeviceptr)block));
}
static CUresult get_pitch(size_t bytes, void **out)
{
    size_t pitch;
    return cuMemAllocPitch((CUdeviceptr *)out, &pitch, 4096, bytes / 4096, 4);
}
static CUresult get_managed(size_t bytes, void **out)
{
    return cuMemAllocManaged((CUdeviceptr *)out, bytes, CU_MEM_ATTACH_GLOBAL);
}
static CUresult get_async(size_t bytes, void **out)
{
    return cuMemAllocAsync((CUdeviceptr *)out, bytes, stream);
}
static void put_async(void *block)
{
    CHECK(cuMemFreeAsync((CUdeviceptr)block, stream));
}
static CUresult (*async_ptsz)(CUdeviceptr *, size_t, CUstream);
static CUresult get_async_ptsz(size_t bytes, void **out)
{
    CUdriverProcAddressQueryResult status;
    if (async_ptsz == NULL)
        CHECK(cuGetProcAddress("cuMemAllocAsync", (void **)&async_ptsz, 11020,
                               CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &status));
    return async_ptsz((CUdeviceptr *)out, bytes, stream);
}
static CUresult get_pool(size_t bytes, void **out)
{
    if (own_pool == NULL) {
        CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED};
        props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        CHECK(cuMemPoolCreate(&own_pool, &props));
    }
    return cuMemAllocFromPoolAsync((CUdeviceptr *)out, bytes, own_pool, stream);
}
static CUresult get_vmm(size_t bytes, void **out)
{
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR};
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    return cuMemCreate((CUmemGenericAllocationHandle *)out, bytes, &prop, 0);
}
static void put_vmm(void *block)
{
    CHECK(cuMemRelease((CUmemGenericAllocationHandle)block));
}
struct mapped {
    CUdeviceptr address;
    size_t bytes;
};
static CUresult get_mapped(size_t bytes, void **out)
{
    CUmemGenericAllocationHandle handle;
    CUresult code = get_vmm(bytes, (void **)&handle);
    if (code != CUDA_SUCCESS) return code;
    struct mapped *block = malloc(sizeof *block);
    block->bytes = bytes;
    CHECK(cuMemAddressReserve(&block->address, bytes, 0, 0, 0));
    CHECK(cuMemMap(block->address, bytes, 0, handle, 0));
    CHECK(cuMemRelease(handle));
    *out = block;
    return CUDA_SUCCESS;
}
static void put_mapped(void *held)
{
    struct mapped *block = held;
    CHECK(cuMemUnmap(block->address, block->bytes));
    CHECK(cuMemAddressFree(block->address, block->bytes));
    free(block);
}
static CUresult get_array2d(size_t bytes, void **out)
{
    CUDA_ARRAY_DESCRIPTOR d = {.Width = 1024, .Height = bytes / 16384, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 4};
    return cuArrayCreate((CUarray *)out, &d);
}
static CUresult get_array3d(size_t bytes, void **out)
{
    CUDA_ARRAY3D_DESCRIPTOR d = {
        .Width = 256, .Height = 256, .Depth = bytes / (256 * 256 * 4), .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    return cuArray3DCreate((CUarray *)out, &d);
}
static void put_array(void *block)
{
    CHECK(cuArrayDestroy((CUarray)block));
}
static CUresult get_mipmap(size_t bytes, void **out)
{
    CUDA_ARRAY3D_DESCRIPTOR d = {
        .Width = 1024, .Height = bytes / 16384, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 4};
    return cuMipmappedArrayCreate((CUmipmappedArray *)out, &d, 1);
}
static void put_mipmap(void *block)
{
    CHECK(cuMipmappedArrayDestroy((CUmipmappedArray)block));
}

/* A graph whose allocation is never freed inside it: each launch of another such graph holds its own memory. */
struct held_graph {
    CUgraph graph;
    CUgraphExec exec;
    CUdeviceptr address;
};
static CUresult run_graph(struct held_graph *block, void **out)
{
    CHECK(cuGraphInstantiate(&block->exec, block->graph, 0));
    CUresult code = cuGraphLaunch(block->exec, stream);
    if (code != CUDA_SUCCESS) {
        CHECK(cuGraphExecDestroy(block->exec));
        CHECK(cuGraphDestroy(block->graph));
        free(block);
        return code;
    }
    *out = block;
    return code;
}
static CUresult get_graph(size_t bytes, void **out)
{
    struct held_graph *block = calloc(1, sizeof *block);
    CUgraphNode node;
    CUDA_MEM_ALLOC_NODE_PARAMS params = {.bytesize = bytes};
    params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    params.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    params.poolProps.location.id = device;
    CHECK(cuGraphCreate(&block->graph, 0));
    CHECK(cuGraphAddMemAllocNode(&node, block->graph, NULL, 0, &params));
    block->address = params.dptr;
    return run_graph(block, out);
}
static CUresult get_captured(size_t bytes, void **out)
{
    struct held_graph *block = calloc(1, sizeof *block);
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    CHECK(cuMemAllocAsync(&block->address, bytes, stream));
    CHECK(cuStreamEndCapture(stream, &block->graph));
    return run_graph(block, out);
}
static void put_graph(void *held)
{
    struct held_graph *block = held;
    CHECK(cuMemFreeAsync(block->address, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuGraphExecDestroy(block->exec));
    CHECK(cuGraphDestroy(block->graph));
    CHECK(cuDeviceGraphMemTrim(device));
    free(block);
}
static CUresult get_module(size_t bytes, void **out)
{
    char text[256];
    snprintf(text, sizeof text,
             ".version 7.0\n.target sm_70\n.address_size 64\n.visible .global .align 8 .b8 big[%zu];\n.visible .entry "
             "k() { ret; }\n",
             bytes);
    return cuModuleLoadData((CUmodule *)out, text);
}
static void put_module(void *block)
{
    CHECK(cuModuleUnload((CUmodule)block));
}

static const struct path paths[] = {
    {"plain", get_plain, put_plain, 256 * MIB},
    {"pitch", get_pitch, put_plain, 256 * MIB},
    {"managed", get_managed, put_plain, 256 * MIB},
    {"async", get_async, put_async, 256 * MIB},
    {"async.ptsz", get_async_ptsz, put_async, 256 * MIB},
    {"pool", get_pool, put_async, 256 * MIB},
    {"vmm", get_vmm, put_vmm, 256 * MIB},
    {"vmm.mapped", get_mapped, put_mapped, 256 * MIB},
    {"array2d", get_array2d, put_array, 256 * MIB},
    {"array3d", get_array3d, put_array, 256 * MIB},
    {"mipmap", get_mipmap, put_mipmap, 256 * MIB},
    {"graph.node", get_graph, put_graph, 256 * MIB},
    {"graph.captured", get_captured, put_graph, 256 * MIB},
    {"module", get_module, put_module, 1024 * MIB},
};

static void cap(const struct path *path)
{
    static void *blocks[BLOCKS];
    static double times[REFUSALS];
    size_t free_before, free_after, total;
    unsigned long long granted = 0;
    int count = 0, refusals = 0;
    CUresult code = CUDA_SUCCESS;
    CHECK(cuMemGetInfo(&free_before, &total));
    size_t smallest = path->get == get_graph || path->get == get_captured ? 32 * MIB : 2 * MIB;
    for (size_t step = path->largest; step >= smallest; step /= 2) {
        while (count < BLOCKS && (code = path->get(step, &blocks[count])) == CUDA_SUCCESS) {
            granted += step;
            count++;
        }
    }
    int wanted = smallest > 2 * MIB || path->get == get_module ? 20 : REFUSALS;
    CUresult other = code;
    for (; refusals < wanted; refusals++) {
        void *none;
        double began = now_ns();
        CUresult again = path->get(smallest == 2 * MIB ? 4 * MIB : smallest, &none);
        times[refusals] = now_ns() - began;
        if (again == CUDA_SUCCESS) path->put(none);
        if (again != code) other = again;
    }
    qsort(times, (size_t)refusals, sizeof times[0], ascending);
    CHECK(cuMemGetInfo(&free_after, &total));
    for (int at = 0; at < count; at++) path->put(blocks[at]);
    CHECK(cuCtxSynchronize());
    size_t free_end;
    CHECK(cuMemGetInfo(&free_end, &total));
    printf("{\"id\": \"mem.cap.%s\", \"total\": %zu, \"freeBefore\": %zu, \"granted\": %llu, \"gap\": %lld, "
           "\"freeFull\": %zu, \"freeEnd\": %zu, \"code\": %d, \"otherCode\": %d, \"refusalP50Ns\": %.0f, "
           "\"refusalP99Ns\": %.0f}\n",
           path->name, total, free_before, granted, (long long)free_before - (long long)granted, free_after, free_end,
           code, other, times[refusals / 2], times[refusals * 99 / 100]);
}

static void fill(const struct path *path)
{
    static void *blocks[BLOCKS];
    unsigned long long granted = 0;
    int count = 0, is_managed = path->get == get_managed;
    CUresult code = CUDA_SUCCESS;
    size_t smallest = path->get == get_graph || path->get == get_captured ? 32 * MIB : 2 * MIB;
    for (size_t step = path->largest; step >= smallest && !(is_managed && granted >= MANAGED_BYTES); step /= 2) {
        while (count < BLOCKS && !(is_managed && granted >= MANAGED_BYTES) &&
               (code = path->get(step, &blocks[count])) == CUDA_SUCCESS) {
            if (is_managed) CHECK(cuMemsetD8((CUdeviceptr)blocks[count], 1, step));
            granted += step;
            count++;
        }
    }
    CHECK(cuCtxSynchronize());
    printf("{\"id\": \"full\", \"path\": \"%s\", \"granted\": %llu, \"code\": %d}\n", path->name, granted, code);
    if (getchar() == EOF) exit(1);
    for (int at = 0; at < count; at++) path->put(blocks[at]);
    void *again;
    code = path->get(smallest, &again);
    printf("{\"id\": \"again\", \"path\": \"%s\", \"code\": %d}\n", path->name, code);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2) return 2;
    double began = now_ns();
    start();
    if (strcmp(argv[1], "init") == 0) {
        CUdeviceptr p;
        CHECK(cuMemAlloc(&p, MIB));
        printf("{\"id\": \"mem.init\", \"ms\": %.3f}\n", (now_ns() - began) / 1e6);
    } else if (strcmp(argv[1], "cost") == 0) {
        only = argc > 2 ? argv[2] : "";
        costs();
    } else if (strcmp(argv[1], "fill") == 0) {
        for (unsigned at = 0; at < sizeof paths / sizeof paths[0]; at++)
            if (argc > 2 && strcmp(argv[2], paths[at].name) == 0) fill(&paths[at]);
    } else {
        struct timespec settle = {4, 0}; /* until the agent has measured this process's context: the residue */
        nanosleep(&settle, NULL);
        for (unsigned at = 0; at < sizeof paths / sizeof paths[0]; at++)
            if (argc < 3 || strcmp(argv[2], paths[at].name) == 0) cap(&paths[at]);
        nanosleep(&settle, NULL); /* what modules took is residue, until it has been measured that they are gone */
        int contexts = 0;
        CUcontext created[64];
        CUresult code = CUDA_SUCCESS;
        size_t free_bytes, total;
        CHECK(cuMemGetInfo(&free_bytes, &total));
        while (contexts < 40 && (code = cuCtxCreate(&created[contexts], NULL, 0, device)) == CUDA_SUCCESS) contexts++;
        printf("{\"id\": \"mem.cap.context\", \"freeBefore\": %zu, \"contexts\": %d, \"code\": %d}\n", free_bytes,
               contexts, code);
        while (contexts > 0) cuCtxDestroy(created[--contexts]);
        CHECK(cuCtxSetCurrent(primary));
        code = cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 65536);
        printf("{\"id\": \"mem.cap.stack\", \"code\": %d}\n", code);
    }
    return 0;
}
