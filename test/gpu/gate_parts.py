"""The parts of run.py about the gate, the limit at the kernel's boundary: gateproof, gatecap, gatecost, gatetax, gateright, gatedeath.

Natively, in a slice without the gate, and behind it, by turns; "without the shim" is a program whose LD_PRELOAD was unset.
What the card holds is NVML's figure for the whole device, less what it was before: nothing else may run on it meanwhile.
"""
import json
import os
import pwd
import select
import signal
import statistics
import subprocess
import time

import memory_parts
from figures import interval

HERE = os.path.dirname(os.path.abspath(__file__))
MIB, GIB = 1 << 20, 1 << 30
LIMIT_BYTES = 8 * GIB
PATHS = ("plain", "pitch", "managed", "async", "async.ptsz", "pool", "vmm", "vmm.mapped", "array2d", "array3d", "mipmap", "graph.node", "graph.captured", "module")
LINE_TIMEOUT_S = 60
SETTLE_TIMEOUT_S = 30
PROOF_TIMEOUT_S = 120
ROUNDS = int(os.environ.get("GATE_ROUNDS", "5"))
TAX_SETS = int(os.environ.get("GATE_TAX_SETS", "3"))
TAX_TURNS = int(os.environ.get("GATE_TAX_TURNS", "12"))
DEATHS = int(os.environ.get("GATE_DEATHS", "12"))


class Card:
    """What the card holds, by NVML."""

    def __init__(self):
        import pynvml

        pynvml.nvmlInit()
        self.nvml, self.device = pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)

    def used(self):
        return self.nvml.nvmlDeviceGetMemoryInfo(self.device).used

    def of_processes(self):
        """What NVML says that all processes hold: without managed memory, and without what the driver takes for itself."""
        return sum(p.usedGpuMemory or 0 for p in self.nvml.nvmlDeviceGetComputeRunningProcesses(self.device))

    def settled(self):
        """What it holds when that has stayed the same for a second: a program that ended is given back in steps."""
        last, same, deadline = self.used(), 0, time.monotonic() + SETTLE_TIMEOUT_S
        while same < 10 and time.monotonic() < deadline:
            time.sleep(0.1)
            now = self.used()
            last, same = now, same + 1 if now == last else 0
        return last


def gated(run, name, *arguments, shim=True, gate="--gate"):
    return (run.tranche, "run", "--slice", name, gate, "--", *(() if shim else ("env", "-u", "LD_PRELOAD")), *arguments)


def line(child, wanted):
    """The next JSON line with that id; what came instead, if it ends or says nothing."""
    deadline = time.monotonic() + LINE_TIMEOUT_S
    while True:
        ready, _, _ = select.select([child.stdout], [], [], max(0, deadline - time.monotonic()))
        text = child.stdout.readline() if ready else ""
        if text == "":
            return {"id": "ended", "code": child.poll()} if ready else {"id": "timeout"}
        if text.startswith("{"):
            fact = json.loads(text)
            if fact["id"] in (wanted, "failed", "code"):
                return fact


def listed(run):
    """State and sample of `tranche ls --json`: what slices are, and what they hold."""
    listing = subprocess.run([run.tranche, "ls", "--json"], env=run.env, capture_output=True, text=True, timeout=30)
    both = [json.loads(text) for text in listing.stdout.splitlines() if text.startswith("{")]
    if len(both) != 2:
        raise RuntimeError(f"ls: {listing.stdout[-300:]} {listing.stderr[-300:]}")
    return both


def proved(run):
    """What the agent found, once it has tried."""
    began, state = time.monotonic(), {}
    while state.get("gate", "untried") == "untried" and time.monotonic() < began + PROOF_TIMEOUT_S:
        time.sleep(0.1)
        state = listed(run)[0]["backends"][0]
    run.note(id="gate.agent", gate=state["gate"], said=state["gateNote"], driver=state["driver"], seconds=round(time.monotonic() - began, 1))
    return state["gate"]


