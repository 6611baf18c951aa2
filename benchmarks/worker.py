"""One process a peer: it is told its work as JSON lines on stdin, and answers with seconds and values.

usage: worker.py PEER ROOT
A line: {"work": "read", "shape": [512, 512, 512], "chunks": [32, 32, 32], "out": "folder"}
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback

import data
import numpy as np
import roofline
from lazy_work import LazyWork

POINTS = 200


class Bench(LazyWork):
    """The workloads, with sources opened once and kept; only the call of the peer is timed."""

    def __init__(self, peer: str, root: str) -> None:
        self.peer, self.root = importlib.import_module(f"peers.{peer}"), root
        self.lazy = self.peer.Lazy() if hasattr(self.peer, "Lazy") else None
        self.kept: dict = {}

    def field(self, name: str, shape: list[int]) -> np.ndarray:
        key = f"{name}-{'x'.join(map(str, shape))}"
        return self.once(key, lambda: data.field(f"{self.root}/{key}.npy", tuple(shape), ord(name)))

    def source(self, name: str, shape: list[int], chunks: list[int], open_it):
        key = f"{name}-{'x'.join(map(str, shape))}-{'x'.join(map(str, chunks))}.zarr"
        path = data.stored(f"{self.root}/{key}", self.field(name, shape), tuple(chunks))
        return self.once(key, lambda: open_it(path))

    def opened(self, name: str, shape: list[int], chunks: list[int], out: str):
        """A field as the peer opens it lazily; `out` is not needed for that."""
        return self.source(name, shape, chunks, self.lazy.open)

    def once(self, key: str, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def write(self, shape, chunks, out):
        field = self.field("u", shape)
        yield lambda: self.peer.write(out, field, tuple(chunks))
        yield bool(np.array_equal(stored_values(out), field))

    def read(self, shape, chunks, out):
        z = self.source("u", shape, chunks, self.peer.open_array)
        got = yield lambda: self.peer.read(z)
        yield bool(np.array_equal(got, self.field("u", shape)))

    def write_shards(self, shape, chunks, out, shards):
        field = self.field("u", shape)
        yield lambda: self.peer.write_shards(out, field, tuple(chunks), tuple(shards))
        yield bool(
            np.array_equal(importlib.import_module("peers.lazyzarr").lz.open_array(out, mode="r")[...], field)
        )

    def read_shards(self, shape, chunks, out, shards):
        z = self.sharded(shape, chunks, shards)
        got = yield lambda: self.peer.read(z)
        yield bool(np.array_equal(got, self.field("u", shape)))

    def points(self, shape, chunks, out, shards):
        z = self.sharded(shape, chunks, shards)
        random = np.random.default_rng(self.calls(out))
        points = tuple(random.integers(0, n, POINTS) for n in shape)
        got = yield lambda: self.peer.points(z, points)
        yield bool(np.array_equal(got, self.field("u", shape)[points]))

    def sharded(self, shape, chunks, shards):
        key = f"u-{'x'.join(map(str, shape))}-in-{'x'.join(map(str, shards))}.zarr"
        path, field = f"{self.root}/{key}", self.field("u", shape)
        if not os.path.exists(path):
            writer = importlib.import_module("peers.tensorstore")
            writer.write_shards(path + ".part", field, tuple(chunks), tuple(shards))
            os.rename(path + ".part", path)
        return self.once(key, lambda: self.peer.open_array(path))

    def calls(self, out):
        """The number of the round, which a folder's name ends in: peers pick the same points in it."""
        return int(out.rpartition("-")[2].removesuffix(".zarr"))


def stored_values(path: str) -> np.ndarray:
    """All values of what a peer wrote, read by the loop."""
    files = roofline.Files.open(path)
    try:
        return roofline.read(files, threads=2)
    finally:
        files.close()


def timed(steps) -> tuple[float, object]:
    """Seconds of the work that a workload yields first, and the value it yields then."""
    work = next(steps)
    gc.collect()
    start = time.perf_counter()
    got = work()
    seconds = time.perf_counter() - start
    return seconds, steps.send(got)


def answer(bench: Bench, order: dict) -> dict:
    """What one order gives; a peer that cannot do it says so."""
    try:
        seconds, value = timed(getattr(bench, order.pop("work"))(**order))
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {lines[0]}"}
    return {"seconds": seconds, "value": value}


def main(peer: str, root: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    bench = Bench(peer, root)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        print(json.dumps(answer(bench, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
