/* Graph memory of the simulated driver: addresses at the node, physical memory at upload or launch, given back only
 * when it is trimmed.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream))                                            \
    X(cuMemFreeAsync, (CUdeviceptr address, CUstream stream))                                                         \
    X(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode))                                           \
    X(cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                                         \
    X(cuGraphCreate, (CUgraph * out, unsigned flags))                                                                 \
    X(cuGraphDestroy, (CUgraph graph))                                                                                \
    X(cuGraphGetNodes, (CUgraph graph, CUgraphNode * nodes, size_t * count))                                          \
    X(cuGraphNodeGetType, (CUgraphNode node, int *type))                                                              \
    X(cuGraphChildGraphNodeGetGraph, (CUgraphNode node, CUgraph * graph))                                             \
    X(cuGraphAddEmptyNode, (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, size_t count))               \
    X(cuGraphAddKernelNode_v2, (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, size_t count,            \
                                const CUDA_KERNEL_NODE_PARAMS *parameters))                                           \
    X(cuGraphAddChildGraphNode,                                                                                       \
      (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, size_t count, CUgraph child))                     \
    X(cuGraphAddMemAllocNode, (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, size_t count,             \
                               CUDA_MEM_ALLOC_NODE_PARAMS *parameters))                                               \
    X(cuGraphAddMemFreeNode,                                                                                          \
      (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, size_t count, CUdeviceptr address))               \
    X(cuGraphAddNode,                                                                                                 \
      (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, size_t count, CUgraphNodeParams *parameters))     \
    X(cuGraphAddNode_v2, (CUgraphNode * out, CUgraph graph, const CUgraphNode *before, const void *edges,             \
                          size_t count, CUgraphNodeParams *parameters))                                               \
    X(cuGraphMemAllocNodeGetParams, (CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS * out))                             \
    X(cuGraphMemFreeNodeGetParams, (CUgraphNode node, CUdeviceptr * out))                                             \
    X(cuGraphInstantiate, (CUgraphExec * out, CUgraph graph, CUgraphNode * node, char *log, size_t size))             \
    X(cuGraphInstantiateWithFlags, (CUgraphExec * out, CUgraph graph, unsigned long long flags))                      \
    X(cuGraphInstantiateWithParams, (CUgraphExec * out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS * parameters))   \
    X(cuGraphExecUpdate_v2, (CUgraphExec exec, CUgraph graph, void *info))                                            \
    X(cuGraphExecDestroy, (CUgraphExec exec))                                                                         \
    X(cuGraphUpload, (CUgraphExec exec, CUstream stream))                                                             \
    X(cuGraphUpload_ptsz, (CUgraphExec exec, CUstream stream))                                                        \
    X(cuGraphLaunch, (CUgraphExec exec, CUstream stream))                                                             \
    X(cuDeviceGraphMemTrim, (CUdevice device))                                                                        \
    X(cuDeviceGetGraphMemAttribute, (CUdevice device, int attribute, void *value))                                    \
    X(cuDeviceSetGraphMemAttribute, (CUdevice device, int attribute, void *value))                                    \
    X(cuPointerGetAttribute, (void *out, int attribute, CUdeviceptr address))
DRIVER(MEMBER)

static CUstream stream;

static void begin(void)
{
    DRIVER(LOAD)
    CHECK_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    driver_work(stream, 1000); /* loads the code */
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

static uint64_t memory(int attribute)
{
    uint64_t value = 0;
    CHECK_EQ(cuDeviceGetGraphMemAttribute(0, attribute, &value), CUDA_SUCCESS);
    return value;
}
#define RESERVED memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT)

