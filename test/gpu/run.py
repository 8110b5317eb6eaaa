"""Everything that is measured on a real card, in one go: driver facts, then agent and shim with PyTorch.

usage: run.py OUT_FOLDER [part …]     parts: facts memory equal throughput floor cost init cap faults programs[=NAME,…] views tax
       gateproof gatecap gatecost gatetax gateright[=NAME,…] gatedeath escapes door compute[=b5,…] (default: all)
Exit 77 where there is no GPU. Writes OUT_FOLDER/results.jsonl; each line says what ran. Nothing of the card's settings is touched.
Needs build/agent/x86_64 and gcc.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import fault_parts
import gate_parts
import memory_parts
import outside_parts

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(REPOSITORY, "build/agent/x86_64")
GIB = 1 << 30
STEP_TIMEOUT_S = 150
SKIPPED = 77


class Run:
    def __init__(self, out):
        self.folder = os.path.abspath(out)
        self.out = open(os.path.join(out, "results.jsonl"), "a", buffering=1)
        self.root = tempfile.mkdtemp(prefix="tranche-gpu-")
        binaries = os.path.join(self.root, "bin/0.1.0-x86_64")
        os.makedirs(binaries)
        for name in ("tranche", "libtranche.so"):
            shutil.copy2(os.path.join(BUILD, name), binaries)
        os.symlink("0.1.0-x86_64", os.path.join(self.root, "bin/current"))
        self.tranche = os.path.join(self.root, "bin/current/tranche")
        self.env = dict(os.environ, TRANCHE_ROOT=self.root)
        self.failed = 0
        self.gate = None  # what the agent found of it; programs of slices are behind it if it was proved

    def note(self, **fact):
        line = json.dumps(fact)
        print(line, flush=True)
        self.out.write(line + "\n")

    def command(self, *arguments, env=None, timeout=STEP_TIMEOUT_S):
        """Runs, records the JSON lines it prints, returns (code, facts)."""
        where = "slice" if len(arguments) > 1 and arguments[0] == self.tranche else "native"
        try:
            done = subprocess.run(arguments, env=env or self.env, cwd=HERE, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            self.failed += 1
            self.note(id="timeout", command=" ".join(arguments[-4:]))
            return 124, []
        facts = []
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                facts.append(json.loads(line))
                self.note(where=where, **facts[-1])
        if done.returncode not in (0, SKIPPED):
            self.note(id="exit", command=" ".join(arguments[-4:]), code=done.returncode, stderr=done.stderr[-1500:])
        return done.returncode, facts

    def slice(self, name, memory, compute, *options):
        done = subprocess.run([self.tranche, "slice", "create", "--gpu", "0", "--name", name, "--memory", memory, "--compute", str(compute), *options],
                              env=self.env, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"slice create: {done.stderr}")
        if not self.gate:
            self.gate = gate_parts.proved(self)

    def resize(self, name, *options):
        started = time.perf_counter()
        done = subprocess.run([self.tranche, "slice", "resize", name, *options], env=self.env, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"slice resize: {done.stderr}")
        return time.perf_counter() - started

    def delete(self, name):
        done = subprocess.run([self.tranche, "slice", "delete", name], env=self.env, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"slice delete: {done.stderr}")

    def inside(self, name, *arguments):
        return (self.tranche, "run", "--slice", name, "--", *arguments)

    def python(self, script, *arguments):
        return (sys.executable, os.path.join(HERE, script), *arguments)

    def end(self, out):
        """Ends what runs in this run's root, and keeps the agent's log."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            if f"TRANCHE_ROOT={self.root}".encode() in environment.split(b"\0") and int(pid) != os.getpid():
                os.kill(int(pid), signal.SIGKILL)
        log = os.path.join(self.root, "state/agent.log")
        if os.path.exists(log):
            shutil.copy(log, out)
        shutil.rmtree(self.root, ignore_errors=True)


def facts(run):
    header = next(iter(glob.glob("/usr/local/cuda*/include/cuda.h") + glob.glob("/opt/*/.venv/lib/python3*/site-packages/nvidia/*/include/cuda.h")), None)
    if header:
        run.command(*run.python("getproc_sweep.py", header))
    for source in ("nvml_cost", "kill_to_free"):
        binary = os.path.join(run.root, source)
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-I", os.path.join(REPOSITORY, "agent/vendor"), os.path.join(HERE, source + ".c"), "-o", binary, "-ldl"], check=True)
        run.command(binary, *(["1", "8", "40"] if source == "kill_to_free" else []))
    run.slice("sweep", "8g", 100)
    if header:
        run.command(*run.inside("sweep", *run.python("getproc_sweep.py", header)))
    run.command(*run.inside("sweep", os.path.join(run.root, "kill_to_free"), "1", "6"))


