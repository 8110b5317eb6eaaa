/* What contexts, their limits and code take on the simulated GPU. No ledger of allocations shows it, only the figure
 * for the process.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#define DRIVER(X)                                                                                                     \
    X(cuCtxCreate, (CUcontext * out, unsigned flags, CUdevice device))                                                \
    X(cuCtxCreate_v2, (CUcontext * out, unsigned flags, CUdevice device))                                             \
    X(cuCtxCreate_v3, (CUcontext * out, void *affinity, int count, unsigned flags, CUdevice device))                  \
    X(cuCtxCreate_v4, (CUcontext * out, void *parameters, unsigned flags, CUdevice device))                           \
    X(cuCtxDestroy, (CUcontext context))                                                                              \
    X(cuCtxDestroy_v2, (CUcontext context))                                                                           \
    X(cuCtxGetCurrent, (CUcontext * out))                                                                             \
    X(cuCtxGetApiVersion, (CUcontext context, unsigned *version))                                                     \
    X(cuCtxSetLimit, (int limit, size_t value))                                                                       \
    X(cuCtxGetLimit, (size_t * value, int limit))                                                                     \
    X(cuDevicePrimaryCtxReset, (CUdevice device))                                                                     \
    X(cuDevicePrimaryCtxReset_v2, (CUdevice device))                                                                  \
    X(cuDevicePrimaryCtxGetState, (CUdevice device, unsigned *flags, int *active))                                    \
    X(cuDeviceGetDevResource, (CUdevice device, CUdevResource * resource, int type))                                  \
    X(cuDevSmResourceSplitByCount, (CUdevResource * result, unsigned *groups, const CUdevResource *input,             \
                                    CUdevResource *remaining, unsigned flags, unsigned minimum))                      \
    X(cuDevResourceGenerateDesc, (CUdevResourceDesc * out, CUdevResource * resources, unsigned count))                \
    X(cuGreenCtxCreate, (CUgreenCtx * out, CUdevResourceDesc description, CUdevice device, unsigned flags))           \
    X(cuGreenCtxDestroy, (CUgreenCtx context))                                                                        \
    X(cuCtxFromGreenCtx, (CUcontext * out, CUgreenCtx context))                                                       \
    X(cuModuleLoad, (CUmodule * out, const char *path))                                                               \
    X(cuModuleLoadFatBinary, (CUmodule * out, const void *image))                                                     \
    X(cuModuleLoadDataEx, (CUmodule * out, const void *image, unsigned count, int *options, void **values))           \
    X(cuModuleGetGlobal_v2, (CUdeviceptr * out, size_t * bytes, CUmodule module, const char *name))                   \
    X(cuModuleUnload, (CUmodule module))                                                                              \
    X(cuLibraryLoadData,                                                                                              \
      (CUlibrary * out, const void *image, int *a, void **b, unsigned c, int *d, void **e, unsigned f))               \
    X(cuLibraryLoadFromFile,                                                                                          \
      (CUlibrary * out, const char *path, int *a, void **b, unsigned c, int *d, void **e, unsigned f))                \
    X(cuLibraryGetKernel, (CUkernel * out, CUlibrary library, const char *name))                                      \
    X(cuLibraryGetGlobal, (CUdeviceptr * out, size_t * bytes, CUlibrary library, const char *name))                   \
    X(cuLibraryUnload, (CUlibrary library))
DRIVER(MEMBER)

static uint64_t held(void)
{
    return driver_held_by(getpid(), 0);
}

static void contexts_take_and_return(void)
{
    CUcontext made[4];
    CUcontext current;
    CUdeviceptr address;
    unsigned version;
    DRIVER(LOAD)
    CHECK_EQ(held(), CONTEXT_BYTES);
    CHECK_EQ(cuCtxCreate(&made[0], 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxGetApiVersion(made[0], &version), CUDA_SUCCESS);
    CHECK_EQ(version, 3010);
    CHECK_EQ(cuCtxCreate_v2(&made[1], 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxCreate_v3(&made[2], NULL, 0, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxCreate_v4(&made[3], NULL, 0, 0), CUDA_SUCCESS);
    CHECK_EQ(held(), 5 * CONTEXT_BYTES);
    CHECK_EQ(cuMemAlloc_v2(&address, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuCtxDestroy_v2(made[3]), CUDA_SUCCESS);
    CHECK_EQ(held(), 4 * CONTEXT_BYTES); /* and what was allocated in it */
    CHECK_EQ(cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE);
    CHECK_EQ(cuCtxGetCurrent(&current), CUDA_SUCCESS);
    CHECK(current == made[2]);
    CHECK_EQ(cuCtxSetCurrent(made[3]), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, 64 * MIB), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    CHECK_EQ(cuCtxDestroy(made[0]), CUDA_SUCCESS);
    CHECK_EQ(cuCtxDestroy_v2(made[1]), CUDA_SUCCESS);
    CHECK_EQ(cuCtxDestroy_v2(made[2]), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES);
}

