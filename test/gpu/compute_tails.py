"""The parts of compute.py about who waits for whom: b8, b9, b10. And b1, b2: what no limit at all costs."""
import statistics

import memory_parts
from figures import interval, quantile
from loads import together

SERVICES = [("BERT-large, 4 × 384", "bert"), ("16 tokens", "tokens")]
BEST_EFFORT = [("ResNet-50 training", "resnet"), ("1 ms GEMM", "gemm"), ("decode in graphs", "graphdecode")]
LOAD = 0.5  # of what the service can answer
LONG_REQUESTS = 21000
KERNELS_US = (50, 500, 2000, 10000)
PROBES_PER_SECOND = 80
MODES = ("time slicing", "tranche", "MPS", "MPS + priority")


def modes_of(bench, high, low):
    """Mode → how a program is started as the preferred one and as the other."""
    modes = {"time slicing": ({}, {}), "tranche": ({"slice": high}, {"slice": low})}
    if bench.mps() is not None:
        modes["MPS"] = ({"env": bench.mps().client()}, {"env": bench.mps().client()})
        modes["MPS + priority"] = ({"env": bench.mps().client()}, {"env": bench.mps().client(low=True)})
    return modes


def b8long(bench):
    """As many requests as a tail needs: short ones, beside training, alone and in slices."""
    if not bench.has("torch"):
        bench.note(id="skipped", part="b8long", why="no PyTorch here")
        return
    bench.slice("b8-high", 100, "--priority", "high")
    bench.slice("b8-low", 100)
    service, other = bench.command("torch", "short"), bench.command("torch", "resnet")
    inside, training = bench.load(service, 0, "b8-high"), bench.load(other, 1, "b8-low")
    bench.started((inside, training))
    plain, free = bench.load(service, 0), bench.load(other, 1)
    bench.started((plain, free))
    capacity, training_alone = bench.turn(plain, 0.3, 1.0), bench.turn(free, 0.3, 1.0)
    seconds = max(2.0, min(LONG_REQUESTS / (LOAD * capacity), bench.left() / 2.3))
    request = f"serve {seconds} {LOAD * capacity} 11"
    alone = plain.ask(request, 3 * seconds)["ms"]
    answers = together([inside, training], [request, f"rate 0.1 {seconds - 0.2}"], 4 * seconds)
    beside, (low, high) = answers[0]["ms"], interval(answers[0]["ms"], 0.99)
    base = quantile(alone, 0.99)
    bench.row("b8.long", "1 × 128 tokens beside ResNet-50 training", None, quantile(beside, 0.99) / base, None, "p99 of alone", confidence=[low / base, high / base], aloneMs=base,
              aloneConfidenceMs=interval(alone, 0.99), requests=len(beside), p50=quantile(beside, 0.5) / quantile(alone, 0.5))
    bench.row("b8.long.kept", "1 × 128 tokens beside ResNet-50 training", None, answers[1]["perSecond"] / training_alone, None, "of training alone")


def b8(bench):
    """Poisson requests at half of what the service can do, beside training: each mode and alone, in turns."""
    if not bench.has("torch"):
        bench.note(id="skipped", part="b8", why="no PyTorch here")
        return
    bench.slice("b8-high", 100, "--priority", "high")
    bench.slice("b8-low", 100)
    modes = modes_of(bench, "b8-high", "b8-low")
    services, others = {}, {}
    for mode, (preferred, rest) in modes.items():  # one mode after the other: what starts is work, too
        services.update({(name, mode): bench.load(bench.command("torch", kind), 0, **preferred) for name, kind in SERVICES})
        others.update({(name, mode): bench.load(bench.command("torch", kind), 1, **rest) for name, kind in BEST_EFFORT})
        bench.started((*services.values(), *others.values()))
    pairs = [(s, o) for s, _ in SERVICES for o, _ in BEST_EFFORT]
    capacity, alone_rates = {}, {}
    for name, _ in SERVICES:
        capacity[name] = bench.turn(services[name, "time slicing"], 0.3, 1.0)
    for name, _ in BEST_EFFORT:
        alone_rates[name] = bench.turn(others[name, "time slicing"], 0.3, 1.0)
    ratios = []
    for count, (service, other) in enumerate(pairs):
        each = bench.left() / (len(pairs) - count) / (len(modes) + 2)
        if each < 0.8:
            bench.note(id="skipped", part="b8", workload=f"{service} beside {other}", why="no time left")
            continue
        with bench.guard(f"b8 {service} beside {other}"):
            seconds, rate = min(4.0, each - 0.3), LOAD * capacity[service]
            request = f"serve {seconds} {rate} 7"
            alone = services[service, "time slicing"].ask(request, 3 * seconds)["ms"]
            result = {}
            for mode in modes:
                pair = [services[service, mode], others[other, mode]]
                answers = together(pair, [request, f"rate 0.1 {seconds - 0.2}"], 4 * seconds)
                result[mode] = (quantile(answers[0]["ms"], 0.99), quantile(answers[0]["ms"], 0.5), answers[1]["perSecond"] / alone_rates[other])
            again = services[service, "time slicing"].ask(request, 3 * seconds)["ms"]
            base99, base50 = (statistics.mean((quantile(alone, q), quantile(again, q))) for q in (0.99, 0.5))
            label = f"{service} beside {other}"
            p99 = {mode: values[0] / base99 for mode, values in result.items()}
            kept = {mode: values[2] for mode, values in result.items()}
            bench.row("b8.p99", label, p99["time slicing"], p99["tranche"], {m: p99.get(m) for m in MODES[2:]}, "of alone", aloneMs=base99, requests=len(alone),
                      p50={mode: values[1] / base50 for mode, values in result.items()})
            bench.row("b8.kept", label, kept["time slicing"], kept["tranche"], {m: kept.get(m) for m in MODES[2:]}, "of training alone")
            ratios.append((p99["tranche"], p99["time slicing"]))
    if ratios:
        bench.row("b8.mean", "p99 over all pairs", statistics.mean(r[1] for r in ratios), statistics.mean(r[0] for r in ratios), None, "of alone", worst=max(r[0] for r in ratios), pairs=len(ratios))


