/* Stands before the simulated driver, and refuses the one call whose name is in refuse_call. Everything else goes on to
 * what it is linked to. */
#include "cuda_min.h"

#include <dlfcn.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
EXPORT const char *refuse_call = "";

#define CALL(name, parameters, arguments)                                                                             \
    EXPORT CUresult name parameters                                                                                   \
    {                                                                                                                 \
        static CUresult(*next) parameters;                                                                            \
        if (next == NULL) {                                                                                           \
            next = (CUresult(*) parameters)dlsym(RTLD_NEXT, #name);                                                   \
        }                                                                                                             \
        return strcmp(refuse_call, #name) == 0 ? CUDA_ERROR_INVALID_VALUE : next arguments;                           \
    }
#include "refused_calls.h"
