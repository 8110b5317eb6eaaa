/* cuGetProcAddress: by name, version and stream flag, always a pointer that dlsym gives too. */
#include "internal.h"

#include <dlfcn.h>
#include <string.h>

/* Only addresses are needed here. */
#define SYMBOL(base, version, name) extern CUresult name();
#define DUAL(base, version, name)                                                                                     \
    extern CUresult name();                                                                                           \
    extern CUresult name##_ptsz();
#define cuGetProcAddress cuGetProcAddress_declared_below
#define cuGetProcAddress_v2 cuGetProcAddress_v2_declared_below
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include "symbols.def"
#pragma GCC diagnostic pop
#undef SYMBOL
#undef DUAL
#undef cuGetProcAddress
#undef cuGetProcAddress_v2

SIM_API cuGetProcAddress(const char *name, void **function, int version, cuuint64_t flags);
SIM_API cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                            CUdriverProcAddressQueryResult *status);

static const struct entry {
    const char *base;
    int version;
    void *plain;
    void *per_thread;
} entries[] = {
#define SYMBOL(base, version, name) {#base, version, (void *)name, (void *)name},
#define DUAL(base, version, name) {#base, version, (void *)name, (void *)name##_ptsz},
#include "symbols.def"
};

static CUresult find(const char *name, void **function, int version, cuuint64_t flags,
                     CUdriverProcAddressQueryResult *status)
{
    if (!name || !function || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) return CUDA_ERROR_INVALID_VALUE;
    const struct entry *best = NULL;
    bool known = false;
    for (size_t index = 0; index < sizeof entries / sizeof entries[0]; index++) {
        if (strcmp(entries[index].base, name) == 0) {
            known = true;
            if (entries[index].version <= version) best = &entries[index];
        }
    }
    *status = best    ? CU_GET_PROC_ADDRESS_SUCCESS
              : known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                      : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    if (!best) {
        *function = NULL;
        return CUDA_SUCCESS;
    }
    *function = flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM ? best->per_thread : best->plain;
    return CUDA_SUCCESS;
}

SIM_API cuGetProcAddress(const char *name, void **function, int version, cuuint64_t flags)
{
    CUdriverProcAddressQueryResult status;
    CUresult result = find(name, function, version, flags, &status);
    return result == CUDA_SUCCESS && status != CU_GET_PROC_ADDRESS_SUCCESS ? CUDA_ERROR_NOT_FOUND : result;
}

SIM_API cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                            CUdriverProcAddressQueryResult *status)
{
    CUdriverProcAddressQueryResult ignored;
    CUresult result = find(name, function, version, flags, &ignored);
    if (status) {
        *status = ignored;
        return result;
    }
    return result == CUDA_SUCCESS && ignored != CU_GET_PROC_ADDRESS_SUCCESS ? CUDA_ERROR_NOT_FOUND : result;
}

/* How the driver's own libraries find its functions, made callable: they mean the driver's, whoever else is there. */
__attribute__((visibility("default"))) void *tranche_sim_own_lookup(const char *name)
{
    void *own = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY);
    void *found = !own ? NULL : dlsym(own, name);
    if (own) dlclose(own);
    return found;
}