def b9(bench):
    """How long a preferred tiny kernel waits behind kernels of a given length, from its launch to its start."""
    bench.slice("b9-high", 100, "--priority", "high")
    bench.slice("b9-low", 100)
    modes = modes_of(bench, "b9-high", "b9-low")
    probe = bench.command("c", "spin", "100")
    probes = {mode: bench.load(probe, 0, **how[0]) for mode, how in modes.items()}
    idle = [us for _ in range(2) for us in probes["time slicing"].ready().ask(f"probe 0.5 {PROBES_PER_SECOND} 3", 2)["us"]]
    base = quantile(idle, 0.5)
    for count, length in enumerate(KERNELS_US):
        with bench.guard(f"b9 {length}"):
            each = bench.left() / (len(KERNELS_US) - count) / len(modes)
            if each < 1:
                bench.note(id="skipped", part="b9", workload=f"{length} us", why="no time left")
                continue
            seconds = min(3.5, each - 0.9)
            waits = {}
            for mode, how in modes.items():
                other = bench.load(bench.command("c", "spin", str(length)), 1, **how[1])
                answers = together([other, probes[mode]], [f"rate 0 {seconds + 0.3}", f"probe {seconds} {PROBES_PER_SECOND} 5"], 4 * seconds + 10)
                waits[mode] = [us - base for us in answers[1]["us"]]
                other.end()
            p99 = {mode: quantile(values, 0.99) for mode, values in waits.items()}
            bench.row("b9", f"behind kernels of {length} us", p99["time slicing"], p99["tranche"], {m: p99.get(m) for m in MODES[2:]}, "us to its start beyond idle, p99",
                      p50={mode: quantile(values, 0.5) for mode, values in waits.items()}, ofKernel=p99["tranche"] / length, idleUs=base, probes=len(waits["tranche"]))


def b10(bench):
    """Tenants that do not fill the GPU: together, in parts of what each does alone."""
    if not bench.has("torch"):
        bench.note(id="skipped", part="b10", why="no PyTorch here")
        return
    command = bench.command("torch", "graphdecode")
    for at in range(4):
        bench.slice(f"b10-{at}", 100)
    groups = {"time slicing": [bench.load(command, at) for at in range(4)], "tranche": [bench.load(command, at, f"b10-{at}") for at in range(4)]}
    if bench.mps() is not None:
        groups["MPS"] = [bench.load(command, at, env=bench.mps().client()) for at in range(4)]
    bench.started([load for group in groups.values() for load in group])
    turns = 2 * (len(groups) + 1) + len(groups)
    seconds = max(0.5, min(3.0, bench.left() / turns - 0.5))
    for tenants in (2, 3, 4):
        with bench.guard(f"b10 {tenants}"):
            if bench.left() < 2:
                bench.note(id="skipped", part="b10", workload=f"{tenants} tenants", why="no time left")
                continue
            solo = bench.turn(groups["time slicing"][0], 0.2, seconds)
            sums = {mode: sum(a["perSecond"] for a in together(group[:tenants], [f"rate 0.3 {seconds}"] * tenants, 4 * seconds)) / solo for mode, group in groups.items()}
            bench.row("b10", f"{tenants} × decode in graphs", sums["time slicing"], sums["tranche"], {"MPS": sums.get("MPS")}, "sum, of one alone")


