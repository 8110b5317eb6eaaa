/* Code: modules, libraries and their kernels. An image is any text; one that begins with the line IMAGE declares what
 * it takes on the GPU, one item a line, sizes with an optional K, M or G:
 *   code SIZE            with the module
 *   global NAME SIZE     with the module
 *   kernel NAME SIZE     at the first launch of that kernel
 * A library takes its share in a context at the first launch or query of a global there, as lazy loading does it. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE "tranche-sim-image"
#define FUNCTIONS 1024u
#define ITEMS 64u
#define FILE_BYTES_MAX 65536

enum item_kind { ITEM_CODE, ITEM_GLOBAL, ITEM_KERNEL };

struct item {
    enum item_kind kind;
    char name[96];
    uint64_t bytes;
    CUdeviceptr address; /* 0: not on the GPU */
    uint64_t id;         /* of the block, should its context have gone and the address be somebody else's */
};

/* Modules and libraries are the same thing, loaded at different times. */
struct code {
    bool loaded;
    CUcontext context; /* where it is loaded */
    size_t count;
    struct item items[ITEMS];
};

static struct CUfunc_st functions[FUNCTIONS];
static _Atomic uint32_t function_high;

/* ---- images ---- */

static bool parse_line(struct item *item, const char *line)
{
    char kind[16];
    char size[32];
    char name[96] = "";
    if (sscanf(line, "%15s %31s", kind, size) == 2 && strcmp(kind, "code") == 0)
        item->kind = ITEM_CODE;
    else if (sscanf(line, "%15s %95s %31s", kind, name, size) == 3 && strcmp(kind, "global") == 0)
        item->kind = ITEM_GLOBAL;
    else if (sscanf(line, "%15s %95s %31s", kind, name, size) == 3 && strcmp(kind, "kernel") == 0)
        item->kind = ITEM_KERNEL;
    else
        return false;
    char *unit;
    memcpy(item->name, name, sizeof name);
    item->bytes = strtoull(size, &unit, 10);
    item->bytes <<= *unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0;
    return item->bytes > 0;
}

static CUresult parse(struct code *code, const char *image)
{
    if (strncmp(image, IMAGE, strlen(IMAGE)) != 0) return CUDA_SUCCESS;
    for (const char *line = strchr(image, '\n'); line; line = strchr(line, '\n')) {
        line++;
        if (*line == 0) break;
        if (code->count == ITEMS || !parse_line(&code->items[code->count], line)) return CUDA_ERROR_INVALID_IMAGE;
        code->count++;
    }
    return CUDA_SUCCESS;
}

/* ---- on the GPU ---- */

static bool item_take(struct sim_state *state, struct item *item, uint32_t gpu)
{
    memory_lock();
    struct block *block = plain_take(state, gpu, item->bytes, BLOCK_MODULE, false);
    if (block) {
        item->address = block->address;
        item->id = block->id;
    }
    memory_unlock();
    return block;
}

static void item_give(struct sim_state *state, struct item *item)
{
    memory_lock();
    struct block *block = item->address == 0 ? NULL : block_at(item->address);
    if (block && block->id == item->id) plain_give(state, block);
    item->address = 0;
    memory_unlock();
}

static void unload(struct sim_state *state, struct code *code)
{
    for (size_t at = 0; at < code->count; at++) item_give(state, &code->items[at]);
    code->loaded = false;
}

static CUresult load(struct sim_state *state, struct code *code)
{
    CUcontext context = sim_context_current();
    if (code->loaded && code->context->alive) return CUDA_SUCCESS;
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    SIM_TRY(sim_context_code_loaded(state, context));
    for (size_t at = 0; at < code->count; at++) {
        if (code->items[at].kind != ITEM_KERNEL && !item_take(state, &code->items[at], context->gpu)) {
            unload(state, code);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    code->loaded = true;
    code->context = context;
    return CUDA_SUCCESS;
}

/* The first launch of a kernel loads its code, and the driver synchronizes the context to do so. */
CUresult sim_function_load(struct sim_state *state, CUfunction function)
{
    if (atomic_exchange(&function->loaded, true)) return CUDA_SUCCESS;
    uint32_t gpu = sim_gpu_of_current();
    struct code *code = function->owner;
    CUresult result = gpu == SIM_GPUS ? CUDA_ERROR_INVALID_CONTEXT : sim_drain_gpu(state, gpu);
    result = result != CUDA_SUCCESS ? result : load(state, code);
    for (size_t at = 0; result == CUDA_SUCCESS && at < code->count; at++) {
        struct item *item = &code->items[at];
        if (item->kind == ITEM_KERNEL && strcmp(item->name, function->name) == 0 && !item_take(state, item, gpu))
            result = CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (result != CUDA_SUCCESS) {
        atomic_store(&function->loaded, false);
        return result;
    }
    sim_cost(state, state->options.lazy_load_ns);
    return CUDA_SUCCESS;
}

bool sim_function_known(CUfunction function)
{
    return function >= functions && function < functions + FUNCTIONS && function->owner;
}

/* ---- the calls ---- */

static CUresult load_code(void **out, const char *image, bool lazy)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!out || !image) return CUDA_ERROR_INVALID_VALUE;
    struct code *code = calloc(1, sizeof *code);
    if (!code) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = parse(code, image);
    if (result == CUDA_SUCCESS && !lazy) result = load(state, code);
    if (result != CUDA_SUCCESS) {
        free(code);
        return result;
    }
    *out = code;
    return CUDA_SUCCESS;
}

static CUresult load_file(void **out, const char *path, bool lazy)
{
    if (!path) return CUDA_ERROR_INVALID_VALUE;
    FILE *file = fopen(path, "re");
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    char *text = calloc(1, FILE_BYTES_MAX + 1);
    size_t got = !text ? 0 : fread(text, 1, FILE_BYTES_MAX, file);
    fclose(file);
    CUresult result = got == 0 ? CUDA_ERROR_INVALID_IMAGE : load_code(out, text, lazy);
    free(text);
    return result;
}

static CUresult unload_code(struct code *code)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!code) return CUDA_ERROR_INVALID_HANDLE;
    for (uint32_t index = 0; index < atomic_load(&function_high); index++)
        if (functions[index].owner == code) functions[index].owner = NULL;
    unload(state, code);
    free(code);
    return CUDA_SUCCESS;
}

