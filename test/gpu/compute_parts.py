"""The parts of compute.py about one limit and about shares side by side: b5, b6, b7, live."""
import array
import bisect
import itertools
import statistics

from figures import quantile
from loads import together

LIMITS = (10, 25, 50, 75, 90)
SETTLE_S = 0.5
BURST_KERNEL_S = 202e-6  # 200 us and what a launch takes
GREW_WINDOW_S = 0.1
PRICE_S = 1.5
# A turn in the slice is so many windows long, and a native one so many times shorter.
WINDOW_S = 1.0
WINDOW_STEP_S = 0.1
LONGEST_S = {"100 ms kernel + sync": 0.1}
KERNELS_IN_WINDOW = 50
WINDOWS_IN_TURN = 1.6
NATIVE_PART = 3
TURN_MIN_S = 0.3
# name, program, its words, what part of the time it keeps the GPU busy natively (None: asked of the profiler)
LOADS = [
    ("10 us kernels", "c", ("spin", "10"), 1.0),
    ("1 ms kernels", "c", ("spin", "1000"), 1.0),
    ("1 ms GEMM", "torch", ("gemm",), None),
    ("mixed-K GEMM", "torch", ("mixedk",), None),
    ("mixed kernels, one grid", "c", ("mixed",), 1.0),
    ("on/off bursts", "c", ("bursts",), "bursts"),
    ("100 ms kernel + sync", "c", ("spin", "100000"), 1.0),
    ("copies within the GPU", "c", ("copy",), 1.0),
    ("graph replay", "c", ("graph",), 1.0),
    ("decode in graphs", "torch", ("graphdecode",), None),
    ("ResNet-50 training", "torch", ("resnet",), None),
    ("launch-bound decode", "torch", ("decode",), None),
]
CONTROLLED = ("1 ms GEMM", "mixed-K GEMM", "1 ms kernels")
# Bound by the CPU, where one process is up to a fifth faster than another of the same program: what a limit does to it is
# told by turns of the same process without one, more of them, and the median of their ratios.
UNSTEADY = ("ResNet-50 training", "launch-bound decode")
UNSTEADY_TURNS = 3
# Of what the clock of the card changes: kernel time at each limit, too.
HEATING = ("1 ms GEMM", "mixed-K GEMM", "ResNet-50 training")
BUSY_S = 4.0  # what such a question takes
# A unit of these is hundreds of kernels, and a profiler keeps each.
SMALL_KERNELS = ("decode in graphs", "launch-bound decode")


def busy_of(load, name):
    return load.ask("busy 200" if name in SMALL_KERNELS else "busy", 120)


def settled(bench, loads, limits, seconds):
    """Turns of tenants in slices from which all savings were taken first, by a limit of 1 % for a moment: what an idle
    slice has saved up would otherwise be measured too. limits: slice → percent."""
    for load in loads:
        load.tell(f"rate {SETTLE_S} {seconds}")
    bench.pause(0.05)
    for name in limits:
        bench.resize(name, "--compute", "1")
    bench.pause(0.15)
    for name, percent in limits.items():
        bench.resize(name, "--compute", str(percent))
    answers = [load.line(SETTLE_S + 3 * seconds + 90) for load in loads]
    bench.note(id="settled", limits=limits, perSecond=[answer["perSecond"] for answer in answers])
    return answers


def window_of(name):
    return max(WINDOW_S, KERNELS_IN_WINDOW * LONGEST_S.get(name, 0.0))


def window_rates(progress, width):
    """Units a second in windows of that width, one each WINDOW_STEP_S: what was synchronized within, so whole batches."""
    times, done, rates = [0.0] + [at for at, _ in progress], [0] + [units for _, units in progress], []
    start = 0.0
    while progress and start + width <= times[-1]:
        first, last = (bisect.bisect_right(times, at) - 1 for at in (start, start + width))
        rates.append((done[last] - done[first]) / width)
        start += WINDOW_STEP_S
    return rates


