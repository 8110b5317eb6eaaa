/* Libraries and the kernels of modules and libraries: which code their handles stand for. */
#include "core/code.h"
#include "core/shim.h"
#include "cuda/resolve.h"
#include "cuda_min.h"

CUresult hook_cuLibraryLoadData(CUlibrary *library, const void *image, int *options, void **option_values,
                                unsigned int option_count, int *library_options, void **library_values,
                                unsigned int library_count)
{
    cuLibraryLoadData_fn real = REAL(cuLibraryLoadData);
    if (!real) return ABSENT_CU;
    CUresult result =
        real(library, image, options, option_values, option_count, library_options, library_values, library_count);
    if (result == CUDA_SUCCESS && library) code_loaded(shim_process(), *library, code_of_image(image));
    return result;
}

CUresult hook_cuLibraryLoadFromFile(CUlibrary *library, const char *path, int *options, void **option_values,
                                    unsigned int option_count, int *library_options, void **library_values,
                                    unsigned int library_count)
{
    cuLibraryLoadFromFile_fn real = REAL(cuLibraryLoadFromFile);
    if (!real) return ABSENT_CU;
    CUresult result =
        real(library, path, options, option_values, option_count, library_options, library_values, library_count);
    if (result == CUDA_SUCCESS && library) code_loaded(shim_process(), *library, code_of_file(path));
    return result;
}

CUresult hook_cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    cuModuleGetFunction_fn real = REAL(cuModuleGetFunction);
    CUresult result = !real ? ABSENT_CU : real(function, module, name);
    if (result == CUDA_SUCCESS) code_named(shim_process(), module, name, *function);
    return result;
}

CUresult hook_cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name)
{
    cuLibraryGetKernel_fn real = REAL(cuLibraryGetKernel);
    CUresult result = !real ? ABSENT_CU : real(kernel, library, name);
    if (result == CUDA_SUCCESS) code_named(shim_process(), library, name, *kernel);
    return result;
}

CUresult hook_cuLibraryGetModule(CUmodule *module, CUlibrary library)
{
    cuLibraryGetModule_fn real = REAL(cuLibraryGetModule);
    CUresult result = !real ? ABSENT_CU : real(module, library);
    if (result == CUDA_SUCCESS) code_same(shim_process(), library, *module);
    return result;
}

CUresult hook_cuKernelGetFunction(CUfunction *function, CUkernel kernel)
{
    cuKernelGetFunction_fn real = REAL(cuKernelGetFunction);
    CUresult result = !real ? ABSENT_CU : real(function, kernel);
    if (result == CUDA_SUCCESS) code_same(shim_process(), kernel, *function);
    return result;
}

#define EXPORT_kernels EXPORTED
#include "cuda/hooks_export.h"
