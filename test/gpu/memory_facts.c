/* What the driver really takes for each kind of allocation, and what the calls cost that the shim leans on: one JSON
 * line per fact. Built against the toolkit's own cuda.h (13.0), because most of these calls are newer than ours.
 * Physical bytes are differences of cuMemGetInfo on an otherwise idle GPU. Exit 77 where there is no driver.
 * usage: memory_facts [full]   full: what a graph gets on a card that has next to nothing free */
#include <cuda.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1ull << 20)
#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        CUresult code = (call);                                                                                       \
        if (code != CUDA_SUCCESS)                                                                                     \
            printf("{\"failed\": \"%s\", \"line\": %d, \"code\": %d}\n", #call, __LINE__, code);                      \
    } while (0)

static CUdevice device;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static long long in_use(void)
{
    size_t free_bytes = 0, total = 0;
    CHECK(cuMemGetInfo(&free_bytes, &total));
    return (long long)(total - free_bytes);
}

static void plain_sizes(void)
{
    static const size_t sizes[] = {1,           512,     4096,    65536,       262144,       524288,      786432,
                                   MIB - 1,     MIB,     MIB + 1, MIB + 65536, 3 * MIB / 2,  2 * MIB - 1, 2 * MIB,
                                   2 * MIB + 1, 3 * MIB, 4 * MIB, 5 * MIB,     32 * MIB + 1, 33 * MIB};
    for (unsigned at = 0; at < sizeof sizes / sizeof sizes[0]; at++) {
        size_t size = sizes[at];
        int count = size < MIB ? (int)(64 * MIB / (size < 4096 ? 4096 : size)) : 32;
        CUdeviceptr *held = calloc((size_t)count, sizeof *held);
        long long before = in_use();
        int got = 0;
        while (got < count && cuMemAlloc(&held[got], size) == CUDA_SUCCESS) got++;
        long long after = in_use();
        unsigned long long step = got > 1 ? held[1] - held[0] : 0;
        printf("{\"fact\": \"plain\", \"bytes\": %zu, \"count\": %d, \"each\": %.1f, \"addressStep\": %llu}\n", size,
               got, (double)(after - before) / got, step);
        for (int i = 0; i < got; i++) cuMemFree(held[i]);
        printf("{\"fact\": \"plain left after free\", \"bytes\": %zu, \"left\": %lld}\n", size, in_use() - before);
        free(held);
    }
}

static void pitch(void)
{
    CUdeviceptr p;
    size_t row;
    long long before = in_use();
    CHECK(cuMemAllocPitch(&p, &row, 1000, 10000, 4));
    printf("{\"fact\": \"pitch 1000x10000\", \"row\": %zu, \"bytes\": %lld}\n", row, in_use() - before);
    cuMemFree(p);
}

