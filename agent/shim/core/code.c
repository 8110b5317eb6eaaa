#include "core/code.h"

#include <elf.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ledger.h"
#include "core/shim.h"

#define FAT_BINARY_MAGIC 0xba55ed50u
#define FAT_WRAPPER_MAGIC 0x466243b1u

/* As every fat binary of nvcc's begins; the wrapper is what the runtime registers. */
struct fat_header {
    uint32_t magic;
    uint16_t version;
    uint16_t header_bytes;
    uint64_t bytes; /* that follow */
};
struct fat_wrapper {
    uint32_t magic;
    uint32_t version;
    const void *data;
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static uint64_t code_hash(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    hash = mix(hash, bytes);
    for (size_t left = bytes < CODE_IMAGE_READ_BYTES ? bytes : CODE_IMAGE_READ_BYTES; left > 0;) {
        uint64_t word = 0;
        size_t part = left < sizeof word ? left : sizeof word;
        memcpy(&word, at, part);
        hash = mix(hash, word);
        at += part;
        left -= part;
    }
    return hash == 0 ? 1 : hash;
}

static uint32_t magic_of(const void *image)
{
    uint32_t magic;
    memcpy(&magic, image, sizeof magic);
    return magic;
}

/* Up to the end of the section headers, which linkers put last. */
static size_t elf_bytes(const void *image)
{
    Elf64_Ehdr header;
    memcpy(&header, image, sizeof header);
    return header.e_ident[EI_CLASS] == ELFCLASS64 ? header.e_shoff + (size_t)header.e_shnum * header.e_shentsize : 0;
}

uint64_t code_of_image(const void *image)
{
    if (!image || strnlen(image, sizeof(uint32_t)) < sizeof(uint32_t))
        return 0; /* none of the magic numbers has a zero byte, and no text is so short */
    uint32_t magic = magic_of(image);
    if (magic == FAT_WRAPPER_MAGIC) {
        struct fat_wrapper wrapper;
        memcpy(&wrapper, image, sizeof wrapper);
        image = wrapper.data;
        magic = magic_of(image);
    }
    if (magic == FAT_BINARY_MAGIC) {
        struct fat_header header;
        memcpy(&header, image, sizeof header);
        return code_hash(magic, image, header.header_bytes + header.bytes);
    }
    if (memcmp(image, ELFMAG, SELFMAG) == 0) {
        size_t bytes = elf_bytes(image);
        return bytes == 0 ? 0 : code_hash(magic, image, bytes);
    }
    return code_hash(1, image, strnlen(image, CODE_TEXT_MAX_BYTES));
}

uint64_t code_of_file(const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) != 0) return 0;
    uint64_t hash = mix(mix(2, (uint64_t)status.st_ino), (uint64_t)status.st_dev);
    hash = mix(mix(hash, (uint64_t)status.st_size), (uint64_t)status.st_mtim.tv_sec);
    return mix(hash, (uint64_t)status.st_mtim.tv_nsec);
}

static void put(struct process *process, const void *handle, const void *owner, uint64_t code, bool collective)
{
    struct ledger_value old;
    const struct ledger_value value = {.bytes = code, .tag = (uint64_t)(uintptr_t)owner, .references = collective};
    if (process && handle && code != 0) {
        (void)ledger_put(&process->codes, (uint64_t)(uintptr_t)handle, &value,
                         &old); /* full: its price is not shared */
    }
}

void code_loaded(struct process *process, const void *owner, uint64_t code)
{
    put(process, owner, owner, code, false);
}

void code_named(struct process *process, const void *owner, const char *name, const void *function)
{
    struct ledger_value of;
    if (process && name && ledger_get(&process->codes, (uint64_t)(uintptr_t)owner, &of)) {
        put(process, function, (const void *)(uintptr_t)of.tag, code_hash(of.bytes, name, strlen(name)),
            strstr(name, "nccl"));
    }
}

void code_same(struct process *process, const void *known, const void *handle)
{
    struct ledger_value of;
    if (process && known != handle && ledger_get(&process->codes, (uint64_t)(uintptr_t)known, &of))
        put(process, handle, (const void *)(uintptr_t)of.tag, of.bytes, of.references != 0);
}

static void nothing(const struct ledger_value *value, void *user)
{
    (void)value, (void)user;
}

void code_unloaded(struct process *process, const void *owner)
{
    if (process) ledger_take_tag(&process->codes, (uint64_t)(uintptr_t)owner, nothing, NULL);
}

bool code_is_collective(struct process *process, uintptr_t handle)
{
    struct ledger_value of;
    return ledger_get(&process->codes, (uint64_t)handle, &of) && of.references != 0;
}

uint64_t code_identity(struct process *process, uintptr_t handle)
{
    struct ledger_value of;
    return ledger_get(&process->codes, (uint64_t)handle, &of) ? of.bytes : 0;
}
