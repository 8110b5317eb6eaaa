#include "core/group.h"

#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "core/meter.h"
#include "core/meter_parts.h"
#include "core/shim.h"
#include "env.h"
#include "hash.h"
#include "region.h"

#define COUNT(word) ((word) & ((UINT64_C(1) << GROUP_COUNT_BITS) - 1))
#define PROGRAM(word) ((word) >> GROUP_COUNT_BITS)

uint64_t group_of_environment(void)
{
    const char *text = getenv(ENV_GROUP);
    if (!text || text[0] == 0) return 0;
    uint64_t program = hash_bytes(text, strlen(text)) >> GROUP_COUNT_BITS;
    return program == 0 ? 1 : program;
}

static uint64_t most_met(const struct region_usage *usage, uint64_t program)
{
    uint32_t high = atomic_load(&usage->entries_high);
    uint64_t most = 0;
    for (uint32_t at = 0; at < high && at < REGION_USAGE_ENTRIES; at++) {
        uint64_t word = atomic_load_explicit(&usage->entries[at].meetings, memory_order_relaxed);
        if (PROGRAM(word) == program && COUNT(word) > most && atomic_load(&usage->entries[at].token) != 0)
            most = COUNT(word);
    }
    return most;
}

bool group_is_behind(const struct launch *launch)
{
    const struct shim *shim = launch->shim;
    uint64_t program = shim->group;
    if (shim->slice_count < 2 || program == 0) return false;
    uint64_t own = COUNT(atomic_load_explicit(&entry_of(launch)->meetings, memory_order_relaxed));
    uint64_t most = own + (own == 0 ? GROUP_AHEAD_AT_FIRST : GROUP_AHEAD_MAX);
    for (unsigned slice = 0; slice < shim->slice_count; slice++) {
        uint64_t met = most_met(shim->slices[slice].usage, program);
        if (met > own && met <= most) return true;
    }
    return false;
}

/* Reads the bucket without refilling it: the process that launches in that slice does. */
static uint64_t slice_wait_ns(const struct shim_slice *slice, uint64_t now)
{
    uint32_t limit = limit_of(slice);
    if (limit >= BUCKET_FULL_BP) return 0;
    uint64_t wait = bucket_wait_ns(bucket_level(slice->usage), limit);
    uint64_t refilled = atomic_load(&slice->usage->bucket_refilled_at_ns);
    uint64_t passed = refilled != 0 && now > refilled ? now - refilled : 0;
    return wait > passed ? wait - passed : 0;
}

uint64_t group_wait_ns(const struct shim *shim, uint64_t now)
{
    uint64_t longest = 0;
    for (unsigned slice = 0; shim->slice_count > 1 && slice < shim->slice_count; slice++) {
        uint64_t wait = slice_wait_ns(&shim->slices[slice], now);
        longest = wait > longest ? wait : longest;
    }
    return longest;
}

void group_met(const struct launch *launch)
{
    _Atomic uint64_t *meetings = &entry_of(launch)->meetings;
    if (launch->shim->slice_count > 1 && launch->shim->group != 0) {
        uint64_t word = atomic_load(meetings);
        while (!atomic_compare_exchange_weak(meetings, &word,
                                             launch->shim->group << GROUP_COUNT_BITS | (COUNT(word) + 1))) {
        }
    }
}
