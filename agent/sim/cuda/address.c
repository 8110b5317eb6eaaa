/* Addresses and the table of what begins where. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define LOW_END UINT64_C(0xffe00000)

struct recycled {
    struct recycled *next;
    CUdeviceptr address;
    uint64_t room;
};

static CUdeviceptr next_address = UINT64_C(0x302000000);
static CUdeviceptr next_low = UINT64_C(0x10000000); /* for the calls whose addresses have 32 bits */
static struct recycled *freed;                      /* a real driver hands the same addresses out again */
static struct block **table;                        /* by address */
static size_t table_count;
static size_t table_room;
static uint64_t last_id;

CUdeviceptr address_take(uint64_t room, bool low)
{
    for (struct recycled **at = &freed; *at; at = &(*at)->next) {
        struct recycled *found = *at;
        if (found->room == room && (found->address < LOW_END) == low) {
            CUdeviceptr address = found->address;
            *at = found->next;
            free(found);
            return address;
        }
    }
    uint64_t step = round_up(room, SLAB_BYTES);
    if (low && step > LOW_END - next_low) return 0;
    CUdeviceptr *next = low ? &next_low : &next_address;
    CUdeviceptr address = *next;
    *next += step;
    return address;
}

void address_give(CUdeviceptr address, uint64_t room)
{
    struct recycled *entry = malloc(sizeof *entry);
    if (entry) { /* else these addresses are never used again */
        *entry = (struct recycled){freed, address, room};
        freed = entry;
    }
}

/* Index of the first block that begins above the address. */
static size_t above(CUdeviceptr address)
{
    size_t low = 0;
    size_t high = table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table[middle]->address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct block *block_add(const struct block *block)
{
    if (table_count == table_room) {
        size_t room = table_room == 0 ? 256 : table_room * 2;
        struct block **larger = realloc(table, room * sizeof(struct block *));
        if (!larger) return NULL;
        table = larger;
        table_room = room;
    }
    struct block *made = malloc(sizeof *made);
    if (!made) return NULL;
    *made = *block;
    made->id = ++last_id;
    size_t at = above(made->address);
    memmove(table + at + 1, table + at, (table_count - at) * sizeof(struct block *));
    table[at] = made;
    table_count++;
    return made;
}

struct block *block_over(CUdeviceptr address)
{
    size_t at = above(address);
    if (at == 0) return NULL;
    struct block *block = table[at - 1];
    return address - block->address < block->room ? block : NULL;
}

struct block *block_at(CUdeviceptr address)
{
    struct block *block = block_over(address);
    return block && block->address == address ? block : NULL;
}

struct block *block_number(size_t index)
{
    return index < table_count ? table[index] : NULL;
}

void block_remove(struct block *block)
{
    size_t at = above(block->address);
    memmove(table + at - 1, table + at, (table_count - at) * sizeof(struct block *));
    table_count--;
    free(block);
}