static void arrays(void)
{
    static const struct {
        size_t w, h, d;
        CUarray_format format;
        unsigned channels, flags;
        const char *name;
    } cases[] = {
        {1024, 0, 0, CU_AD_FORMAT_FLOAT, 1, 0, "1D 1024 f32"},
        {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, 0, "2D 1024^2 f32"},
        {1000, 1000, 0, CU_AD_FORMAT_FLOAT, 1, 0, "2D 1000^2 f32"},
        {4096, 4096, 0, CU_AD_FORMAT_FLOAT, 4, 0, "2D 4096^2 f32x4"},
        {4100, 4100, 0, CU_AD_FORMAT_UNSIGNED_INT8, 1, 0, "2D 4100^2 u8"},
        {256, 256, 256, CU_AD_FORMAT_FLOAT, 1, 0, "3D 256^3 f32"},
        {100, 100, 100, CU_AD_FORMAT_HALF, 2, 0, "3D 100^3 f16x2"},
        {512, 512, 6, CU_AD_FORMAT_FLOAT, 4, CUDA_ARRAY3D_CUBEMAP, "cubemap 512 f32x4"},
        {1024, 1024, 16, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED, "layered 1024^2x16 f32"},
        {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SURFACE_LDST, "2D surface 1024^2 f32"},
        {64, 64, 0, CU_AD_FORMAT_FLOAT, 1, 0, "2D 64^2 f32"},
    };
    for (unsigned at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        CUDA_ARRAY3D_DESCRIPTOR d = {cases[at].w,      cases[at].h,        cases[at].d,
                                     cases[at].format, cases[at].channels, cases[at].flags};
        CUarray probe = NULL, arrays[16];
        CUDA_ARRAY_MEMORY_REQUIREMENTS need = {0};
        d.Flags |= CUDA_ARRAY3D_DEFERRED_MAPPING;
        double began = now_ns();
        CUresult made = cuArray3DCreate(&probe, &d);
        CUresult asked = made ? made : cuArrayGetMemoryRequirements(&need, probe, device);
        if (!made) cuArrayDestroy(probe);
        double took = now_ns() - began;
        d.Flags &= ~(unsigned)CUDA_ARRAY3D_DEFERRED_MAPPING;
        long long before = in_use();
        int got = 0;
        double made_ns = now_ns();
        while (got < 16 && cuArray3DCreate(&arrays[got], &d) == CUDA_SUCCESS) got++;
        made_ns = (now_ns() - made_ns) / (got ? got : 1);
        CUDA_ARRAY_MEMORY_REQUIREMENTS direct = {0};
        CUresult direct_code = got ? cuArrayGetMemoryRequirements(&direct, arrays[0], device) : 999;
        printf(
            "{\"fact\": \"array %s\", \"probe\": %d, \"asked\": %d, \"need\": %zu, \"alignment\": %zu, \"probeNs\": "
            "%.0f, \"createNs\": %.0f, \"count\": %d, \"each\": %.0f, \"directCode\": %d, \"direct\": %zu}\n",
            cases[at].name, made, asked, need.size, need.alignment, took, made_ns, got,
            got ? (double)(in_use() - before) / got : 0, direct_code, direct.size);
        for (int i = 0; i < got; i++) cuArrayDestroy(arrays[i]);
    }
    CUDA_ARRAY3D_DESCRIPTOR d = {1024, 1024, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_DEFERRED_MAPPING};
    CUmipmappedArray mip = NULL;
    CUDA_ARRAY_MEMORY_REQUIREMENTS need = {0};
    CUresult made = cuMipmappedArrayCreate(&mip, &d, 11);
    CUresult asked = made ? made : cuMipmappedArrayGetMemoryRequirements(&need, mip, device);
    if (!made) cuMipmappedArrayDestroy(mip);
    d.Flags = 0;
    long long before = in_use();
    CUmipmappedArray real[8];
    int got = 0;
    while (got < 8 && cuMipmappedArrayCreate(&real[got], &d, 11) == CUDA_SUCCESS) got++;
    printf("{\"fact\": \"mipmap 1024^2 f32 11 levels\", \"made\": %d, \"asked\": %d, \"need\": %zu, \"each\": %.0f}\n",
           made, asked, need.size, got ? (double)(in_use() - before) / got : 0);
    for (int i = 0; i < got; i++) cuMipmappedArrayDestroy(real[i]);
}

static unsigned long long attribute(CUmemoryPool pool, CUmemPool_attribute which)
{
    cuuint64_t value = 0;
    CHECK(cuMemPoolGetAttribute(pool, which, &value));
    return value;
}
#define RESERVED(pool) attribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
#define USED(pool) attribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT)

static void pool_story(const char *name, CUmemoryPool pool, CUstream stream)
{
    static const size_t sizes[] = {1, 4 * MIB, 27 * MIB, MIB, 33 * MIB, 40 * MIB, 64 * MIB, 100 * MIB + 1, 1024 * MIB};
    CUdeviceptr held[16];
    int count = 0;
    long long before = in_use();
    for (unsigned at = 0; at < sizeof sizes / sizeof sizes[0]; at++) {
        CUresult code = cuMemAllocFromPoolAsync(&held[count], sizes[at], pool, stream);
        printf("{\"fact\": \"pool %s\", \"alloc\": %zu, \"code\": %d, \"address\": \"%llx\", \"used\": %llu, "
               "\"reserved\": %llu, \"physical\": %lld}\n",
               name, sizes[at], code, code ? 0 : held[count], USED(pool), RESERVED(pool), in_use() - before);
        count += code == CUDA_SUCCESS;
    }
    for (int i = 0; i < count; i++) CHECK(cuMemFreeAsync(held[i], stream));
    printf("{\"fact\": \"pool %s\", \"after\": \"free\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
           name, USED(pool), RESERVED(pool), in_use() - before);
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"pool %s\", \"after\": \"sync\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
           name, USED(pool), RESERVED(pool), in_use() - before);
    CUdeviceptr again;
    CHECK(cuMemAllocFromPoolAsync(&again, MIB, pool, stream));
    printf("{\"fact\": \"pool %s\", \"after\": \"alloc again\", \"address\": \"%llx\", \"used\": %llu, \"reserved\": "
           "%llu}\n",
           name, again, USED(pool), RESERVED(pool));
    CHECK(cuMemFree(again));
    printf("{\"fact\": \"pool %s\", \"after\": \"plain free\", \"used\": %llu, \"reserved\": %llu}\n", name,
           USED(pool), RESERVED(pool));
}