def memory(run):
    run.slice("m8", "8g", 100)
    marker = os.path.join(run.root, "m8")
    child = subprocess.Popen(run.inside("m8", *run.python("torch_memory.py", str(8 * GIB), str(16 * GIB), marker)), env=run.env, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not os.path.exists(marker + ".full") and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    smi = subprocess.run(run.inside("m8", "nvidia-smi", "--query-gpu=memory.total,memory.used", "--format=csv,noheader,nounits"), env=run.env, capture_output=True, text=True, timeout=60)
    run.note(id="nvidia-smi-in-slice", totalUsedMib=smi.stdout.strip(), code=smi.returncode)
    listing = subprocess.run([run.tranche, "ls", "--json"], env=run.env, capture_output=True, text=True, timeout=30)
    run.note(id="ls", output=listing.stdout[-3000:])
    seconds = run.resize("m8", "--memory", "16g")
    run.note(id="resize-command", seconds=seconds)
    open(marker + ".grown", "w").close()
    try:
        out, err = child.communicate(timeout=STEP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
    for line in out.splitlines():
        if line.startswith("{"):
            run.note(where="slice", **json.loads(line))
    if child.returncode != 0:
        run.failed += 1
        run.note(id="exit", command="torch_memory.py", code=child.returncode, stderr=err[-2000:])


def equal(run):
    run.slice("eq", "40g", 100)
    _, native = run.command(*run.python("torch_train.py", "losses"))
    _, sliced = run.command(*run.inside("eq", *run.python("torch_train.py", "losses")))
    same = bool(native) and native == sliced
    run.failed += 0 if same else 1
    run.note(id="resnet-losses-equal", equal=same)


def measure(run, commands, seconds):
    """Runs several at once; returns their rates."""
    children = [subprocess.Popen(c, env=run.env, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    rates = []
    for child in children:
        try:
            out, err = child.communicate(timeout=seconds + 90)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        rates.append(lines[-1]["perSecond"] if lines else None)
        if not lines:
            run.note(id="no-rate", code=child.returncode, stderr=err[-1500:])
    return rates


def throughput(run):
    seconds = 8
    run.slice("t1", "30g", 100)
    run.slice("t2", "30g", 100)
    for workload in ("matmul", "small", "resnet"):
        script = run.python("torch_train.py", workload, str(seconds))
        native = measure(run, [script], seconds)[0]
        for percent in (100, 75, 25):
            run.resize("t1", "--compute", str(percent))
            rate = measure(run, [run.inside("t1", *script)], seconds)[0]
            run.note(id="alone", workload=workload, limitPercent=percent, native=native, perSecond=rate, ratio=rate / native if rate and native else None)
    script = run.python("torch_train.py", "matmul", str(seconds))
    run.resize("t1", "--compute", "25")
    run.resize("t2", "--compute", "75")
    first, second = measure(run, [run.inside("t1", *script), run.inside("t2", *script)], seconds)
    run.note(id="contended", workload="matmul", limits=[25, 75], perSecond=[first, second], share=first / (first + second) if first and second else None)


def compute(run, only=""):
    import compute as benchmark  # it imports this file

    benchmark.measure(run, run.folder, only.split(",") if only else list(benchmark.DEFAULT), benchmark.DEFAULT_SECONDS)


PARTS = {"facts": facts, "memory": memory, "equal": equal, "throughput": throughput, **memory_parts.PARTS, **fault_parts.PARTS, **gate_parts.PARTS, **outside_parts.PARTS, "compute": compute}


def has_gpu():
    return shutil.which("nvidia-smi") is not None and subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode == 0


def main():
    if not has_gpu():
        print("skipped: no GPU here")
        return SKIPPED
    os.makedirs(sys.argv[1], exist_ok=True)
    run = Run(sys.argv[1])
    identity = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], capture_output=True, text=True).stdout.strip()
    run.note(id="card", card=identity, date=time.strftime("%Y-%m-%d"))
    try:
        for name in sys.argv[2:] or PARTS:
            started = time.perf_counter()
            try:
                part, _, only = name.partition("=")
                PARTS[part](run, only) if only else PARTS[part](run)
            except Exception as error:  # one part that fails must not cost the others their turn on a scarce card
                run.failed += 1
                run.note(id="failed", part=name, error=repr(error)[:1500])
            run.note(id="part", part=name, seconds=round(time.perf_counter() - started, 1))
    finally:
        run.end(sys.argv[1])
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