static CUresult function_named(CUfunction *out, void *owner, const char *name)
{
    if (!out || !owner || !name) return CUDA_ERROR_INVALID_VALUE;
    if (strlen(name) >= sizeof functions[0].name || strncmp(name, "missing", 7) == 0) return CUDA_ERROR_NOT_FOUND;
    CUfunction place = NULL;
    memory_lock();
    for (uint32_t index = 0; index < FUNCTIONS; index++) {
        CUfunction at = &functions[index];
        if (at->owner == owner && strcmp(at->name, name) == 0) {
            place = at;
            break;
        }
        place = !place && !at->owner ? at : place;
    }
    if (place && !place->owner) {
        strcpy(place->name, name);
        atomic_store(&place->loaded, false);
        place->owner = owner;
        uint32_t high = (uint32_t)(place - functions) + 1;
        if (high > atomic_load(&function_high)) atomic_store(&function_high, high);
    }
    memory_unlock();
    *out = place;
    return !place ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static CUresult global_named(CUdeviceptr *out, size_t *bytes, struct code *code, const char *name)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (!code || !name) return CUDA_ERROR_INVALID_VALUE;
    SIM_TRY(load(state, code));
    for (size_t at = 0; at < code->count; at++) {
        const struct item *item = &code->items[at];
        if (item->kind == ITEM_GLOBAL && strcmp(item->name, name) == 0) {
            if (out) *out = item->address;
            if (bytes) *bytes = item->bytes;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_NOT_FOUND;
}

SIM_API cuModuleLoadData(CUmodule *out, const void *image)
{
    return load_code((void **)out, image, false);
}

SIM_API cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int count, int *options, void **values)
{
    (void)count, (void)options, (void)values;
    return load_code((void **)out, image, false);
}

SIM_API cuModuleLoadFatBinary(CUmodule *out, const void *image)
{
    return load_code((void **)out, image, false);
}

SIM_API cuModuleLoad(CUmodule *out, const char *path)
{
    return load_file((void **)out, path, false);
}

SIM_API cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name)
{
    return function_named(out, module, name);
}

SIM_API cuModuleGetGlobal_v2(CUdeviceptr *out, size_t *bytes, CUmodule module, const char *name)
{
    return global_named(out, bytes, (struct code *)module, name);
}

SIM_API cuModuleUnload(CUmodule module)
{
    return unload_code((struct code *)module);
}

SIM_API cuLibraryLoadData(CUlibrary *out, const void *image, int *a, void **b, unsigned int c, int *d, void **e,
                          unsigned int f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return load_code((void **)out, image, true);
}

SIM_API cuLibraryLoadFromFile(CUlibrary *out, const char *path, int *a, void **b, unsigned int c, int *d, void **e,
                              unsigned int f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return load_file((void **)out, path, true);
}

SIM_API cuLibraryGetKernel(CUkernel *out, CUlibrary library, const char *name)
{
    return function_named((CUfunction *)out, library, name);
}

SIM_API cuLibraryGetGlobal(CUdeviceptr *out, size_t *bytes, CUlibrary library, const char *name)
{
    return global_named(out, bytes, (struct code *)library, name);
}

SIM_API cuLibraryUnload(CUlibrary library)
{
    return unload_code((struct code *)library);
}

SIM_API cuKernelGetFunction(CUfunction *out, CUkernel kernel)
{
    *out = (CUfunction)kernel;
    return CUDA_SUCCESS;
}

SIM_API cuFuncGetName(const char **name, CUfunction function)
{
    *name = function->name;
    return CUDA_SUCCESS;
}

SIM_API cuFuncGetAttribute(int *value, int attribute, CUfunction function)
{
    (void)function;
    *value = attribute == 0 ? 1024 : 0;
    return CUDA_SUCCESS;
}