static void pools(void)
{
    CUstream stream, other;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CUmemoryPool pool;
    CHECK(cuDeviceGetDefaultMemPool(&pool, device));
    pool_story("default", pool, stream);
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {CU_MEM_LOCATION_TYPE_DEVICE, {0}}};
    CUmemoryPool own;
    long long before = in_use();
    CHECK(cuMemPoolCreate(&own, &props));
    printf("{\"fact\": \"pool create\", \"physical\": %lld}\n", in_use() - before);
    cuuint64_t keep = ~0ull;
    CHECK(cuMemPoolSetAttribute(own, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    pool_story("explicit kept", own, stream);
    /* Does growth show in the address? */
    CUdeviceptr held[64];
    unsigned long long last = RESERVED(own);
    for (int i = 0; i < 40; i++) {
        CHECK(cuMemAllocFromPoolAsync(&held[i], 100 * MIB, own, i & 1 ? other : stream));
        unsigned long long reserved = RESERVED(own);
        if (i < 6 || reserved != last)
            printf("{\"fact\": \"pool growth\", \"i\": %d, \"address\": \"%llx\", \"reserved\": %llu}\n", i, held[i],
                   reserved);
        last = reserved;
    }
    for (int i = 0; i < 40; i++) CHECK(cuMemFreeAsync(held[i], stream));
    /* freed on one stream, asked on the other without order */
    CUdeviceptr strange;
    CHECK(cuMemAllocFromPoolAsync(&strange, 100 * MIB, own, other));
    printf("{\"fact\": \"pool other stream\", \"address\": \"%llx\", \"reserved\": %llu}\n", strange, RESERVED(own));
    CHECK(cuMemFreeAsync(strange, other));
    CHECK(cuCtxSynchronize());
    CHECK(cuMemPoolTrimTo(own, 0));
    printf("{\"fact\": \"pool trimmed\", \"reserved\": %llu}\n", RESERVED(own));
    CUdeviceptr alive;
    CHECK(cuMemAllocFromPoolAsync(&alive, 300 * MIB, own, stream));
    before = in_use();
    double t = now_ns();
    CHECK(cuMemPoolDestroy(own));
    printf("{\"fact\": \"pool destroyed with 300 MiB alive\", \"freed\": %lld, \"ns\": %.0f}\n", before - in_use(),
           now_ns() - t);
    CHECK(cuMemFreeAsync(alive, stream));
    printf("{\"fact\": \"then freed\", \"freed\": %lld}\n", before - in_use());
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"then synchronized\", \"freed\": %lld}\n", before - in_use());
#if CUDA_VERSION >= 12020
    CUmemPoolProps capped = props;
    capped.maxSize = 256 * MIB;
    CUmemoryPool small;
    CHECK(cuMemPoolCreate(&small, &capped));
    CUdeviceptr a[64];
    int got = 0;
    CUresult code = CUDA_SUCCESS;
    while (got < 64 && (code = cuMemAllocFromPoolAsync(&a[got], 10 * MIB, small, stream)) == CUDA_SUCCESS) got++;
    printf("{\"fact\": \"pool maxSize 256 MiB by 10 MiB\", \"got\": %d, \"code\": %d, \"reserved\": %llu}\n", got,
           code, RESERVED(small));
    for (int i = 0; i < got; i++) CHECK(cuMemFreeAsync(a[i], stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuMemPoolDestroy(small));
#endif
    /* plain allocation beside a pool that holds unused memory: does the pool give way? measured at the end of memory */
    cuuint64_t none = 0;
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    size_t free_bytes, total;
    CHECK(cuMemGetInfo(&free_bytes, &total));
    CUdeviceptr half;
    size_t half_bytes = free_bytes / 4 * 3 / (2 * MIB) * (2 * MIB);
    CHECK(cuMemAllocAsync(&half, half_bytes, stream));
    CHECK(cuMemFreeAsync(half, stream));
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"pool keeps\", \"reserved\": %llu}\n", RESERVED(pool));
    t = now_ns();
    code = cuMemAlloc(&half, half_bytes);
    printf("{\"fact\": \"plain beside full pool\", \"code\": %d, \"reserved\": %llu, \"ms\": %.1f}\n", code,
           RESERVED(pool), (now_ns() - t) / 1e6);
    if (!code) cuMemFree(half);
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &none));
    CHECK(cuCtxSynchronize());
    printf("{\"fact\": \"default pool end\", \"reserved\": %llu}\n", RESERVED(pool));
}

