/* Memory that other processes or other programming interfaces allocated: it costs the one who opens it nothing. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IPC_MAGIC UINT64_C(0x3163706953745253)

struct ipc_record {
    uint64_t magic;
    uint64_t id; /* of the memory, which may be a slab of many allocations */
    uint64_t offset;
    uint64_t bytes;
    uint32_t pid;
};
_Static_assert(sizeof(struct ipc_record) <= sizeof(CUipcMemHandle), "the handle has room for the record");

SIM_API cuIpcGetMemHandle(CUipcMemHandle *out, CUdeviceptr address)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    struct ipc_record record = {.magic = IPC_MAGIC, .pid = (uint32_t)getpid()};
    memory_lock();
    struct block *block = block_over(address);
    bool good = out && block && block->kind == BLOCK_PLAIN;
    if (good) {
        record.id = physical_share(state, plain_physical(block, &record.offset));
        record.bytes = block->bytes;
    }
    memory_unlock();
    if (!good) return CUDA_ERROR_INVALID_VALUE;
    if (record.id == 0) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(out, 0, sizeof *out);
    memcpy(out, &record, sizeof record);
    return CUDA_SUCCESS;
}

/* Lock held. Opened before in this process: the same address again. */
static struct block *opened(const struct ipc_record *record)
{
    struct block *block;
    for (size_t index = 0; (block = block_number(index)); index++)
        if (block->kind == BLOCK_IPC && block->opened_id == record->id && block->bytes == record->bytes &&
            block->opened_offset == record->offset)
            return block;
    return NULL;
}

static CUresult open_handle(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
    struct sim_state *state;
    uint32_t gpu;
    struct ipc_record record;
    SIM_TRY(sim_enter_context(&state, &gpu));
    memcpy(&record, &handle, sizeof record);
    if (!out || (flags & ~(unsigned)CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) != 0 || record.magic != IPC_MAGIC)
        return CUDA_ERROR_INVALID_VALUE;
    if (record.pid == (uint32_t)getpid()) return CUDA_ERROR_INVALID_CONTEXT; /* one's own memory */
    memory_lock();
    struct block *block = opened(&record);
    if (!block) {
        struct physical *physical = physical_import(state, record.id);
        if (!physical) {
            memory_unlock();
            return CUDA_ERROR_INVALID_VALUE; /* freed meanwhile */
        }
        struct block made = {.bytes = record.bytes,
                             .room = round_up(record.bytes, SLAB_BYTES),
                             .gpu = physical->gpu,
                             .kind = BLOCK_IPC,
                             .context = sim_context_current(),
                             .physical = physical,
                             .opened_id = record.id,
                             .opened_offset = record.offset};
        made.address = address_take(made.room, false);
        block = block_add(&made);
    }
    if (block) {
        block->references++;
        *out = block->address;
    }
    memory_unlock();
    return !block ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuIpcOpenMemHandle(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
    return open_handle(out, handle, flags);
}

SIM_API cuIpcOpenMemHandle_v2(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
    return open_handle(out, handle, flags);
}

SIM_API cuIpcCloseMemHandle(CUdeviceptr address)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    memory_lock();
    struct block *block = block_at(address);
    bool good = block && block->kind == BLOCK_IPC;
    if (good && --block->references == 0) plain_give(state, block);
    memory_unlock();
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- memory of Vulkan and the like; here any descriptor will do, and one of ours is also kept alive ---- */

struct CUextMemory_st {
    struct physical *physical; /* NULL: not ours */
    uint64_t bytes;
};

SIM_API cuImportExternalMemory(CUexternalMemory *out, const CUDA_EXTERNAL_MEMORY_HANDLE_DESC *description)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!out || !description || description->size == 0) return CUDA_ERROR_INVALID_VALUE;
    if (description->type != CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD) return CUDA_ERROR_NOT_SUPPORTED;
    struct share_record record;
    CUexternalMemory made = calloc(1, sizeof *made);
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    made->bytes = description->size;
    if (share_read(description->handle.fd, SHARE_MEMORY, &record)) {
        memory_lock();
        made->physical = physical_import(state, record.id);
        memory_unlock();
    }
    close(description->handle.fd); /* the driver's from here on */
    *out = made;
    return CUDA_SUCCESS;
}

SIM_API cuExternalMemoryGetMappedBuffer(CUdeviceptr *out, CUexternalMemory memory,
                                        const CUDA_EXTERNAL_MEMORY_BUFFER_DESC *description)
{
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    if (!out || !memory || !description || description->size == 0 || description->offset > memory->bytes ||
        description->size > memory->bytes - description->offset)
        return CUDA_ERROR_INVALID_VALUE;
    struct block block = {.bytes = description->size,
                          .room = round_up(description->size, SLAB_BYTES),
                          .gpu = gpu,
                          .kind = BLOCK_EXTERNAL,
                          .context = sim_context_current(),
                          .physical = memory->physical};
    memory_lock();
    block.address = address_take(block.room, false);
    struct block *made = block_add(&block);
    if (made && made->physical) made->physical->references++;
    memory_unlock();
    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
    *out = block.address;
    return CUDA_SUCCESS;
}

SIM_API cuDestroyExternalMemory(CUexternalMemory memory)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!memory) return CUDA_ERROR_INVALID_HANDLE;
    memory_lock();
    if (memory->physical) physical_drop(state, memory->physical);
    memory_unlock();
    free(memory);
    return CUDA_SUCCESS;
}
