"""A program that reaches for memory that is not there: its kernel stores to address 8. Prints what the driver answered."""
import ctypes
import json

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry fault() { .reg .u64 a; .reg .u32 v; mov.u64 a, 8; mov.u32 v, 1; st.global.u32 [a], v; ret; }
"""


def main():
    cuda = ctypes.CDLL("libcuda.so.1")
    device, context, module, function = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    for what, code in (
        ("init", cuda.cuInit(0)),
        ("device", cuda.cuDeviceGet(ctypes.byref(device), 0)),
        ("context", cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device)),
        ("module", cuda.cuModuleLoadData(ctypes.byref(module), PTX)),
        ("function", cuda.cuModuleGetFunction(ctypes.byref(function), module, b"fault")),
        ("launch", cuda.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, None, None, None)),
    ):
        if code != 0:
            raise SystemExit(f"{what}: {code}")
    print(json.dumps({"id": "fault-program", "synchronize": cuda.cuCtxSynchronize()}))


main()
