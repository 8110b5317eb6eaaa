#include "cuda/elf_dlsym.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct search {
    uintptr_t ours;
    void *found;
};

struct tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *hash;
    const uint32_t *gnu_hash;
};

/* How many symbols there are: the old table says so; of the newer one the last chain's end does. */
static uint32_t symbol_count(const struct tables *tables)
{
    if (tables->hash) return tables->hash[1];
    if (!tables->gnu_hash) return 0;
    uint32_t buckets = tables->gnu_hash[0];
    uint32_t first = tables->gnu_hash[1];
    const uint32_t *bucket = tables->gnu_hash + 4 + tables->gnu_hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;
    uint32_t last = 0;
    for (uint32_t at = 0; at < buckets; at++) last = bucket[at] > last ? bucket[at] : last;
    if (last < first) return 0;
    while ((chain[last - first] & 1) == 0) last++;
    return last + 1;
}

/* Loaders differ in whether they have added the base to what stands in the dynamic section. */
static const void *at_base(const struct dl_phdr_info *info, ElfW(Addr) value)
{
    return (const void *)(value < info->dlpi_addr ? info->dlpi_addr + value : value);
}

static struct tables tables_of(const struct dl_phdr_info *info, const ElfW(Dyn) * dynamic)
{
    struct tables tables = {NULL, NULL, NULL, NULL};
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        switch (dynamic->d_tag) {
        case DT_SYMTAB: tables.symbols = at_base(info, dynamic->d_un.d_ptr); break;
        case DT_STRTAB: tables.strings = at_base(info, dynamic->d_un.d_ptr); break;
        case DT_HASH: tables.hash = at_base(info, dynamic->d_un.d_ptr); break;
        case DT_GNU_HASH: tables.gnu_hash = at_base(info, dynamic->d_un.d_ptr); break;
        default: break;
        }
    }
    return tables;
}

static int look_in(struct dl_phdr_info *info, size_t size, void *user)
{
    struct search *search = user;
    const ElfW(Dyn) *dynamic = NULL;
    bool is_ours = false;
    (void)size;
    for (ElfW(Half) at = 0; at < info->dlpi_phnum; at++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[at];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        is_ours = is_ours ||
                  (segment->p_type == PT_LOAD && search->ours >= start && search->ours - start < segment->p_memsz);
        dynamic = segment->p_type == PT_DYNAMIC ? (const void *)start : dynamic;
    }
    if (is_ours || !dynamic) return 0;
    struct tables tables = tables_of(info, dynamic);
    uint32_t count = !tables.symbols || !tables.strings ? 0 : symbol_count(&tables);
    for (uint32_t at = 0; at < count && !search->found; at++) {
        const ElfW(Sym) *symbol = &tables.symbols[at];
        if (symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
            strcmp(tables.strings + symbol->st_name, "dlsym") == 0)
            search->found = (void *)(info->dlpi_addr + symbol->st_value);
    }
    return search->found ? 1 : 0;
}

void *elf_next_dlsym(const void *ours)
{
    struct search search = {(uintptr_t)ours, NULL};
    dl_iterate_phdr(look_in, &search);
    return search.found;
}
