#include "rm_abi.h"

#include <string.h>

/* The classes that matter (src/common/sdk/nvidia/inc/class/cl0000.h, cl0001.h, cl0041.h, cl0040.h). Others that give
 * memory of the card want rights that a program does not have (src/nvidia/src/kernel/rmapi/resource_list.h). */
#define CLASS_ROOT 0x0u
#define CLASS_ROOT_NON_PRIV 0x1u
#define CLASS_ROOT_CLIENT 0x41u
#define CLASS_MEMORY_LOCAL_USER 0x40u

/* Structures (src/common/sdk/nvidia/inc/nvos.h): sizes, and offsets of what we read. All begin with the client and,
 * but for NVOS00 and NVOS32, have parent at 4, object at 8 and class at 12. */
#define AT_CLIENT 0u
#define AT_PARENT 4u
#define AT_OBJECT 8u
#define AT_CLASS 12u

#define NVOS00_BYTES 16u /* free */
#define NVOS00_STATUS 12u

#define NVOS02_BYTES 56u /* memory, the old way, with a descriptor behind it (nv-unix-nvos-params-wrappers.h) */
#define NVOS02_STATUS 40u

#define NVOS05_BYTES 20u /* object, the old way */
#define NVOS05_STATUS 16u

#define NVOS21_BYTES 32u /* object */
#define NVOS21_PARAMETERS 16u
#define NVOS21_STATUS 28u

#define NVOS64_BYTES 48u /* object, with rights */
#define NVOS64_PARAMETERS 16u
#define NVOS64_FLAGS 36u
#define NVOS64_FLAG_SERIALIZED 1u
#define NVOS64_STATUS 40u

#define NVOS55_BYTES 28u /* a second name */
#define NVOS55_SOURCE_CLIENT 12u
#define NVOS55_SOURCE_OBJECT 16u
#define NVOS55_STATUS 24u

#define NVOS32_BYTES 184u /* heap */
#define NVOS32_FUNCTION 8u
#define NVOS32_STATUS 20u
#define NVOS32_MEMORY 44u
#define NVOS32_FLAGS 52u
#define NVOS32_FREE_FLAGS 48u

enum heap_function { HEAP_ALLOC_SIZE = 2, HEAP_FREE = 3, HEAP_ALLOC_PITCH = 6, HEAP_ALLOC_RANGE = 14 };

/* Where each function that gives memory has its fields. */
#define HEAP_SIZE_ATTR 56u
#define HEAP_SIZE_SIZE 88u
#define HEAP_SIZE_ALIGNMENT 96u
#define HEAP_SIZE_ATTR2 144u
#define HEAP_PITCH_HEIGHT 56u
#define HEAP_PITCH_PITCH 60u
#define HEAP_PITCH_ATTR 64u
#define HEAP_PITCH_ALIGNMENT 96u
#define HEAP_PITCH_ATTR2 144u
#define HEAP_RANGE_ATTR 56u
#define HEAP_RANGE_SIZE 80u
#define HEAP_RANGE_ALIGNMENT 88u
#define HEAP_RANGE_ATTR2 136u

#define HEAP_FLAG_FIXED_ADDRESS 0x10u
#define HEAP_FLAG_HANDLE_PROVIDED 0x4000u
#define HEAP_FLAG_VIRTUAL 0x80000u
#define HEAP_FREE_FLAG_HANDLE_PROVIDED 1u

/* NVOS32_ATTR_COMPR, _LOCATION, _PAGE_SIZE and NVOS32_ATTR2_PAGE_SIZE_HUGE. */
#define COMPRESSION(attr) ((attr) >> 12 & 3u)
#define COMPRESSION_NONE 0u
#define COMPRESSED_GRANULE_BYTES UINT64_C(0x40000)
#define LOCATION(attr) ((attr) >> 25 & 3u)
#define LOCATION_PCI 1u
#define PAGE_SIZE(attr) ((attr) >> 23 & 3u)
#define PAGE_SIZE_DEFAULT 0u
#define PAGE_SIZE_HUGE 3u
#define LARGE_PAGE_BYTES (UINT64_C(2) << 20)
#define HUGE_SIZE(attr2) ((attr2) >> 20 & 3u)
#define HUGE_SIZE_512_MIB 2u
#define HUGE_SIZE_256_GIB 3u

