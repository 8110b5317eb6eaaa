"""Programs that work when they are told to, and whoever tells them: the benchmark's tenants."""
import json
import os
import select
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
READY_TIMEOUT_S = 150
ANSWER_GRACE_S = 60
# Two cores for each tenant, beyond the first two: CPU placement moves results more than any sharing does.
CORES_EACH = 2
CORES_FREE = 2


def pin(pid, slot):
    """Once it has started: starting is quicker on all cores. Threads to come inherit it."""
    first = CORES_FREE + CORES_EACH * slot
    if first + CORES_EACH > (os.cpu_count() or 1):
        return
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), range(first, first + CORES_EACH))


class Load:
    """One tenant. slot: where it is pinned; two that never work at once share a slot, so that both see the same cores."""

    def __init__(self, command, env, slot, log):
        self.name = " ".join(command[-2:])
        self.slot = slot
        self.log = open(log, "ab")
        self.child = subprocess.Popen(command, env=env, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.rest = b""
        self.is_ready = False
        self.told_at = 0.0

    def line(self, timeout):
        deadline = time.monotonic() + timeout
        while True:
            text, newline, rest = self.rest.partition(b"\n")
            if newline:
                self.rest = rest
                if text.startswith(b"{"):
                    return json.loads(text)
                continue
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise RuntimeError(f"{self.name}: no answer within {timeout} s")
            more = os.read(self.child.stdout.fileno(), 1 << 16)
            if not more:
                raise RuntimeError(f"{self.name}: it ended with {self.child.wait(10)}, see the log of the tenants")
            self.rest += more

    def ready(self):
        if not self.is_ready:
            self.line(READY_TIMEOUT_S)
            pin(self.child.pid, self.slot)
            self.is_ready = True
        return self

    def tell(self, text):
        self.ready()
        self.told_at = time.monotonic()
        self.child.stdin.write(text.encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, text, seconds=0.0):
        self.tell(text)
        return self.line(seconds + ANSWER_GRACE_S)

    def rate(self, warm, seconds, duty=None):
        return self.ask(f"rate {warm} {seconds}" + (f" {duty}" if duty else ""), warm + 3 * seconds)["perSecond"]

    def end(self):
        if self.child.poll() is None:
            self.child.stdin.close()
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()


def together(loads, lines, seconds):
    """Tells all of them, then hears all of them."""
    for load in loads:
        load.ready()
    for load, line in zip(loads, lines):
        load.tell(line)
    return [load.line(seconds + ANSWER_GRACE_S) for load in loads]


class Mps:
    """The stock MPS daemon of a private folder; the GPU's compute mode stays as it is. None of it where it cannot start."""

    def __init__(self, root, env):
        self.env = dict(env, CUDA_MPS_PIPE_DIRECTORY=os.path.join(root, "mps"), CUDA_MPS_LOG_DIRECTORY=os.path.join(root, "mps-log"))
        self.problem = None
        for key in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"):
            os.makedirs(self.env[key], exist_ok=True)
        control = shutil.which("nvidia-cuda-mps-control")
        if control is None:
            self.problem = "nvidia-cuda-mps-control is not installed"
            return
        done = subprocess.run([control, "-d"], env=self.env, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            self.problem = f"nvidia-cuda-mps-control -d: {done.returncode} {done.stderr.strip()[-200:]}"

    def client(self, percent=None, low=False):
        more = {} if percent is None else {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(percent)}
        return dict(self.env, **more, **({"CUDA_MPS_CLIENT_PRIORITY": "1"} if low else {}))

    def end(self):
        if self.problem is None:
            subprocess.run(["nvidia-cuda-mps-control"], env=self.env, input="quit\n", text=True, capture_output=True, timeout=60)
