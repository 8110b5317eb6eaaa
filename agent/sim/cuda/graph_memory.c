/* Memory that graphs allocate. Addresses are fixed when a node is made. Physical memory is one pool a GPU: graphs that
 * do not run at the same time use the same bytes, and what they used stays until it is trimmed. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#define LEASES 64u

/* A launch that may still be running. */
struct lease {
    struct sim_stamp stamp;
    uint64_t bytes;
};

static struct {
    struct pieces reserved; /* a chunk each */
    uint64_t reserved_high;
    uint64_t held; /* allocated by a launch that is over, and not freed yet */
    struct lease leases[LEASES];
    size_t lease_count;
} memories[SIM_GPUS];

/* ---- nodes ---- */

void graph_block_drop(CUdeviceptr address)
{
    struct block *block = block_at(address);
    if (block && --block->references == 0) {
        address_give(block->address, block->room);
        block_remove(block);
    }
}

/* A launch's allocation, freed outside the graph that made it or by another one. */
bool graph_memory_free(struct sim_state *state, struct block *block)
{
    (void)state;
    if (!block->live) return false;
    block->live = false;
    memories[block->gpu].held -= round_up(block->bytes, GRANULE);
    graph_block_drop(block->address);
    return true;
}

static CUresult alloc_node(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                           CUDA_MEM_ALLOC_NODE_PARAMS *parameters, uint32_t gpu)
{
    if (gpu == SIM_GPUS) return CUDA_ERROR_NOT_SUPPORTED; /* graph memory on the host */
    struct block block = {.bytes = parameters->bytesize, .gpu = gpu, .kind = BLOCK_GRAPH, .references = 1};
    memory_lock();
    block.room = round_up(block.bytes, SLAB_BYTES);
    block.address = address_take(block.room, false);
    struct block *made = block_add(&block);
    CUgraphNode node = !made ? NULL : graph_node_add(graph, CU_GRAPH_NODE_TYPE_MEM_ALLOC, before, count);
    if (!node) {
        memory_unlock();
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    parameters->dptr = block.address;
    node->alloc = *parameters;
    node->gpu = gpu;
    node->address = block.address;
    graph->has_memory = true;
    memory_unlock();
    *out = node;
    return CUDA_SUCCESS;
}

SIM_API cuGraphAddMemAllocNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                               CUDA_MEM_ALLOC_NODE_PARAMS *parameters)
{
    uint32_t gpu;
    if (!out || !graph || !parameters || parameters->bytesize == 0 ||
        parameters->poolProps.allocType != CU_MEM_ALLOCATION_TYPE_PINNED || graph->parent || (!before && count > 0))
        return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(location_gpu(&parameters->poolProps.location, &gpu));
    return alloc_node(out, graph, before, count, parameters, gpu);
}

SIM_API cuGraphAddMemFreeNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *before, size_t count,
                              CUdeviceptr address)
{
    if (!out || !graph || graph->parent || (!before && count > 0)) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    struct block *block = block_at(address);
    bool good = block && block->kind == BLOCK_GRAPH;
    CUgraphNode node = good ? graph_node_add(graph, CU_GRAPH_NODE_TYPE_MEM_FREE, before, count) : NULL;
    if (node) {
        node->address = address;
        graph->has_memory = true;
    }
    memory_unlock();
    if (!node) return good ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
    *out = node;
    return CUDA_SUCCESS;
}

SIM_API cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS *out)
{
    if (!node || !out || node->type != CU_GRAPH_NODE_TYPE_MEM_ALLOC) return CUDA_ERROR_INVALID_VALUE;
    *out = node->alloc;
    return CUDA_SUCCESS;
}

SIM_API cuGraphMemFreeNodeGetParams(CUgraphNode node, CUdeviceptr *out)
{
    if (!node || !out || node->type != CU_GRAPH_NODE_TYPE_MEM_FREE) return CUDA_ERROR_INVALID_VALUE;
    *out = node->address;
    return CUDA_SUCCESS;
}

static void captured(CUstream stream, CUgraphNode node)
{
    stream->tails[0] = node;
    stream->tail_count = 1;
}

