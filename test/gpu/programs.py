"""Programs that must run unchanged in a slice. Each computes something deterministic and prints it to the last bit.

usage: programs.py NAME      one JSON line {"id": NAME, "values": [hexadecimal floats]}; programs.py --list for the names
"""
import json
import os
import sys

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def torch_model():
    import torch

    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    model = torch.nn.Sequential(
        torch.nn.Linear(512, 2048), torch.nn.GELU(), torch.nn.LayerNorm(2048), torch.nn.Linear(2048, 512)
    ).cuda()
    return torch, model, torch.randn(256, 512, device="cuda"), torch.randn(256, 512, device="cuda")


def train(model, step_input, target, steps=12):
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(model(step_input), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def torch_eager():
    _, model, x, y = torch_model()
    return train(model, x, y)


def torch_compile():
    torch, model, x, y = torch_model()
    return train(torch.compile(model), x, y)


def torch_cuda_graphs():
    torch, model, x, y = torch_model()
    out = []
    with torch.no_grad():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                model(x)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = model(x)
        for i in range(20):
            x.copy_(y * (i + 1) / 20)
            graph.replay()
            out.append(result.double().sum().item())
    return out


def dataloader_fork():
    import torch

    class Numbers(torch.utils.data.Dataset):
        def __len__(self):
            return 512

        def __getitem__(self, index):
            return torch.full((64,), float(index))

    torch_model()  # CUDA is in use before the workers are forked
    weights = torch.linspace(0, 1, 64, device="cuda")
    loader = torch.utils.data.DataLoader(Numbers(), batch_size=32, num_workers=4, pin_memory=True, multiprocessing_context="fork")
    return [(batch.cuda(non_blocking=True) @ weights).sum().item() for batch in loader]


def ipc_child(tensor, done, answers):
    import torch

    answers.put((tensor * 3).double().sum().item())
    tensor += 1
    torch.cuda.synchronize()
    done.set()


def cuda_ipc():
    import torch
    import torch.multiprocessing as mp

    context = mp.get_context("spawn")
    tensor = torch.arange(1 << 20, device="cuda", dtype=torch.float32)
    done, answers = context.Event(), context.Queue()
    child = context.Process(target=ipc_child, args=(tensor, done, answers))
    child.start()
    got = answers.get(timeout=90)
    if not done.wait(90):
        raise RuntimeError("the other process did not answer")
    child.join(30)
    torch.cuda.synchronize()
    return [got, tensor.double().sum().item()]


def jax_program():
    import jax
    import jax.numpy as jnp

    key = jax.random.PRNGKey(0)
    w = jax.random.normal(key, (512, 512), dtype=jnp.float32)
    x = jax.random.normal(key, (128, 512), dtype=jnp.float32)

    @jax.jit
    def step(w):
        return w - 0.01 * jax.grad(lambda v: jnp.tanh(x @ v).mean())(w)

    out = []
    for _ in range(10):
        w = step(w)
        out.append(float(w.sum()))
    return out


def cupy_program():
    import cupy

    cupy.random.seed(0)
    a = cupy.arange(1 << 20, dtype=cupy.float64).reshape(1024, 1024) / (1 << 20)
    b = a @ a.T
    return [float(cupy.sort(b.ravel())[::4096].sum()), float(cupy.fft.fft(a[0]).real.sum()), float((a > 0.5).sum())]


def triton_program():
    import torch
    import triton
    import triton.language as tl

    globals()["tl"] = tl
    torch.manual_seed(0)
    x, y = torch.randn(1 << 20, device="cuda"), torch.randn(1 << 20, device="cuda")
    out = torch.empty_like(x)
    fused[(x.numel() // 1024,)](x, y, out, BLOCK=1024)
    return [out.double().sum().item()]


try:
    import triton
    import triton.language as tl

    @triton.jit
    def fused(x, y, out, BLOCK: tl.constexpr):
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        a, b = tl.load(x + at), tl.load(y + at)
        tl.store(out + at, a * b + tl.exp(-a * a))
except ImportError:
    pass

# Left alone, XLA chooses its algorithms by timing them, and another choice rounds differently, natively too.
XLA = {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0"}

PROGRAMS = {
    "torch-eager": (torch_eager, {}),
    "torch-compile": (torch_compile, {}),
    "torch-expandable-segments": (torch_eager, {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}),
    "torch-cuda-graphs": (torch_cuda_graphs, {}),
    "torch-malloc-async": (torch_eager, {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}),
    "torch-malloc-async-graphs": (torch_cuda_graphs, {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}),
    "dataloader-fork": (dataloader_fork, {}),
    "cuda-ipc": (cuda_ipc, {}),
    "jax-preallocated": (jax_program, XLA),
    "jax-on-demand": (jax_program, {**XLA, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
    "cupy": (cupy_program, {}),
    "triton": (triton_program, {}),
}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(PROGRAMS))
        return
    program, environment = PROGRAMS[sys.argv[1]]
    os.environ.update(environment)
    print(json.dumps({"id": sys.argv[1], "values": [float(v).hex() for v in program()]}), flush=True)


if __name__ == "__main__":
    main()