static void primary_context(void)
{
    CUcontext primary;
    CUdeviceptr address;
    unsigned flags;
    int active;
    DRIVER(LOAD)
    CHECK_EQ(cuDevicePrimaryCtxRetain(&primary, 0), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES);
    CHECK_EQ(cuMemAlloc_v2(&address, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
    CHECK_EQ(held(), 0);
    CHECK_EQ(cuDevicePrimaryCtxGetState(0, &flags, &active), CUDA_SUCCESS);
    CHECK_EQ(active, 0);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&primary, 0), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES);
    CHECK_EQ(cuMemAlloc_v2(&address, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxReset(0), CUDA_SUCCESS);
    CHECK_EQ(held(), 0);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&primary, 0), CUDA_SUCCESS);
    for (int at = 0; at < 4; at++) {
        CHECK_EQ(held(), CONTEXT_BYTES);
        CHECK_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    }
    CHECK_EQ(held(), 0);
    CHECK_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
}

static void limits(void)
{
    CUcontext made;
    CUmodule module;
    size_t value;
    DRIVER(LOAD)
    CHECK_EQ(cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE), CUDA_SUCCESS);
    CHECK_EQ(value, 1024);
    CHECK_EQ(cuCtxCreate_v2(&made, 0, 0), CUDA_SUCCESS);
    uint64_t before = held();
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 16384), CUDA_SUCCESS);
    CHECK_EQ(held() - before, 4152360960); /* as on an H100 */
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 1 << 20), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE), CUDA_SUCCESS);
    CHECK_EQ(value, 16384);
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 1024), CUDA_SUCCESS);
    CHECK_EQ(held(), before);
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 65 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 520 * MIB), CUDA_SUCCESS);
    CHECK_EQ(held(), before);
    CHECK_EQ(cuModuleLoadData(&module, "image"), CUDA_SUCCESS);
    CHECK_EQ(held(), before + 64 * MIB + 512 * MIB);
    CHECK_EQ(cuModuleUnload(module), CUDA_SUCCESS);
    CHECK_EQ(held(), before + 64 * MIB + 512 * MIB);
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 2048), CUDA_SUCCESS);
    CHECK_EQ(cuCtxDestroy_v2(made), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES);
}

static void green(void)
{
    CUdevResource all;
    CUdevResource parts[2];
    CUdevResource rest;
    CUdevResourceDesc description;
    CUgreenCtx context;
    CUcontext as_context;
    CUdeviceptr address;
    unsigned groups = 2;
    DRIVER(LOAD)
    CHECK_EQ(cuDeviceGetDevResource(0, &all, CU_DEV_RESOURCE_TYPE_SM), CUDA_SUCCESS);
    CHECK_EQ(all.sm.smCount, 132);
    CHECK_EQ(cuDevSmResourceSplitByCount(parts, &groups, &all, &rest, 0, 60), CUDA_SUCCESS);
    CHECK_EQ(groups, 2);
    CHECK_EQ(parts[1].sm.smCount, 64);
    CHECK_EQ(rest.sm.smCount, 4);
    CHECK_EQ(cuDevResourceGenerateDesc(&description, parts, 1), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES);
    CHECK_EQ(cuGreenCtxCreate(&context, description, 0, CU_GREEN_CTX_DEFAULT_STREAM), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES + 5 * MIB); /* as configured */
    CHECK_EQ(cuCtxFromGreenCtx(&as_context, context), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(as_context), CUDA_SUCCESS);
    CHECK_EQ(cuMemAlloc_v2(&address, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuCtxDestroy_v2(as_context), CUDA_ERROR_INVALID_CONTEXT);
    CHECK_EQ(cuGreenCtxDestroy(context), CUDA_SUCCESS);
    CHECK_EQ(held(), CONTEXT_BYTES);
}

/* ---- code ---- */

static const char image[] = "tranche-sim-image\ncode 4M\nglobal big 1G\nglobal small 100\nkernel late 8M\n";

static void launch(CUfunction function)
{
    CHECK_EQ(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL), CUDA_SUCCESS);
}

