/* The driver's requests as bytes: golden structures, every size and device that the driver would not take, and noise.
 * That layouts are NVIDIA's is a table in docs/gate.md; here they are written out a second time, as structures, so that
 * an offset that slips is noticed.
 * build: agent/gate/rm_abi.c
 * sanitize: address,undefined */
#include "check.h"
#include "gate_requests.h"
#include "rm_abi.h"

#define MIB (UINT64_C(1) << 20)

static struct rm_request decode(enum rm_device device, uint32_t number, const void *structure, uint32_t size)
{
    struct rm_request request;
    /* Of exactly that size on the heap, so that a read beyond its end is seen. */
    uint8_t *bytes = malloc(size);
    memcpy(bytes, structure, size);
    rm_decode(device, number, size, bytes, &request);
    free(bytes);
    return request;
}

static void commands_are_taken_apart(void)
{
    CHECK_EQ(rm_command_number(REQUEST_COMMAND(0x2b, 48)), 0x2b);
    CHECK_EQ(rm_command_size(REQUEST_COMMAND(0x2b, 48)), 48);
    CHECK_EQ(rm_command_number(REQUEST_COMMAND_OF('x', 0x4a, 184)), 0x4a);
}

static void structures_have_their_sizes(void)
{
    CHECK_EQ(sizeof(struct nvos00), 16);
    CHECK_EQ(sizeof(struct nvos02), 56);
    CHECK_EQ(sizeof(struct nvos05), 20);
    CHECK_EQ(sizeof(struct nvos21), 32);
    CHECK_EQ(sizeof(struct nvos64), 48);
    CHECK_EQ(sizeof(struct nvos55), 28);
    CHECK_EQ(sizeof(struct nvos32), 184);
    CHECK_EQ(sizeof(struct memory_parameters), 128);
    CHECK(sizeof(struct nvos32) <= RM_REQUEST_BYTES_MAX);
}

static void memory_with_rights(void)
{
    struct memory_parameters parameters = {.size = 5 * MIB};
    struct nvos64 alloc = {0xc1, 0xd0, 0x77, 0x40, (uint64_t)(uintptr_t)&parameters, 0, sizeof parameters, 0, 0, 0};
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x2b, &alloc, sizeof alloc);
    CHECK_EQ(request.kind, RM_MEMORY);
    CHECK_EQ(request.client, 0xc1);
    CHECK_EQ(request.parent, 0xd0);
    CHECK_EQ(request.object, 0x77);
    CHECK_EQ(request.status_at, offsetof(struct nvos64, status));
    CHECK_EQ(request.parameters_address, (uintptr_t)&parameters);
    rm_decode_parameters((const uint8_t *)&parameters, &request);
    CHECK_EQ(request.bytes, 6 * MIB); /* in large pages */
}

static void memory_without_rights(void)
{
    struct nvos21 alloc = {0xc1, 0xd0, 0x78, 0x40, 0x1000, 128, 0};
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x2b, &alloc, sizeof alloc);
    CHECK_EQ(request.kind, RM_MEMORY);
    CHECK_EQ(request.object, 0x78);
    CHECK_EQ(request.parameters_address, 0x1000);
    CHECK_EQ(request.status_at, offsetof(struct nvos21, status));
}

static uint64_t taken(struct memory_parameters parameters)
{
    struct rm_request request = {.kind = RM_MEMORY};
    rm_decode_parameters((const uint8_t *)&parameters, &request);
    return request.bytes;
}

static uint64_t rounded(uint64_t size, uint32_t attr, uint32_t attr2)
{
    return taken((struct memory_parameters){.size = size, .attr = attr, .attr2 = attr2});
}

