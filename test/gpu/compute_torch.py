"""Programs of PyTorch that keep the GPU busy and say how fast, for compute.py: the protocol of compute_load.c.

usage: compute_torch.py KIND     gemm mixedk kgemm resnet decode graphdecode   (programs that work as fast as they can)
                                 bert tokens short                       (services that answer requests)
then, a line each on standard input, answered by one JSON object a line:
  rate WARM SECONDS [DUTY]     units a second, from the first synchronization after WARM to the first after SECONDS;
                               progress: [seconds, units done] since then, at synchronizations
  length N                     the N-th inner length from here on, -1: all of them; of kgemm
  busy [MOST_UNITS]            kernel time of one unit, by the profiler: seconds
  serve SECONDS PER_SECOND SEED  requests at random times, in the order of their arrival: milliseconds of each
Without a CUDA device it runs on the CPU with small shapes, so that the lines themselves can be tried anywhere.
"""
import json
import random
import statistics
import sys
import time

import torch
import torch.nn as nn

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
HALF = torch.float16 if CUDA else torch.float32
SMALL = not CUDA
GAP_KERNELS = 300
MOST_UNITS = 2000
# Units at least, seconds.
BUSY_WARM = (2, 1.5)
BUSY_COUNTED = (4, 0.6)
MARK_S = 0.002


def sync():
    if CUDA:
        torch.cuda.synchronize()


def gemm(n):
    a, b = (torch.randn(n, n, device=DEVICE, dtype=HALF) for _ in range(2))
    return (lambda: a @ b), 4


def products():
    """One output, and so one grid, whatever the inner length is."""
    n = 64 if SMALL else 4096
    lengths = [n // 16, n * 2, n // 4, n, n // 2, n // 16, n * 4, n // 8]
    return [(torch.randn(n, k, device=DEVICE, dtype=HALF), torch.randn(k, n, device=DEVICE, dtype=HALF)) for k in lengths]


def mixedk():
    pairs = products()

    def step():
        for a, b in pairs:
            a @ b

    return step, 1


CHOSEN = {"length": -1}


def kgemm():
    """The products of mixedk, one of them at a time: see the line "length"."""
    pairs = products()

    def step():
        for a, b in pairs if CHOSEN["length"] < 0 else [pairs[CHOSEN["length"]]] * len(pairs):
            a @ b

    return step, 4


def resnet():
    if SMALL:
        model, images = nn.Sequential(nn.Flatten(), nn.Linear(48, 10)), torch.randn(4, 3, 4, 4)
    else:
        import torchvision

        model, images = torchvision.models.resnet50().cuda(), torch.randn(64, 3, 224, 224, device=DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    labels = torch.randint(0, 10, (len(images),), device=DEVICE)
    criterion = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16):
            loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()

    return step, 1


def encoder(layers, width, heads, batch, length):
    if SMALL:
        layers, width, heads, batch, length = 1, 32, 2, 1, 4
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True, dtype=HALF, device=DEVICE)
    model = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
    tokens = torch.randn(batch, length, width, device=DEVICE, dtype=HALF)
    # Operator by operator, as a model with a cache is: no fused fast path.
    if hasattr(torch.backends, "mha"):
        torch.backends.mha.set_fastpath_enabled(False)

    @torch.no_grad()
    def step():
        return model(tokens)

    return step


def as_graph(step):
    if not CUDA:
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    # The graph reads the model and its input, and keeps neither: without them their memory would be somebody else's.
    return lambda step=step: graph.replay()


def tokens():
    """A request is sixteen tokens, one after the other."""
    one = as_graph(encoder(12, 768, 12, 1, 1))

    def step():
        for _ in range(16):
            one()

    return step, 1


KINDS = {
    "gemm": lambda: gemm(64 if SMALL else 7168),
    "mixedk": mixedk,
    "kgemm": kgemm,
    "resnet": resnet,
    "decode": lambda: (encoder(12, 768, 12, 1, 1), 5),
    "graphdecode": lambda: (as_graph(encoder(12, 768, 12, 1, 1)), 20),
    "bert": lambda: (as_graph(encoder(24, 1024, 16, 4, 384)), 1),
    "tokens": tokens,
    "short": lambda: (as_graph(encoder(12, 768, 12, 1, 128)), 1),
}


