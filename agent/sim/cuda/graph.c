#include "graph.h"

#include <stdlib.h>
#include <string.h>

CUgraph sim_graph_make(void)
{
    return calloc(1, sizeof(struct CUgraph_st));
}

void sim_graph_free(CUgraph graph)
{
    while (graph->first) {
        CUgraphNode node = graph->first;
        graph->first = node->next;
        if (node->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
            memory_lock();
            graph_block_drop(node->address);
            memory_unlock();
        }
        if (node->child) sim_graph_free(node->child);
        free(node->before);
        free(node);
    }
    if (graph->instance) graph->instance->graph = NULL;
    free(graph);
}

CUgraphNode graph_node_add(CUgraph graph, int type, const CUgraphNode *before, size_t count)
{
    CUgraphNode node = calloc(1, sizeof *node);
    if (!node) return NULL;
    node->before = count == 0 ? NULL : malloc(count * sizeof(CUgraphNode));
    if (count > 0 && !node->before) {
        free(node);
        return NULL;
    }
    if (count > 0) memcpy(node->before, before, count * sizeof(CUgraphNode));
    node->before_count = count;
    node->graph = graph;
    node->type = type;
    if (!graph->last)
        graph->first = node;
    else
        graph->last->next = node;
    graph->last = node;
    graph->count++;
    return node;
}

static bool reaches(CUgraphNode node, CUgraphNode earlier, uint64_t search)
{
    if (node == earlier) return true;
    if (node->search == search) return false;
    node->search = search;
    for (size_t at = 0; at < node->before_count; at++)
        if (reaches(node->before[at], earlier, search)) return true;
    return false;
}

/* Also between a graph and the graphs in it: the nodes that stand for them in the graph both are in decide. */
bool graph_comes_after(CUgraphNode node, CUgraphNode earlier)
{
    static _Atomic uint64_t searches;
    for (CUgraphNode late = node; late; late = late->graph->parent) {
        for (CUgraphNode early = earlier; early; early = early->graph->parent)
            if (late->graph == early->graph) return late != early && reaches(late, early, ++searches);
    }
    return false;
}

CUresult sim_capture_work(CUstream stream, int type, CUfunction function, uint64_t duration)
{
    CUgraphNode node = graph_node_add(stream->capture, type, stream->tails, stream->tail_count);
    if (!node) return CUDA_ERROR_OUT_OF_MEMORY;
    node->function = function;
    node->duration_ns = duration;
    stream->tails[0] = node;
    stream->tail_count = 1;
    return stream->capture_invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

SIM_API cuGraphCreate(CUgraph *out, unsigned int flags)
{
    if (!out || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    *out = sim_graph_make();
    return !*out ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuGraphDestroy(CUgraph graph)
{
    if (!graph || graph->parent) return CUDA_ERROR_INVALID_VALUE;
    sim_graph_free(graph);
    return CUDA_SUCCESS;
}

SIM_API cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)
{
    if (!graph || !count) return CUDA_ERROR_INVALID_VALUE;
    size_t at = 0;
    for (CUgraphNode node = graph->first; nodes && node && at < *count; node = node->next) nodes[at++] = node;
    for (size_t rest = at; nodes && rest < *count; rest++) nodes[rest] = NULL;
    *count = !nodes ? graph->count : at;
    return CUDA_SUCCESS;
}

SIM_API cuGraphNodeGetType(CUgraphNode node, int *type)
{
    if (!node || !type) return CUDA_ERROR_INVALID_VALUE;
    *type = node->type;
    return CUDA_SUCCESS;
}

SIM_API cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *graph)
{
    if (!node || !graph || node->type != CU_GRAPH_NODE_TYPE_GRAPH) return CUDA_ERROR_INVALID_VALUE;
    *graph = node->child;
    return CUDA_SUCCESS;
}

/* ---- nodes ---- */

static CUresult added(CUgraphNode *out, CUgraphNode node)
{
    if (!node) return CUDA_ERROR_OUT_OF_MEMORY;
    *out = node;
    return CUDA_SUCCESS;
}

static bool bad(const CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count)
{
    return !out || !graph || (!before && count > 0);
}

SIM_API cuGraphAddEmptyNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count)
{
    return bad(out, graph, before, count) ? CUDA_ERROR_INVALID_VALUE
                                          : added(out, graph_node_add(graph, CU_GRAPH_NODE_TYPE_EMPTY, before, count));
}

