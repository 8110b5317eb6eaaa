/* FNV-1a, 64 bits: against accidents and for tables, not against anybody who means it. */
#ifndef TRANCHE_HASH_H
#define TRANCHE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hash_bytes(const char *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
