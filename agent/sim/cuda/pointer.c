/* What the driver tells about an address, and calls about managed memory that change no count. */
#include "memory.h"

#include <string.h>

struct answer {
    struct block *block;
    struct physical *physical; /* of memory that is mapped */
    CUdeviceptr start;
    uint64_t bytes;
    uint32_t gpu;
};

/* Lock held. */
static bool look_up(CUdeviceptr address, struct answer *answer)
{
    struct block *block = block_over(address);
    if (!block) return false;
    *answer = (struct answer){.block = block, .start = block->address, .bytes = block->bytes, .gpu = block->gpu};
    if (block->kind == BLOCK_RESERVED) {
        answer->physical = mapped_physical(address, &answer->start, &answer->bytes);
        answer->gpu = !answer->physical ? SIM_GPUS : answer->physical->gpu;
        return answer->physical;
    }
    return address - block->address < block->bytes;
}

static CUresult address_range(CUdeviceptr *start, size_t *bytes, CUdeviceptr address)
{
    struct answer answer;
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    memory_lock();
    bool found = look_up(address, &answer);
    if (found && start) *start = answer.start;
    if (found && bytes) *bytes = answer.bytes;
    memory_unlock();
    return found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

SIM_API cuMemGetAddressRange_v2(CUdeviceptr *start, size_t *bytes, CUdeviceptr address)
{
    return address_range(start, bytes, address);
}

SIM_API cuMemGetAddressRange(CUdeviceptr_v1 *start, unsigned int *bytes, CUdeviceptr_v1 address)
{
    CUdeviceptr wide_start;
    size_t wide_bytes;
    SIM_TRY(address_range(&wide_start, &wide_bytes, address));
    if (start) *start = (CUdeviceptr_v1)wide_start;
    if (bytes) *bytes = (unsigned int)wide_bytes;
    return CUDA_SUCCESS;
}

#define ANSWER(type, value)                                                                                           \
    do {                                                                                                              \
        type answer_value = (type)(value);                                                                            \
        memcpy(out, &answer_value, sizeof answer_value);                                                              \
        return CUDA_SUCCESS;                                                                                          \
    } while (0)

/* Lock held. Of an address that nobody allocated only the first two questions have an answer. */
static CUresult answer_one(void *out, int attribute, CUdeviceptr address)
{
    struct answer answer;
    int device = 0;
    if (!look_up(address, &answer)) {
        switch (attribute) {
        case CU_POINTER_ATTRIBUTE_MAPPED: ANSWER(int, 0);
        case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE: ANSWER(CUmemoryPool, NULL);
        default: return CUDA_ERROR_INVALID_VALUE;
        }
    }
    enum block_kind kind = answer.block->kind;
    bool on_host = answer.gpu == SIM_GPUS;
    if (!on_host) (void)sim_gpu_device(answer.gpu, &device);
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: ANSWER(CUcontext, answer.block->context);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: ANSWER(unsigned, on_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: ANSWER(CUdeviceptr, address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (kind != BLOCK_HOST && kind != BLOCK_MANAGED) return CUDA_ERROR_INVALID_VALUE;
        ANSWER(CUdeviceptr, address);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: ANSWER(unsigned long long, answer.block->id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: ANSWER(unsigned, kind == BLOCK_MANAGED);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: ANSWER(int, device);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE: ANSWER(unsigned, kind == BLOCK_PLAIN);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: ANSWER(CUdeviceptr, answer.start);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: ANSWER(size_t, answer.bytes);
    case CU_POINTER_ATTRIBUTE_MAPPED: ANSWER(int, kind != BLOCK_GRAPH || answer.block->live);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        ANSWER(unsigned long long, !answer.physical ? 0 : answer.physical->prop.requestedHandleTypes);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE: ANSWER(CUmemoryPool, answer.block->pool);
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

SIM_API cuPointerGetAttribute(void *out, int attribute, CUdeviceptr address)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    CUresult result = answer_one(out, attribute, address);
    memory_unlock();
    return result;
}

bool sim_on_device(CUdeviceptr address)
{
    unsigned type = CU_MEMORYTYPE_HOST;
    memory_lock();
    CUresult result = answer_one(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address);
    memory_unlock();
    return result == CUDA_SUCCESS && type == CU_MEMORYTYPE_DEVICE;
}

/* Never fails for an address: what has no answer is 0. */
SIM_API cuPointerGetAttributes(unsigned int count, int *attributes, void **out, CUdeviceptr address)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (count == 0 || !attributes || !out) return CUDA_ERROR_INVALID_VALUE;
    memory_lock();
    for (unsigned int at = 0; at < count; at++)
        if (answer_one(out[at], attributes[at], address) != CUDA_SUCCESS)
            memset(out[at], 0, sizeof(unsigned)); /* the smallest of them; a wider one is the caller's to clear */
    memory_unlock();
    return CUDA_SUCCESS;
}

/* ---- managed memory: counted where it was allocated, wherever its pages are ---- */

static CUresult managed(CUdeviceptr address, size_t bytes)
{
    struct answer answer;
    struct sim_state *state;
    uint32_t gpu;
    SIM_TRY(sim_enter_context(&state, &gpu));
    memory_lock();
    bool good = bytes > 0 && look_up(address, &answer) && answer.block->kind == BLOCK_MANAGED &&
                bytes <= answer.bytes - (address - answer.start);
    memory_unlock();
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult cuMemPrefetchAsync_on(bool per_thread, CUdeviceptr address, size_t bytes, CUdevice device,
                                      CUstream stream)
{
    (void)per_thread, (void)device, (void)stream;
    return managed(address, bytes);
}
SIM_DUAL(cuMemPrefetchAsync, (CUdeviceptr address, size_t bytes, CUdevice device, CUstream stream), address, bytes,
         device, stream)

static CUresult cuMemPrefetchAsync_v2_on(bool per_thread, CUdeviceptr address, size_t bytes, CUmemLocation location,
                                         unsigned int flags, CUstream stream)
{
    (void)per_thread, (void)location, (void)flags, (void)stream;
    return managed(address, bytes);
}
SIM_DUAL(cuMemPrefetchAsync_v2,
         (CUdeviceptr address, size_t bytes, CUmemLocation location, unsigned int flags, CUstream stream), address,
         bytes, location, flags, stream)

SIM_API cuMemAdvise(CUdeviceptr address, size_t bytes, int advice, CUdevice device)
{
    (void)advice, (void)device;
    return managed(address, bytes);
}

SIM_API cuMemAdvise_v2(CUdeviceptr address, size_t bytes, int advice, CUmemLocation location)
{
    (void)advice, (void)location;
    return managed(address, bytes);
}
