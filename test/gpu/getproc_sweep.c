/* The assumption under pointer routing, put to a driver: whatever cuGetProcAddress returns, for any name, version and
 * stream flag, is the address of a symbol that dlsym gives too. Runs on a real driver and on the simulated one:
 *
 *   gcc -std=gnu11 -Iagent/vendor -Iagent/shim -Iagent/sim/cuda -o sweep test/gpu/getproc_sweep.c -ldl && ./sweep
 *
 * With libtranche.so preloaded it asks instead whether every hooked function that the driver gives is ours, however it
 * is asked for. Exit codes: 0 holds, 1 does not, 77 no driver here. */
#define _GNU_SOURCE
#include "cuda_min.h"
#include "nvml_min.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef CUresult (*get_v1)(const char *name, void **function, int version, cuuint64_t flags);
typedef CUresult (*get_v2)(const char *name, void **function, int version, cuuint64_t flags, int *status);

/* Exported names: those we hook or call, and those the simulated driver has, which are the common ones. */
static const char *const exported[] = {
#define HOOK(group, type, name, parameters) #name,
#include "cuda/hooks.def"
#undef HOOK
#define CALL(type, name, parameters) #name,
#include "cuda/calls.def"
#undef CALL
#define SYMBOL(base, version, name) #base, #name,
#define DUAL(base, version, name) #base, #name, #name "_ptsz",
#include "symbols.def"
#undef SYMBOL
#undef DUAL
    "cuMemcpyAsync",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpy2DAsync_v2",
    "cuMemcpy3DAsync_v2",
    "cuMemsetD32Async",
    "cuStreamGetCaptureInfo_v2",
    "cuStreamUpdateCaptureDependencies",
    "cuGraphAddKernelNode_v2",
    "cuCtxCreate_v3",
    "cuCtxCreate_v4",
    "cuMemPrefetchAsync_v2",
    "cuMemAdvise_v2",
    "cuLaunchHostFunc",
    "cuGraphUpload",
    "cuArrayCreate_v2",
    "cuArray3DCreate_v2",
    "cuMipmappedArrayCreate",
    "cuIpcOpenMemHandle_v2",
    "cuImportExternalMemory",
    "cuOccupancyMaxActiveBlocksPerMultiprocessor",
    "cuGetExportTable",
    "cuStreamWaitValue32_v2",
    "cuStreamBatchMemOp_v2",
};
#define EXPORTED (sizeof exported / sizeof exported[0])

static const char *const hooked[] = {
#define HOOK(group, type, name, parameters) #name,
#include "cuda/hooks.def"
#undef HOOK
};

static const int versions[] = {2000,  2020,  3000,  3020,  4000,  4010,  5000,  5050,  6000,  6050,  7000,  7050,
                               8000,  9000,  9020,  10000, 10010, 10020, 11000, 11010, 11020, 11030, 11040, 11060,
                               11070, 11080, 12000, 12010, 12020, 12030, 12040, 12050, 12080, 13000};

#define SHOWN_MAX 20 /* failures in words; all are counted */

static void *library;

/* The name without _ptsz, _ptds and version: what cuGetProcAddress is asked for. */
static void base_of(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s", name);
    size_t length = strlen(out);
    if (length > 5 && (strcmp(out + length - 5, "_ptsz") == 0 || strcmp(out + length - 5, "_ptds") == 0))
        out[length -= 5] = 0;
    if (length > 3 && out[length - 3] == '_' && out[length - 2] == 'v') out[length - 3] = 0;
}

static const char *form_at(const char *base, void *address, char *out, size_t size)
{
    static const char *const numbers[] = {"", "_v2", "_v3", "_v4"};
    static const char *const streams[] = {"", "_ptsz", "_ptds"};
    for (int number = 0; number < 4; number++) {
        for (int stream = 0; stream < 3; stream++) {
            snprintf(out, size, "%s%s%s", base, numbers[number], streams[stream]);
            if (dlsym(library, out) == address) return out;
        }
    }
    return NULL;
}

/* The exported name at this address: first among the forms of base, then among all (cuGraphInstantiate of 12.0 is
 * cuGraphInstantiateWithFlags). NULL: there is none. */
static const char *exported_name(const char *base, void *address, char *out, size_t size)
{
    if (form_at(base, address, out, size) != NULL) return out;
    for (size_t at = 0; at < EXPORTED; at++) {
        char other[128];
        base_of(exported[at], other, sizeof other);
        if (form_at(other, address, out, size) != NULL) return out;
    }
    return NULL;
}

static bool is_hooked(const char *name)
{
    for (size_t at = 0; at < sizeof hooked / sizeof hooked[0]; at++)
        if (strcmp(hooked[at], name) == 0) return true;
    return false;
}

static bool in_shim(void *address)
{
    Dl_info info;
    return dladdr(address, &info) != 0 && strstr(info.dli_fname, "libtranche") != NULL;
}

static unsigned failures;

static unsigned judge(const char *base, int version, unsigned flags, void *address, bool shimmed)
{
    char name[160];
    if (exported_name(base, address, name, sizeof name) == NULL) {
        if (failures++ < SHOWN_MAX)
            printf("FAIL %s version %d flags %u: %p is no exported name\n", base, version, flags, address);
        return 1;
    }
    if (shimmed && in_shim(address) != is_hooked(name)) {
        if (failures++ < SHOWN_MAX) {
            printf("FAIL %s version %d flags %u: %s is %s\n", base, version, flags, name,
                   in_shim(address) ? "ours, though not hooked" : "not ours");
        }
        return 1;
    }
    return 0;
}

int main(void)
{
    library = dlopen("libcuda.so.1", RTLD_NOW);
    if (library == NULL) {
        printf("SKIP no driver: %s\n", dlerror());
        return 77;
    }
    CUresult (*init)(unsigned) = (CUresult(*)(unsigned))dlsym(library, "cuInit");
    get_v1 older = (get_v1)dlsym(library, "cuGetProcAddress");
    get_v2 newer = (get_v2)dlsym(library, "cuGetProcAddress_v2");
    if (init == NULL || init(0) != CUDA_SUCCESS || (older == NULL && newer == NULL)) {
        printf("SKIP no GPU, or a driver before cuGetProcAddress (11.3)\n");
        return 77;
    }
    bool shimmed = in_shim(dlsym(library, "cuLaunchKernel"));
    unsigned answers = 0;
    unsigned wrong = 0;
    for (size_t at = 0; at < EXPORTED; at++) {
        char base[128];
        base_of(exported[at], base, sizeof base);
        if (strncmp(base, "cu", 2) != 0) continue;
        for (size_t version = 0; version < sizeof versions / sizeof versions[0]; version++) {
            for (unsigned flags = 0; flags <= 2; flags++) {
                void *found = NULL;
                int status = 0;
                if (newer != NULL && newer(base, &found, versions[version], flags, &status) == CUDA_SUCCESS &&
                    found != NULL) {
                    answers++;
                    wrong += judge(base, versions[version], flags, found, shimmed);
                }
                found = NULL;
                if (older != NULL && older(base, &found, versions[version], flags) == CUDA_SUCCESS && found != NULL) {
                    answers++;
                    wrong += judge(base, versions[version], flags, found, shimmed);
                }
            }
        }
    }
    printf("%s getproc_sweep: %u answers, %u wrong, %s\n", wrong == 0 && answers > 0 ? "PASS" : "FAIL", answers, wrong,
           shimmed ? "with the shim" : "without the shim");
    return wrong == 0 && answers > 0 ? 0 : 1;
}
