"""Errors of the card (XID), made on purpose by a program that reaches for memory that is not there: is the agent told?"""
import json
import os
import socket
import subprocess
import time

LIMIT_S = 20


def notices(path, out):
    """Listens to the agent from here on; yields its events."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(LIMIT_S)
        peer.connect(path)
        peer.sendall(b'{"id":1,"op":"subscribe","sampleIntervalMs":60000}\n')
        rest = b""
        while True:
            out()
            rest += peer.recv(1 << 16)
            *lines, rest = rest.split(b"\n")
            yield from (json.loads(line) for line in lines)


def faults(run):
    subprocess.run([run.tranche, "ls"], env=run.env, capture_output=True, timeout=30, check=True)
    started = None

    def once():
        nonlocal started
        if started is None:
            started = time.monotonic()
            run.command(*run.python("fault_program.py"))

    found, listed = None, None
    try:
        for event in notices(os.path.join(run.root, "agent.sock"), once):
            if event.get("ev") == "notice" and event["code"] == "xid":
                found = event["message"]
            if event.get("ev") == "state" and event["faults"]:
                listed = [{key: fault[key] for key in ("xid", "kind", "count")} for fault in event["faults"]]
            if found and listed:
                break
    except (TimeoutError, socket.timeout):
        pass
    run.failed += 0 if found and listed else 1
    run.note(id="xid", notice=found, listed=listed, seconds=round(time.monotonic() - started, 2))


PARTS = {"faults": faults}