static void sizes_are_rounded_as_the_card_gives_them(void)
{
    CHECK_EQ(rounded(1, 0, 0), 65536);
    CHECK_EQ(rounded(65536, 0, 0), 65536);
    CHECK_EQ(rounded(65537, 1u << 23, 0), 131072); /* pages of 4 KiB */
    CHECK_EQ(rounded(1, 3u << 23, 0), 2 * MIB);
    CHECK_EQ(rounded(2 * MIB + 1, 3u << 23, 1u << 20), 4 * MIB);
    CHECK_EQ(rounded(1, 3u << 23, 2u << 20), 512 * MIB);
    CHECK_EQ(rounded(1, 3u << 23, 3u << 20), UINT64_C(256) << 30);
    CHECK(rounded(UINT64_MAX, 0, 0) == UINT64_MAX);
    CHECK(rounded(UINT64_MAX - 5, 3u << 23, 0) == UINT64_MAX);
    CHECK_EQ(rounded(65537, 1u << 12, 0), 4 * 65536); /* compressed */
}

/* Asked and given by an H200 (580.159.04): the parameters of three pieces of a context, as the driver wrote them back. */
static void as_a_card_gave_it(void)
{
    CHECK_EQ(rounded(0x420000, 0x18000000, 0), 0x600000);
    CHECK_EQ(rounded(0x44c6880, 0x18000000, 0), 0x4600000);
    CHECK_EQ(rounded(0x19c80000, 0x18000000, 0), 0x19e00000);
    CHECK_EQ(rounded(2 * MIB, 0x18000000, 0), 2 * MIB);
    CHECK_EQ(rounded(2 * MIB - 1, 0x18000000, 0), 2 * MIB); /* small pages, in granules */
    CHECK_EQ(rounded(2 * MIB - 65537, 0x18000000, 0), 2 * MIB - 65536);
    CHECK_EQ(rounded(3 * MIB, 1u << 23, 0), 3 * MIB); /* small pages by request */
}

static void an_address_of_ones_own_may_take_more(void)
{
    CHECK_EQ(taken((struct memory_parameters){.size = MIB, .alignment = 64 * MIB, .flags = 0x10}), 65 * MIB);
    CHECK_EQ(taken((struct memory_parameters){.size = MIB, .alignment = 64 * MIB, .flags = 0x100}), MIB);
    CHECK(taken((struct memory_parameters){.size = MIB, .alignment = UINT64_MAX, .flags = 0x10}) == UINT64_MAX);
}

static void objects_and_clients(void)
{
    struct nvos64 alloc = {0, 0, 0, 0x0, 0, 0, 0, 0, 0, 0};
    static const uint32_t roots[] = {0x0, 0x1, 0x41};
    for (size_t i = 0; i < 3; i++) {
        alloc.class = roots[i];
        CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x2b, &alloc, sizeof alloc).kind, RM_CLIENT);
    }
    static const uint32_t others[] = {0x80, 0x2080, 0x3e, 0x50a0, 0x70, 0xc86f};
    for (size_t i = 0; i < 6; i++) {
        alloc.class = others[i];
        struct rm_request request = decode(RM_DEVICE_CONTROL, 0x2b, &alloc, sizeof alloc);
        CHECK_EQ(request.kind, RM_OBJECT);
        CHECK_EQ(request.bytes, 0);
        CHECK_EQ(request.parameters_address, 0);
    }
    struct nvos05 old = {0xc1, 0xd0, 0x5, 0x80, 0};
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x28, &old, sizeof old);
    CHECK_EQ(request.kind, RM_OBJECT);
    CHECK_EQ(request.object, 0x5);
    CHECK_EQ(request.status_at, offsetof(struct nvos05, status));
}

static void memory_that_cannot_be_measured_is_unknown(void)
{
    struct nvos64 alloc = {0xc1, 0xd0, 0x77, 0x40, 0x1000, 0, 128, 1 /* serialized */, 0, 0};
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x2b, &alloc, sizeof alloc).kind, RM_UNKNOWN);
    alloc.flags = 0;
    alloc.parameters = 0; /* the driver wants some */
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x2b, &alloc, sizeof alloc).kind, RM_NOTHING);
}

