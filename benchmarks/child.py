"""One job in a process of its own: its seconds, and its peak, VmHWM at the end less VmRSS after the setup.

usage: child.py SETUP WORK VALUE
Three pieces of Python that share their names: imports and opening, what is measured, and an expression to print.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Null:
    """An array that drops what is written into it."""

    def __init__(self, like) -> None:
        self.shape, self.dtype, self.chunks = like.shape, like.dtype, like.chunks

    def __setitem__(self, where, values) -> None:
        pass


def alone(setup: str, work: str, value: str = "None", limit: float = 900) -> dict:
    """What the job gives: "seconds", "peak" in bytes and "value", or "error" where it failed or took too long."""
    command = [sys.executable, str(HERE / "child.py"), setup, work, value]
    env = {**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {limit:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return {"error": lines[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def status(name: str) -> int:
    """Bytes of this process by the kernel's count: VmRSS now, VmHWM at the most."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[0] == name + ":")


def main(setup: str, work: str, value: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    names: dict = {}
    exec(setup, names)
    gc.collect()
    before, start = status("VmRSS"), time.perf_counter()
    try:
        exec(work, names)
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        print(json.dumps({"error": f"{type(error).__name__}: {first}"}))
        return
    found = {"seconds": time.perf_counter() - start, "peak": status("VmHWM") - before}
    print(json.dumps({**found, "value": eval(value, names)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
