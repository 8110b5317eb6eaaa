"""What a program is told about the memory of its GPU, by every way there is, in one process and at one moment.

usage: views.py LIMIT_BYTES     prints one JSON line per way: {id: "view", way, totalBytes, freeBytes, usedBytes}; null: it does not say.
The last line, {id: "views"}, says whether all agree with the limit and with each other. A library that is not installed is left out.
"""
import ctypes
import json
import subprocess
import sys

LIMIT = int(sys.argv[1])
HELD = 1 << 30
# What may differ between two questions: a library's own pools grow while it answers.
SLACK = 64 << 20
views = []


def view(way, total=None, free=None, used=None):
    fact = {"id": "view", "way": way, "totalBytes": total, "freeBytes": free, "usedBytes": used}
    views.append(fact)
    print(json.dumps(fact), flush=True)


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class MemoryV2(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint), ("total", ctypes.c_ulonglong), ("reserved", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def driver():
    cuda = ctypes.CDLL("libcuda.so.1")
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0:
        view("cuMemGetInfo", total.value, free.value)
    if cuda.cuDeviceTotalMem_v2(ctypes.byref(total), 0) == 0:
        view("cuDeviceTotalMem", total.value)


def nvml():
    library = ctypes.CDLL("libnvidia-ml.so.1")
    library.nvmlInit_v2()
    handle = ctypes.c_void_p()
    library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle))
    old, new = Memory(), MemoryV2(version=ctypes.sizeof(MemoryV2) | 2 << 24)
    if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(old)) == 0:
        view("nvmlDeviceGetMemoryInfo", old.total, old.free, old.used)
    if library.nvmlDeviceGetMemoryInfo_v2(handle, ctypes.byref(new)) == 0:
        view("nvmlDeviceGetMemoryInfo_v2", new.total, new.free, new.used)


def nvidia_smi():
    done = subprocess.run(["nvidia-smi", "--query-gpu=memory.total,memory.free,memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        view("nvidia-smi", *(int(word) << 20 for word in done.stdout.strip().split("\n")[0].split(",")))


def main():
    import torch

    held = torch.empty(HELD, dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    libraries = []
    try:
        import cupy

        libraries.append(("cupy.cuda.Device.mem_info", lambda: cupy.cuda.Device(0).mem_info))
        cupy.zeros(1)
    except ImportError:
        pass
    try:
        import os

        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        import jax

        jax.numpy.zeros(1).block_until_ready()
        fraction = float(os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.75"))
        libraries.append(("jax memory_stats over its fraction", lambda: (None, jax.devices()[0].memory_stats()["bytes_limit"] / fraction)))
    except ImportError:
        pass
    driver()
    nvml()
    nvidia_smi()
    free, total = torch.cuda.mem_get_info()
    view("torch.cuda.mem_get_info", total, free)
    view("torch.cuda.get_device_properties", torch.cuda.get_device_properties(0).total_memory)
    for name, ask in libraries:
        free, total = ask()
        view(name, int(total), free)
    totals = [v["totalBytes"] for v in views]
    frees = [v["freeBytes"] for v in views if v["freeBytes"] is not None]
    # JAX takes its fraction of what was free when it began, so it may only be below the limit.
    same_total = all(t == LIMIT or (v["way"].startswith("jax") and t <= LIMIT) for t, v in zip(totals, views))
    same_free = max(frees) - min(frees) <= SLACK and max(frees) <= LIMIT - HELD
    used = all(v["usedBytes"] is None or abs(v["totalBytes"] - v["freeBytes"] - v["usedBytes"]) <= 1 << 20 for v in views)
    print(json.dumps({"id": "views", "ways": len(views), "sameTotal": same_total, "sameFree": same_free, "usedIsTheRest": used, "freeSpreadBytes": max(frees) - min(frees)}))
    del held
    return 0 if same_total and same_free and used else 1


sys.exit(main())