def price(bench):
    """What the shim charges for a unit of work, over what it takes of the GPU by its native rate or by the profiler."""
    bench.slice("price", 99)
    for name, program, words, native_busy in bench.known(LOADS):
        if native_busy == "bursts":
            continue
        with bench.guard(f"price {name}"):
            full = None
            if native_busy == 1.0:  # a stream that is never empty: a unit takes what the rate says
                native = bench.load(bench.command(program, *words), 0)
                full = 1 / bench.turn(native, 0.3, PRICE_S / 2)
                native.end()
            load = bench.load(bench.command(program, *words), 0, "price")
            load.ready()
            bench.turn(load, 0.2, 0.5)
            began = bench.spent("price")
            answer = load.ask(f"rate 0.01 {PRICE_S}", 3 * PRICE_S)
            spent = {key: value - began[key] for key, value in bench.spent("price").items()}
            profiled = {"secondsPerUnit": full} if full is not None else busy_of(load, name)
            busy = profiled["secondsPerUnit"]
            load.end()
            per_unit = spent["charged"] / 1e9 / answer["allUnits"]
            bench.row("price", name, busy, per_unit, None, "seconds of GPU time a unit: by rate or profiler, charged", ratio=None if busy is None else per_unit / busy,
                      launchesPerUnit=spent["launches"] / answer["allUnits"], perLaunchUs=spent["charged"] / 1e3 / max(1, spent["launches"]), gapUs=profiled.get("gapUs"), throttled=spent["throttled"] / 1e9)


def unlimited(bench, name, native, inside, seconds):
    """Units a second without a limit."""
    if name in UNSTEADY:
        return settled(bench, [inside], {"b5": 100}, seconds)[0]["perSecond"]
    return bench.turn(native, 0.1, seconds)


def one_turn(bench, name, native, inside, limit, seconds, before):
    """One turn under the limit against those without before and after it; what was charged meanwhile is the limit's own error."""
    spent, began = bench.spent("b5"), bench.now_ns()
    inside_seconds = max(NATIVE_PART * seconds, WINDOWS_IN_TURN * window_of(name))
    answer = settled(bench, [inside], {"b5": limit}, inside_seconds)[0]
    charged, passed = bench.spent("b5")["charged"] - spent["charged"], bench.now_ns() - began
    control = bench.turn(native, 0.1, seconds, limit / 100) if name in CONTROLLED else None
    after = unlimited(bench, name, native, inside, seconds)
    windows = window_rates(answer["progress"], window_of(name))
    return {"native": (before + after) / 2, "delivered": answer["perSecond"], "control": control, "after": after, "charged": charged / passed, "windows": windows}


