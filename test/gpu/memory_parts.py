"""The parts of run.py about memory and about programs that must not notice: floor, cost, init, cap, programs, views, tax."""
import concurrent.futures
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

from figures import interval

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
TAX_SETS = int(os.environ.get("TAX_SETS", "6"))
TAX_TURNS = int(os.environ.get("TAX_TURNS", "16"))
TOGETHER = 64
PROGRAM_TIMEOUT_S = 150
PROGRAMS_AT_ONCE = 3
PROGRAMS_ALONE = ("compute-sanitizer", "ncu", "jax-preallocated")


def cuda_folder():
    return next(iter(sorted(glob.glob("/usr/local/cuda*"), key=len)), "/usr/local/cuda")


def libcuda():
    listing = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout
    found = [line.split("=> ")[1].strip() for line in listing.splitlines() if "libcuda.so.1 " in line and "x86-64" in line]
    return found[0] if found else next(iter(glob.glob("/usr/local/nvidia/lib64/libcuda.so.1")), "-lcuda")


def build(run, source):
    binary = os.path.join(run.root, os.path.splitext(source)[0])
    if not os.path.exists(binary):
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-w", f"-I{cuda_folder()}/include", os.path.join(HERE, source), libcuda(), "-ldl", "-o", binary], check=True)
    return binary


def compared(run, unit, native, inside, better=min):
    """Medians of rounds in turn, and the difference between them."""
    for name in native:
        a, b = statistics.median(native[name]), statistics.median(inside.get(name, [float("nan")]))
        run.note(id=name, unit=unit, native=round(a, 4), tranche=round(b, 4), difference=round(b - a, 4), ratio=round(b / a, 4) if a else None,
                 bestNative=round(better(native[name]), 4), bestTranche=round(better(inside.get(name, [float("nan")])), 4), rounds=len(native[name]))


