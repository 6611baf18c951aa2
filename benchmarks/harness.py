"""Interleaved rounds of peers, each in a process of its own, and the tables and files that come of them."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A peer may come in variants, "peer-variant", of which the better one of a row counts.
LOOPS = ("loop-1", "loop-2")  # the hand-written loop on one and on two threads
RELATIVE = 1e-4  # float32 sums in another order
SLOW, VERY_SLOW = 1.0, 8.0  # seconds: such runs of peers are done in 3 rounds, and in 1
PACKAGES = "numpy numcodecs zarr tensorstore dask dask-array xarray cubed blosc2".split()
OURS = ("lazyzarr", "loop")
NO_PACKAGES = (*OURS, "decode")  # the last is measured in one row and no reader


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
        name, _, variant = peer.partition("-")
        command = [sys.executable, str(HERE / "worker.py"), name, root]
        env = {**os.environ, "VARIANT": variant, "PYTHONPATH": str(HERE.parent)}
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
    """One record a row, peer and round; round 0, which warms up, is left out but for what a peer cannot do.

    Ours and the loop run in every round; how many rounds a slow peer runs in, the warm-up decides.
    """
    records: list[dict] = []
    with contextlib.ExitStack() as stack:
        workers = {peer: stack.enter_context(contextlib.closing(Worker(peer, root))) for peer in peers}
        rounds_of: dict[tuple[str, str], int] = {}
        for number in range(rounds + 1):
            turn = peers[number % len(peers) :] + peers[: number % len(peers)]
            for row in rows:
                now = [peer for peer in turn if number <= rounds_of.get((row.name, peer), rounds)]
                answers = {peer: once(workers[peer], row, f"{root}/out-{peer}-{number}.zarr") for peer in now}
                for peer, a in answers.items():
                    if a.get("value") is False and peer.partition("-")[0] not in OURS:
                        answers[peer] = {"error": "wrong values were written"}
                compare(row, {peer: a["value"] for peer, a in answers.items() if "value" in a})
                records += [record(row, peer, number, answers[peer]) for peer in now]
                if number == 0:
                    rounds_of |= {(row.name, p): n for p, n in rounds_due(answers, rounds).items()}
            print(f"round {number} of {rounds} done", file=sys.stderr)
    return [found for found in records if found["round"] or "error" in found]


def rounds_due(answers: dict[str, dict], rounds: int) -> dict[str, int]:
    """In how many rounds each peer runs a row, by its warm-up; no more where it failed or its sibling is far ahead."""
    due = {}
    for peer, answer in answers.items():
        name, took = peer.partition("-")[0], answer.get("seconds", math.inf)
        siblings = [a.get("seconds", math.inf) for p, a in answers.items() if p.partition("-")[0] == name]
        if name in OURS:
            due[peer] = rounds
        elif took == math.inf or (took > SLOW and took > 1.5 * min(siblings)):
            due[peer] = 0
        else:
            due[peer] = min(rounds, rounds if took < SLOW else 3 if took < VERY_SLOW else 1)
    return due


def record(row: Row, peer: str, number: int, answer: dict) -> dict:
    found = {"row": row.name, "peer": peer, "round": number}
    if "error" in answer:
        if peer.partition("-")[0] in OURS:
            raise SystemExit(f"{row.name}: {peer} failed: {answer['error']}")
        return {**found, "error": answer["error"]}
    return {**found, "ms": round(answer["seconds"] * 1e3, 2)}


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


def milliseconds(records: list[dict], row: str) -> dict[str, dict[int, float]]:
    """The times of one row by peer and round; the better variant stands for its peer."""
    found: dict[str, dict[int, float]] = {}
    for r in records:
        if r["row"] == row and "ms" in r:
            found.setdefault(r["peer"], {})[r["round"]] = r["ms"]
    better = sorted(found.items(), key=lambda item: -statistics.median(item[1].values()))
    return {peer.partition("-")[0]: times for peer, times in better}


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the per-round ratios ours / theirs: below 1 we are faster."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def table(rows: list[Row], records: list[dict], peers: list[str]) -> str:
    """Markdown: medians in ms, then our time as a multiple of each peer's, with its goals; then who failed at what."""
    names = [peer for peer in dict.fromkeys(p.partition("-")[0] for p in peers) if peer != "lazyzarr"]
    shown = [name.replace("_", "-") for name in names]
    common = {
        n: goal for n in names if len(goals := {row.goals.get(n) for row in rows}) == 1 for goal in goals
    }
    goals = [f"of {n.replace('_', '-')}{_goal(common.get(n))}" for n in names]
    head = ["workload", "lazyzarr ms", *(f"{n} ms" for n in shown), *goals]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for row in rows:
        times = milliseconds(records, row.name)
        cells = [
            f"{statistics.median(times[n].values()):.0f}" if n in times else "-" for n in ("lazyzarr", *names)
        ]
        lines.append([row.name, *cells, *(multiple(row, n, times, n not in common) for n in names)])
    below = [
        f"{name.replace('_', '-')} cannot: {', '.join(works)}."
        for name, works in failures(records).items()
        if name not in NO_PACKAGES
    ]
    return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), *([""] if below else []), *below])