def one_limit(bench, name, native, inside, busy, seconds):
    """Without, with, without, with, …"""
    rate = bench.turn(native, 0.3, seconds)  # the clocks come up
    before = unlimited(bench, name, native, inside, seconds)
    first = before
    results, every = {}, {}
    for limit in LIMITS:
        turns = every[limit] = []
        for _ in range(UNSTEADY_TURNS if name in UNSTEADY else 1):
            turns.append(one_turn(bench, name, native, inside, limit, seconds, before))
            before = turns[-1]["after"]
        results[limit] = sorted(turns, key=lambda turn: turn["delivered"] / turn["native"])[len(turns) // 2]
        # A kernel's time as it is under this limit: a card that rests between them runs at a higher clock.
        if name in HEATING:
            results[limit]["unit"] = busy_of(inside, name)["secondsPerUnit"]
    if busy == "bursts":
        busy = first * BURST_KERNEL_S
    if busy is None:
        per_unit = busy_of(native, name)["secondsPerUnit"]
        busy = None if per_unit is None else min(1.0, per_unit * statistics.median(turn["native"] for turn in results.values()))
    errors, in_windows = [], []
    for limit, turn in results.items():
        expected = None if busy is None else min(1.0, limit / 100 / busy)
        ratio = turn["delivered"] / turn["native"]
        error = None if expected is None else 100 * (ratio - expected)
        errors.append(error)
        windows = [] if expected is None else [abs(100 * (rate / one["native"] - expected)) for one in every[limit] for rate in one["windows"]]
        in_windows += windows
        control = None if turn["control"] is None else turn["control"] / turn["native"]
        taken = None if turn.get("unit") is None else 100 * turn["unit"] * turn["delivered"]
        bench.row("b5", name, turn["native"], turn["delivered"], None if control is None else {"duty cycle": turn["control"]}, "units a second", limitPercent=limit, nativeBusy=busy,
                  ratio=ratio, expected=expected, errorPoints=error, controlRatio=control, errorBesideControlPoints=None if control is None else 100 * (ratio - control),
                  gpuTimePercent=taken, gpuTimeErrorPoints=None if taken is None else taken - min(limit, 100 * busy), chargedShare=turn["charged"], p95WindowPoints=quantile(windows, 0.95),
                  baseline="same process, no limit" if name in UNSTEADY else "native process", nativeRate=rate)
    known = [abs(e) for e in errors if e is not None]
    if known:
        bench.row("b5.class", name, 0.0, statistics.mean(known), None, "points, mean of 5 limits", worstPoints=max(known), p95WindowPoints=quantile(in_windows, 0.95), windowSeconds=window_of(name), windows=len(in_windows))


def weight_of(name):
    """Of b5's time: what has more turns, longer windows or a profiler."""
    return 2.0 if name in UNSTEADY or name in LONGEST_S else 1.4 if name in HEATING else 1.0


def settling_s(name):
    """What a class takes beside its turns."""
    turns = (UNSTEADY_TURNS * 2 if name in UNSTEADY else 1) * len(LIMITS)
    return turns * (SETTLE_S + 0.1) + 1 + (len(LIMITS) * BUSY_S if name in HEATING else 0)


def turns_of(name):
    """How many turns, those in the slice counted by their length."""
    repeated = UNSTEADY_TURNS if name in UNSTEADY else 1
    return 2 + (1 + NATIVE_PART) * len(LIMITS) * repeated + (len(LIMITS) if name in CONTROLLED else 0)


def least_s(name):
    """Without which a class cannot be measured: short turns, and whole windows."""
    windows = len(LIMITS) * (UNSTEADY_TURNS if name in UNSTEADY else 1) * WINDOWS_IN_TURN * window_of(name)
    return settling_s(name) + max(TURN_MIN_S * turns_of(name), windows)


def b5(bench):
    bench.slice("b5", 100)
    loads = bench.known(LOADS)
    pairs = {}
    for name, program, words, busy in loads:
        command = bench.command(program, *words)
        pairs[name] = (bench.load(command, 0), bench.load(command, 0, "b5"), busy)
    bench.started([load for pair in pairs.values() for load in pair[:2]])
    for count, (name, (native, inside, busy)) in enumerate(pairs.items()):
        with bench.guard(f"b5 {name}"):
            rest = list(pairs)[count:]
            spare = max(0.0, bench.left() - sum(least_s(one) for one in rest))
            left = least_s(name) + spare * weight_of(name) / sum(weight_of(one) for one in rest)
            seconds = max(TURN_MIN_S, min(1.6, (left - settling_s(name)) / turns_of(name)))
            if bench.left() < 5:
                bench.note(id="skipped", part="b5", workload=name, why="no time left")
                continue
            one_limit(bench, name, native.ready(), inside.ready(), busy, seconds)
        native.end()
        inside.end()


SPLITS = [
    ("1 ms kernels", "c", [("spin", "1000")] * 2, (30, 70)),
    ("1 ms kernels", "c", [("spin", "1000")] * 2, (10, 90)),
    ("1 ms kernels", "c", [("spin", "1000")] * 4, (25, 25, 25, 25)),
    ("1 ms GEMM", "torch", [("gemm",)] * 2, (30, 70)),
    ("10 us kernels", "c", [("spin", "10")] * 2, (10, 90)),
    ("graph replay beside 1 ms kernels", "c", [("graph",), ("spin", "1000")], (70, 30)),
]


def shares_of(rates, solo):
    parts = [rate / alone for rate, alone in zip(rates, solo)]
    total = sum(parts)
    return [part / total for part in parts], total


def one_split(bench, name, program, words, asked, seconds):
    commands = [bench.command(program, *w) for w in words]
    slices = [f"b6-{at}" for at in range(len(asked))]
    for at, percent in enumerate(asked):
        bench.slice(slices[at], percent)
    groups = {"native": [bench.load(c, at) for at, c in enumerate(commands)], "tranche": [bench.load(c, at, s) for at, (c, s) in enumerate(zip(commands, slices))]}
    if bench.mps() is not None:
        groups["MPS"] = [bench.load(c, at, env=bench.mps().client(percent)) for at, (c, percent) in enumerate(zip(commands, asked))]
    try:
        for group in groups.values():
            for load in group:
                load.ready()
        solo = {w: bench.turn(groups["native"][words.index(w)], 0.4, seconds / 2) for w in set(words)}
        alone = [solo[w] for w in words]
        result = {}
        for mode, group in groups.items():
            if mode == "tranche":
                rates = [answer["perSecond"] for answer in settled(bench, group, dict(zip(slices, asked)), seconds)]
            else:
                rates = [answer["perSecond"] for answer in together(group, [f"rate {SETTLE_S} {seconds}"] * len(group), 3 * seconds)]
            result[mode] = shares_of(rates, alone)
        worst = {mode: max(abs(100 * got - want) for got, want in zip(parts, asked)) for mode, (parts, _) in result.items()}
        label = f"{name}, {'/'.join(str(a) for a in asked)}"
        peers = {"MPS": worst.get("MPS")}
        bench.row("b6.error", label, worst["native"], worst["tranche"], peers, "points, worst tenant", got=[round(100 * p, 2) for p in result["tranche"][0]])
        sums = {mode: total for mode, (_, total) in result.items()}
        bench.row("b6.sum", label, sums["native"], sums["tranche"], {"MPS": sums.get("MPS")}, "of one alone", ofSlicing=sums["tranche"] / sums["native"])
    finally:
        bench.end_loads()
        for name in slices:
            bench.delete(name)


def b6(bench):
    splits = bench.known(SPLITS)
    for count, (name, program, words, asked) in enumerate(splits):
        with bench.guard(f"b6 {name} {asked}"):
            each = bench.left() / (len(splits) - count)
            if each < 3:
                bench.note(id="skipped", part="b6", workload=name, why="no time left")
                continue
            one_split(bench, name, program, words, asked, max(0.5, min(2.5, (each - 5) / 4)))


def read_stamps(path):
    """(start, end) nanoseconds of each kernel, by the GPU's clock."""
    values = array.array("Q")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    return list(zip(values[0::2], values[1::2]))


def work_in(stamps, since, until):
    """How long this tenant's kernels would have taken alone, of those that ended then: counted in kernels."""
    return sum(1 for _, end in stamps if since <= end < until)


def b7(bench):
    """A guarantee of 60 % that comes and goes every 0.4 s, beside somebody without a limit."""
    bench.slice("b7-lends", 100, "--guarantee", "60")
    bench.slice("b7-borrows", 100)
    command = bench.command("c", "spin", "1000")
    native, borrows, lends = bench.load(command, 0), bench.load(command, 0, "b7-borrows"), bench.load(command, 1, "b7-lends")
    bench.started((native, borrows, lends))
    seconds = max(0.5, min(1.5, bench.left() / 20))
    ratios, natives = [], []
    for _ in range(3):
        alone = bench.turn(native, 0.3, seconds)
        natives.append(alone)
        ratios.append(bench.turn(borrows, 0.3, seconds) / alone)
    bench.row("b7.lent", "1 ms kernels beside an idle guarantee of 60 %", 1.0, statistics.median(ratios), None, "of alone", runs=ratios)
    offset = bench.clock(lends)
    length = max(2.0, min(6.0, bench.left() - 2))
    paths = [bench.path("b7-borrows.bin"), bench.path("b7-lends.bin")]
    answers = together([borrows, lends], [f"stamp {length} {paths[0]}", f"stamp {length - 0.5} {paths[1]} 0.4 0.4"], 2 * length)
    after = bench.clock(lends)
    theirs, own = read_stamps(paths[0]), read_stamps(paths[1])
    per_second = statistics.median(natives)
    grew, gave = [], []
    window = GREW_WINDOW_S * 1e9
    ends = [a[1] for a, b in itertools.pairwise(own) if b[0] - a[1] > 0.2e9]
    for end in ends:
        served = work_in(theirs, end, end + window) / per_second
        grew.append(1e3 * (GREW_WINDOW_S - served))
    for began in answers[1]["burstsNs"][1:]:
        at = began - bench.between(offset, after, began)
        if at + window < own[-1][1]:
            gave.append(1e3 * (GREW_WINDOW_S - work_in(own, at, at + window) / (0.6 * per_second)))
    for name, values in (("b7.grow", grew), ("b7.giveBack", gave)):
        if values:
            bench.row(name, "1 ms kernels, guarantee of 60 %", None, statistics.median(values), None, "ms of full service missed in 100 ms", worst=max(values), count=len(values))
        else:
            bench.note(id="nothing", part="b7", what=name)


def live(bench):
    """25 % to 75 % and back, while it runs: how long the old share was still in force, from the command's start."""
    bench.slice("live", 25)
    command = bench.command("c", "spin", "100")
    native, inside = bench.load(command, 0), bench.load(command, 0, "live")
    bench.started((native, inside))
    per_second = bench.turn(native, 0.4, 0.8)
    offset = bench.clock(inside)
    length = max(2.0, min(6.0, bench.left() - 2))
    path = bench.path("live.bin")
    inside.tell(f"stamp {length} {path}")
    changes = []
    bench.pause(0.8)  # what was saved up is spent
    while bench.since(inside) < length - 0.6:
        percent = 75 if len(changes) % 2 == 0 else 25
        changes.append((bench.now_ns(), percent, bench.resize("live", "--compute", str(percent))))
        bench.pause(0.35)
    inside.line(2 * length)
    after = bench.clock(inside)
    stamps = read_stamps(path)
    late, commands = [], []
    window = GREW_WINDOW_S * 1e9
    for began, percent, took in changes:
        at = began - bench.between(offset, after, began)
        if at + window > stamps[-1][1]:
            continue
        old, new = (0.25, 0.75) if percent == 75 else (0.75, 0.25)
        served = work_in(stamps, at, at + window) / per_second
        late.append(1e3 * (served - new * GREW_WINDOW_S) / (old - new))
        commands.append(1e3 * took)
    if late:
        bench.row("live", "100 us kernels, 25 to 75 % and back", None, statistics.median(late), None, "ms that the old share was in force, from the command's start", worst=max(late), count=len(late),
                  commandMs=statistics.median(commands))


def engines(bench):
    """Which work shares the time of somebody else's kernels, and which runs beside them: two processes, no slices."""
    kernels = bench.load(bench.command("c", "spin", "1000"), 0)
    others = {kind: bench.load(bench.command("c", kind), 1) for kind in ("copy", "fill", "upload")}
    bench.started([kernels, *others.values()])
    seconds = max(0.3, min(1.0, bench.left() / 10))
    for kind, other in others.items():
        alone = [bench.turn(kernels, 0.2, seconds), bench.turn(other, 0.2, seconds)]
        beside = [answer["perSecond"] for answer in together([kernels, other], [f"rate 0.2 {seconds}"] * 2, 3 * seconds)]
        bench.row("engines", f"1 ms kernels beside {kind}", beside[0] / alone[0], None, {kind: beside[1] / alone[1]}, "of alone")


PARTS = {"engines": engines, "price": price, "b5": b5, "b6": b6, "b7": b7, "live": live}