static CUresult add_kernel(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                           const CUDA_KERNEL_NODE_PARAMS *parameters, CUfunction function)
{
    uint64_t blocks = (uint64_t)parameters->gridDimX * parameters->gridDimY * parameters->gridDimZ;
    uint64_t threads = (uint64_t)parameters->blockDimX * parameters->blockDimY * parameters->blockDimZ;
    if (blocks == 0 || threads == 0 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
    if (!sim_function_known(function)) return CUDA_ERROR_INVALID_HANDLE;
    CUgraphNode node = graph_node_add(graph, CU_GRAPH_NODE_TYPE_KERNEL, before, count);
    if (node) {
        node->function = function;
        node->duration_ns = sim_kernel_ns(function, blocks, threads, parameters->kernelParams);
    }
    return added(out, node);
}

/* The older parameters are the beginning of the newer ones. */
SIM_API cuGraphAddKernelNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                             const CUDA_KERNEL_NODE_PARAMS *parameters)
{
    return bad(out, graph, before, count) || !parameters
               ? CUDA_ERROR_INVALID_VALUE
               : add_kernel(out, graph, before, count, parameters, parameters->func);
}

SIM_API cuGraphAddKernelNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                                const CUDA_KERNEL_NODE_PARAMS *parameters)
{
    if (bad(out, graph, before, count) || !parameters) return CUDA_ERROR_INVALID_VALUE;
    CUfunction function = parameters->func ? parameters->func : (CUfunction)parameters->kern;
    return add_kernel(out, graph, before, count, parameters, function);
}

static CUgraph copied(CUgraph from)
{
    CUgraph copy = sim_graph_make();
    for (CUgraphNode node = from->first; copy && node; node = node->next) {
        CUgraphNode same = graph_node_add(copy, node->type, NULL, 0); /* the order is of no use without memory */
        if (!same) {
            sim_graph_free(copy);
            return NULL;
        }
        same->duration_ns = node->duration_ns;
        same->function = node->function;
        same->child = !node->child ? NULL : copied(node->child);
    }
    return copy;
}

/* A copied child may have no memory nodes; a moved one may. */
static CUresult add_child(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count, CUgraph child,
                          bool move)
{
    if (!child || child == graph || child->parent) return CUDA_ERROR_INVALID_VALUE;
    if (child->has_memory && !move) return CUDA_ERROR_NOT_SUPPORTED;
    CUgraph inner = move ? child : copied(child);
    CUgraphNode node = !inner ? NULL : graph_node_add(graph, CU_GRAPH_NODE_TYPE_GRAPH, before, count);
    if (!node) return CUDA_ERROR_OUT_OF_MEMORY;
    node->child = inner;
    inner->parent = node;
    graph->has_memory = graph->has_memory || inner->has_memory;
    return added(out, node);
}

SIM_API cuGraphAddChildGraphNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                                 CUgraph child)
{
    return bad(out, graph, before, count) ? CUDA_ERROR_INVALID_VALUE
                                          : add_child(out, graph, before, count, child, false);
}

SIM_API cuGraphAddMemAllocNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                               CUDA_MEM_ALLOC_NODE_PARAMS *parameters);
SIM_API cuGraphAddMemFreeNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                              CUdeviceptr address);

static CUresult add_node(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                         CUgraphNodeParams *parameters)
{
    if (bad(out, graph, before, count) || !parameters) return CUDA_ERROR_INVALID_VALUE;
    switch (parameters->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return cuGraphAddKernelNode_v2(out, graph, before, count, &parameters->kernel);
    case CU_GRAPH_NODE_TYPE_GRAPH:
        return add_child(out, graph, before, count, parameters->graph.graph,
                         parameters->graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE);
    case CU_GRAPH_NODE_TYPE_EMPTY: return cuGraphAddEmptyNode(out, graph, before, count);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return cuGraphAddMemAllocNode(out, graph, before, count, &parameters->alloc);
    case CU_GRAPH_NODE_TYPE_MEM_FREE: return cuGraphAddMemFreeNode(out, graph, before, count, parameters->free.dptr);
    default: return CUDA_ERROR_NOT_SUPPORTED;
    }
}

SIM_API cuGraphAddNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                       CUgraphNodeParams *parameters)
{
    return add_node(out, graph, before, count, parameters);
}

SIM_API cuGraphAddNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, const void *edges, size_t count,
                          CUgraphNodeParams *parameters)
{
    (void)edges;
    return add_node(out, graph, before, count, parameters);
}