CUresult sim_capture_alloc(CUstream stream, uint32_t gpu, uint64_t bytes, CUdeviceptr *out)
{
    CUDA_MEM_ALLOC_NODE_PARAMS parameters = {.bytesize = bytes};
    CUgraphNode node;
    int ordinal = 0;
    if (gpu < SIM_GPUS) SIM_TRY(sim_gpu_device(gpu, &ordinal));
    parameters.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    parameters.poolProps.location = (CUmemLocation){CU_MEM_LOCATION_TYPE_DEVICE, ordinal};
    SIM_TRY(alloc_node(&node, stream->capture, stream->tails, stream->tail_count, &parameters, gpu));
    captured(stream, node);
    *out = parameters.dptr;
    return stream->capture_invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

CUresult sim_capture_free(CUstream stream, CUdeviceptr address)
{
    CUgraphNode node;
    CUresult result = cuGraphAddMemFreeNode(&node, stream->capture, stream->tails, stream->tail_count, address);
    if (result != CUDA_SUCCESS) {
        stream->capture_invalid = true; /* memory that no graph allocated */
        return result;
    }
    captured(stream, node);
    return stream->capture_invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

/* ---- what an executable needs ---- */

struct slot {
    struct slot *next;
    uint64_t bytes;
    uint32_t gpu;
    CUdeviceptr address; /* of who has it now */
    CUgraphNode freed;   /* NULL: in use */
};

static struct slot *slot_for(struct slot *slots, CUgraphNode node, uint64_t bytes)
{
    struct slot *best = NULL;
    for (struct slot *at = slots; at; at = at->next)
        if (at->freed && at->gpu == node->gpu && at->bytes >= bytes && (!best || at->bytes < best->bytes) &&
            graph_comes_after(node, at->freed))
            best = at;
    return best;
}

static bool remember(CUdeviceptr **list, size_t *count, CUdeviceptr address)
{
    CUdeviceptr *longer = realloc(*list, (*count + 1) * sizeof(CUdeviceptr));
    if (!longer) return false;
    longer[(*count)++] = address;
    *list = longer;
    return true;
}

/* Two allocations share bytes if one comes after the free of the other, whichever way the launch runs. */
static bool plan(CUgraphExec exec, CUgraph graph, struct slot **slots)
{
    for (CUgraphNode node = graph->first; node; node = node->next) {
        struct slot *slot = *slots;
        if (node->child && !plan(exec, node->child, slots)) return false;
        if (node->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
            uint64_t bytes = round_up(node->alloc.bytesize, GRANULE);
            slot = slot_for(*slots, node, bytes);
            if (!slot) {
                slot = calloc(1, sizeof *slot);
                if (!slot) return false;
                *slot = (struct slot){.next = *slots, .bytes = bytes, .gpu = node->gpu};
                *slots = slot;
                exec->peak_bytes[node->gpu] += bytes;
            }
            slot->address = node->address;
            slot->freed = NULL;
            if (!remember(&exec->allocated, &exec->allocated_count, node->address)) return false;
        } else if (node->type == CU_GRAPH_NODE_TYPE_MEM_FREE) {
            while (slot && (slot->freed || slot->address != node->address)) slot = slot->next;
            if (slot)
                slot->freed = node;
            else if (!remember(&exec->freed, &exec->freed_count, node->address))
                return false;
        }
    }
    return true;
}

CUresult graph_memory_plan(CUgraphExec exec, CUgraph graph)
{
    struct slot *slots = NULL;
    bool planned = plan(exec, graph, &slots);
    for (size_t at = 0; planned && at < exec->allocated_count; at++) block_at(exec->allocated[at])->references++;
    while (slots) {
        struct slot *slot = slots;
        slots = slot->next;
        for (size_t at = exec->left_count; planned && !slot->freed && at < exec->allocated_count; at++) {
            if (exec->allocated[at] == slot->address) {
                exec->allocated[at] = exec->allocated[exec->left_count];
                exec->allocated[exec->left_count++] = slot->address;
                break;
            }
        }
        free(slot);
    }
    if (!planned) {
        free(exec->allocated);
        free(exec->freed);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    return CUDA_SUCCESS;
}

void graph_memory_forget(CUgraphExec exec)
{
    for (size_t at = 0; at < exec->allocated_count; at++) graph_block_drop(exec->allocated[at]);
    free(exec->allocated);
    free(exec->freed);
}

/* ---- running ---- */

/* What launches in other streams (stream 0: in any) may be using now. */
static uint64_t running_bytes(struct sim_state *state, uint32_t gpu, uint64_t stream)
{
    uint64_t sum = 0;
    size_t kept = 0;
    sim_lock(state);
    sim_advance_all(state);
    for (size_t at = 0; at < memories[gpu].lease_count; at++) {
        struct lease lease = memories[gpu].leases[at];
        struct sim_context *context = sim_context_self(state, lease.stamp.gpu);
        if (context && !sim_queue_done(context, lease.stamp.seq)) {
            memories[gpu].leases[kept++] = lease;
            sum += lease.stamp.stream == stream ? 0 : lease.bytes;
        }
    }
    memories[gpu].lease_count = kept;
    sim_unlock(state);
    return sum;
}

CUresult graph_memory_reserve(struct sim_state *state, CUgraphExec exec, CUstream stream)
{
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++) {
        if (exec->peak_bytes[gpu] == 0) continue;
        uint64_t needed = memories[gpu].held + running_bytes(state, gpu, stream->id) + exec->peak_bytes[gpu];
        uint64_t wanted = round_up(needed, POOL_CHUNK);
        uint64_t before = memories[gpu].reserved.bytes;
        if (wanted <= before) continue;
        while (memories[gpu].reserved.bytes < wanted) {
            if (pieces_take(state, gpu, &memories[gpu].reserved, POOL_CHUNK, BY_REQUEST)) continue;
            pieces_keep(state, gpu, &memories[gpu].reserved, before);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        memories[gpu].reserved_high = wanted > memories[gpu].reserved_high ? wanted : memories[gpu].reserved_high;
    }
    return CUDA_SUCCESS;
}

CUresult graph_memory_begin(struct sim_state *state, CUgraphExec exec, CUstream stream)
{
    for (size_t at = 0; at < exec->left_count; at++) {
        struct block *block = block_at(exec->allocated[at]);
        if (block->live && (exec->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) == 0)
            return CUDA_ERROR_INVALID_VALUE;
        if (block->live) (void)graph_memory_free(state, block);
    }
    for (size_t at = 0; at < exec->freed_count; at++) {
        struct block *block = block_at(exec->freed[at]);
        if (!block || !block->live) return CUDA_ERROR_INVALID_VALUE;
    }
    return graph_memory_reserve(state, exec, stream);
}

/* Launches of one stream run one after the other: they share. */
static void lease(uint32_t gpu, struct sim_stamp stamp, uint64_t bytes)
{
    for (size_t at = 0; at < memories[gpu].lease_count; at++) {
        struct lease *known = &memories[gpu].leases[at];
        if (known->stamp.stream == stamp.stream) {
            known->stamp = stamp;
            known->bytes = bytes > known->bytes ? bytes : known->bytes;
            return;
        }
    }
    if (memories[gpu].lease_count < LEASES)
        memories[gpu].leases[memories[gpu].lease_count++] = (struct lease){stamp, bytes};
}

/* The launch is queued: what it leaves is held until it is freed, the rest is in use until the launch is done. */
void graph_memory_end(struct sim_state *state, CUgraphExec exec, CUstream stream)
{
    uint64_t bytes[SIM_GPUS];
    memcpy(bytes, exec->peak_bytes, sizeof bytes);
    for (size_t at = 0; at < exec->freed_count; at++) {
        struct block *block = block_at(exec->freed[at]);
        if (block) (void)graph_memory_free(state, block);
    }
    for (size_t at = 0; at < exec->left_count; at++) {
        struct block *block = block_at(exec->allocated[at]);
        uint64_t left = round_up(block->bytes, GRANULE);
        block->live = true;
        block->references++;
        memories[block->gpu].held += left;
        bytes[block->gpu] -= left;
    }
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++)
        if (bytes[gpu] > 0) lease(gpu, sim_stamp_of(stream), bytes[gpu]);
}

/* ---- the pool as a whole ---- */

SIM_API cuDeviceGraphMemTrim(CUdevice device)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter(&state));
    SIM_TRY(sim_device_gpu(device, &gpu));
    memory_lock();
    uint64_t keep = round_up(memories[gpu].held + running_bytes(state, gpu, 0), POOL_CHUNK);
    pieces_keep(state, gpu, &memories[gpu].reserved, keep);
    memory_unlock();
    return CUDA_SUCCESS;
}

/* "Used" is what graphs are bound to, in whole chunks: the same as reserved, as measured. */
SIM_API cuDeviceGetGraphMemAttribute(CUdevice device, int attribute, void *value)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!value || attribute < CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT || attribute > CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
        return CUDA_ERROR_INVALID_VALUE;
    bool high = attribute == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH || attribute == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH;
    memory_lock();
    uint64_t answer = high ? memories[gpu].reserved_high : memories[gpu].reserved.bytes;
    memory_unlock();
    memcpy(value, &answer, sizeof answer);
    return CUDA_SUCCESS;
}

SIM_API cuDeviceSetGraphMemAttribute(CUdevice device, int attribute, void *value)
{
    uint32_t gpu;
    uint64_t wanted;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!value || (attribute != CU_GRAPH_MEM_ATTR_USED_MEM_HIGH && attribute != CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH))
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(&wanted, value, sizeof wanted);
    if (wanted != 0) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    memories[gpu].reserved_high = memories[gpu].reserved.bytes;
    memory_unlock();
    return CUDA_SUCCESS;
}