def rate(step, batch, warm, seconds, duty=0.0):
    started, first, last, done, all_units, progress = time.perf_counter(), 0.0, 0.0, 0, 0, []
    while last == 0 or last - first < seconds:
        began = time.perf_counter()
        for _ in range(batch):
            step()
        sync()
        now = time.perf_counter()
        if 0 < duty < 1:
            time.sleep(max(0.0, (now - began) / duty - (now - began) - 60e-6))  # a sleep takes so much longer
            now = time.perf_counter()
        all_units += batch
        if first == 0:
            first = now if now - started >= warm else 0
        else:
            done, last = done + batch, now
            if not progress or now - first - progress[-1][0] >= MARK_S:
                progress.append([round(now - first, 4), done])
    return {"id": "turn", "perSecond": done / (last - first), "units": done, "allUnits": all_units, "seconds": last - first, "progress": progress}


def launch_gap_us():
    """What lies between two kernels in a full stream: their distance less their time by the profiler. Nobody can use it."""
    from torch.profiler import ProfilerActivity, profile

    block = torch.zeros(8 << 20, device=DEVICE)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(GAP_KERNELS):
        block.add_(1)
    sync()
    first.record()
    for _ in range(GAP_KERNELS):
        block.add_(1)
    last.record()
    sync()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(GAP_KERNELS):
            block.add_(1)
        sync()
    times = [end - start for start, end in kernels(seen)]
    return max(0.0, first.elapsed_time(last) * 1e3 / GAP_KERNELS - statistics.median(times))


def kernels(seen):
    """(start, end) of each, microseconds, in order."""
    return sorted((e.time_range.start, e.time_range.end) for e in seen.events() if "cuda" in str(e.device_type).lower())


def busy(step, batch, most):
    """The union of the kernels' times and of the gaps that nobody could use; None where no profiler sees kernels."""
    if not CUDA:
        return {"id": "busy", "secondsPerUnit": None}
    from torch.profiler import ProfilerActivity, profile

    gap = launch_gap_us()
    counts = []
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        # The first second only warms: a card at its power limit runs slower than one that has just begun.
        for least, seconds in (BUSY_WARM, BUSY_COUNTED):
            started, done = time.perf_counter(), 0
            while done < least or (done < most and time.perf_counter() - started < seconds):
                for _ in range(batch):
                    step()
                sync()
                done += batch
            counts.append(done)
    spans = kernels(seen)
    spans = spans[len(spans) * counts[0] // sum(counts):]
    total, until = 0.0, None
    for start, end in spans:
        if until is None or start > until + gap:
            total += end - start + (gap if until is not None else 0)
            until = end
        elif end > until:
            total += end - until
            until = end
    return {"id": "busy", "secondsPerUnit": total / 1e6 / counts[1] if spans else None, "spans": len(spans), "gapUs": gap}


def serve(step, seconds, per_second, seed):
    """Arrivals do not wait for answers: who comes while another is served waits, and that is part of his time."""
    source, arrival, times, services = random.Random(seed), 0.0, [], []
    started = time.perf_counter()
    while arrival < seconds:
        arrival += source.expovariate(per_second)
        wait = started + arrival - time.perf_counter()
        if wait > 0:
            time.sleep(max(0.0, wait - 2e-4))
            while time.perf_counter() < started + arrival:
                pass
        began = time.perf_counter()
        step()
        sync()
        now = time.perf_counter()
        times.append((now - started - arrival) * 1e3)
        services.append((now - began) * 1e3)
        if now - started > 2 * seconds:  # it falls behind for good: what there is, is enough
            break
    return {"id": "served", "ms": [round(t, 4) for t in times], "serviceMedianMs": statistics.median(services)}


def main():
    torch.manual_seed(0)
    step, batch = KINDS[sys.argv[1]]()
    for _ in range(10 if SMALL else 30):
        step()
    sync()
    print(json.dumps({"id": "ready"}), flush=True)
    for line in sys.stdin:
        verb, *numbers = line.split()
        given = [float(n) for n in numbers]
        if verb == "rate":
            answer = rate(step, batch, *given)
        elif verb == "length":
            CHOSEN["length"] = int(given[0])
            answer = {"id": "length"}
        elif verb == "busy":
            answer = busy(step, batch, *(int(n) for n in given[:1] or [MOST_UNITS]))
        elif verb == "serve":
            answer = serve(step, given[0], given[1], int(given[2]))
        else:
            sys.exit(f"not understood: {line}")
        print(json.dumps(answer), flush=True)


main()