def collect(run, into, key, *arguments):
    done = subprocess.run(arguments, env=run.env, cwd=HERE, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            fact = json.loads(line)
            if key in fact:  # not a word about a call that failed, which the exit code tells
                into.setdefault(fact["id"], []).append(fact[key])
    if done.returncode != 0:
        run.failed += 1
        run.note(id="exit", command=" ".join(arguments[-3:]), code=done.returncode, output=done.stdout[-500:], stderr=done.stderr[-800:])


def pinned(*arguments):
    return ("taskset", "-c", "2,3", *arguments) if shutil.which("taskset") else arguments


def cost(run):
    """The driver's function and the program's way to it in turn in one process: natively both are the same."""
    binary = build(run, "memory_paths.c")
    native, ways = {}, {"tranche": {}, "limited": {}, "beside": {}}
    for _ in range(ROUNDS):
        collect(run, native, "addedNs", *pinned(binary, "cost"))
        for way, compute in (("tranche", 100), ("limited", 99), ("beside", 100)):
            # A slice that has another one beside it is metered as closely as a limited one.
            run.slice("cost", "60g", compute)
            if way == "beside":
                run.slice("neighbour", "8g", 50)
            collect(run, ways[way], "addedNs", *pinned(*run.inside("cost", binary, "cost")))
            for name in ("cost", "neighbour") if way == "beside" else ("cost",):
                run.delete(name)
    for name in native:
        run.note(id=name, unit="ns added to the driver's own", native=statistics.median(native[name]), rounds=ROUNDS, **{way: statistics.median(got[name]) for way, got in ways.items()},
                 tranche_all=ways["tranche"][name])


def floor(run):
    """What any hook costs on this machine, however little it does."""
    binary = build(run, "hook_floor.c")
    for _ in range(2):
        run.command(*pinned(binary))


def init(run):
    binary = build(run, "memory_paths.c")
    native, inside = {}, {}
    run.slice("init", "64g", 100)
    for _ in range(ROUNDS):
        collect(run, native, "ms", binary, "init")
        collect(run, inside, "ms", *run.inside("init", binary, "init"))
    compared(run, "ms", native, inside)
    # Every second of them in a slice: what the machine does meanwhile, it does to both.
    for _ in range(3):
        commands = [run.inside("init", binary, "init") if at % 2 else (binary, "init") for at in range(TOGETHER)]
        children = [subprocess.Popen(command, env=run.env, stdout=subprocess.PIPE, text=True) for command in commands]
        times = [json.loads(child.communicate(timeout=PROGRAM_TIMEOUT_S)[0].splitlines()[-1]).get("ms") for child in children]
        native, inside = ([t for t in times[first::2] if t is not None] for first in (0, 1))
        medians = [statistics.median(half) if half else None for half in (native, inside)]
        run.note(id="mem.init.together", processes=TOGETHER, native=medians[0], tranche=medians[1], difference=medians[1] - medians[0] if None not in medians else None,
                 spread=[min(times), max(times)] if None not in times else None, failed=times.count(None))


def cap(run):
    binary = build(run, "memory_paths.c")
    run.slice("cap", "8g", 100)
    run.command(*run.inside("cap", binary, "cap"))


def values(run, label, *arguments, env=None):
    try:
        done = subprocess.run(arguments, env=env or run.env, cwd=HERE, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None, "timeout"
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines or "values" not in lines[-1]:
        return None, f"exit {done.returncode}: {(done.stderr or done.stdout)[-700:]}"
    return [float.fromhex(v) for v in lines[-1]["values"]], ""


def compare_program(run, name, arguments, inside=None):
    started = time.perf_counter()
    native, why_native = values(run, name, *arguments)
    sliced, why = values(run, name, *run.inside("programs", *(inside or arguments)))
    same = native is not None and native == sliced
    difference = max((abs(a - b) for a, b in zip(native, sliced)), default=0) if native is not None and sliced is not None else None
    run.failed += 0 if same else 1
    run.note(id="program", name=name, passed=same, largestDifference=difference, nativeError=why_native or None, error=why or None, seconds=round(time.perf_counter() - started, 1))


def built_programs(run):
    """Name and command of what is compiled here, tools that look into a program included."""
    nvcc = os.path.join(cuda_folder(), "bin/nvcc")
    static, threads = os.path.join(run.root, "static"), os.path.join(run.root, "threads")
    source = os.path.join(HERE, "runtime_program.cu")
    subprocess.run([nvcc, "-cudart", "static", "-O2", source, "-o", static], check=True)
    subprocess.run([nvcc, "-cudart", "static", "-O2", "--default-stream", "per-thread", source, "-o", threads], check=True)
    tools = {"compute-sanitizer": (), "ncu": ("--launch-count", "2")}
    return {
        "static-cudart": (static,),
        "per-thread-default-stream": (threads,),
        "driver-api": (build(run, "driver_program.c"),),
        **{tool: (os.path.join(cuda_folder(), "bin", tool), *options, static) for tool, options in tools.items()},
    }


def preload_cost(run, *arguments):
    """Programs that have nothing to do with CUDA, under LD_PRELOAD."""
    if not shutil.which(arguments[0]):
        run.note(id="preload", name=arguments[0], addedMs=None, error="skipped: not installed")
        return
    plain, preloaded = [], []
    shim = os.path.join(run.root, "bin/current/libtranche.so")
    for _ in range(41):
        for times, env in ((plain, run.env), (preloaded, dict(run.env, LD_PRELOAD=shim))):
            began = time.perf_counter()
            subprocess.run(arguments, env=env, check=True, capture_output=True)
            times.append((time.perf_counter() - began) * 1e3)
    run.note(id="preload", name=arguments[0], nativeMs=statistics.median(plain), trancheMs=statistics.median(preloaded), addedMs=statistics.median(preloaded) - statistics.median(plain))


def programs(run, only=""):
    run.slice("programs", "40g", 100)
    commands = built_programs(run)
    names = subprocess.run([sys.executable, os.path.join(HERE, "programs.py"), "--list"], capture_output=True, text=True, check=True).stdout.split()
    commands.update({name: run.python("programs.py", name) for name in names})
    commands = {name: command for name, command in commands.items() if not only or name in only.split(",")}

    def one(name):
        if os.path.isabs(commands[name][0]) and not os.path.exists(commands[name][0]):
            run.note(id="program", name=name, passed=None, error="skipped: not installed")
        else:
            compare_program(run, name, commands[name])

    # Several at once: a card is scarce, and what is compared are bits. Alone: what looks into a program, and what takes
    # most of the memory that it finds.
    with concurrent.futures.ThreadPoolExecutor(PROGRAMS_AT_ONCE) as pool:
        list(pool.map(one, [name for name in commands if name not in PROGRAMS_ALONE]))
    for name in commands:
        if name in PROGRAMS_ALONE:
            one(name)
    for command in (("bash", "-c", ":"), ("java", "-version"), ("node", "-e", "0"), ("python3", "-c", "0")):
        preload_cost(run, *command)


def views(run):
    """Total, free and used by every way of asking, in one process in a slice."""
    run.slice("views", "12g", 100)
    code, _ = run.command(*run.inside("views", *run.python("views.py", str(12 << 30))))
    run.failed += code != 0


class Turner:
    """A program that works when it is told to, for a moment, and says how fast. Without what differs from process to
    process by chance: where its code and heap lie, and how Python's dictionaries are ordered."""

    def __init__(self, run, *arguments):
        environment = dict(run.env, PYTHONHASHSEED="0")
        self.child = subprocess.Popen(("taskset", "-c", "4-7", "setarch", "-R", *arguments), env=environment, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def line(self):
        while True:
            text = self.child.stdout.readline()
            if text == "":
                raise RuntimeError(f"it ended with {self.child.wait(10)}")
            if text.startswith("{"):
                return json.loads(text)

    def turn(self):
        self.child.stdin.write("go\n")
        self.child.stdin.flush()
        return self.line()["perSecond"]

    def end(self):
        self.child.stdin.close()
        self.child.wait(30)


def settled(inside):
    """One turn to find its feet in a slice that has just changed (a new limit begins with nothing saved up), and one that counts."""
    inside.turn()
    return inside.turn()


def with_limit(run, inside):
    run.resize("tax", "--compute", "99")
    rate = settled(inside)
    run.resize("tax", "--compute", "100")
    return rate


def beside_another(run, inside):
    run.slice("tax-neighbour", "8g", 50)
    rate = settled(inside)
    run.delete("tax-neighbour")
    return rate


def tax(run):
    """Whole programs in turns on the same cores: natively, and in one slice without a limit, with one that does not bind,
    and with another slice beside it. The last three are the same process, whose slice is changed while it lives: what they
    differ by is the shim's. Natively is another process, and a process keeps the luck of its start: so there are several."""
    run.slice("tax", "25g", 100)
    for workload, seconds in (("decode", 0.35), ("resnet", 0.5)):
        script = run.python("torch_train.py", "turns", workload, str(seconds))
        rounds, sets = [], []
        for _ in range(TAX_SETS):
            native, inside = Turner(run, *script), Turner(run, *run.inside("tax", *script))
            native.line(), inside.line()
            ways = {"native": lambda: settled(native), "tranche": lambda: settled(inside), "limited": lambda: with_limit(run, inside), "beside": lambda: beside_another(run, inside)}
            order = list(ways)
            for at in range(TAX_TURNS):
                turned = order[at % 4 :] + order[: at % 4]
                rounds.append({way: ways[way]() for way in (turned if at // 4 % 2 == 0 else reversed(turned))})
            native.end(), inside.end()
            sets.append(rounds[-TAX_TURNS:])
        for way in order[1:]:
            ratios = sorted(r[way] / r["native"] for r in rounds)
            same = sorted(r[way] / r["tranche"] for r in rounds)
            run.note(id=f"tax.{workload}" + ("" if way == "tranche" else f".{way}"), unit="of native", native=statistics.median(r["native"] for r in rounds), tranche=statistics.median(r[way] for r in rounds),
                     ratio=round(statistics.median(ratios), 4), confidence=[round(r, 4) for r in interval(ratios, 0.5)], ofSets=[round(statistics.median(r[way] / r["native"] for r in one), 4) for one in sets], turns=len(ratios),
                     ofNoLimit=None if way == "tranche" else round(statistics.median(same), 4), ofNoLimitConfidence=None if way == "tranche" else [round(r, 4) for r in interval(same, 0.5)])


PARTS = {"floor": floor, "cost": cost, "init": init, "cap": cap, "programs": programs, "views": views, "tax": tax}
