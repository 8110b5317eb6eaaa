/* Where the program first meets the driver. Files of the slice are mapped and the entry is claimed now, while there are
 * descriptors and memory for it; whatever fails is tried for again when it is needed. */
#include "shim.h"

CUresult hook_cuInit(unsigned int flags)
{
    cuInit_fn real = REAL(cuInit);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(flags);
    if (result == CUDA_SUCCESS) {
        resolve_driver_settled();
        (void)shim_process();
    }
    return result;
}

#define EXPORT_attach EXPORTED
#include "hooks_export.h"
