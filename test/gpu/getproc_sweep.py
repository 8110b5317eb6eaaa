"""Is every pointer that cuGetProcAddress gives one that dlsym gives too? The shim routes by pointer, so it must be.

usage: getproc_sweep.py CUDA_H
Takes every name of cuda.h × every version met in practice × flags 0, 1 (legacy), 2 (per-thread). One JSON line.
"""
import ctypes
import json
import re
import sys

VERSIONS = [2000, 2010, 2020, 3000, 3010, 3020, 4000, 4010, 4020, 5000, 5050, 6000, 6050, 7000, 7050, 8000, 9000, 9020, 10000,
            10010, 10020, 11000, 11010, 11020, 11030, 11040, 11060, 11070, 11080, 12000, 12020, 12030, 12050, 12080, 13000]
SUFFIXES = ["", "_v2", "_v3", "_v4", "_ptsz", "_ptds", "_v2_ptsz", "_v2_ptds", "_v3_ptsz", "_v4_ptsz"]


def main():
    header = open(sys.argv[1]).read()
    names = sorted({re.sub(r"(_v\d+)?(_ptsz|_ptds)?$", "", n) for n in re.findall(r"\b(cu[A-Z]\w+)\s*\(", header)})
    cuda = ctypes.CDLL("libcuda.so.1")
    assert cuda.cuInit(0) == 0
    dlsym = ctypes.CDLL(None).dlsym
    dlsym.restype, dlsym.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
    owners = {}
    for name in names:
        for suffix in SUFFIXES:
            address = dlsym(cuda._handle, (name + suffix).encode())
            if address:
                owners.setdefault(address, set()).add(name + suffix)
    get = cuda.cuGetProcAddress_v2
    get.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_uint64, ctypes.POINTER(ctypes.c_int)]
    answers, strangers = 0, []
    for name in names:
        for version in VERSIONS:
            for flags in (0, 1, 2):
                pointer, status = ctypes.c_void_p(), ctypes.c_int()
                if get(name.encode(), ctypes.byref(pointer), version, flags, ctypes.byref(status)) != 0 or not pointer.value:
                    continue
                answers += 1
                if pointer.value not in owners:
                    strangers.append([name, version, flags])
    shared = [sorted(o) for o in owners.values() if len(o) > 1]
    print(json.dumps({"id": "getproc-sweep", "names": len(names), "symbols": len(owners), "answers": answers,
                      "strangers": strangers[:20], "strangerCount": len(strangers), "sharedAddresses": shared[:20]}))
    return 1 if strangers else 0


sys.exit(main())
