"""How fast a kernel runs when the card is busy only part of the time: a card that is not limited by its power runs faster.

usage: duty.py [SECONDS]     4096³ fp16 products and a streaming copy at 100, 75, 50, 25, 10 % of the time, in bursts of about 2 ms
"""
import json
import subprocess
import sys
import threading
import time

import torch

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0


def watch(stop, readings):
    query = subprocess.Popen(["nvidia-smi", "--query-gpu=clocks.sm,power.draw,temperature.gpu,clocks_event_reasons.active", "--format=csv,noheader,nounits", "-lms", "100"],
                             stdout=subprocess.PIPE, text=True)
    for line in query.stdout:
        readings.append([part.strip() for part in line.split(",")])
        if stop.is_set():
            break
    query.terminate()
    query.wait()


def main():
    torch.manual_seed(0)
    a, b = (torch.randn(4096, 4096, device="cuda", dtype=torch.float16) for _ in range(2))
    big = torch.empty(1 << 28, device="cuda", dtype=torch.float32)
    other = torch.empty_like(big)
    kinds = {"matmul4096": (lambda: a @ b, 10), "copy1GiB": (lambda: other.copy_(big), 3)}
    for name, (step, burst) in kinds.items():
        for _ in range(50):
            step()
        torch.cuda.synchronize()
        for duty in (1.0, 0.75, 0.5, 0.25, 0.1, 1.0):
            stop, readings, times, count = threading.Event(), [], [], 0
            watcher = threading.Thread(target=watch, args=(stop, readings))
            watcher.start()
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                for _ in range(burst):
                    step()
                end.record()
                end.synchronize()
                took = start.elapsed_time(end) / 1e3
                times.append(took / burst)
                count += burst
                if duty < 1:
                    time.sleep(max(0, took / duty - took - 60e-6))
            wall = time.perf_counter() - began
            stop.set()
            watcher.join()
            times = sorted(times[len(times) // 2:])
            late = readings[len(readings) // 2:]
            print(json.dumps({"id": "compute.duty", "kernel": name, "duty": duty, "kernelUs": round(times[len(times) // 2] * 1e6, 2), "perSecond": round(count / wall, 1),
                              "busy": round(count * times[len(times) // 2] / wall, 4), "smMhz": sorted(float(r[0]) for r in late)[len(late) // 2], "watts": sorted(float(r[1]) for r in late)[len(late) // 2],
                              "celsius": late[-1][2], "reasons": late[-1][3]}), flush=True)


main()