def reading(run, name):
    """The slice's row in the newest sample, and those of its processes."""
    state, sample = listed(run)
    slice_id = next(s["id"] for s in state["slices"] if s["name"] == name)
    return next((s for s in sample["slices"] if s["id"] == slice_id), None), [p for p in sample["processes"] if p["sliceId"] == slice_id]


def gateproof(run):
    """The proof with this card's driver, for root and for a person; then the agent's own, which is what slices go by."""
    for who in ("root", "nobody"):
        options = {} if who == "root" else {"user": pwd.getpwnam("nobody").pw_uid, "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
        os.chmod(run.root, 0o755)
        began = time.perf_counter()
        done = subprocess.run([run.tranche, "prove-gate"], env=run.env, capture_output=True, text=True, timeout=PROOF_TIMEOUT_S, **options)
        good = done.stdout.startswith("proved\t")
        run.failed += not good
        run.note(id="gate.proof", who=who, proved=good, said=done.stdout.strip(), error=done.stderr.strip()[-400:] or None, seconds=round(time.perf_counter() - began, 2))
    run.slice("proof", "8g", 100)
    run.failed += run.gate != "proved"
    run.delete("proof")


def fill(run, card, idle, path, shim):
    """One path, until it is refused: what is held then, beyond the limit or below it, and whether it lives."""
    binary = memory_parts.build(run, "memory_paths.c")
    child = subprocess.Popen(gated(run, "gatecap", binary, "fill", path, shim=shim), env=run.env, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    full = line(child, "full")
    held, of_processes = card.settled() - idle, card.of_processes()
    seen, processes = reading(run, "gatecap")
    try:
        out, err = child.communicate("go\n", timeout=LINE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
    again = next((json.loads(text) for text in out.splitlines() if text.startswith("{")), None)
    run.note(id="gate.cap", path=path, shim=shim, granted=full.get("granted"), code=full.get("code"), said=full["id"], heldBytes=held, ofProcessBytes=of_processes,
             beyondBytes=max(0, of_processes - LIMIT_BYTES), unusedBytes=max(0, LIMIT_BYTES - max(of_processes, seen["memoryUsedBytes"] if seen else 0)), again=again and again.get("code"), exit=child.returncode, stderr=err.strip()[-300:] or None, slice=seen, processes=processes)


def gatecap(run):
    card = Card()
    idle = card.settled()
    run.slice("gatecap", "8g", 100)
    for path in PATHS:
        for shim in (False, True):
            fill(run, card, idle, path, shim)
    end = card.settled()
    run.note(id="gate.cap.end", leftBytes=end - idle)
    run.delete("gatecap")


def gatecost(run):
    """Pairs, launches and starts: natively, with the shim, with the gate, with both; by turns, on the same cores."""
    binary, paths = memory_parts.build(run, "gate_calls.c"), memory_parts.build(run, "memory_paths.c")
    run.slice("gatecost", "60g", 100)
    ways = {
        "native": lambda *command: command,
        "shim": lambda *command: gated(run, "gatecost", *command, gate="--no-gate"),
        "gate": lambda *command: gated(run, "gatecost", *command, shim=False),
        "both": lambda *command: gated(run, "gatecost", *command),
    }
    got = {}
    for placed in ("free", "pinned"):
        for turn in range(ROUNDS):
            order = list(ways)[turn % 4 :] + list(ways)[: turn % 4]
            for way in order:
                for command in ((binary, "pair"), (paths, "init")) if placed == "free" else ((binary, "pair"),):
                    facts = {}
                    arguments = ways[way](*command)
                    memory_parts.collect(run, facts, "ms" if command[1] == "init" else "us", *(memory_parts.pinned(*arguments) if placed == "pinned" else arguments))
                    for name, values in facts.items():
                        got.setdefault((placed, name), {}).setdefault(way, []).extend(values)
    for (placed, name), by in got.items():
        medians = {way: round(statistics.median(values), 3) for way, values in by.items()}
        run.note(id=name, placed=placed, unit="ms" if name == "mem.init" else "us", **medians, addedByGate=round(medians.get("both", 0) - medians.get("shim", 0), 3), all=by)
    run.delete("gatecost")


def gatetax(run):
    """Whole programs in one slice, gated and not, in turns on the same cores."""
    run.slice("gatetax", "40g", 100)
    for workload, seconds in (("resnet", 0.5), ("decode", 0.35), ("graph", 0.35)):
        script = run.python("torch_train.py", "turns", workload, str(seconds))
        rounds = []
        for _ in range(TAX_SETS):
            plain = memory_parts.Turner(run, *gated(run, "gatetax", *script, gate="--no-gate"))
            behind = memory_parts.Turner(run, *gated(run, "gatetax", *script))
            plain.line(), behind.line()
            plain.turn(), behind.turn()
            for at in range(TAX_TURNS):
                pair = (plain, behind) if at % 2 else (behind, plain)
                rates = {id(one): one.turn() for one in pair}
                rounds.append((rates[id(behind)], rates[id(plain)]))
            plain.end(), behind.end()
        ratios = sorted(b / p for b, p in rounds)
        sets = [round(statistics.median(b / p for b, p in rounds[at : at + TAX_TURNS]), 4) for at in range(0, len(rounds), TAX_TURNS)]
        run.note(id=f"gate.tax.{workload}", ungated=statistics.median(p for _, p in rounds), gated=statistics.median(b for b, _ in rounds), ratio=round(statistics.median(ratios), 4),
                 confidence=[round(r, 4) for r in interval(ratios, 0.5)], ofSets=sets, turns=len(ratios))
    run.delete("gatetax")


def gateright(run, only=""):
    """All programs of `programs`, natively and behind the gate: the same to the last bit."""
    inside = run.inside
    run.inside = lambda name, *arguments: gated(run, name, *arguments)
    try:
        memory_parts.programs(run, only)
    finally:
        run.inside = inside
    run.delete("programs")


def supervisor_of(pid):
    """The process that answers for it: the parent of the program, below the front end."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return int(file.read().split()[0])


def is_back(run, card, idle):
    held, _ = reading(run, "death")
    return card.used() <= idle and held is not None and held["memoryUsedBytes"] == 0


def gatedeath(run):
    """The program, its supervisor or the agent killed in the middle of requests: nothing stays charged, nothing hangs."""
    binary = memory_parts.build(run, "gate_calls.c")
    card = Card()
    run.slice("death", "8g", 100)
    idle, hung, wrong, codes = card.settled(), 0, 0, {}
    for at in range(DEATHS):
        victim = ("program", "supervisor", "front end")[at % 3]
        child = subprocess.Popen(gated(run, "death", binary, "loop", shim=at % 2 == 0), env=run.env, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line(child, "ready")
        supervisor = supervisor_of(child.pid)
        program = supervisor_of(supervisor)
        os.kill({"program": program, "supervisor": supervisor, "front end": child.pid}[victim], signal.SIGKILL)
        try:
            child.communicate(timeout=LINE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            hung += 1
            child.kill()
        key = f"{victim}: {child.returncode}"
        codes[key] = codes.get(key, 0) + 1
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while not is_back(run, card, idle) and time.monotonic() < deadline:
            time.sleep(0.1)
        wrong += not is_back(run, card, idle)
    run.failed += hung + wrong
    run.note(id="gate.death", rounds=DEATHS, hung=hung, leftCharged=wrong, ends=codes)
    run.delete("death")


PARTS = {"gateproof": gateproof, "gatecap": gatecap, "gatecost": gatecost, "gatetax": gatetax, "gateright": gateright, "gatedeath": gatedeath}