/* NV_MEMORY_ALLOCATION_PARAMS. */
#define PARAMETERS_FLAGS 8u
#define PARAMETERS_ATTR 24u
#define PARAMETERS_ATTR2 28u
#define PARAMETERS_SIZE 64u
#define PARAMETERS_ALIGNMENT 72u

#define TRANSFER_BYTES 16u /* kernel-open/common/inc/nv-ioctl.h, nv_ioctl_xfer_t */

static uint32_t word(const uint8_t *bytes, size_t at)
{
    uint32_t value;
    memcpy(&value, bytes + at, sizeof value);
    return value;
}

static uint64_t long_word(const uint8_t *bytes, size_t at)
{
    uint64_t value;
    memcpy(&value, bytes + at, sizeof value);
    return value;
}

uint32_t rm_command_number(uint32_t command)
{
    return command & 0xffu;
}

uint32_t rm_command_size(uint32_t command)
{
    return command >> 16 & 0x3fffu;
}

bool rm_is_known_size(uint32_t number, uint32_t size)
{
    switch (number) {
    case RM_NUMBER_ALLOC_MEMORY: return size == NVOS02_BYTES;
    case RM_NUMBER_ALLOC_OBJECT: return size == NVOS05_BYTES;
    case RM_NUMBER_FREE: return size == NVOS00_BYTES;
    case RM_NUMBER_ALLOC: return size == NVOS21_BYTES || size == NVOS64_BYTES;
    case RM_NUMBER_DUP: return size == NVOS55_BYTES;
    case RM_NUMBER_HEAP: return size == NVOS32_BYTES;
    case RM_NUMBER_TRANSFER: return size == TRANSFER_BYTES;
    default: return false;
    }
}

static bool is_ours(uint32_t number)
{
    static const uint32_t ours[] = RM_NUMBERS;
    bool found = false;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) found = found || ours[i] == number;
    return found;
}

/* What a request says of the memory that it wants. */
struct wish {
    uint64_t bytes, alignment;
    uint32_t flags, attr, attr2;
};

/* The pages that the driver takes (memmgrDeterminePageSize in src/nvidia/src/kernel/gpu/mem_mgr/mem_mgr.c): those that
 * were asked for; else large ones, if there is as much to fill; of the small ones a granule has several. Compressed
 * memory is given by the pages of compression, of which the largest that are known are taken. */
static uint64_t granule_of(const struct wish *wish)
{
    if (PAGE_SIZE(wish->attr) == PAGE_SIZE_HUGE) {
        return HUGE_SIZE(wish->attr2) == HUGE_SIZE_512_MIB   ? UINT64_C(512) << 20
               : HUGE_SIZE(wish->attr2) == HUGE_SIZE_256_GIB ? UINT64_C(256) << 30
                                                             : LARGE_PAGE_BYTES;
    }
    if (PAGE_SIZE(wish->attr) == PAGE_SIZE_DEFAULT && wish->bytes >= LARGE_PAGE_BYTES) return LARGE_PAGE_BYTES;
    return COMPRESSION(wish->attr) == COMPRESSION_NONE ? RM_GRANULE_BYTES : COMPRESSED_GRANULE_BYTES;
}

/* What it takes of the card. A program that asks by hand for one byte gets a whole granule; one whose size does not fit
 * any more after rounding gets nothing from the driver, and counts as all there is. Memory at an address of the caller's
 * choice is widened at its end by up to the alignment (_vidmemPmaAllocate in src/nvidia/src/kernel/mem_mgr/video_mem.c).
 */
