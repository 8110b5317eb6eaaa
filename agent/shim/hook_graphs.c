/* Memory of graphs. An allocation node takes nothing when it is made or captured, nor at instantiation: the driver maps
 * memory at the first upload or launch, shares it between graphs that do not run at once, and keeps it until it is
 * trimmed. So an executable graph is admitted when it is about to run, by what its nodes may need at most, and charged
 * by what the driver then says that it holds. */
#include "charge.h"

#include "admit.h"
#include "timing.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define NODES_MAX (UINT64_C(1) << 22) /* a larger graph is not looked through */
#define CHILDREN_DEPTH 8
#define GRAPH_DEVICES 8u /* a graph's needs are filed under its handle and the device in its low bits */
#define VERSION_TRIES 16

static void lock(struct graph_memory *memory)
{
    while (atomic_flag_test_and_set_explicit(&memory->busy, memory_order_acquire)) {
        sched_yield();
    }
}

static void unlock(struct graph_memory *memory)
{
    atomic_flag_clear_explicit(&memory->busy, memory_order_release);
}

static bool reserved_on(CUdevice device, uint64_t *bytes)
{
    cuDeviceGetGraphMemAttribute_fn get = REAL(cuDeviceGetGraphMemAttribute);
    return get != NULL && get(device, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, bytes) == CUDA_SUCCESS;
}

/* Charges what the driver holds for graphs on a device; paid was reserved for it beforehand. What it holds beyond all
 * room is charged all the same, for it is there: the slice then takes nothing more until it is given back. */
static void account(struct process *process, CUdevice device, unsigned slice, uint64_t paid)
{
    struct graph_memory *memory = &process->graph[device];
    for (int attempt = 0; attempt < VERSION_TRIES; attempt++) {
        lock(memory);
        uint32_t version = memory->version;
        unlock(memory);
        uint64_t reserved;
        if (!reserved_on(device, &reserved)) {
            break;
        }
        lock(memory);
        if (memory->version != version) {
            unlock(memory);
            continue;
        }
        uint64_t known = memory->charged + paid;
        if (reserved > known) {
            atomic_fetch_add(&process->entries[slice]->memory_bytes, reserved - known);
        } else {
            charge_return(process, slice, known - reserved);
        }
        memory->charged = reserved;
        memory->version++;
        unlock(memory);
        return;
    }
    charge_return(process, slice, paid);
}

bool graphs_recount(struct process *process, unsigned slice)
{
    if (atomic_load_explicit(&process->graphs_with_memory, memory_order_relaxed) == 0) {
        return false;
    }
    uint64_t before = atomic_load(&process->entries[slice]->memory_bytes);
    for (CUdevice device = 0; device < atomic_load(&process->devices) && device < (CUdevice)SHIM_DEVICES; device++) {
        if (shim_slice_of_device(process, device) == (int)slice) {
            account(process, device, slice, 0);
        }
    }
    return atomic_load(&process->entries[slice]->memory_bytes) < before;
}

/* ---- what a graph may need ---- */