/* Allocates, works for a second and frees, or not. */
static CUgraph captured(uint64_t bytes, bool with_free, CUdeviceptr *address)
{
    CUgraph graph;
    CHECK_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(address, bytes, stream), CUDA_SUCCESS);
    driver_work(stream, UINT64_C(1000000000));
    if (with_free) CHECK_EQ(cuMemFreeAsync(*address, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
    return graph;
}

static CUgraphExec instantiated(CUgraph graph)
{
    CUgraphExec exec = NULL;
    CHECK_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
    return exec;
}

/* An H100's figures, step by step. */
static void as_on_the_card(void)
{
    CUdeviceptr address;
    CUgraphNode nodes[4];
    size_t count = 0;
    int type;
    begin();
    CUgraph graph = captured(200 * MIB, true, &address);
    CHECK_EQ(cuGraphGetNodes(graph, NULL, &count), CUDA_SUCCESS);
    CHECK_EQ(count, 3);
    count = 4;
    CHECK_EQ(cuGraphGetNodes(graph, nodes, &count), CUDA_SUCCESS);
    CHECK_EQ(count, 3);
    CHECK(nodes[3] == NULL);
    static const int types[] = {CU_GRAPH_NODE_TYPE_MEM_ALLOC, CU_GRAPH_NODE_TYPE_KERNEL, CU_GRAPH_NODE_TYPE_MEM_FREE};
    for (int at = 0; at < 3; at++) {
        CHECK_EQ(cuGraphNodeGetType(nodes[at], &type), CUDA_SUCCESS);
        CHECK_EQ(type, types[at]);
    }
    CUDA_MEM_ALLOC_NODE_PARAMS parameters;
    CUdeviceptr freed;
    CHECK_EQ(cuGraphMemAllocNodeGetParams(nodes[0], &parameters), CUDA_SUCCESS);
    CHECK_EQ(parameters.bytesize, 200 * MIB);
    CHECK_EQ(parameters.dptr, address);
    CHECK_EQ(cuGraphMemFreeNodeGetParams(nodes[2], &freed), CUDA_SUCCESS);
    CHECK_EQ(freed, address);
    CHECK_EQ(cuGraphMemFreeNodeGetParams(nodes[0], &freed), CUDA_ERROR_INVALID_VALUE);
    CUgraphExec one = instantiated(graph);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuGraphUpload(one, stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 234881024);
    CHECK_EQ(RESERVED, 234881024);
    CHECK_EQ(memory(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 234881024);
    CHECK_EQ(cuGraphLaunch(one, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 234881024);
    CUgraph second = captured(100 * MIB, true, &address);
    CUgraphExec two = instantiated(second);
    CHECK_EQ(cuGraphLaunch(two, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 234881024); /* the same bytes */
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuGraphLaunch(one, stream), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(two, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 234881024);
    CHECK_EQ(cuGraphExecDestroy(one), CUDA_SUCCESS);
    CHECK_EQ(cuGraphExecDestroy(two), CUDA_SUCCESS);
    CHECK_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
    CHECK_EQ(cuGraphDestroy(second), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 234881024);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH), 234881024);
    uint64_t zero = 0;
    CHECK_EQ(cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH, &zero), CUDA_SUCCESS);
    CHECK_EQ(memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH), 0);
}

static void what_a_launch_leaves(void)
{
    CUdeviceptr address;
    CUgraphExec again;
    int mapped;
    begin();
    CUgraph graph = captured(50 * MIB + 1, false, &address);
    CHECK_EQ(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_MAPPED, address), CUDA_SUCCESS);
    CHECK_EQ(mapped, 0);
    CHECK_EQ(cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE); /* not allocated yet */
    CUgraphExec exec = instantiated(graph);
    CHECK_EQ(cuGraphInstantiate(&again, graph, NULL, NULL, 0), CUDA_ERROR_NOT_SUPPORTED); /* one at a time */
    CHECK_EQ(cuGraphExecUpdate_v2(exec, graph, NULL), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
    CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_MAPPED, address), CUDA_SUCCESS);
    CHECK_EQ(mapped, 1);
    CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_VALUE); /* what it left is still there */
    CHECK_EQ(cuMemFreeAsync(address, stream), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
    CHECK_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE);
}

