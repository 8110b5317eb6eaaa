/* Memory of graphs. An allocation node takes nothing when it is made or captured, nor at instantiation: the driver maps
 * memory at the first upload or launch, shares it between graphs that do not run at once, and keeps it until it is
 * trimmed. So an executable graph is admitted when it is about to run, by what its nodes may need at most, and charged
 * by what the driver then says that it holds. */

#include "cuda/hook_graphs.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "admit.h"
#include "core/charge.h"
#include "core/entry.h"
#include "core/ledger.h"
#include "core/pool_state.h"
#include "core/price.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/resolve.h"
#include "cuda/timing.h"
#include "cuda_min.h"
#include "region.h"

#define NODES_MAX (UINT64_C(1) << 22) /* a larger graph is not looked through */
#define CHILDREN_DEPTH 8
#define GRAPH_DEVICES 8u /* a graph's needs are filed under its handle and the device in its low bits */
#define VERSION_TRIES 16

static void lock(struct graph_memory *memory)
{
    while (atomic_flag_test_and_set_explicit(&memory->busy, memory_order_acquire)) sched_yield();
}

static void unlock(struct graph_memory *memory)
{
    atomic_flag_clear_explicit(&memory->busy, memory_order_release);
}

static bool reserved_on(CUdevice device, uint64_t *bytes)
{
    cuDeviceGetGraphMemAttribute_fn get = REAL(cuDeviceGetGraphMemAttribute);
    return get && get(device, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, bytes) == CUDA_SUCCESS;
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
        if (!reserved_on(device, &reserved)) break;
        lock(memory);
        if (memory->version != version) {
            unlock(memory);
            continue;
        }
        uint64_t known = memory->charged + paid;
        if (reserved > known)
            atomic_fetch_add(&process->entries[slice]->memory_bytes, reserved - known);
        else
            charge_return(process, slice, known - reserved);
        memory->charged = reserved;
        memory->version++;
        unlock(memory);
        return;
    }
    charge_return(process, slice, paid);
}

uint64_t graphs_charged(struct process *process, unsigned slice)
{
    uint64_t sum = 0;
    for (CUdevice device = 0; device < atomic_load(&process->devices) && device < (CUdevice)SHIM_DEVICES; device++)
        if (process->graph[device].charged > 0 && shim_slice_of_device(process, device) == (int)slice)
            sum += process->graph[device].charged;
    return sum;
}

bool graphs_recount(struct process *process, unsigned slice)
{
    if (atomic_load_explicit(&resolve_hot.graphs_with_memory, memory_order_relaxed) == 0) return false;
    uint64_t before = atomic_load(&process->entries[slice]->memory_bytes);
    for (CUdevice device = 0; device < atomic_load(&process->devices) && device < (CUdevice)SHIM_DEVICES; device++)
        if (shim_slice_of_device(process, device) == (int)slice) account(process, device, slice, 0);
    return atomic_load(&process->entries[slice]->memory_bytes) < before;
}

/* ---- what a graph may need ---- */

struct needs {
    uint64_t bytes[GRAPH_DEVICES]; /* of all allocation nodes */
    uint64_t kept[GRAPH_DEVICES];  /* of those that no node of the same graph frees */
    bool unknown;                  /* there may be more: no memory to look, or beyond what is looked at */
};