static void add_needs(CUgraph graph, uint64_t needs[GRAPH_DEVICES], int depth)
{
    size_t count = 0;
    if (depth > CHILDREN_DEPTH || REAL(cuGraphGetNodes)(graph, NULL, &count) != CUDA_SUCCESS || count == 0 ||
        count > NODES_MAX) {
        return;
    }
    size_t bytes = count * sizeof(CUgraphNode);
    CUgraphNode *nodes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (nodes == MAP_FAILED) {
        return;
    }
    if (REAL(cuGraphGetNodes)(graph, nodes, &count) != CUDA_SUCCESS) {
        count = 0;
    }
    for (size_t at = 0; at < count; at++) {
        int type = -1;
        CUDA_MEM_ALLOC_NODE_PARAMS parameters;
        CUgraph child = NULL;
        if (REAL(cuGraphNodeGetType)(nodes[at], &type) != CUDA_SUCCESS) {
            continue;
        }
        memset(&parameters, 0, sizeof parameters);
        if (type == CU_GRAPH_NODE_TYPE_MEM_ALLOC &&
            REAL(cuGraphMemAllocNodeGetParams)(nodes[at], &parameters) == CUDA_SUCCESS) {
            const CUmemLocation *where = &parameters.poolProps.location;
            if (where->type == CU_MEM_LOCATION_TYPE_DEVICE && where->id >= 0 && where->id < (int)GRAPH_DEVICES) {
                needs[where->id] += (parameters.bytesize + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
            }
        } else if (type == CU_GRAPH_NODE_TYPE_GRAPH && REAL(cuGraphChildGraphNodeGetGraph) != NULL &&
                   REAL(cuGraphChildGraphNodeGetGraph)(nodes[at], &child) == CUDA_SUCCESS) {
            add_needs(child, needs, depth + 1);
        }
    }
    munmap(nodes, bytes);
}

static CUresult instantiated(CUresult result, const CUgraphExec *out, CUgraph graph)
{
    struct process *process = shim_process();
    if (result != CUDA_SUCCESS || process == NULL || out == NULL || REAL(cuGraphGetNodes) == NULL ||
        REAL(cuGraphNodeGetType) == NULL || REAL(cuGraphMemAllocNodeGetParams) == NULL) {
        return result;
    }
    uint64_t needs[GRAPH_DEVICES] = {0};
    add_needs(graph, needs, 0);
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        if (needs[device] > 0) {
            struct ledger_value value = {.bytes = needs[device], .references = 1};
            struct ledger_value old;
            (void)ledger_put(&process->graphs, (uintptr_t)*out | device, &value, &old);
            atomic_fetch_add(&process->graphs_with_memory, 1);
        }
    }
    return result;
}

CUresult hook_cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t log_bytes)
{
    cuGraphInstantiate_fn real = REAL(cuGraphInstantiate);
    return real == NULL ? ABSENT_CU : instantiated(real(out, graph, node, log, log_bytes), out, graph);
}

CUresult hook_cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t log_bytes)
{
    cuGraphInstantiate_v2_fn real = REAL(cuGraphInstantiate_v2);
    return real == NULL ? ABSENT_CU : instantiated(real(out, graph, node, log, log_bytes), out, graph);
}

CUresult hook_cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
    cuGraphInstantiateWithFlags_fn real = REAL(cuGraphInstantiateWithFlags);
    return real == NULL ? ABSENT_CU : instantiated(real(out, graph, flags), out, graph);
}

/* The parameters may ask for an upload at once; what that takes is charged after the fact. */
#define INSTANTIATE_WITH_PARAMS(name)                                                                                 \
    CUresult hook_##name(CUgraphExec *out, CUgraph graph, void *parameters)                                           \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (real == NULL) {                                                                                           \
            return ABSENT_CU;                                                                                         \
        }                                                                                                             \
        CUresult result = instantiated(real(out, graph, parameters), out, graph);                                     \
        struct process *process = shim_process();                                                                     \
        for (unsigned slice = 0; process != NULL && slice < process->shim->slice_count; slice++) {                    \
            if (process->entries[slice] != NULL) {                                                                    \
                (void)graphs_recount(process, slice);                                                                 \
            }                                                                                                         \
        }                                                                                                             \
        return result;                                                                                                \
    }
INSTANTIATE_WITH_PARAMS(cuGraphInstantiateWithParams)
INSTANTIATE_WITH_PARAMS(cuGraphInstantiateWithParams_ptsz)

/* ---- running ---- */

/* Graphs that ran before are done, so that this one may have their memory. */
static bool wait_for_others(struct process *process)
{
    struct capture_pass pass;
    if (atomic_load(&process->captures) != 0 || REAL(cuCtxSynchronize) == NULL || !capture_pass_enter(&pass)) {
        return false;
    }
    bool done = REAL(cuCtxSynchronize)() == CUDA_SUCCESS;
    capture_pass_leave(&pass);
    return done;
}

/* A graph of ours is about to run. While others run the driver can not share their memory with it: so all that it needs
 * is reserved, and what is not taken comes back in graphs_after. Where there is no room for that, the others are waited
 * for, and only what it needs beyond theirs must have room. */
