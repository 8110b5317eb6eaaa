/* Modules and libraries. How much GPU memory a module takes (its global variables can be gigabytes) is known only once
 * it is loaded: the load is measured, and taken back if the slice has no room for it. Libraries load lazily, at the
 * first use of one of their kernels: what they take is seen by NVML, and is residue. */
#include "core/charge.h"
#include "core/code.h"
#include "core/price.h"
#include "core/shim.h"
#include "cuda/current.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

/* Free bytes on the current device; false: no context, no answer. */
static bool free_now(size_t *free_bytes)
{
    size_t total;
    cuMemGetInfo_v2_fn info = REAL(cuMemGetInfo_v2);
    return info && info(free_bytes, &total) == CUDA_SUCCESS;
}

struct measured_load {
    struct process *process;
    int slice;
    size_t free_before;
    bool measured;
};

static void before_load(struct measured_load *load)
{
    load->process = shim_process();
    load->slice = !load->process ? -1 : shim_slice_of_current(load->process);
    load->measured = load->slice >= 0 && load->process->entries[load->slice] && free_now(&load->free_before);
}

static CUresult after_load(const struct measured_load *load, CUresult result, CUmodule *module, uint64_t code)
{
    if (result == CUDA_SUCCESS && module) code_loaded(load->process, *module, code);
    size_t free_after;
    if (!load->measured || result != CUDA_SUCCESS || !module || !free_now(&free_after) ||
        free_after >= load->free_before)
        return result;
    /* A neighbour may have allocated meanwhile; then this is too much, until the agent's next measurement. */
    uint64_t bytes = load->free_before - free_after;
    struct admitted request;
    enum admit_step step = charge_admit(&request, load->process, load->slice, bytes);
    if (step == ADMIT_DENY && REAL(cuModuleUnload) && REAL(cuModuleUnload)(*module) == CUDA_SUCCESS) {
        code_unloaded(load->process, *module);
        *module = NULL;
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    charge_estimate(load->process, (unsigned)load->slice, bytes);
    if (step == ADMIT_GO) charge_return(load->process, (unsigned)load->slice, bytes);
    return result;
}

#define LOAD(name, code, ...)                                                                                         \
    name##_fn real = REAL(name);                                                                                      \
    if (!real) return ABSENT_CU;                                                                                      \
    struct measured_load load;                                                                                        \
    before_load(&load);                                                                                               \
    CUresult result = real(__VA_ARGS__);                                                                              \
    return after_load(&load, result, module, result == CUDA_SUCCESS && load.process ? (code) : 0);

CUresult hook_cuModuleLoad(CUmodule *module, const char *path){LOAD(cuModuleLoad, code_of_file(path), module, path)}

CUresult hook_cuModuleLoadData(CUmodule *module,
                               const void *image){LOAD(cuModuleLoadData, code_of_image(image), module, image)}

CUresult hook_cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int count, int *options, void **values){
    LOAD(cuModuleLoadDataEx, code_of_image(image), module, image, count, options, values)}

CUresult hook_cuModuleLoadFatBinary(CUmodule *module, const void *image)
{
    LOAD(cuModuleLoadFatBinary, code_of_image(image), module, image)
}

/* Handles of code that goes away may come back for other code: no price may outlive it. */
static void forget_prices(const void *owner)
{
    struct process *process = shim_process();
    if (process) {
        price_forget_all(&process->metering.book);
        code_unloaded(process, owner);
    }
}

CUresult hook_cuModuleUnload(CUmodule module)
{
    cuModuleUnload_fn real = REAL(cuModuleUnload);
    if (!real) return ABSENT_CU;
    forget_prices(module);
    return real(module);
}

CUresult hook_cuLibraryUnload(CUlibrary library)
{
    cuLibraryUnload_fn real = REAL(cuLibraryUnload);
    if (!real) return ABSENT_CU;
    forget_prices(library);
    return real(library);
}

#define EXPORT_code EXPORTED
#include "cuda/hooks_export.h"