static uint64_t taken_by(const struct wish *wish)
{
    uint64_t granule = granule_of(wish);
    uint64_t wider = (wish->flags & HEAP_FLAG_FIXED_ADDRESS) != 0 ? wish->alignment : 0;
    if (wish->bytes > UINT64_MAX - granule || wish->bytes + granule > UINT64_MAX - wider) return UINT64_MAX;
    return (wish->bytes + granule - 1) / granule * granule + wider;
}

static void decode_alloc(uint32_t size, const uint8_t *bytes, struct rm_request *out)
{
    bool with_rights = size == NVOS64_BYTES;
    uint32_t class = word(bytes, AT_CLASS);
    out->parent = word(bytes, AT_PARENT);
    out->object = word(bytes, AT_OBJECT);
    out->status_at = with_rights ? NVOS64_STATUS : NVOS21_STATUS;
    out->kind = RM_OBJECT;
    if (class == CLASS_ROOT || class == CLASS_ROOT_NON_PRIV || class == CLASS_ROOT_CLIENT) out->kind = RM_CLIENT;
    if (class != CLASS_MEMORY_LOCAL_USER) return;
    if (with_rights && (word(bytes, NVOS64_FLAGS) & NVOS64_FLAG_SERIALIZED) != 0) {
        out->kind = RM_UNKNOWN;
        return;
    }
    out->parameters_address = long_word(bytes, with_rights ? NVOS64_PARAMETERS : NVOS21_PARAMETERS);
    /* The driver does without parameters for other classes only. */
    out->kind = out->parameters_address == 0 ? RM_NOTHING : RM_MEMORY;
}

void rm_decode_parameters(const uint8_t *bytes, struct rm_request *request)
{
    struct wish wish = {.bytes = long_word(bytes, PARAMETERS_SIZE),
                        .alignment = long_word(bytes, PARAMETERS_ALIGNMENT),
                        .flags = word(bytes, PARAMETERS_FLAGS),
                        .attr = word(bytes, PARAMETERS_ATTR),
                        .attr2 = word(bytes, PARAMETERS_ATTR2)};
    request->bytes = taken_by(&wish);
}

/* The old way gives no memory of the card: class 0x40 is a view of all of it, for root, and for others a name with nothing
 * behind it (_rmAllocMemoryLocalUser in src/nvidia/interface/deprecated/rmapi_deprecated_allocmemory.c). The limit that it
 * carries is where the driver puts the card's size. */
static void decode_memory(const uint8_t *bytes, struct rm_request *out)
{
    out->parent = word(bytes, AT_PARENT);
    out->object = word(bytes, AT_OBJECT);
    out->status_at = NVOS02_STATUS;
    out->kind = RM_OBJECT;
}

/* A function of the heap that gives memory: location PCI is system memory, VIRTUAL is address space. */
static void decode_heap_alloc(const uint8_t *bytes, struct wish wish, struct rm_request *out)
{
    wish.flags = word(bytes, NVOS32_FLAGS);
    out->object = (wish.flags & HEAP_FLAG_HANDLE_PROVIDED) != 0 ? word(bytes, NVOS32_MEMORY) : 0;
    bool on_card = (wish.flags & HEAP_FLAG_VIRTUAL) == 0 && LOCATION(wish.attr) != LOCATION_PCI;
    out->kind = on_card ? RM_MEMORY : RM_OBJECT;
    out->bytes = on_card ? taken_by(&wish) : 0;
}