static uint64_t in_steps(uint64_t bytes)
{
    return bytes > UINT64_MAX - POOL_STEP ? bytes : (bytes + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
}

/* Allocation nodes are filed in found by their address; free nodes come after them in a graph's order of making, but not
 * surely in its list: so first all of the one kind, then all of the other. */
static void add_needs(CUgraph graph, int wanted, struct ledger *found, struct needs *needs, int depth)
{
    size_t count = 0;
    if (REAL(cuGraphGetNodes)(graph, NULL, &count) != CUDA_SUCCESS || count == 0) return;
    if (depth > CHILDREN_DEPTH || count > NODES_MAX) {
        needs->unknown = true;
        return;
    }
    size_t bytes = count * sizeof(CUgraphNode);
    CUgraphNode *nodes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (nodes == MAP_FAILED) {
        needs->unknown = true;
        return;
    }
    if (REAL(cuGraphGetNodes)(graph, nodes, &count) != CUDA_SUCCESS) count = 0;
    for (size_t at = 0; at < count; at++) {
        int type = -1;
        CUDA_MEM_ALLOC_NODE_PARAMS parameters;
        CUdeviceptr freed = 0;
        CUgraph child = NULL;
        struct ledger_value block;
        if (REAL(cuGraphNodeGetType)(nodes[at], &type) != CUDA_SUCCESS) continue;
        memset(&parameters, 0, sizeof parameters);
        if (type == CU_GRAPH_NODE_TYPE_MEM_ALLOC && type == wanted &&
            REAL(cuGraphMemAllocNodeGetParams)(nodes[at], &parameters) == CUDA_SUCCESS) {
            const CUmemLocation *where = &parameters.poolProps.location;
            if (where->type == CU_MEM_LOCATION_TYPE_DEVICE && where->id >= 0 && where->id < (int)GRAPH_DEVICES) {
                block = (struct ledger_value){
                    .bytes = in_steps(parameters.bytesize), .slice = (uint32_t)where->id, .references = 1};
                struct ledger_value old;
                needs->bytes[where->id] += block.bytes;
                enum ledger_put_result put = ledger_put(found, parameters.dptr, &block, &old);
                needs->kept[where->id] += put == LEDGER_ADDED ? block.bytes : 0;
                needs->unknown = needs->unknown || put == LEDGER_FULL;
            } else if (where->type == CU_MEM_LOCATION_TYPE_DEVICE) {
                needs->unknown = true; /* a device beyond those that are told apart */
            }
        } else if (type == CU_GRAPH_NODE_TYPE_MEM_FREE && type == wanted && REAL(cuGraphMemFreeNodeGetParams) &&
                   REAL(cuGraphMemFreeNodeGetParams)(nodes[at], &freed) == CUDA_SUCCESS &&
                   ledger_take(found, freed, &block)) {
            needs->kept[block.slice] -= block.bytes;
        } else if (type == CU_GRAPH_NODE_TYPE_GRAPH && REAL(cuGraphChildGraphNodeGetGraph) &&
                   REAL(cuGraphChildGraphNodeGetGraph)(nodes[at], &child) == CUDA_SUCCESS) {
            add_needs(child, wanted, found, needs, depth + 1);
        }
    }
    munmap(nodes, bytes);
}

struct filing {
    struct process *process;
    CUgraphExec exec;
};

/* What a graph allocates and keeps is known by its address, so that its free is noticed. */
static void file_block(uint64_t address, const struct ledger_value *value, void *user)
{
    const struct filing *filing = user;
    struct ledger_value block = *value;
    struct ledger_value old;
    block.tag = (uintptr_t)filing->exec;
    (void)ledger_put(&filing->process->graph_blocks, address, &block, &old);
}

static CUresult instantiated(CUresult result, const CUgraphExec *out, CUgraph graph)
{
    struct process *process = shim_process();
    if (result != CUDA_SUCCESS || !process || !out || !REAL(cuGraphGetNodes) || !REAL(cuGraphNodeGetType) ||
        !REAL(cuGraphMemAllocNodeGetParams))
        return result;
    struct ledger found;
    struct needs needs = {.bytes = {0}};
    memset(&found, 0, sizeof found);
    add_needs(graph, CU_GRAPH_NODE_TYPE_MEM_ALLOC, &found, &needs, 0);
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        if (needs.bytes[device] > 0) {
            add_needs(graph, CU_GRAPH_NODE_TYPE_MEM_FREE, &found, &needs, 0);
            break;
        }
    }
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        if (needs.bytes[device] > 0) {
            struct ledger_value value = {.bytes = needs.bytes[device], .tag = needs.kept[device], .references = 1};
            struct ledger_value old;
            needs.unknown |= ledger_put(&process->graphs, (uintptr_t)*out | device, &value, &old) == LEDGER_FULL;
            atomic_fetch_add(&resolve_hot.graphs_with_memory, 1);
        }
    }
    if (needs.unknown && REAL(cuGraphExecDestroy)) { /* it would run with memory that nobody counts */
        ledger_dispose(&found);
        for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
            struct ledger_value gone;
            (void)ledger_take(&process->graphs, (uintptr_t)*out | device, &gone);
        }
        (void)REAL(cuGraphExecDestroy)(*out);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    struct filing filing = {process, *out};
    ledger_visit(&found, file_block, &filing);
    ledger_dispose(&found);
    return result;
}