def failures(records: list[dict]) -> dict[str, list[str]]:
    """By peer, the rows at which all of its variants failed, and how."""
    done = {(r["row"], r["peer"].partition("-")[0]) for r in records if "ms" in r}
    found: dict[str, dict[str, str]] = {}
    for r in records:
        peer = r["peer"].partition("-")[0]
        if "error" in r and (r["row"], peer) not in done:
            found.setdefault(peer, {})[r["row"]] = f"{r['row']} ({r['error'][:100]})"
    return {peer: list(rows.values()) for peer, rows in found.items()}


def _goal(goal: float | None) -> str:
    return "" if goal is None else f" (goal {goal:g})"


def multiple(row: Row, peer: str, times: dict[str, dict[int, float]], with_goal: bool = True) -> str:
    """Our time as a multiple of a peer's in the rounds of both, and the goal where there is one."""
    if not {peer, "lazyzarr"} <= times.keys():
        return ""
    both = sorted(times["lazyzarr"].keys() & times[peer].keys())
    value = ratio([times["lazyzarr"][r] for r in both], [times[peer][r] for r in both])
    goal = row.goals.get(peer)
    missed = "" if goal is None or value <= goal else ", missed"
    return f"{value:.2f}{_goal(goal) if with_goal else ''}{missed}"


def machine() -> dict:
    """What was measured on and with."""
    cpu = next((line.split(":")[1].strip() for line in lines_of("/proc/cpuinfo") if "model name" in line), "")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu,
        "cores used": 2,
        **{name: version(name) for name in PACKAGES if installed(name)},
    }


def installed(package: str) -> bool:
    """Whether a package of that name is there."""
    with contextlib.suppress(PackageNotFoundError):
        return bool(version(package))
    return False


def lines_of(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if os.path.exists(path) else []


def arguments(question: str) -> argparse.Namespace:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--root", default="/dev/shm/lazyzarr-bench", help="a memory-backed folder")
    parser.add_argument(
        "--disk", default=tempfile.gettempdir(), help="a folder on a disk with 35 GB free, for memory.py"
    )
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
    """Measures, prints and saves one table of peers; peers that are not installed are named below it."""
    options = arguments(question)
    without = options.without.split(",")
    peers = [peer for peer in peers if peer.partition("-")[0] not in without]
    peers, missing = available(peers)
    rows = [row for row in (quick if options.quick else rows) if options.rows in row.name]
    try:
        records = measure(rows, peers, options.rounds, options.root)
    finally:
        shutil.rmtree(options.root, ignore_errors=True)
    text = table(rows, records, peers)
    if missing:
        text += f"\n\nNot installed, and so left out: {', '.join(missing)} (`pip install 'lazyzarr[bench]'`)."
    print(text)
    save(name, options, {"rounds": options.rounds, "table": text, "records": records})


def available(peers: list[str]) -> tuple[list[str], list[str]]:
    """The peers that can run here, and the names of those that are not installed."""
    here = [p for p in peers if p.partition("-")[0] in NO_PACKAGES or installed(package_of(p))]
    return here, list(dict.fromkeys(package_of(peer) for peer in peers if peer not in here))


def package_of(peer: str) -> str:
    """The name that pip knows a peer by."""
    return peer.partition("-")[0].replace("_", "-")
