/* The NVIDIA driver's requests that have to do with memory, as bytes. Pure: reads no process and opens nothing.
 *
 * The facts are those of NVIDIA's open kernel modules, where the layouts are published; each stands with the file that
 * has it. They were computed from nvos.h of 535.54.03, 550.54.14, 570.86.15, 580.105.08 and 595.45.04, and are the same
 * in all of these. docs/gate.md has the table.
 *
 * Words: an OBJECT is what the driver made for a program and knows by a number (its handle). Objects form a tree, the
 * root of which is a CLIENT; a handle is unique within its client, and a client within the driver. */
#ifndef TRANCHE_RM_ABI_H
#define TRANCHE_RM_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The lowest byte of the ioctl command (src/nvidia/arch/nvalloc/unix/include/nv_escape.h and
 * kernel-open/common/inc/nv-ioctl-numbers.h). The driver looks at no other part of it but the size. */
enum rm_number {
    RM_NUMBER_ALLOC_MEMORY = 0x27,
    RM_NUMBER_ALLOC_OBJECT = 0x28,
    RM_NUMBER_FREE = 0x29,
    RM_NUMBER_ALLOC = 0x2b,
    RM_NUMBER_DUP = 0x34,
    RM_NUMBER_HEAP = 0x4a,
    RM_NUMBER_TRANSFER = 0xd3, /* one of the others, whose number, size and address stand in a structure */
};

/* All of them, for the filter. */
#define RM_NUMBERS                                                                                                    \
    {                                                                                                                 \
        RM_NUMBER_ALLOC_MEMORY, RM_NUMBER_ALLOC_OBJECT, RM_NUMBER_FREE, RM_NUMBER_ALLOC, RM_NUMBER_DUP,               \
            RM_NUMBER_HEAP, RM_NUMBER_TRANSFER                                                                        \
    }

/* NV_ERR_NO_MEMORY (src/common/sdk/nvidia/inc/nvstatuscodes.h). */
#define RM_STATUS_NO_MEMORY 0x51u

/* The character devices (kernel-open/common/inc/nv-chardev-numbers.h). */
#define RM_DEVICE_MAJOR 195u
#define RM_DEVICE_CONTROL_MINOR 255u

/* The longest structure, and the part that is read of the parameters of an object. */
#define RM_REQUEST_BYTES_MAX 184u
#define RM_PARAMETERS_BYTES 80u

/* Memory of the card is given in such granules at least
 * (src/nvidia/inc/kernel/gpu/mem_mgr/phys_mem_allocator/map_defines.h, PMA_GRANULARITY). */
#define RM_GRANULE_BYTES UINT64_C(0x10000)

/* The kinds of device that the driver tells apart: each request is taken by one of them alone (escape.c). */
enum rm_device { RM_DEVICE_CONTROL, RM_DEVICE_GPU };

enum rm_kind {
    RM_NOTHING,  /* has nothing to do with memory, or the driver refuses it whatever it says */
    RM_CLIENT,   /* a new client, whose handle only the driver's answer says */
    RM_OBJECT,   /* a new object without memory of its own */
    RM_MEMORY,   /* a new object with `bytes` of the card's memory */
    RM_DUP,      /* another name for source_client's source_object */
    RM_FREE,     /* an object and all below it */
    RM_TRANSFER, /* look at `inner` */
    RM_UNKNOWN,  /* may be memory, in a form that we do not know */
};

struct rm_transfer {
    uint32_t number, size;
    uint64_t address;
};

struct rm_request {
    enum rm_kind kind;
    uint32_t client, parent;
    uint32_t object; /* 0: the driver chooses a handle, which we do not learn */
    uint32_t source_client, source_object;
    uint64_t bytes;              /* rounded up to granules */
    uint32_t status_at;          /* where in its structure the driver writes a status */
    uint64_t parameters_address; /* not 0: bytes are known only after rm_decode_parameters */
    struct rm_transfer inner;
};

/* Parts of an ioctl command. */
uint32_t rm_command_number(uint32_t command);
uint32_t rm_command_size(uint32_t command);

/* Whether a driver that we know takes this number with this size of structure. */
bool rm_is_known_size(uint32_t number, uint32_t size);

/* Reads a request of `size` bytes, all of which stand at `bytes`. A number that does not concern us:
 * RM_NOTHING; one that does, in a size that is not known: RM_UNKNOWN. Of either nothing is read. */
void rm_decode(enum rm_device device, uint32_t number, uint32_t size, const uint8_t *bytes, struct rm_request *out);

/* For RM_MEMORY with a parameters_address: from the RM_PARAMETERS_BYTES that stand there, sets bytes. */
void rm_decode_parameters(const uint8_t *bytes, struct rm_request *request);

#endif