/* A view of the card, or a name alone: the limit is where its size is put. As OpenGL asks (580, H200). */
static void the_old_way_gives_none(void)
{
    struct nvos02 alloc = {
        .client = 0xc1, .parent = 0xd0, .object = 9, .class = 0x40, .flags = 0x10000, .limit = 0xffffffff};
    struct rm_request request = decode(RM_DEVICE_GPU, 0x27, &alloc, sizeof alloc);
    CHECK_EQ(request.kind, RM_OBJECT);
    CHECK_EQ(request.object, 9);
    CHECK_EQ(request.bytes, 0);
    CHECK_EQ(request.status_at, offsetof(struct nvos02, status));
    alloc.class = 0x71;
    CHECK_EQ(decode(RM_DEVICE_GPU, 0x27, &alloc, sizeof alloc).kind, RM_OBJECT);
}

static void the_heap(void)
{
    struct nvos32 heap = {.client = 0xc1, .parent = 0xd0, .function = 2};
    heap.alloc_size.memory = 0x33;
    heap.alloc_size.flags = 0x4000;
    heap.alloc_size.size = 7 * MIB + 1;
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap);
    CHECK_EQ(request.kind, RM_MEMORY);
    CHECK_EQ(request.object, 0x33);
    CHECK_EQ(request.parent, 0xd0);
    CHECK_EQ(request.bytes, 8 * MIB);
    CHECK_EQ(request.status_at, offsetof(struct nvos32, status));
    heap.alloc_size.attr = 3u << 25; /* ANY: lands on the card as well */
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).bytes, 8 * MIB);
    heap.alloc_size.attr = 1u << 25; /* PCI */
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).kind, RM_OBJECT);
    heap.alloc_size.attr = 0;
    heap.alloc_size.flags = 0x80000; /* address space, and no handle of its own */
    request = decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap);
    CHECK_EQ(request.kind, RM_OBJECT);
    CHECK_EQ(request.object, 0);
}

static void other_functions_of_the_heap(void)
{
    struct nvos32 heap = {.client = 0xc1, .function = 14};
    heap.alloc_range.size = 9 * MIB;
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).bytes, 10 * MIB);
    heap.alloc_range.flags = 0x10;
    heap.alloc_range.alignment = 16 * MIB;
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).bytes, 26 * MIB);
    heap = (struct nvos32){.client = 0xc1, .function = 6};
    heap.alloc_pitch.height = 1024;
    heap.alloc_pitch.pitch = 4096;
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).bytes, 4 * MIB);
    heap.alloc_pitch.flags = 0x10;
    heap.alloc_pitch.alignment = 16 * MIB;
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).bytes, 20 * MIB);
    heap.alloc_pitch.pitch = -1;
    CHECK(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).bytes > UINT64_C(1) << 60);
    heap = (struct nvos32){.client = 0xc1, .function = 3};
    heap.free.memory = 0x44;
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).kind, RM_NOTHING);
    heap.free.flags = 1;
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap);
    CHECK_EQ(request.kind, RM_FREE);
    CHECK_EQ(request.object, 0x44);
    heap.function = 5; /* how much there is */
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x4a, &heap, sizeof heap).kind, RM_NOTHING);
}

static void frees_dups_and_transfers(void)
{
    struct nvos00 freed = {0xc1, 0xd0, 0x77, 0};
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x29, &freed, sizeof freed);
    CHECK_EQ(request.kind, RM_FREE);
    CHECK_EQ(request.object, 0x77);
    struct nvos55 dup = {0xc2, 0xd1, 0x88, 0xc1, 0x77, 0, 0};
    request = decode(RM_DEVICE_CONTROL, 0x34, &dup, sizeof dup);
    CHECK_EQ(request.kind, RM_DUP);
    CHECK_EQ(request.client, 0xc2);
    CHECK_EQ(request.object, 0x88);
    CHECK_EQ(request.source_client, 0xc1);
    CHECK_EQ(request.source_object, 0x77);
    CHECK_EQ(request.status_at, offsetof(struct nvos55, status));
    struct transfer transfer = {0x2b, 48, 0x123456789abc};
    request = decode(RM_DEVICE_GPU, 0xd3, &transfer, sizeof transfer);
    CHECK_EQ(request.kind, RM_TRANSFER);
    CHECK_EQ(request.inner.number, 0x2b);
    CHECK_EQ(request.inner.size, 48);
    CHECK_EQ(request.inner.address, 0x123456789abc);
}

