"""The parts of run.py about what is outside every slice: escapes (seen, and how soon), and door (who may open a GPU at all).

The door is one of the whole host: its part runs an agent without a root of its own, as root, on a machine that is nobody
else's at the time, shuts it, and opens it again whatever happens.
"""
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

import gate_parts
import memory_parts

HERE = os.path.dirname(os.path.abspath(__file__))
SEEN_TIMEOUT_S = 20
READY_TIMEOUT_S = 30
ROUNDS = int(os.environ.get("ESCAPE_ROUNDS", "7"))
OPENS = 20000
CONTROL, GPU, OTHER = "/dev/nvidiactl", "/dev/nvidia0", "/dev/null"
WORK = "/dev/nvidia-uvm"  # what a program opens that computes; a GPU's own node is open in monitors as well


class Listener:
    """Lines of an agent, as a window hears them."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.rest = b""
        self.send(id=1, op="hello", protocolMin=1, protocolMax=1)
        self.send(id=2, op="subscribe", sampleIntervalMs=1000)

    def send(self, **line):
        self.socket.sendall((json.dumps(line) + "\n").encode())

    def line(self, timeout):
        while b"\n" not in self.rest:
            self.socket.settimeout(max(0.001, timeout))
            try:
                self.rest += self.socket.recv(1 << 20)
            except TimeoutError:
                return {}
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def row_of(self, pid):
        deadline = time.monotonic() + SEEN_TIMEOUT_S
        while time.monotonic() < deadline:
            line = self.line(deadline - time.monotonic())
            row = next((p for p in line.get("processes", []) if p["pid"] == pid), None)
            if row:
                return row
        return None


def escapes(run):
    """From the start of a program outside every slice to its row on the wire: one that only opens a device, and PyTorch."""
    # As a person: what root runs is the administrator's own matter, and is not told of before the driver lists it.
    person = {"user": pwd.getpwnam("nobody").pw_uid, "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    os.chmod(run.root, 0o755)
    run.slice("escapes", "8g", 100)
    state = gate_parts.listed(run)[0]
    run.note(id="escape.rule", rule=state.get("escapes"))
    listener = Listener(os.path.join(run.root, "agent.sock"))
    opener = (sys.executable, "-S", "-c", f"import os, time; os.open('{GPU}', os.O_RDWR); os.open('{WORK}', os.O_RDWR); time.sleep(30)")
    cuda = (memory_parts.build(run, "gate_calls.c"), "loop")
    for what, command in (("opens a device", opener), ("uses CUDA", cuda)):
        times, rows = [], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            child = subprocess.Popen(command, env=run.env, cwd="/", stdout=subprocess.DEVNULL, **person)
            row = listener.row_of(child.pid)
            times.append((time.perf_counter() - began) * 1e3)
            rows.append(row and {key: row.get(key) for key in ("user", "command", "unit", "seenBy", "reason", "answer")})
            child.kill()
            child.wait()
        run.failed += sum(row is None for row in rows)
        run.note(id="escape.seen", what=what, ms=round(sorted(times)[len(times) // 2], 1), all=[round(t, 1) for t in times], row=rows[-1])
    listener.socket.close()
    run.delete("escapes")


def host_command(tranche, *arguments, timeout=60):
    env = {key: value for key, value in os.environ.items() if not key.startswith("TRANCHE_")}
    done = subprocess.run([tranche, *arguments], env=env, cwd=HERE, capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def door(run):
    if os.geteuid() != 0:
        run.note(id="door", error="skipped: not root")
        return
    tranche, opens, calls = run.tranche, os.path.join(run.root, "door_opens"), memory_parts.build(run, "gate_calls.c")
    os.chmod(run.root, 0o755)
    subprocess.run(["gcc", "-O2", os.path.join(HERE, "door_opens.c"), "-o", opens], check=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith("TRANCHE_")}
    log = open(os.path.join(run.folder, "host-agent.log"), "w")
    agent = subprocess.Popen([tranche, "agent", "--foreground"], env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while host_command(tranche, "ls")[0] != 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        run.note(id="door.host", created=host_command(tranche, "slice", "create", "--gpu", "0", "--name", "inside", "--memory", "8g", "--compute", "100"), doctor=host_command(tranche, "doctor")[1][:1500])
        inside = (tranche, "run", "--slice", "inside", "--")
        for mode in ("off", "watch", "on"):
            run.note(id="door.set", mode=mode, said=host_command(tranche, "door", mode))
            for who, before in (("in a slice", inside), ("outside", ())):
                for path in (CONTROL, GPU, OTHER):
                    done = subprocess.run([*before, opens, path, str(OPENS)], env=env, capture_output=True, text=True, timeout=120)
                    fact = json.loads(done.stdout.splitlines()[-1]) if done.stdout.startswith("{") else {"error": done.stderr[-300:]}
                    run.note(**{**fact, "id": "door.open"}, mode=mode, who=who)
            for who, before in (("in a slice", inside), ("outside", ())):
                done = subprocess.run([*before, calls, "pair"], env=env, capture_output=True, text=True, timeout=120)
                smi = subprocess.run([*before, "nvidia-smi", "-L"], env=env, capture_output=True, text=True, timeout=120)
                run.note(id="door.program", mode=mode, who=who, exit=done.returncode, said=done.stdout[:160], nvidiaSmi=smi.stdout.strip()[:120] or smi.stderr.strip()[:200], nvidiaSmiExit=smi.returncode)
        run.note(id="door.said", door=host_command(tranche, "door")[1][:1200])
        agent.send_signal(signal.SIGKILL)
        agent.wait()
        done = subprocess.run([calls, "pair"], env=env, capture_output=True, text=True, timeout=120)
        run.note(id="door.agent-killed", outside=done.returncode)
    finally:
        run.note(id="door.off", said=host_command(tranche, "door", "off"))
        done = subprocess.run([calls, "pair"], env=env, capture_output=True, text=True, timeout=120)
        run.note(id="door.after", outside=done.returncode)
        if agent.poll() is None:
            agent.terminate()
            agent.wait()
        log.close()


PARTS = {"escapes": escapes, "door": door}