void graph_block_freed(struct process *process, CUdeviceptr address)
{
    struct ledger_value block;
    struct ledger_value exec;
    if (atomic_load_explicit(&resolve_hot.graphs_with_memory, memory_order_relaxed) == 0 ||
        !ledger_get(&process->graph_blocks, address, &block) || block.slice >= GRAPH_DEVICES)
        return;
    struct graph_memory *memory = &process->graph[block.slice];
    lock(memory);
    memory->held -= block.bytes < memory->held ? block.bytes : memory->held;
    unlock(memory);
    /* It may run again, and then keep the memory again. */
    if (ledger_get(&process->graphs, block.tag | block.slice, &exec) && exec.references > 1)
        (void)ledger_refer(&process->graphs, block.tag | block.slice, -1, &exec);
    else
        (void)ledger_take(&process->graph_blocks, address, &block);
}

CUresult hook_cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t log_bytes)
{
    cuGraphInstantiate_fn real = REAL(cuGraphInstantiate);
    return !real ? ABSENT_CU : instantiated(real(out, graph, node, log, log_bytes), out, graph);
}

CUresult hook_cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *node, char *log, size_t log_bytes)
{
    cuGraphInstantiate_v2_fn real = REAL(cuGraphInstantiate_v2);
    return !real ? ABSENT_CU : instantiated(real(out, graph, node, log, log_bytes), out, graph);
}

CUresult hook_cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
    cuGraphInstantiateWithFlags_fn real = REAL(cuGraphInstantiateWithFlags);
    return !real ? ABSENT_CU : instantiated(real(out, graph, flags), out, graph);
}

/* The parameters may ask for an upload at once; what that takes is charged after the fact. */
#define INSTANTIATE_WITH_PARAMS(name)                                                                                 \
    CUresult hook_##name(CUgraphExec *out, CUgraph graph, void *parameters)                                           \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (!real) return ABSENT_CU;                                                                                  \
        CUresult result = instantiated(real(out, graph, parameters), out, graph);                                     \
        struct process *process = shim_process();                                                                     \
        for (unsigned slice = 0; process && slice < process->shim->slice_count; slice++)                              \
            if (process->entries[slice]) (void)graphs_recount(process, slice);                                        \
        return result;                                                                                                \
    }
INSTANTIATE_WITH_PARAMS(cuGraphInstantiateWithParams)
INSTANTIATE_WITH_PARAMS(cuGraphInstantiateWithParams_ptsz)

/* ---- running ---- */

/* Graphs that ran before are done, so that this one may have their memory. */
static bool wait_for_others(struct process *process)
{
    struct capture_pass pass;
    if (atomic_load(&process->captures) != 0 || !REAL(cuCtxSynchronize) || !capture_pass_enter(process, &pass))
        return false;
    bool done = REAL(cuCtxSynchronize)() == CUDA_SUCCESS;
    capture_pass_leave(&pass);
    return done;
}

/* A graph of ours is about to run. While others run the driver cannot share their memory with it: so all that it needs
 * is reserved, and what is not taken comes back in graphs_after. Where there is no room for that, the others are waited
 * for, and only what it needs beyond theirs must have room. */
static enum admit_step reserve(struct graph_run *run, uint64_t need, unsigned device)
{
    struct process *process = run->process;
    struct graph_memory *memory = &process->graph[device];
    int slice = shim_slice_of_device(process, (CUdevice)device);
    if (slice < 0) return slice == SHIM_NOT_OURS ? ADMIT_DENY : ADMIT_FORWARD;
    struct region_entry *own = shim_entry(process, (unsigned)slice);
    if (!own) return ADMIT_DENY;
    const struct shim_slice *at = &process->shim->slices[slice];
    struct admitted request = {.bytes = need};
    if (!admit_reserve(at->policy, &process->places[slice], own, need)) {
        lock(memory);
        uint64_t reusable = memory->charged > memory->held ? memory->charged - memory->held : 0;
        unlock(memory);
        uint64_t more = need > reusable ? need - reusable : 0;
        request.bytes = 0;
        if (more > 0 && charge_admit(&request, process, slice, more) != ADMIT_GO) return ADMIT_DENY;
        (void)wait_for_others(process); /* if not: the driver may take more, and that is charged after the fact */
    }
    run->paid[device] += request.bytes;
    run->slices[device] = slice;
    run->devices |= 1u << device;
    return ADMIT_GO;
}

enum admit_step graphs_before(struct graph_run *run, struct process *process, CUgraphExec exec)
{
    *run = (struct graph_run){.process = process, .exec = exec};
    if (atomic_load_explicit(&resolve_hot.graphs_with_memory, memory_order_relaxed) == 0) return ADMIT_FORWARD;
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        struct ledger_value need;
        if (ledger_get(&process->graphs, (uintptr_t)exec | device, &need) &&
            reserve(run, need.bytes, device) == ADMIT_DENY) {
            graphs_after(run, false);
            return ADMIT_DENY;
        }
    }
    return run->devices == 0 ? ADMIT_FORWARD : ADMIT_GO;
}

