/* The driver's structures as a program has them, for those who make requests in tests (docs/gate.md has the source of
 * each). agent/gate/rm_abi.c reads bytes at offsets; that both agree is what gate_abi_test.c checks. */
#ifndef TRANCHE_TEST_GATE_REQUESTS_H
#define TRANCHE_TEST_GATE_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

struct nvos00 {
    uint32_t client, parent, object, status;
};

struct nvos02 {
    uint32_t client, parent, object, class, flags;
    uint64_t memory __attribute__((aligned(8)));
    uint64_t limit __attribute__((aligned(8)));
    uint32_t status;
    int32_t fd __attribute__((aligned(8)));
};

struct nvos05 {
    uint32_t client, parent, object, class, status;
};

struct nvos21 {
    uint32_t client, parent, object, class;
    uint64_t parameters __attribute__((aligned(8)));
    uint32_t parameters_size, status;
};

struct nvos64 {
    uint32_t client, parent, object, class;
    uint64_t parameters __attribute__((aligned(8)));
    uint64_t rights __attribute__((aligned(8)));
    uint32_t parameters_size, flags, status, padding;
};

struct nvos55 {
    uint32_t client, parent, object, source_client, source_object, flags, status;
};

struct memory_parameters {
    uint32_t owner, type, flags, width, height;
    int32_t pitch;
    uint32_t attr, attr2, format, compression_coverage, depth_coverage;
    uint64_t range_low __attribute__((aligned(8)));
    uint64_t range_high, size, alignment, offset, limit, address;
    uint32_t tag_offset, address_space, internal_flags, tag;
    int32_t numa_node;
};

struct nvos32 {
    uint32_t client, parent, function, address_space;
    int16_t heap_number;
    uint32_t status;
    uint64_t total __attribute__((aligned(8)));
    uint64_t free_bytes;
    union {
        struct {
            uint32_t owner, memory, type, flags, attr, format, coverage, depth_coverage, stride, width, height;
            uint64_t size __attribute__((aligned(8)));
            uint64_t alignment, offset, limit, address, range_begin, range_end;
            uint32_t attr2;
        } alloc_size;
        struct {
            uint32_t owner, memory, type, flags, height;
            int32_t pitch;
            uint32_t attr, width, format, coverage, depth_coverage;
            uint64_t size __attribute__((aligned(8)));
            uint64_t alignment;
        } alloc_pitch;
        struct {
            uint32_t owner, memory, type, flags, attr, format, coverage, depth_coverage, stride;
            uint64_t size __attribute__((aligned(8)));
            uint64_t alignment;
        } alloc_range;
        struct {
            uint32_t owner, memory, flags;
        } free;
        uint64_t whole[18];
    };
};

struct transfer {
    uint32_t number, size;
    uint64_t address;
};

/* _IOWR of that type, number and size. */
#define REQUEST_COMMAND_OF(type, number, size)                                                                        \
    (3u << 30 | (uint32_t)(size) << 16 | (uint32_t)(type) << 8 | (uint32_t)(number))
#define REQUEST_COMMAND(number, size) REQUEST_COMMAND_OF('F', number, size)

#endif
