"""How long do plans over a virtual terabyte in 1,000,000 chunks take, and how much is sent to a cluster of 4 workers?

Each plan is made in a process of its own. Tasks are at most as many as 4 a worker or one for 64 MB decoded, whichever
is more, and the ones that join and commit; sent is what a cluster is handed, as it is pickled: the expression, which
becomes tasks where the scheduler is, and the keys that are waited for.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys

from harness import HERE, arguments, save

WORKERS = 4
PLANS = {  # each with what it is written to, or "" where the answer comes back
    "((x*2 + 1)[::2]).sum(axis=0)": "",
    "x.sum()": "",
    "(x[1:] - x[:-1]).max()": "",
    "x[x > 2].mean()": "",
    "x.std(axis=(1, 2))": "",
    "np.median(x, axis=0)[:64, :64]": "",
    "x.map_overlap(smooth, depth=1, dtype='f4').mean(axis=0)": "",
    "x*2 + 1": "written",
    "x - x.mean(axis=0)": "written",
    "x.rechunk((128, 128, 32))": "written",
    "np.roll(x, 5, axis=0)": "written",
}
CHILD = """
import json, sys, time
import cloudpickle
import numpy as np
import lazyzarr as lz
from lazyzarr.graph.spec import Spec
from lazyzarr.graph.tasks import RunExpr, answer_keys

class Sent(Exception):
    pass

def status(name):
    lines = (line.split() for line in open("/proc/self/status"))
    return next(int(words[1]) * 1024 for words in lines if words[0] == name + ":")

def smooth(block):
    return block

def cluster(graph, keys):
    carried = (part for task in graph.values() for part in (*getattr(task, "args", ()), getattr(task, "value", None)))
    spec = next(part for part in carried if isinstance(part, Spec))
    raise Sent(len(graph), len(cloudpickle.dumps((RunExpr("run", spec), answer_keys(spec)))))

path, code, target, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
job = {"memory": "1GB", "num_workers": workers, "scheduler": cluster}
before, start = status("VmRSS"), time.perf_counter()
x = lz.from_zarr(path)
y = eval(code)
built = time.perf_counter()
plan = y.to_zarr(target, compute=False, **job) if target else y.explain(**job)
text = str(plan)
end = time.perf_counter()
memory = status("VmHWM") - before
found = {"build": built - start, "explain": end - built, "memory": memory, "text": text}
try:
    plan.run()
except Sent as sent:
    found |= {"tasks": sent.args[0], "sent": sent.args[1]}
found["bound"] = max(4 * workers, -(-plan.bytes_decoded // 64_000_000)) + len(plan.stages) + 2
print(json.dumps(found))
"""


def run(source: str, code: str, target: str) -> dict:
    command = [sys.executable, "-c", CHILD, source, code, target and source + ".out", str(WORKERS)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, cwd=HERE.parent)
    if answer.returncode:
        return {"error": answer.stderr.strip().splitlines()[-1]}
    return json.loads(answer.stdout)


def line(name: str, rounds: list[dict]) -> str:
    """A row of the table: medians of time, the most memory, and the figures that never change."""
    code = name.replace("*", "\\*")
    if any("error" in found for found in rounds):
        return f"| {code} | {rounds[-1]['error'][:120]} | | | |"
    seconds = statistics.median(found["build"] + found["explain"] for found in rounds)
    memory, one = max(found["memory"] for found in rounds), rounds[0]
    cells = [
        f"{seconds:.2f}{_missed(seconds, 1)}",
        f"{memory / 1e6:.0f}{_missed(memory, 1e8)}",
        f"{one['tasks']:,} of {one['bound']:,}{_missed(one['tasks'], one['bound'])}",
        f"{one['sent'] / 1e6:.3f}{_missed(one['sent'], 1e6)}",
    ]
    return f"| {code} | {' | '.join(cells)} |"


def _missed(value: float, goal: float) -> str:
    return "" if value <= goal else ", missed"


def main() -> None:
    options = arguments(__doc__)
    sys.path.insert(0, str(HERE.parent))
    import lazyzarr as lz

    source, side = f"{options.root}/virtual.zarr", 640 if options.quick else 6400
    plans = {name: target for name, target in PLANS.items() if options.rows in name}
    try:
        lz.create_array(store=source, shape=(side,) * 3, chunks=(64, 64, 64), dtype="f4")
        found = {
            f"{name}{', written' if target else ''}": [
                run(source, name, target) for _ in range(min(3, options.rounds))
            ]
            for name, target in plans.items()
        }
    finally:
        shutil.rmtree(options.root, ignore_errors=True)
    head = [
        "| plan over 1,000,000 chunks | s (goal 1) | MB (goal 100) | tasks | MB sent (goal 1) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    table = "\n".join([*head, *(line(name, rounds) for name, rounds in found.items())])
    print(table)
    save("plan", options, {"table": table, "records": found})


if __name__ == "__main__":
    main()