/* What a graph keeps is held from its run on, once, until it is freed. */
static void hold(struct process *process, CUgraphExec exec, unsigned device)
{
    struct ledger_value value;
    struct graph_memory *memory = &process->graph[device];
    if (ledger_get(&process->graphs, (uintptr_t)exec | device, &value) && value.tag > 0 && value.references == 1 &&
        ledger_refer(&process->graphs, (uintptr_t)exec | device, 1, &value)) {
        lock(memory);
        memory->held += value.tag;
        unlock(memory);
    }
}

void graphs_after(struct graph_run *run, bool launched)
{
    for (unsigned device = 0; device < GRAPH_DEVICES; device++) {
        if ((run->devices & 1u << device) != 0) {
            account(run->process, (CUdevice)device, (unsigned)run->slices[device], run->paid[device]);
            if (launched) hold(run->process, run->exec, device);
        }
    }
}

#define UPLOAD(name)                                                                                                  \
    CUresult hook_##name(CUgraphExec exec, CUstream stream)                                                           \
    {                                                                                                                 \
        name##_fn real = REAL(name);                                                                                  \
        if (!real) return ABSENT_CU;                                                                                  \
        struct process *process = shim_process();                                                                     \
        struct graph_run run;                                                                                         \
        switch (!process ? ADMIT_FORWARD : graphs_before(&run, process, exec)) {                                      \
        case ADMIT_DENY: return CUDA_ERROR_OUT_OF_MEMORY;                                                             \
        case ADMIT_FORWARD: return real(exec, stream);                                                                \
        case ADMIT_GO: break;                                                                                         \
        }                                                                                                             \
        CUresult result = real(exec, stream);                                                                         \
        graphs_after(&run, false);                                                                                    \
        return result;                                                                                                \
    }
UPLOAD(cuGraphUpload)
UPLOAD(cuGraphUpload_ptsz)

CUresult hook_cuDeviceGraphMemTrim(CUdevice device)
{
    cuDeviceGraphMemTrim_fn real = REAL(cuDeviceGraphMemTrim);
    if (!real) return ABSENT_CU;
    CUresult result = real(device);
    struct process *process = shim_process();
    int slice = !process ? -1 : shim_slice_of_device(process, device);
    if (slice >= 0 && process->entries[slice]) account(process, device, (unsigned)slice, 0);
    return result;
}

/* ---- graphs that change or end: their handles may come back for others ---- */

static void forget_price(struct process *process, CUgraphExec exec)
{
    if (process) {
        struct price_shape shape = {.code = (uintptr_t)exec};
        price_forget(price_find(&process->metering.book, price_key(&shape)));
    }
}

CUresult hook_cuGraphExecDestroy(CUgraphExec exec)
{
    cuGraphExecDestroy_fn real = REAL(cuGraphExecDestroy);
    if (!real) return ABSENT_CU;
    struct process *process = shim_process();
    struct ledger_value values[GRAPH_DEVICES];
    unsigned taken = 0; /* bits */
    forget_price(process, exec);
    for (unsigned device = 0; process && device < GRAPH_DEVICES; device++) {
        bool had = ledger_take(&process->graphs, (uintptr_t)exec | device, &values[device]);
        taken |= (unsigned)had << device;
    }
    CUresult result = real(exec);
    for (unsigned device = 0; result != CUDA_SUCCESS && device < GRAPH_DEVICES; device++) {
        struct ledger_value old;
        if ((taken & 1u << device) != 0) /* it is still there, and may run */
            (void)ledger_put(&process->graphs, (uintptr_t)exec | device, &values[device], &old);
    }
    return result;
}

CUresult hook_cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *node, int *result)
{
    cuGraphExecUpdate_fn real = REAL(cuGraphExecUpdate);
    if (!real) return ABSENT_CU;
    forget_price(shim_process(), exec);
    return real(exec, graph, node, result);
}

CUresult hook_cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, void *info)
{
    cuGraphExecUpdate_v2_fn real = REAL(cuGraphExecUpdate_v2);
    if (!real) return ABSENT_CU;
    forget_price(shim_process(), exec);
    return real(exec, graph, info);
}

#define EXPORT_graphs EXPORTED
#include "cuda/hooks_export.h"
