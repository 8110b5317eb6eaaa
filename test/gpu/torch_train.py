"""ResNet-50 training and matrix products, for equality with native and for throughput under a limit.

usage: torch_train.py losses          20 deterministic steps: the losses as exact hexadecimal floats
       torch_train.py resnet SECONDS  images per second
       torch_train.py matmul SECONDS  4096³ fp16 products per second
       torch_train.py small SECONDS   1024³ fp16 products per second
       torch_train.py turns WORKLOAD SECONDS   resnet, decode or graph, for so long at each line on standard input
       torch_train.py decode SECONDS  tokens per second of a 12-layer transformer, one at a time: bound by its launches
"""
import json
import os
import sys
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
import torch
import torch.nn as nn

WARM_UP_STEPS = 5


def resnet_step(batch):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet50().cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(batch, 3, 224, 224, device="cuda")
    labels = torch.randint(0, 1000, (batch,), device="cuda")
    criterion = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def losses():
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    step = resnet_step(16)
    print(json.dumps({"id": "losses", "hex": [step().item().hex() for _ in range(20)]}))


def matmul_step(n):
    torch.manual_seed(0)
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.float16) for _ in range(2))
    return lambda: a @ b


def decode_step():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True, dtype=torch.float16, device="cuda")
    model = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False).eval()
    token = torch.randn(1, 1, 768, device="cuda", dtype=torch.float16)
    # Layer by layer and operator by operator, as a model with a cache is: no fused fast path.
    torch.backends.mha.set_fastpath_enabled(False)

    @torch.no_grad()
    def step():
        return model(token)

    return step


def graph_step():
    """The decoder captured once and replayed."""
    step = decode_step()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def rate(step, seconds, per_sync, unit, label):
    for _ in range(WARM_UP_STEPS):
        step()
    torch.cuda.synchronize()
    # The rate of the second half: prices are learned and the bucket is in its steady state.
    marks = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(per_sync):
            step()
        torch.cuda.synchronize()
        marks.append((time.perf_counter() - started, per_sync * unit))
    late = [done for at, done in marks if at > seconds / 2]
    first = next(at for at, _ in marks if at > seconds / 2)
    rate_late = sum(late[1:]) / (marks[-1][0] - first) if len(late) > 1 else sum(d for _, d in marks) / marks[-1][0]
    print(json.dumps({"id": f"rate.{label}", "workload": label, "perSecond": rate_late}), flush=True)


def turns(step, seconds, per_sync, unit):
    """Two such processes that take turns see the same machine; two that run one after the other do not."""
    for _ in range(30):
        step()
    torch.cuda.synchronize()
    print(json.dumps({"id": "ready"}), flush=True)
    for _ in sys.stdin:
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            for _ in range(per_sync):
                step()
            torch.cuda.synchronize()
            done += per_sync * unit
        print(json.dumps({"id": "turn", "perSecond": done / (time.perf_counter() - started)}), flush=True)


def main():
    mode = sys.argv[1]
    if mode == "turns":
        step, per_sync, unit = {"resnet": (lambda: resnet_step(64), 1, 64), "decode": (decode_step, 5, 1), "graph": (graph_step, 20, 1)}[sys.argv[2]]
        turns(step(), float(sys.argv[3]), per_sync, unit)
        return
    if mode == "losses":
        losses()
        return
    seconds = float(sys.argv[2])
    if mode == "resnet":
        rate(resnet_step(64), seconds, 1, 64, mode)
    elif mode == "matmul":
        rate(matmul_step(4096), seconds, 10, 1, mode)
    elif mode == "decode":
        rate(decode_step(), seconds, 20, 1, mode)
    elif mode == "small":
        rate(matmul_step(1024), seconds, 200, 1, mode)
    else:
        sys.exit(f"no workload is called {mode}")


main()
