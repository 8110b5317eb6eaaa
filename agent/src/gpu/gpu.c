#include "gpu/gpu.h"

const char *gpu_ability_word(enum gpu_ability ability)
{
    static const char *const words[] = {
#define GPU_ABILITY(name, word) word,
#include "gpu/abilities.def"
#undef GPU_ABILITY
    };
    return words[ability];
}

const char *gpu_partitions_word(const struct gpu_backend *backend)
{
    return backend->words.partitions ? backend->words.partitions : "partitioning by the hardware";
}