static void decode_heap(const uint8_t *bytes, struct rm_request *out)
{
    out->parent = word(bytes, AT_PARENT);
    out->status_at = NVOS32_STATUS;
    switch (word(bytes, NVOS32_FUNCTION)) {
    case HEAP_ALLOC_SIZE:
        decode_heap_alloc(bytes,
                          (struct wish){.bytes = long_word(bytes, HEAP_SIZE_SIZE),
                                        .alignment = long_word(bytes, HEAP_SIZE_ALIGNMENT),
                                        .attr = word(bytes, HEAP_SIZE_ATTR),
                                        .attr2 = word(bytes, HEAP_SIZE_ATTR2)},
                          out);
        break;
    case HEAP_ALLOC_RANGE:
        decode_heap_alloc(bytes,
                          (struct wish){.bytes = long_word(bytes, HEAP_RANGE_SIZE),
                                        .alignment = long_word(bytes, HEAP_RANGE_ALIGNMENT),
                                        .attr = word(bytes, HEAP_RANGE_ATTR),
                                        .attr2 = word(bytes, HEAP_RANGE_ATTR2)},
                          out);
        break;
    case HEAP_ALLOC_PITCH: {
        /* As the driver multiplies: a pitch below 0 becomes a size that no card has. */
        uint64_t pitch = (uint64_t)(int64_t)(int32_t)word(bytes, HEAP_PITCH_PITCH);
        decode_heap_alloc(bytes,
                          (struct wish){.bytes = word(bytes, HEAP_PITCH_HEIGHT) * pitch,
                                        .alignment = long_word(bytes, HEAP_PITCH_ALIGNMENT),
                                        .attr = word(bytes, HEAP_PITCH_ATTR),
                                        .attr2 = word(bytes, HEAP_PITCH_ATTR2)},
                          out);
        break;
    }
    case HEAP_FREE:
        out->object = word(bytes, NVOS32_MEMORY);
        out->kind = (word(bytes, NVOS32_FREE_FLAGS) & HEAP_FREE_FLAG_HANDLE_PROVIDED) != 0 ? RM_FREE : RM_NOTHING;
        break;
    default: break; /* asks, or compresses */
    }
}

void rm_decode(enum rm_device device, uint32_t number, uint32_t size, const uint8_t *bytes, struct rm_request *out)
{
    *out = (struct rm_request){.kind = RM_NOTHING};
    if (!rm_is_known_size(number, size)) {
        out->kind = is_ours(number) ? RM_UNKNOWN : RM_NOTHING;
        return;
    }
    /* escape.c: memory the old way is asked of a GPU's device, all else of the control device. */
    bool taken = (number == RM_NUMBER_ALLOC_MEMORY) == (device == RM_DEVICE_GPU) || number == RM_NUMBER_TRANSFER;
    if (!taken) return;
    out->client = word(bytes, AT_CLIENT);
    switch (number) {
    case RM_NUMBER_ALLOC: decode_alloc(size, bytes, out); break;
    case RM_NUMBER_ALLOC_MEMORY: decode_memory(bytes, out); break;
    case RM_NUMBER_ALLOC_OBJECT:
        out->kind = RM_OBJECT;
        out->parent = word(bytes, AT_PARENT);
        out->object = word(bytes, AT_OBJECT);
        out->status_at = NVOS05_STATUS;
        break;
    case RM_NUMBER_FREE:
        out->kind = RM_FREE;
        out->object = word(bytes, AT_OBJECT);
        out->status_at = NVOS00_STATUS;
        break;
    case RM_NUMBER_DUP:
        out->kind = RM_DUP;
        out->parent = word(bytes, AT_PARENT);
        out->object = word(bytes, AT_OBJECT);
        out->source_client = word(bytes, NVOS55_SOURCE_CLIENT);
        out->source_object = word(bytes, NVOS55_SOURCE_OBJECT);
        out->status_at = NVOS55_STATUS;
        break;
    case RM_NUMBER_HEAP: decode_heap(bytes, out); break;
    case RM_NUMBER_TRANSFER:
        out->kind = RM_TRANSFER;
        out->client = 0;
        out->inner = (struct rm_transfer){word(bytes, 0), word(bytes, 4), long_word(bytes, 8)};
        break;
    default: break;
    }
}
