"""The parts of compute.py about programs that change: b6.phases, and about what a guarantee gives and costs."""
import statistics

from compute_parts import SETTLE_S, shares_of
from figures import quantile
from loads import together

ASKED = (30, 70)
# How long a change may take to be noticed; what is scored comes after it.
RECOVERY_S = 1.0
ALONE_S = 0.4
# name, program, its words, the length that both tenants run in the end, others to run before, alone
PROGRAMS = [
    ("one kernel, 180 us", "c", ("spin", "180"), 180, (11, 360, 45, 90, 720, 22)),
    ("products, K = 4096", "torch", ("kgemm",), 3, (0, 1, 2, 4, 6, 7)),
]
CHANGES = {"c": (720, 45, 11, 180), "torch": (1, 7, 6, 3)}
GUARANTEES = (0, 10, 30, 60)
LOAD = 0.5


def set_length(load, length):
    load.ask(f"length {length}", 5)


def solo_rates(bench, native, lengths):
    """Length → units a second of a process without a slice, alone."""
    rates = {}
    for length in lengths:
        set_length(native, length)
        rates[length] = bench.turn(native, 0.2, ALONE_S)
    return rates


def scored(bench, label, pair, lengths, solo, seconds):
    """Both tenants work; the error of their split from RECOVERY_S on."""
    for load, length in zip(pair, lengths):
        set_length(load, length)
    answers = together(pair, [f"rate {RECOVERY_S} {seconds}"] * 2, RECOVERY_S + 3 * seconds)
    parts, total = shares_of([answer["perSecond"] for answer in answers], [solo[length] for length in lengths])
    bench.row("b6.phases", label, None, 100 * parts[0] - ASKED[0], None, "points, first tenant", got=[round(100 * part, 2) for part in parts], ofAlone=total)


def one_program(bench, name, program, words, last, before, seconds):
    slices = ["phases-0", "phases-1"]
    for slice in slices:
        bench.slice(slice, 100)
    command = bench.command(program, *words)
    native = bench.load(command, 2)
    pair = [bench.load(command, at, slice) for at, slice in enumerate(slices)]
    bench.started_within([native, *pair])
    solo = solo_rates(bench, native, sorted({last, *CHANGES[program]}))
    for load in pair:
        set_length(load, last)

    def limits(percents):
        for slice, percent in zip(slices, percents):
            bench.resize(slice, "--compute", str(percent))

    limits(ASKED)
    scored(bench, f"{name}, nothing before", pair, (last, last), solo, seconds)
    limits((100, 100))
    for length in before:
        set_length(pair[0], length)
        bench.turn(pair[0], 0.05, ALONE_S)
    limits(ASKED)
    bench.pause(SETTLE_S / 10)
    scored(bench, f"{name}, other lengths alone before", pair, (last, last), solo, seconds)
    for length in CHANGES[program]:
        scored(bench, f"{name}, the first changes to {length}", pair, (length, last), solo, seconds)
    bench.end_loads()
    for slice in slices:
        bench.delete(slice)


def phases(bench):
    known = bench.known(PROGRAMS)
    for count, (name, program, words, last, before) in enumerate(known):
        with bench.guard(f"phases {name}"):
            each = bench.left() / (len(known) - count)
            seconds = max(0.8, min(2.5, (each - 8) / (2 + len(CHANGES[program])) - RECOVERY_S))
            one_program(bench, name, program, words, last, before, seconds)


def beside_an_equal(bench, seconds):
    """A guarantee of 60 % beside the same work without one."""
    bench.slice("g-has", 100, "--guarantee", "60")
    bench.slice("g-not", 100)
    command = bench.command("torch", "gemm") if bench.has("torch") else bench.command("c", "spin", "1000")
    native, has, other = bench.load(command, 2), bench.load(command, 0, "g-has"), bench.load(command, 1, "g-not")
    bench.started_within([native, has, other])
    alone = bench.turn(native, 0.3, seconds)
    answers = together([has, other], [f"rate {RECOVERY_S} {seconds}"] * 2, 4 * seconds)
    bench.row("guarantee.equal", f"{native.name}, guaranteed 60 %", None, answers[0]["perSecond"] / alone, None, "of alone", ofKernel=answers[1]["perSecond"] / alone)
    bench.end_loads()
    bench.delete("g-has")
    bench.delete("g-not")


def beside_a_service(bench, seconds):
    """The other beside a preferred service, with guarantees: the service's tail over its own without, and what the other keeps."""
    if not bench.has("torch"):
        bench.note(id="skipped", part="guarantees", why="no PyTorch here")
        return
    bench.slice("g-high", 100, "--priority", "high")
    bench.slice("g-low", 100)
    service = bench.load(bench.command("torch", "bert"), 0, "g-high")
    others = {name: bench.load(bench.command("torch", kind), 1, "g-low") for name, kind in (("ResNet-50 training", "resnet"), ("1 ms GEMM", "gemm"))}
    bench.started_within([service, *others.values()])
    rate = LOAD * bench.turn(service, 0.3, 1.0)
    request = f"serve {seconds} {rate} 7"
    tail = statistics.mean(quantile(service.ask(request, 3 * seconds)["ms"], 0.99) for _ in range(2))
    for name, other in others.items():
        with bench.guard(f"guarantees {name}"):
            alone = bench.turn(other, 0.3, 1.0)
            for guarantee in GUARANTEES:
                bench.resize("g-low", "--guarantee", str(guarantee))
                answers = together([service, other], [request, f"rate 0.1 {seconds - 0.2}"], 4 * seconds)
                bench.row("guarantee.service", f"BERT-large beside {name}, guaranteed {guarantee} %", None, quantile(answers[0]["ms"], 0.99) / tail, None, "p99 of alone",
                          kept=answers[1]["perSecond"] / alone, requests=len(answers[0]["ms"]), p50=quantile(answers[0]["ms"], 0.5))


def guarantees(bench):
    seconds = max(1.5, min(4.0, bench.left() / 14))
    with bench.guard("guarantees beside an equal"):
        beside_an_equal(bench, seconds)
    beside_a_service(bench, seconds)


PARTS = {"phases": phases, "guarantees": guarantees}