static void modules(void)
{
    CUmodule module;
    CUfunction early;
    CUfunction late;
    CUdeviceptr address;
    size_t bytes;
    DRIVER(LOAD)
    CHECK_EQ(cuModuleLoadDataEx(&module, "image", 0, NULL, NULL), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuModuleUnload(module), CUDA_SUCCESS);
    CHECK_EQ(cuModuleLoadFatBinary(&module, image), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), GIB + 6 * MIB); /* the small one has a slab */
    CHECK_EQ(cuModuleGetGlobal_v2(&address, &bytes, module, "big"), CUDA_SUCCESS);
    CHECK_EQ(bytes, GIB);
    CHECK_EQ(cuModuleGetGlobal_v2(&address, &bytes, module, "none"), CUDA_ERROR_NOT_FOUND);
    CHECK_EQ(cuModuleGetFunction(&early, module, "early"), CUDA_SUCCESS);
    CHECK_EQ(cuModuleGetFunction(&late, module, "late"), CUDA_SUCCESS);
    launch(early);
    CHECK_EQ(driver_held(), GIB + 6 * MIB);
    launch(late);
    CHECK_EQ(driver_held(), GIB + 14 * MIB);
    launch(late);
    CHECK_EQ(driver_held(), GIB + 14 * MIB);
    CHECK_EQ(cuModuleUnload(module), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuLaunchKernel(late, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL), CUDA_ERROR_INVALID_HANDLE);
    CHECK_EQ(cuModuleLoadData(&module, "tranche-sim-image\nnonsense\n"), CUDA_ERROR_INVALID_IMAGE);
    CHECK_EQ(cuModuleLoadData(&module, "tranche-sim-image\nglobal a 1G\nglobal b 100G\n"), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(driver_held(), 0);
}

/* A library costs nothing until something of it is used. */
static void libraries(void)
{
    CUlibrary library;
    CUkernel kernel;
    CUdeviceptr address;
    size_t bytes;
    char path[PATH_MAX];
    CUmodule module;
    DRIVER(LOAD)
    CHECK_EQ(cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0), CUDA_SUCCESS);
    CHECK_EQ(cuLibraryGetKernel(&kernel, library, "early"), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    launch((CUfunction)kernel);
    CHECK_EQ(driver_held(), GIB + 6 * MIB);
    CHECK_EQ(cuLibraryUnload(library), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    fixture_write(&driver_fixture, "image", image);
    snprintf(path, sizeof path, "%s/image", driver_fixture.root);
    CHECK_EQ(cuLibraryLoadFromFile(&library, path, NULL, NULL, 0, NULL, NULL, 0), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuLibraryGetGlobal(&address, &bytes, library, "small"), CUDA_SUCCESS);
    CHECK_EQ(bytes, 100);
    CHECK_EQ(driver_held(), GIB + 6 * MIB);
    CHECK_EQ(cuModuleLoad(&module, path), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 2 * (GIB + 4 * MIB) + 2 * MIB);
    CHECK_EQ(cuModuleLoad(&module, "/nowhere"), CUDA_ERROR_FILE_NOT_FOUND);
    CHECK_EQ(cuDevicePrimaryCtxReset(0), CUDA_SUCCESS); /* all of it was in the context */
    CHECK_EQ(held(), 0);
    CHECK_EQ(cuLibraryUnload(library), CUDA_SUCCESS);
    CHECK_EQ(held(), 0);
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"contexts_take_and_return", "", contexts_take_and_return, NULL},
        {"primary_context", "", primary_context, NULL},
        {"limits", "", limits, NULL},
        {"green", "green_context_memory = 5M\n", green, NULL},
        {"modules", "", modules, NULL},
        {"libraries", "", libraries, NULL},
    };
    return driver_cases(cases, sizeof cases / sizeof cases[0]);
}
