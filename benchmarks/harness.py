"""Interleaved rounds of peers, each in a process of its own, and the tables and files that come of them."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOOPS = (
    "loop-1",
    "loop-2",
)  # the hand-written loop on one and on two threads: the better one of a row counts
RELATIVE = 1e-4  # float32 sums in another order


@dataclass(frozen=True)
class Row:
    """One workload that all peers do."""

    name: str
    work: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    goals: dict[str, float] = field(default_factory=dict)  # peer -> our time at most this multiple of its
    shards: tuple[int, ...] = ()  # where the chunks are parts of shards


class Worker:
    """The process of one peer, alive for all rounds."""

    def __init__(self, peer: str, root: str) -> None:
        name, _, threads = peer.partition("-")
        command = [sys.executable, str(HERE / "worker.py"), name, root]
        env = {**os.environ, "LOOP_THREADS": threads or "1", "PYTHONPATH": str(HERE.parent)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=HERE
        )

    def run(self, **order) -> dict:
        print(json.dumps(order), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer {self.process.args[2]} ended in {order}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure(rows: list[Row], peers: list[str], rounds: int, root: str) -> list[dict]:
    """One record a row, peer and round; round 0, which warms up, is left out."""
    records = []
    with contextlib.ExitStack() as stack:
        workers = {peer: stack.enter_context(contextlib.closing(Worker(peer, root))) for peer in peers}
        for number in range(rounds + 1):
            turn = peers[number % len(peers) :] + peers[: number % len(peers)]
            for row in rows:
                answers = {
                    peer: once(workers[peer], row, f"{root}/out-{peer}-{number}.zarr") for peer in turn
                }
                compare(row, {peer: answer["value"] for peer, answer in answers.items()})
                records += [record(row, peer, number, answers[peer]) for peer in peers]
            print(f"round {number} of {rounds} done", file=sys.stderr)
    return [found for found in records if found["round"]]


def record(row: Row, peer: str, number: int, answer: dict) -> dict:
    return {"row": row.name, "peer": peer, "round": number, "ms": round(answer["seconds"] * 1e3, 2)}


def once(worker: Worker, row: Row, out: str) -> dict:
    """One run of one peer, with an output folder of its own that is gone afterwards."""
    try:
        shards = {"shards": row.shards} if row.shards else {}
        return worker.run(work=row.work, shape=row.shape, chunks=row.chunks, out=out, **shards)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def compare(row: Row, values: dict) -> None:
    """Stops the benchmark where peers disagree: booleans must be true, numbers close."""
    first = next(iter(values.values()))
    for peer, value in values.items():
        if value is True:
            continue
        if value is False or any(abs(a - b) > RELATIVE * abs(b) for a, b in zip(value, first, strict=True)):
            raise SystemExit(f"{row.name}: {peer} has wrong values: {value}, others {first}")


def milliseconds(records: list[dict], row: str) -> dict[str, list[float]]:
    """The rounds of one row by peer; the better loop stands as "loop"."""
    mine = sorted((r for r in records if r["row"] == row), key=lambda r: (r["peer"], r["round"]))
    found = {
        peer: [r["ms"] for r in group] for peer, group in itertools.groupby(mine, key=lambda r: r["peer"])
    }
    loops = [found.pop(loop) for loop in LOOPS if loop in found]
    if loops:
        found["loop"] = min(loops, key=statistics.median)
    return found


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the per-round ratios ours / theirs: below 1 we are faster."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def table(rows: list[Row], records: list[dict], peers: list[str]) -> str:
    """Markdown: medians in ms, then our time as a multiple of each peer's, with its goals."""
    names = [peer for peer in dict.fromkeys(p.partition("-")[0] for p in peers) if peer != "lazyzarr"]
    head = ["workload", "lazyzarr ms", *(f"{n} ms" for n in names), *(f"of {n}" for n in names)]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for row in rows:
        times = milliseconds(records, row.name)
        ours = times.get("lazyzarr")
        cells = [f"{statistics.median(times[n]):.0f}" if n in times else "" for n in ("lazyzarr", *names)]
        multiples = [multiple(row, n, ours, times.get(n)) for n in names]
        lines.append([row.name, *cells, *multiples])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def multiple(row: Row, peer: str, ours: list[float] | None, theirs: list[float] | None) -> str:
    """Our time as a multiple of a peer's, and the goal where there is one."""
    if not ours or not theirs:
        return ""
    value, goal = ratio(ours, theirs), row.goals.get(peer)
    if goal is None:
        return f"{value:.2f}"
    return f"{value:.2f} (goal {goal:g}{'' if value <= goal else ', missed'})"


def machine() -> dict:
    """What was measured on and with."""
    names = "numpy numcodecs zarr tensorstore dask".split()
    cpu = next((line.split(":")[1].strip() for line in lines_of("/proc/cpuinfo") if "model name" in line), "")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu,
        "cores used": 2,
        **{name: version(name) for name in names},
    }


def lines_of(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if os.path.exists(path) else []


def arguments(question: str) -> argparse.Namespace:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--root", default="/dev/shm/lazyzarr-bench", help="a memory-backed folder")
    parser.add_argument(
        "--quick", action="store_true", help="small data and 2 rounds, to try the benchmark itself"
    )
    parser.add_argument("--without", default="", help="peers to leave out, comma-separated")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--out", default=str(HERE / "results"), help="folder for the raw records")
    options = parser.parse_args()
    if sys.version_info < (3, 12):
        raise SystemExit("the benchmarks need Python 3.12 or newer: zarr-python 3.4 does")
    if options.quick:
        options.rounds = min(options.rounds, 2)
    os.makedirs(options.root, exist_ok=True)
    return options


def save(name: str, options: argparse.Namespace, result: dict) -> None:
    """The raw result of one benchmark as JSON; a quick trial is not kept."""
    if options.quick:
        return
    os.makedirs(options.out, exist_ok=True)
    text = json.dumps({"machine": machine(), **result}, indent=1)
    Path(options.out, name + ".json").write_text(text + "\n")


def compete(name: str, question: str, rows: list[Row], quick: list[Row], peers: list[str]) -> None:
    """Measures, prints and saves one table of peers."""
    options = arguments(question)
    peers = [peer for peer in peers if peer.partition("-")[0] not in options.without.split(",")]
    rows = [row for row in (quick if options.quick else rows) if options.rows in row.name]
    try:
        records = measure(rows, peers, options.rounds, options.root)
    finally:
        shutil.rmtree(options.root, ignore_errors=True)
    print(table(rows, records, peers))
    save(name, options, {"rounds": options.rounds, "table": table(rows, records, peers), "records": records})
