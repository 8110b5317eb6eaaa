/* Executable graphs: making them, changing them, running them. */
#include "graph.h"

#include <stdlib.h>

static uint64_t duration_of(CUgraph graph)
{
    uint64_t sum = 0;
    for (CUgraphNode node = graph->first; node; node = node->next)
        sum += node->duration_ns + (!node->child ? 0 : duration_of(node->child));
    return sum;
}

/* The code of its kernels must be there before it can run. */
static CUresult load_kernels(struct sim_state *state, CUgraph graph)
{
    for (CUgraphNode node = graph->first; node; node = node->next) {
        if (node->function) SIM_TRY(sim_function_load(state, node->function));
        if (node->child) SIM_TRY(load_kernels(state, node->child));
    }
    return CUDA_SUCCESS;
}

static CUresult instantiate(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!out || !graph || graph->parent) return CUDA_ERROR_INVALID_VALUE;
    if (graph->has_memory && graph->instance) return CUDA_ERROR_NOT_SUPPORTED; /* both would use the same addresses */
    SIM_TRY(load_kernels(state, graph));
    CUgraphExec exec = calloc(1, sizeof *exec);
    if (!exec) return CUDA_ERROR_OUT_OF_MEMORY;
    *exec = (struct CUgraphExec_st){.duration_ns = duration_of(graph), .gpu = gpu, .flags = flags};
    memory_lock();
    CUresult result = graph->has_memory ? graph_memory_plan(exec, graph) : CUDA_SUCCESS;
    memory_unlock();
    if (result != CUDA_SUCCESS) {
        free(exec);
        return result;
    }
    if (graph->has_memory) {
        exec->graph = graph;
        graph->instance = exec;
    }
    *out = exec;
    return CUDA_SUCCESS;
}

SIM_API cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
    return instantiate(out, graph, flags);
}

SIM_API cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size)
{
    (void)node, (void)log, (void)size;
    return instantiate(out, graph, 0);
}

SIM_API cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t size)
{
    (void)node, (void)log, (void)size;
    return instantiate(out, graph, 0);
}

typedef CUresult (*graph_memory_fn)(struct sim_state *state, CUgraphExec exec, CUstream stream);

/* Has `take` get the physical memory that a launch in this stream needs now; says where that is. */
static CUresult take_memory(graph_memory_fn take, CUgraphExec exec, CUstream handle, bool per_thread,
                            struct sim_state **state_out, CUstream *stream_out)
{
    uint32_t gpu;
    SIM_TRY(sim_enter_context(state_out, &gpu));
    if (!exec) return CUDA_ERROR_INVALID_VALUE;
    *stream_out = sim_stream(gpu, handle, per_thread);
    memory_lock();
    CUresult result = take(*state_out, exec, *stream_out);
    memory_unlock();
    return result;
}

static CUresult cuGraphUpload_on(bool per_thread, CUgraphExec exec, CUstream handle)
{
    struct sim_state *state;
    CUstream stream;
    return take_memory(graph_memory_reserve, exec, handle, per_thread, &state, &stream);
}
SIM_DUAL(cuGraphUpload, (CUgraphExec exec, CUstream stream), exec, stream)

SIM_API cuGraphExecDestroy(CUgraphExec exec)
{
    if (!exec) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    graph_memory_forget(exec);
    memory_unlock();
    if (exec->graph) exec->graph->instance = NULL;
    free(exec);
    return CUDA_SUCCESS;
}

static CUresult cuGraphInstantiateWithParams_on(bool per_thread, CUgraphExec *out, CUgraph graph,
                                                CUDA_GRAPH_INSTANTIATE_PARAMS *parameters)
{
    if (!parameters) return CUDA_ERROR_INVALID_VALUE;
    parameters->hErrNode_out = NULL;
    parameters->result_out = 1; /* an error that no node is to blame for */
    SIM_TRY(instantiate(out, graph, parameters->flags));
    if ((parameters->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0) {
        CUresult result = cuGraphUpload_on(per_thread, *out, parameters->hUploadStream);
        if (result != CUDA_SUCCESS) {
            (void)cuGraphExecDestroy(*out);
            return result;
        }
    }
    parameters->result_out = 0;
    return CUDA_SUCCESS;
}
SIM_DUAL(cuGraphInstantiateWithParams, (CUgraphExec * out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *parameters),
         out, graph, parameters)

static CUresult update(CUgraphExec exec, CUgraph graph)
{
    if (!exec || !graph) return CUDA_ERROR_INVALID_VALUE;
    if (graph->has_memory || exec->allocated || exec->freed) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    SIM_TRY(load_kernels(state, graph));
    exec->duration_ns = duration_of(graph);
    return CUDA_SUCCESS;
}

SIM_API cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *node, int *result)
{
    (void)node;
    CUresult code = update(exec, graph);
    *result = code != CUDA_SUCCESS;
    return code;
}

SIM_API cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, void *info)
{
    (void)info;
    return update(exec, graph);
}

static CUresult cuGraphLaunch_on(bool per_thread, CUgraphExec exec, CUstream handle)
{
    struct sim_state *state;
    CUstream stream;
    CUresult result = take_memory(graph_memory_begin, exec, handle, per_thread, &state, &stream);
    if (result != CUDA_SUCCESS) return result;
    result = sim_enqueue(state, stream, SIM_COMPUTE, exec->duration_ns + state->options.gap_ns, 0, 0);
    memory_lock();
    graph_memory_end(state, exec, stream);
    memory_unlock();
    return result;
}
SIM_DUAL(cuGraphLaunch, (CUgraphExec exec, CUstream stream), exec, stream)