static void what_the_driver_refuses_counts_nothing(void)
{
    struct nvos64 alloc = {0xc1, 0xd0, 0x77, 0x40, 0x1000, 0, 128, 0, 0, 0};
    CHECK_EQ(decode(RM_DEVICE_GPU, 0x2b, &alloc, sizeof alloc).kind, RM_NOTHING);
    struct nvos00 freed = {0xc1, 0xd0, 0x77, 0};
    CHECK_EQ(decode(RM_DEVICE_GPU, 0x29, &freed, sizeof freed).kind, RM_NOTHING);
    struct nvos02 old = {.client = 0xc1, .class = 0x40, .limit = 1};
    CHECK_EQ(decode(RM_DEVICE_CONTROL, 0x27, &old, sizeof old).kind, RM_NOTHING);
}

/* Of each number all sizes: those of the table and no others are read, and of a structure no byte beyond its end. */
static void sizes_and_noise(void)
{
    static const struct {
        uint32_t number, size;
    } known[] = {{0x27, 56}, {0x28, 20}, {0x29, 16}, {0x2b, 32}, {0x2b, 48}, {0x34, 28}, {0x4a, 184}, {0xd3, 16}};
    static const uint32_t numbers[] = RM_NUMBERS;
    uint8_t noise[512];
    srand(1);
    unsigned checked = 0;
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
        for (uint32_t size = 1; size <= sizeof noise; size++) {
            bool expected = false;
            for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
                expected = expected || (known[k].number == numbers[n] && known[k].size == size);
            CHECK_EQ(rm_is_known_size(numbers[n], size), expected);
            for (unsigned round = 0; round < (expected ? 2000u : 1u); round++) {
                for (size_t i = 0; i < sizeof noise; i++)
                    noise[i] = rand() % 3 == 0 ? (uint8_t)rand() : (uint8_t)(rand() % 4);
                struct rm_request request = decode(round % 2, numbers[n], noise, size);
                CHECK(expected || request.kind == RM_UNKNOWN);
                CHECK(request.status_at + 4 <= size || request.status_at == 0);
                checked++;
            }
        }
    }
    CHECK_THAT(checked > 16000, "%u", checked);
    struct rm_request request = decode(RM_DEVICE_CONTROL, 0x2a, noise, 32);
    CHECK_EQ(request.kind, RM_NOTHING);
    request = decode(RM_DEVICE_CONTROL, 0x12b, noise, 48); /* by a transfer: the driver compares the whole number */
    CHECK_EQ(request.kind, RM_NOTHING);
}

int main(void)
{
    RUN(commands_are_taken_apart);
    RUN(structures_have_their_sizes);
    RUN(memory_with_rights);
    RUN(memory_without_rights);
    RUN(sizes_are_rounded_as_the_card_gives_them);
    RUN(as_a_card_gave_it);
    RUN(an_address_of_ones_own_may_take_more);
    RUN(objects_and_clients);
    RUN(memory_that_cannot_be_measured_is_unknown);
    RUN(the_old_way_gives_none);
    RUN(the_heap);
    RUN(other_functions_of_the_heap);
    RUN(frees_dups_and_transfers);
    RUN(what_the_driver_refuses_counts_nothing);
    RUN(sizes_and_noise);
    return check_done();
}