static enum admit_step reserve(struct graph_run *run, uint64_t need, unsigned device)
{
    struct process *process = run->process;
    struct graph_memory *memory = &process->graph[device];
    int slice = shim_slice_of_device(process, (CUdevice)device);
    if (slice < 0 || process->entries[slice] == NULL) {
        return ADMIT_FORWARD;
    }
    const struct shim_slice *at = &process->shim->slices[slice];
    struct admitted request = {.bytes = need};
    if (!admit_reserve(at->policy, at->usage, process->entries[slice], need)) {
        lock(memory);
        uint64_t more = need > memory->charged ? need - memory->charged : 0;
        unlock(memory);
        request.bytes = 0;
        if (more > 0 && charge_admit(&request, process, slice, more) != ADMIT_GO) {
            return ADMIT_DENY;
        }
        (void)wait_for_others(process); /* if not: the driver may take more, and that is charged after the fact */
    }
    run->paid[device] = request.bytes;
    run->slices[device] = slice;
    run->devices |= 1u << device;
    return ADMIT_GO;
}

enum admit_step graphs_before(struct graph_run *run, struct process *process, CUgraphExec exec)
{
    *run = (struct graph_run){.process = process};
    if (atomic_load_explicit(&process->graphs_with_memory, memory_order_relaxed) == 0) {
        return ADMIT_FORWARD;
    }
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        struct ledger_value need;
        if (ledger_get(&process->graphs, (uintptr_t)exec | device, &need) &&
            reserve(run, need.bytes, device) == ADMIT_DENY) {
            graphs_after(run);
            return ADMIT_DENY;
        }
    }
    return run->devices == 0 ? ADMIT_FORWARD : ADMIT_GO;
}

void graphs_after(struct graph_run *run)
{
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        if ((run->devices & 1u << device) != 0) {
            account(run->process, (CUdevice)device, (unsigned)run->slices[device], run->paid[device]);
        }
    }
}

#define UPLOAD(name)                                                                                                  \
    CUresult hook_##name(CUgraphExec exec, CUstream stream)                                                           \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (real == NULL) {                                                                                           \
            return ABSENT_CU;                                                                                         \
        }                                                                                                             \
        struct process *process = shim_process();                                                                     \
        struct graph_run run;                                                                                         \
        switch (process == NULL ? ADMIT_FORWARD : graphs_before(&run, process, exec)) {                               \
        case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                             \
        case ADMIT_FORWARD: return real(exec, stream);                                                                \
        case ADMIT_GO: break;                                                                                         \
        }                                                                                                             \
        CUresult result = real(exec, stream);                                                                         \
        graphs_after(&run);                                                                                           \
        return result;                                                                                                \
    }
UPLOAD(cuGraphUpload)
UPLOAD(cuGraphUpload_ptsz)

CUresult hook_cuDeviceGraphMemTrim(CUdevice device)
{
    cuDeviceGraphMemTrim_fn real = REAL(cuDeviceGraphMemTrim);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(device);
    struct process *process = shim_process();
    int slice = process == NULL ? -1 : shim_slice_of_device(process, device);
    if (slice >= 0 && process->entries[slice] != NULL) {
        account(process, device, (unsigned)slice, 0);
    }
    return result;
}

/* ---- graphs that change or end: their handles may come back for others ---- */

static void forget_price(struct process *process, CUgraphExec exec)
{
    if (process != NULL) {
        struct price_shape shape = {.code = (uintptr_t)exec};
        price_forget(price_find(&process->metering.book, price_key(&shape)));
    }
}

CUresult hook_cuGraphExecDestroy(CUgraphExec exec)
{
    cuGraphExecDestroy_fn real = REAL(cuGraphExecDestroy);
    if (real == NULL) {
        return ABSENT_CU;
    }
    struct process *process = shim_process();
    forget_price(process, exec);
    for (unsigned device = 0; process != NULL && device < GRAPH_DEVICES; device++) {
        struct ledger_value value;
        (void)ledger_take(&process->graphs, (uintptr_t)exec | device, &value);
    }
    return real(exec);
}

CUresult hook_cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *node, int *result)
{
    cuGraphExecUpdate_fn real = REAL(cuGraphExecUpdate);
    if (real == NULL) {
        return ABSENT_CU;
    }
    forget_price(shim_process(), exec);
    return real(exec, graph, node, result);
}

CUresult hook_cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, void *info)
{
    cuGraphExecUpdate_v2_fn real = REAL(cuGraphExecUpdate_v2);
    if (real == NULL) {
        return ABSENT_CU;
    }
    forget_price(shim_process(), exec);
    return real(exec, graph, info);
}

#define EXPORT_graphs EXPORTED
#include "hooks_export.h"
