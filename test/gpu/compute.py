"""The benchmark of compute shares: natively, in slices, and beside what else can share a card, in turns on one machine.

usage: compute.py OUT_FOLDER [--seconds N] [--only WORDS] [--dry] [part …]     parts: engines price b5 b6 b7 live b8 b8long b9 b10 concurrent (the default, in this order), b1 b2
--seconds is the time for all parts together (default 460). --only: of b5 and b6, workloads of such a name. --dry runs it on the simulated driver of build/agent: its
figures mean nothing, but a mistake shows here and not on a scarce card. Exit 77 where there is no GPU.

Scored by throughput and by the kernels' own stamps, never by NVML. Writes as it goes, so that whoever ends it keeps what
there is: compute-rows.jsonl {id, workload, native, tranche, peer, unit, date, gpu, driver, …}, and after each part
compute.md, compute-shares.svg and compute-tails.svg. No setting of the card is touched.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time

import compute_parts
import compute_report
import compute_tails
import run as gpu_run
from loads import Load, Mps

PARTS = {**compute_parts.PARTS, **compute_tails.PARTS}
# Of the time for all parts, by experience.
WEIGHTS = {"engines": 8, "price": 60, "b5": 300, "b6": 70, "b7": 18, "live": 10, "b8": 120, "b8long": 150, "b9": 30, "b10": 25, "concurrent": 90, "b1": 25, "b2": 100}
DEFAULT = ("engines", "price", "b5", "b6", "b7", "live", "b8", "b8long", "b9", "b10", "concurrent")
DEFAULT_SECONDS = 460
MEMORY_EACH = "40g"
CONCURRENT_START_S = 12
# agent/common/region.h, struct region_usage
ENTRIES_AT, ENTRY_BYTES, ENTRIES = 4096, 192, 256


class Bench:
    """One call of the benchmark: its tenants, its clock and its rows."""

    def __init__(self, run, out, dry, only=""):
        self.run, self.out, self.dry, self.only = run, out, dry, only
        self.rows_path = os.path.join(out, "compute-rows.jsonl")
        self.rows = open(self.rows_path, "a", buffering=1)
        self.log = os.path.join(out, "tenants.log")
        self.loads, self.slices, self.daemon = [], [], None
        self.until = self.end_at = self.part_seconds = 0.0
        self.pipe = None  # of the daemon of our own concurrent mode
        self.gpu, self.driver = ("simulated", "simulated") if dry else self.identity()
        self.torch = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0
        self.binary = os.path.join(run.root, "compute_load")
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-I", os.path.join(gpu_run.REPOSITORY, "agent/vendor"), os.path.join(gpu_run.HERE, "compute_load.c"), "-o", self.binary, "-ldl", "-lm"], check=True)
        done = subprocess.run([self.binary, "calibrate"], env=run.env, capture_output=True, text=True, timeout=120, check=True)
        calibration = json.loads(done.stdout)
        run.note(**calibration)
        self.env = dict(run.env, STEPS_PER_US=str(calibration["stepsPerUs"]), FULL_BLOCKS=str(calibration["fullBlocks"]))
        run.env = self.env

    def identity(self):
        text = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True).stdout
        name, _, driver = text.strip().splitlines()[0].partition(", ")
        return name, driver

    def note(self, **fact):
        self.run.note(**fact)

    def row(self, id, workload, native, tranche, peer, unit, **more):
        row = {"id": id, "workload": workload, "native": native, "tranche": tranche, "peer": peer, "unit": unit, "date": time.strftime("%Y-%m-%d"), "gpu": self.gpu, "driver": self.driver, **more}
        self.rows.write(json.dumps(row) + "\n")
        self.note(**row)

    # ---- time ----

    def left(self):
        return max(0.0, self.until - time.monotonic())

    def started(self, loads):
        """All of them are up: their start is nobody's time but the whole run's."""
        for load in loads:
            load.ready()
        self.until = min(self.end_at, time.monotonic() + self.part_seconds)

    def started_within(self, loads):
        """As started, where a part starts several sets, one after the other: what a start takes is added to the part."""
        began = time.monotonic()
        for load in loads:
            load.ready()
        self.until = min(self.end_at, self.until + time.monotonic() - began)

    def pause(self, seconds):
        time.sleep(seconds)

    def now_ns(self):
        return time.monotonic_ns()

    def since(self, load):
        return time.monotonic() - load.told_at

    # ---- tenants ----

    def has(self, program):
        return program == "c" or self.torch

    def known(self, loads):
        for name, program, *_ in loads:
            if not self.has(program):
                self.note(id="skipped", workload=name, why="no PyTorch here")
        return [load for load in loads if self.has(load[1]) and self.only in load[0]]

    def command(self, program, *words):
        return (self.binary, *words) if program == "c" else self.run.python("compute_torch.py", *words)

    def load(self, command, slot, slice=None, env=None):
        load = Load(self.run.inside(slice, *command) if slice else command, env or self.env, slot, self.log)
        self.loads.append(load)
        return load

    def turn(self, load, warm, seconds, duty=None):
        rate = load.rate(warm, seconds, duty)
        self.note(id="turn", load=load.name, perSecond=rate)
        return rate

    def clock(self, load):
        answer = load.ask("clock", 10)
        return answer["nowNs"], answer["offsetNs"]

    def between(self, before, after, at):
        """The offset of the GPU's clock at a moment between two readings of it: the two drift apart."""
        span = after[0] - before[0]
        return before[1] + (after[1] - before[1]) * ((at - before[0]) / span if span > 0 else 0)

    def end_loads(self):
        for load in self.loads:
            load.end()
        self.loads = []

    # ---- slices ----

    def spent(self, name):
        """What the shim has charged in this slice so far, and held back: nanoseconds, and launches. Of processes that live."""
        listing = subprocess.run([self.run.tranche, "ls", "--json"], env=self.env, capture_output=True, text=True, timeout=30, check=True).stdout
        state = json.loads(listing.splitlines()[0])
        found = next(s for s in state["slices"] if s["name"] == name)
        with open(os.path.join(self.run.root, "run/usage", found["id"]), "rb") as file:
            page = file.read(ENTRIES_AT + ENTRY_BYTES * ENTRIES)
        entries = [struct.unpack_from("<16Q", page, ENTRIES_AT + ENTRY_BYTES * at) for at in range(ENTRIES)]
        live = [entry for entry in entries if entry[0] != 0]
        return {name: sum(entry[at] for entry in live) for name, at in (("charged", 6), ("throttled", 7), ("launches", 9))}

    def slice(self, name, compute, *options):
        self.run.slice(name, MEMORY_EACH, compute, *options)
        self.slices.append(name)

    def resize(self, name, *options):
        return self.run.resize(name, *options)

    def delete(self, name):
        done = subprocess.run([self.run.tranche, "slice", "delete", name], env=self.env, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"slice delete: {done.stderr}")
        self.slices.remove(name)

    def mps(self):
        if self.dry:
            return None
        if self.daemon is None:
            self.daemon = Mps(self.run.root, self.env)
            if self.daemon.problem:
                self.note(id="skipped", part="mps", why=self.daemon.problem)
        return None if self.daemon.problem else self.daemon

    def beside_the_shim(self):
        """The environment of a client of the very daemon that our concurrent mode runs, without Tranche."""
        return dict(self.env, CUDA_MPS_PIPE_DIRECTORY=self.pipe)

    def concurrent(self, slice):
        """Switches the GPU's concurrent mode on, until a program in this slice would be given it, or off (None). Says why not."""
        if self.daemon is not None:
            self.daemon.end()
            self.daemon = None
        deadline = time.monotonic() + CONCURRENT_START_S
        while True:
            done = subprocess.run([self.run.tranche, "concurrent", "on" if slice else "off", "--gpu", "0"], env=self.env, capture_output=True, text=True, timeout=30)
            if done.returncode == 0 and slice is not None:
                break
            if slice is None or time.monotonic() > deadline:
                return done.stderr.strip()
            time.sleep(0.5)  # whoever was on the GPU before us is still leaving
        deadline = time.monotonic() + CONCURRENT_START_S
        while time.monotonic() < deadline:
            given = subprocess.run([self.run.tranche, "env", "--slice", slice], env=self.env, capture_output=True, text=True, timeout=30).stdout
            pipe = re.search(r"CUDA_MPS_PIPE_DIRECTORY='([^']*)'", given)
            if pipe:
                self.pipe = pipe.group(1)
                return None
            time.sleep(0.2)
        doctor = subprocess.run([self.run.tranche, "doctor"], env=self.env, capture_output=True, text=True, timeout=30).stdout
        return next((line.strip() for line in doctor.splitlines() if "MPS" in line or "turns" in line), f"not on after {CONCURRENT_START_S} s")

    def path(self, name):
        return os.path.join(self.run.root, name)

    @contextlib.contextmanager
    def guard(self, what):
        """One workload that fails must not cost the others their turn."""
        try:
            yield
        except Exception as error:
            self.run.failed += 1
            self.note(id="failed", part=what, error=repr(error)[:1500])

    def part(self, name, seconds):
        started = time.monotonic()
        self.part_seconds = seconds
        self.until = min(self.end_at, started + seconds)
        with self.guard(name):
            PARTS[name](self)
        self.end_loads()
        for left in list(self.slices):
            with self.guard(f"{name}: end of {left}"):
                self.delete(left)
        self.note(id="part", part=name, seconds=round(time.monotonic() - started, 1))
        with self.guard("report"):
            compute_report.write(self.rows_path, self.out)

    def end(self):
        self.end_loads()
        if self.daemon is not None:
            self.daemon.end()
        self.rows.close()


def measure(run, out, parts, seconds, dry=False, only=""):
    bench = Bench(run, out, dry, only)
    bench.end_at = time.monotonic() + seconds
    try:
        for at, name in enumerate(parts):
            weight = WEIGHTS[name] / sum(WEIGHTS[n] for n in parts[at:])
            bench.part(name, max(0.0, bench.end_at - time.monotonic()) * weight)
    finally:
        bench.end()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--seconds", type=float, default=DEFAULT_SECONDS)
    parser.add_argument("--only", default="")
    parser.add_argument("--dry", action="store_true")
    given = parser.parse_intermixed_args()
    if not given.dry and not gpu_run.has_gpu():
        print("skipped: no GPU here")
        return gpu_run.SKIPPED
    os.makedirs(given.out, exist_ok=True)
    run = gpu_run.Run(given.out)
    if given.dry:
        run.env.update(TRANCHE_SIM_DIR=run.root, LD_LIBRARY_PATH=os.path.join(gpu_run.BUILD, "sim"))
    try:
        measure(run, os.path.abspath(given.out), given.parts or list(DEFAULT), given.seconds, given.dry, given.only)
    finally:
        run.end(given.out)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
