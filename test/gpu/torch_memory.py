"""PyTorch in a slice: what it sees, how it is refused, what a live resize gives it. Prints one JSON line per fact.

usage: torch_memory.py LIMIT_BYTES LARGER_BYTES MARKER
Creates MARKER.full when the first limit is met and waits (60 s at most) for MARKER.grown, which the caller creates
after it resized the slice to LARGER_BYTES.
"""
import json
import os
import sys
import time

import torch

RESIZE_TIMEOUT_S = 60


def say(**fact):
    print(json.dumps(fact), flush=True)


def fill(held, step=256 << 20):
    """Allocates until refused; returns what the allocator holds and the name of the error."""
    while True:
        try:
            held.append(torch.empty(step, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError as error:
            return torch.cuda.memory_reserved(), type(error).__name__


def main():
    limit, larger, marker = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    started = time.perf_counter()
    free, total = torch.cuda.mem_get_info()
    say(id="torch-mem-get-info", limitBytes=limit, totalBytes=total, freeBytes=free, firstCallMs=(time.perf_counter() - started) * 1e3)
    held = []
    reserved, error = fill(held)
    say(id="torch-refusal", limitBytes=limit, reservedBytes=reserved, error=error)
    probe = torch.ones(1024, device="cpu").sum().item()
    # Two blocks are let go: the comparison below allocates as much as it compares.
    del held[-2:]
    kept = torch.empty(64 << 20, dtype=torch.uint8, device="cuda")
    kept.fill_(7)
    torch.cuda.synchronize()
    say(id="torch-lives", works=bool((kept == 7).all().item()) and probe == 1024)
    open(marker + ".full", "w").close()
    deadline = time.monotonic() + RESIZE_TIMEOUT_S
    while not os.path.exists(marker + ".grown"):
        if time.monotonic() > deadline:
            say(id="torch-resize", error="nobody resized the slice")
            return 1
        time.sleep(0.001)
    noticed = time.perf_counter()
    reserved, error = fill(held)
    free, total = torch.cuda.mem_get_info()
    say(id="torch-resize", limitBytes=larger, reservedBytes=reserved, totalBytes=total, error=error, seconds=time.perf_counter() - noticed)
    return 0


sys.exit(main())