static unsigned long long graph_memory(CUgraphMem_attribute which)
{
    cuuint64_t value = 0;
    CHECK(cuDeviceGetGraphMemAttribute(device, which, &value));
    return value;
}
#define GRAPH_RESERVED graph_memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT)
#define GRAPH_USED graph_memory(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT)

static CUgraphExec captured(CUstream stream, size_t bytes, int with_free, CUgraph *graph)
{
    CUdeviceptr p;
    CUgraphExec exec = NULL;
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    CHECK(cuMemAllocAsync(&p, bytes, stream));
    CHECK(cuMemsetD8Async(p, 0, bytes, stream));
    if (with_free) CHECK(cuMemFreeAsync(p, stream));
    CHECK(cuStreamEndCapture(stream, graph));
    size_t nodes = 0;
    CHECK(cuGraphGetNodes(*graph, NULL, &nodes));
    CHECK(cuGraphInstantiate(&exec, *graph, 0));
    printf("{\"fact\": \"graph\", \"after\": \"instantiate\", \"bytes\": %zu, \"nodes\": %zu, \"used\": %llu, "
           "\"reserved\": %llu}\n",
           bytes, nodes, GRAPH_USED, GRAPH_RESERVED);
    return exec;
}

static void graphs(void)
{
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUgraph graph[3];
    long long before = in_use();
    CUgraphExec one = captured(stream, 200 * MIB, 1, &graph[0]);
    CHECK(cuGraphUpload(one, stream));
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"graph\", \"after\": \"upload\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CHECK(cuGraphLaunch(one, stream));
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"graph\", \"after\": \"launch\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CUgraphExec two = captured(stream, 100 * MIB, 1, &graph[1]);
    CHECK(cuGraphLaunch(two, stream));
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"graph\", \"after\": \"second exec launch\", \"used\": %llu, \"reserved\": %llu, "
           "\"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CHECK(cuDeviceGraphMemTrim(device));
    printf("{\"fact\": \"graph\", \"after\": \"trim\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CHECK(cuGraphLaunch(one, stream));
    CHECK(cuGraphLaunch(two, stream));
    CHECK(cuStreamSynchronize(stream));
    printf(
        "{\"fact\": \"graph\", \"after\": \"both again\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
        GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CHECK(cuGraphExecDestroy(one));
    CHECK(cuGraphExecDestroy(two));
    printf("{\"fact\": \"graph\", \"after\": \"execs destroyed\", \"used\": %llu, \"reserved\": %llu, \"physical\": "
           "%lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    cuGraphDestroy(graph[0]);
    cuGraphDestroy(graph[1]);
    printf("{\"fact\": \"graph\", \"after\": \"graphs destroyed\", \"used\": %llu, \"reserved\": %llu, \"physical\": "
           "%lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CHECK(cuDeviceGraphMemTrim(device));
    printf("{\"fact\": \"graph\", \"after\": \"trim 2\", \"used\": %llu, \"reserved\": %llu, \"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    CUgraphExec kept = captured(stream, 50 * MIB + 1, 0, &graph[2]);
    CHECK(cuGraphLaunch(kept, stream));
    CHECK(cuStreamSynchronize(stream));
    printf("{\"fact\": \"graph\", \"after\": \"alloc without free\", \"used\": %llu, \"reserved\": %llu, "
           "\"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
    cuGraphExecDestroy(kept);
    cuGraphDestroy(graph[2]);
    CHECK(cuDeviceGraphMemTrim(device));
    printf("{\"fact\": \"graph\", \"after\": \"its exec and graph gone\", \"used\": %llu, \"reserved\": %llu, "
           "\"physical\": %lld}\n",
           GRAPH_USED, GRAPH_RESERVED, in_use() - before);
}

#define KEPT_GRAPHS 20

static CUDA_MEM_ALLOC_NODE_PARAMS node_of(size_t bytes)
{
    CUDA_MEM_ALLOC_NODE_PARAMS params = {.bytesize = bytes};
    params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    params.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    return params;
}

/* Do graphs that keep their memory share the pieces in which the driver takes it? */
static void graphs_that_keep(void)
{
    CUgraph graphs[KEPT_GRAPHS];
    CUgraphExec execs[KEPT_GRAPHS];
    CUdeviceptr blocks[KEPT_GRAPHS];
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (int at = 0; at < KEPT_GRAPHS; at++) {
        CUgraphNode node;
        CUDA_MEM_ALLOC_NODE_PARAMS params = node_of(2 * MIB);
        CHECK(cuGraphCreate(&graphs[at], 0));
        CHECK(cuGraphAddMemAllocNode(&node, graphs[at], NULL, 0, &params));
        CHECK(cuGraphInstantiate(&execs[at], graphs[at], 0));
        CHECK(cuGraphLaunch(execs[at], stream));
        CHECK(cuStreamSynchronize(stream));
        blocks[at] = params.dptr;
        printf("{\"fact\": \"graphs of 2 MiB that keep it\", \"graphs\": %d, \"used\": %llu, \"reserved\": %llu}\n",
               at + 1, GRAPH_USED, GRAPH_RESERVED);
    }
    for (int at = 0; at < KEPT_GRAPHS; at++) {
        CHECK(cuMemFree(blocks[at]));
        CHECK(cuGraphExecDestroy(execs[at]));
        CHECK(cuGraphDestroy(graphs[at]));
    }
    CHECK(cuDeviceGraphMemTrim(device));
    CHECK(cuStreamDestroy(stream));
}

#define FILL_BLOCKS 65536

/* Blocks of this size until there is no more. */
static int fill(CUdeviceptr *blocks, int count, size_t bytes)
{
    while (count < FILL_BLOCKS && cuMemAlloc(&blocks[count], bytes) == CUDA_SUCCESS) count++;
    return count;
}

/* One graph with one node of 2 MiB: its first refusal, or 0. */
static int small_graph(CUstream stream, const char **step)
{
    CUgraph graph;
    CUgraphExec exec = NULL;
    CUgraphNode node;
    CUDA_MEM_ALLOC_NODE_PARAMS params = node_of(2 * MIB);
    CUresult code;
    *step = "add";
    CHECK(cuGraphCreate(&graph, 0));
    code = cuGraphAddMemAllocNode(&node, graph, NULL, 0, &params);
    if (code == CUDA_SUCCESS) {
        *step = "instantiate";
        code = cuGraphInstantiate(&exec, graph, 0);
    }
    if (code == CUDA_SUCCESS) {
        *step = "launch";
        code = cuGraphLaunch(exec, stream);
    }
    if (code == CUDA_SUCCESS) {
        *step = "synchronize";
        code = cuStreamSynchronize(stream);
    }
    printf("{\"fact\": \"graph on a full card\", \"reserved\": %llu, \"used\": %llu}\n", GRAPH_RESERVED, GRAPH_USED);
    if (code == CUDA_SUCCESS) CHECK(cuMemFree(params.dptr));
    if (exec != NULL) cuGraphExecDestroy(exec);
    cuGraphDestroy(graph);
    CHECK(cuDeviceGraphMemTrim(device));
    return (int)code;
}

/* How little may be free for a graph that wants 2 MiB? The card is filled with plain memory to the last page, then so
 * many pages are given back. */
static void graphs_on_a_full_card(void)
{
    static const int pages[] = {1, 2, 4, 8, 12, 13, 14, 15, 16, 17, 18, 20, 24, 32};
    CUdeviceptr *blocks = malloc(sizeof *blocks * FILL_BLOCKS);
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    int count = fill(blocks, 0, 1024 * MIB);
    count = fill(blocks, count, 64 * MIB);
    count = fill(blocks, count, 2 * MIB);
    size_t free_bytes = 0, total = 0;
    CHECK(cuMemGetInfo(&free_bytes, &total));
    printf("{\"fact\": \"full card\", \"free\": %zu, \"total\": %zu}\n", free_bytes, total);
    /* Whole runs of pages: of one larger block, so that they lie together. */
    for (unsigned at = 0; at < sizeof pages / sizeof pages[0]; at++) {
        CUdeviceptr large = blocks[0];
        CHECK(cuMemFree(large));
        int first = count;
        count = fill(blocks, count, 2 * MIB);
        int given = 0;
        for (; given < pages[at] && count > first; given++) CHECK(cuMemFree(blocks[--count]));
        const char *step;
        CHECK(cuMemGetInfo(&free_bytes, &total));
        int code = small_graph(stream, &step);
        printf("{\"fact\": \"graph of 2 MiB on a full card\", \"pagesGivenBack\": %d, \"free\": %zu, \"code\": %d, "
               "\"step\": \"%s\"}\n",
               given, free_bytes, code, step);
        while (count > first) CHECK(cuMemFree(blocks[--count]));
        CHECK(cuMemAlloc(&blocks[0], 1024 * MIB));
    }
    while (count > 0) CHECK(cuMemFree(blocks[--count]));
    CHECK(cuStreamDestroy(stream));
    free(blocks);
}

static void contexts(void)
{
    for (int i = 0; i < 3; i++) {
        long long before = in_use();
        CUcontext context = NULL;
        CHECK(cuCtxCreate(&context, NULL, 0, device));
        printf("{\"fact\": \"cuCtxCreate %d\", \"physical\": %lld}\n", i, in_use() - before);
        if (i == 2) {
            before = in_use();
            CHECK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 16384));
            printf("{\"fact\": \"stack 16 KiB\", \"physical\": %lld}\n", in_use() - before);
            before = in_use();
            CHECK(cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 64 * MIB));
            printf("{\"fact\": \"printf 64 MiB\", \"physical\": %lld}\n", in_use() - before);
            before = in_use();
            CHECK(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 512 * MIB));
            printf("{\"fact\": \"heap 512 MiB\", \"physical\": %lld}\n", in_use() - before);
            CUdeviceptr p;
            CHECK(cuMemAlloc(&p, 4096));
            printf("{\"fact\": \"heap 512 MiB, first alloc\", \"physical\": %lld}\n", in_use() - before);
        }
        cuCtxDestroy(context);
    }
    CUdevResource all, part;
    unsigned groups = 1;
    CUdevResourceDesc description;
    CUgreenCtx green = NULL;
    long long before = in_use();
    CHECK(cuDeviceGetDevResource(device, &all, CU_DEV_RESOURCE_TYPE_SM));
    CHECK(cuDevSmResourceSplitByCount(&part, &groups, &all, NULL, 0, 16));
    CHECK(cuDevResourceGenerateDesc(&description, &part, 1));
    CHECK(cuGreenCtxCreate(&green, description, device, CU_GREEN_CTX_DEFAULT_STREAM));
    printf("{\"fact\": \"cuGreenCtxCreate\", \"physical\": %lld}\n", in_use() - before);
    if (green) cuGreenCtxDestroy(green);
}

static void modules(const char *ptx, const char *name)
{
    CUmodule module = NULL;
    CUfunction function = NULL;
    long long before = in_use();
    double t = now_ns();
    CHECK(cuModuleLoadData(&module, ptx));
    printf("{\"fact\": \"module %s load\", \"physical\": %lld, \"ms\": %.1f}\n", name, in_use() - before,
           (now_ns() - t) / 1e6);
    CHECK(cuModuleGetFunction(&function, module, "k"));
    printf("{\"fact\": \"module %s function\", \"physical\": %lld}\n", name, in_use() - before);
    CHECK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    CHECK(cuCtxSynchronize());
    printf("{\"fact\": \"module %s launch\", \"physical\": %lld}\n", name, in_use() - before);
    cuModuleUnload(module);
    printf("{\"fact\": \"module %s unload\", \"physical\": %lld}\n", name, in_use() - before);
    CUlibrary library = NULL;
    CUkernel kernel = NULL;
    before = in_use();
    CHECK(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    printf("{\"fact\": \"library %s load\", \"physical\": %lld}\n", name, in_use() - before);
    CHECK(cuLibraryGetKernel(&kernel, library, "k"));
    CHECK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    CHECK(cuCtxSynchronize());
    printf("{\"fact\": \"library %s launch\", \"physical\": %lld}\n", name, in_use() - before);
    cuLibraryUnload(library);
    printf("{\"fact\": \"library %s unload\", \"physical\": %lld}\n", name, in_use() - before);
}

#define COST(label, call)                                                                                             \
    do {                                                                                                              \
        double best = 1e18;                                                                                           \
        for (int r = 0; r < 9; r++) {                                                                                 \
            double t = now_ns();                                                                                      \
            for (int i = 0; i < 2000; i++) (void)(call);                                                              \
            double each = (now_ns() - t) / 2000;                                                                      \
            best = each < best ? each : best;                                                                         \
        }                                                                                                             \
        printf("{\"fact\": \"cost\", \"call\": \"%s\", \"ns\": %.1f}\n", label, best);                                \
    } while (0)

static void costs(void)
{
    CUstream stream;
    CUmemoryPool pool;
    CUdevice current;
    CUcontext context;
    cuuint64_t value;
    size_t a, b;
    CUstreamCaptureStatus status;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    CUdeviceptr p, base;
    CUevent event;
    int count;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuDeviceGetDefaultMemPool(&pool, device));
    CHECK(cuMemAlloc(&p, MIB));
    CHECK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    COST("cuCtxGetDevice", cuCtxGetDevice(&current));
    COST("cuCtxGetCurrent", cuCtxGetCurrent(&context));
    COST("cuDeviceGetCount", cuDeviceGetCount(&count));
    COST("cuStreamIsCapturing", cuStreamIsCapturing(stream, &status));
    COST("cuStreamGetCtx", cuStreamGetCtx(stream, &context));
    COST("cuThreadExchangeStreamCaptureMode", cuThreadExchangeStreamCaptureMode(&mode));
    COST("cuDeviceGetMemPool", cuDeviceGetMemPool(&pool, device));
    COST("cuMemPoolGetAttribute RESERVED", cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &value));
    COST("cuMemPoolTrimTo 0, nothing to trim", cuMemPoolTrimTo(pool, 0));
    COST("cuDeviceGetGraphMemAttribute RESERVED",
         cuDeviceGetGraphMemAttribute(device, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, &value));
    COST("cuMemGetInfo", cuMemGetInfo(&a, &b));
    COST("cuMemGetAddressRange", cuMemGetAddressRange(&base, &a, p));
    COST("cuEventQuery", cuEventQuery(event));
    COST("cuEventRecord", cuEventRecord(event, stream));
    CHECK(cuStreamSynchronize(stream));
    COST("cuStreamQuery", cuStreamQuery(stream));
    COST("cuStreamSynchronize idle", cuStreamSynchronize(stream));
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    CUresult (*v1)(unsigned *, unsigned) = (CUresult(*)(unsigned *, unsigned))dlsym(driver, "cuMemAlloc");
    unsigned address[2] = {0, 0xabcdef01};
    CUresult code = v1 ? v1(address, MIB) : 999;
    printf("{\"fact\": \"v1 cuMemAlloc\", \"code\": %d, \"address\": \"%x\", \"next\": \"%x\"}\n", code, address[0],
           address[1]);
    CUresult (*info1)(unsigned *, unsigned *) = (CUresult(*)(unsigned *, unsigned *))dlsym(driver, "cuMemGetInfo");
    unsigned f[2] = {0, 7}, t[2] = {0, 7};
    code = info1 ? info1(f, t) : 999;
    printf("{\"fact\": \"v1 cuMemGetInfo\", \"code\": %d, \"free\": %u, \"total\": %u, \"beyond\": [%u, %u]}\n", code,
           f[0], t[0], f[1], t[1]);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (cuInit(0) != CUDA_SUCCESS || cuDeviceGet(&device, 0) != CUDA_SUCCESS) return 77;
    CUcontext context;
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    printf("{\"fact\": \"primary context\", \"inUse\": %lld}\n", in_use());
    if (argc > 1 && strcmp(argv[1], "full") == 0) {
        graphs_on_a_full_card();
        return 0;
    }
    costs();
    plain_sizes();
    pitch();
    arrays();
    pools();
    graphs();
    graphs_that_keep();
    contexts();
    modules(".version 7.0\n.target sm_70\n.address_size 64\n.visible .global .align 8 .b8 big[1073741824];\n.visible "
            ".entry k() { ret; }\n",
            "1 GiB global");
    modules(".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { ret; }\n", "empty");
    modules(".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { .local .align 8 .b8 a[65536]; .reg "
            ".u64 p; .reg .u32 v; mov.u64 p, a; mov.u32 v, %tid.x; st.local.volatile.u32 [p], v; ret; }\n",
            "64 KiB local");
    printf("{\"fact\": \"end\", \"inUse\": %lld}\n", in_use());
    return 0;
}
