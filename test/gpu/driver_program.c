/* A program of the driver API alone, linked to libcuda: what it resolves, the dynamic linker resolves. */
#include <cuda.h>
#include <stdio.h>

static const char *const ptx =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry square(.param .u64 p) { .reg .u64 a, b; .reg .u32 i; .reg .f32 v; ld.param.u64 a, [p];\n"
    " cvta.to.global.u64 a, a; mov.u32 i, %tid.x; mul.wide.u32 b, i, 4; add.u64 a, a, b;\n"
    " ld.global.f32 v, [a]; mul.f32 v, v, v; st.global.f32 [a], v; ret; }\n";

int main(void)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction function;
    CUdeviceptr p;
    float values[256];
    if (cuInit(0) != CUDA_SUCCESS) return 77;
    for (int i = 0; i < 256; i++) values[i] = (float)i / 7;
    void *arguments[] = {&p};
    if (cuDeviceGet(&device, 0) || cuCtxCreate(&context, NULL, 0, device) || cuModuleLoadData(&module, ptx) ||
        cuModuleGetFunction(&function, module, "square") || cuMemAlloc(&p, sizeof values) ||
        cuMemcpyHtoD(p, values, sizeof values) ||
        cuLaunchKernel(function, 1, 1, 1, 256, 1, 1, 0, NULL, arguments, NULL) ||
        cuMemcpyDtoH(values, p, sizeof values) || cuMemFree(p) || cuCtxDestroy(context))
        return 1;
    double sum = 0;
    for (int i = 0; i < 256; i++) sum += values[i];
    printf("{\"id\": \"driver\", \"values\": [\"%a\"]}\n", sum);
    return 0;
}