def preferred_together(bench):
    """b8 and b9 in concurrent mode: there is no switch between processes, and who gives way still does."""
    bench.slice("con-high", 100, "--priority", "high")
    bench.slice("con-low", 100)
    pairs = [(SERVICES[0], BEST_EFFORT[0]), (SERVICES[0], BEST_EFFORT[1]), (SERVICES[1], BEST_EFFORT[2])]
    for count, ((service, kind), (other, load)) in enumerate(pairs):
        with bench.guard(f"concurrent {service} beside {other}"):
            high, low = bench.load(bench.command("torch", kind), 0, "con-high"), bench.load(bench.command("torch", load), 1, "con-low")
            bench.started_within((high, low))
            capacity, free = bench.turn(high, 0.3, 0.8), bench.turn(low, 0.3, 0.8)
            seconds = max(1.5, min(4.0, bench.left() / (len(pairs) - count) / 3))
            request = f"serve {seconds} {LOAD * capacity} 7"
            alone = high.ask(request, 3 * seconds)["ms"]
            answers = together([high, low], [request, f"rate 0.1 {seconds - 0.2}"], 4 * seconds)
            beside, label = answers[0]["ms"], f"{service} beside {other}"
            bench.row("concurrent.p99", label, None, quantile(beside, 0.99) / quantile(alone, 0.99), None, "of alone", requests=len(alone), p50=quantile(beside, 0.5) / quantile(alone, 0.5))
            bench.row("concurrent.kept", label, None, answers[1]["perSecond"] / free, None, "of training alone")
            bench.end_loads()
    probe = bench.load(bench.command("c", "spin", "100"), 0, "con-high")
    base = quantile(probe.ready().ask(f"probe 0.5 {PROBES_PER_SECOND} 3", 2)["us"], 0.5)
    for length in KERNELS_US[:3]:
        with bench.guard(f"concurrent {length}"):
            other = bench.load(bench.command("c", "spin", str(length)), 1, "con-low")
            answers = together([other, probe], ["rate 0 2.3", f"probe 2 {PROBES_PER_SECOND} 5"], 18)
            other.end()
            p99 = quantile([us - base for us in answers[1]["us"]], 0.99)
            bench.row("concurrent.b9", f"behind kernels of {length} us", None, p99, None, "us to its start beyond idle, p99", ofKernel=p99 / length)


def sums_beside_mps(bench, kind, names):
    """b10 in concurrent mode: in slices, and as bare clients of the same daemon, in turns."""
    command = bench.command(*kind)
    groups = {"tranche": [bench.load(command, at, names[at]) for at in range(4)], "MPS": [bench.load(command, at, env=bench.beside_the_shim()) for at in range(4)]}
    bench.started_within([load for group in groups.values() for load in group])
    seconds = max(0.5, min(2.0, bench.left() / 40))
    for tenants in (2, 3, 4):
        with bench.guard(f"concurrent {tenants} x {kind[1]}"):
            solo = bench.turn(groups["MPS"][0], 0.2, seconds)
            sums = {mode: [] for mode in groups}
            for order in (("tranche", "MPS"), ("MPS", "tranche")):
                for mode in order:
                    answers = together(groups[mode][:tenants], [f"rate 0.3 {seconds}"] * tenants, 4 * seconds)
                    sums[mode].append(sum(answer["perSecond"] for answer in answers) / solo)
            means = {mode: statistics.mean(values) for mode, values in sums.items()}
            bench.row("concurrent.sum", f"{tenants} × {' '.join(kind[1:])}", None, means["tranche"], {"MPS": means["MPS"]}, "sum, of one alone", ofMps=means["tranche"] / means["MPS"], runs=sums)
    bench.end_loads()


def concurrent(bench):
    """Tranche's own concurrent mode: some that do not fill the GPU, a split by the slices' limits, and who is preferred."""
    kinds = [("torch", "graphdecode"), ("torch", "decode")] if bench.has("torch") else [("c", "spin", "10")]
    kernels = bench.command("c", "spin", "1000")
    whole = [f"con-{at}" for at in range(4)]
    for name, percent in [*((name, 100) for name in whole), ("con-30", 30), ("con-70", 70)]:
        bench.slice(name, percent)
    why = bench.concurrent(whole[0])
    if why:
        bench.note(id="skipped", part="concurrent", why=why)
        return
    try:
        for kind in kinds:
            sums_beside_mps(bench, kind, whole)
        alone, split = bench.load(kernels, 2, whole[0]), [bench.load(kernels, at, name) for at, name in enumerate(("con-30", "con-70"))]
        bench.started_within([alone, *split])
        rate = bench.turn(alone, 0.3, 1.0)
        parts = [a["perSecond"] / rate for a in together(split, ["rate 0.5 1.5"] * 2, 6)]
        bench.row("concurrent.split", "1 ms kernels, 30/70", None, max(abs(100 * p / sum(parts) - w) for p, w in zip(parts, (30, 70))), None, "points, worst tenant", got=[round(100 * p, 2) for p in parts])
        bench.end_loads()
        if bench.has("torch"):
            preferred_together(bench)
    finally:
        bench.end_loads()
        bench.concurrent(None)


def b1(bench):
    memory_parts.cost(bench.run)


def b2(bench):
    if bench.has("torch"):
        memory_parts.tax(bench.run)


PARTS = {"b1": b1, "b2": b2, "b8": b8, "b8long": b8long, "b9": b9, "b10": b10, "concurrent": concurrent}