static void freed_by_the_next_launch_or_another_graph(void)
{
    CUdeviceptr address;
    CUgraphExec exec;
    CUgraphExec freeing;
    CUgraph other;
    CUgraphNode node;
    begin();
    CUgraph graph = captured(40 * MIB, false, &address);
    CHECK_EQ(cuGraphInstantiateWithFlags(&exec, graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH), CUDA_SUCCESS);
    for (int round = 0; round < 5; round++) {
        CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
        CHECK_EQ(driver_held(), 64 * MIB);
    }
    CHECK_EQ(cuGraphCreate(&other, 0), CUDA_SUCCESS);
    CHECK_EQ(cuGraphAddMemFreeNode(&node, other, NULL, 0, 0x1234), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuGraphAddMemFreeNode(&node, other, NULL, 0, address), CUDA_SUCCESS);
    CHECK_EQ(cuGraphInstantiateWithFlags(&freeing, other, 0), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(freeing, stream), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(freeing, stream), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

/* Graphs of two streams run at the same time and need their own bytes; those of one do not. */
static void beside_each_other(void)
{
    CUdeviceptr address;
    CUstream other;
    begin();
    CHECK_EQ(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    CUgraphExec one = instantiated(captured(32 * MIB, true, &address));
    CUgraphExec two = instantiated(captured(64 * MIB, true, &address));
    CHECK_EQ(cuGraphLaunch(one, stream), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(two, stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuGraphLaunch(two, other), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 128 * MIB);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 128 * MIB); /* all of it in use */
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(other), CUDA_SUCCESS);
    CHECK_EQ(cuGraphUpload_ptsz(one, other), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 128 * MIB);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
}

/* Nodes made by hand: two allocations share bytes only if one surely comes after the free of the other. */
static void order_decides(void)
{
    CUgraph graph;
    CUgraph child;
    CUgraph inner;
    CUgraphNode nodes[6];
    CUgraphExec exec;
    CUgraphNodeParams parameters = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC};
    CUDA_GRAPH_INSTANTIATE_PARAMS how = {.flags = CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD, .result_out = 77};
    int type;
    begin();
    how.hUploadStream = stream;
    parameters.alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    parameters.alloc.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    parameters.alloc.bytesize = 32 * MIB;
    for (int ordered = 0; ordered < 2; ordered++) {
        CHECK_EQ(cuGraphCreate(&graph, 0), CUDA_SUCCESS);
        CHECK_EQ(cuGraphAddNode_v2(&nodes[0], graph, NULL, NULL, 0, &parameters), CUDA_SUCCESS);
        CHECK_EQ(cuGraphAddMemFreeNode(&nodes[1], graph, nodes, 1, parameters.alloc.dptr), CUDA_SUCCESS);
        CHECK_EQ(cuGraphAddEmptyNode(&nodes[2], graph, &nodes[ordered], 1), CUDA_SUCCESS);
        CHECK_EQ(cuGraphAddNode(&nodes[3], graph, &nodes[2], 1, &parameters), CUDA_SUCCESS);
        CHECK_EQ(cuGraphAddMemFreeNode(&nodes[4], graph, &nodes[3], 1, parameters.alloc.dptr), CUDA_SUCCESS);
        CHECK_EQ(cuGraphInstantiateWithParams(&exec, graph, &how), CUDA_SUCCESS);
        CHECK_EQ(how.result_out, 0);
        CHECK_EQ(driver_held(), ordered ? 32 * MIB : 64 * MIB);
        CHECK_EQ(cuGraphExecDestroy(exec), CUDA_SUCCESS);
        CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
        CHECK_EQ(driver_held(), 0);
    }
    /* In a child, which a graph with memory may only become by moving. */
    CHECK_EQ(cuGraphCreate(&child, 0), CUDA_SUCCESS);
    CHECK_EQ(cuGraphAddChildGraphNode(&nodes[0], child, NULL, 0, graph), CUDA_ERROR_NOT_SUPPORTED);
    CUgraphNodeParams move = {.type = CU_GRAPH_NODE_TYPE_GRAPH};
    move.graph.graph = graph;
    move.graph.ownership = CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE;
    CHECK_EQ(cuGraphAddNode(&nodes[0], child, NULL, 0, &move), CUDA_SUCCESS);
    CHECK_EQ(cuGraphNodeGetType(nodes[0], &type), CUDA_SUCCESS);
    CHECK_EQ(type, CU_GRAPH_NODE_TYPE_GRAPH);
    CHECK_EQ(cuGraphChildGraphNodeGetGraph(nodes[0], &inner), CUDA_SUCCESS);
    CHECK(inner == graph);
    CHECK_EQ(cuGraphDestroy(inner), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuGraphInstantiateWithFlags(&exec, child, 0), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    parameters.alloc.poolProps.location.id = 1; /* the other GPU */
    CHECK_EQ(cuGraphCreate(&graph, 0), CUDA_SUCCESS);
    CHECK_EQ(cuGraphAddMemAllocNode(&nodes[0], graph, NULL, 0, &parameters.alloc), CUDA_SUCCESS);
    CUDA_KERNEL_NODE_PARAMS kernel = {.kern = (CUkernel)driver_spin,
                                      .gridDimX = 1,
                                      .gridDimY = 1,
                                      .gridDimZ = 1,
                                      .blockDimX = 32,
                                      .blockDimY = 1,
                                      .blockDimZ = 1};
    uint64_t nanoseconds = 1000;
    void *arguments[] = {&nanoseconds};
    kernel.kernelParams = arguments;
    CHECK_EQ(cuGraphAddKernelNode_v2(&nodes[1], graph, nodes, 1, &kernel), CUDA_SUCCESS);
    CHECK_EQ(cuGraphLaunch(instantiated(graph), stream), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 32 * MIB);
    CHECK_EQ(driver_held_by(getpid(), 1), 32 * MIB);
}

static void no_room(void)
{
    CUdeviceptr address;
    CUgraphExec exec;
    CUDA_GRAPH_INSTANTIATE_PARAMS how = {.flags = CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD};
    begin();
    CUgraph graph = captured(100 * GIB, true, &address);
    CHECK_EQ(cuGraphInstantiateWithParams(&exec, graph, &how), CUDA_ERROR_OUT_OF_MEMORY);
    exec = instantiated(graph);
    CHECK_EQ(cuGraphLaunch(exec, stream), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(driver_held(), 0);
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"as_on_the_card", "clock = virtual\n", as_on_the_card, NULL},
        {"what_a_launch_leaves", "clock = virtual\n", what_a_launch_leaves, NULL},
        {"freed_by_the_next_launch_or_another_graph", "clock = virtual\n", freed_by_the_next_launch_or_another_graph,
         NULL},
        {"beside_each_other", "clock = virtual\n", beside_each_other, NULL},
        {"order_decides", "", order_decides, NULL},
        {"no_room", "", no_room, NULL},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
