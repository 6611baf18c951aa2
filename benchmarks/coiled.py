"""How long do five workloads of Coiled's benchmarks take, and how much memory, beside dask.array?

The definitions of github.com/coiled/benchmarks, at sizes that fit one machine (stored bytes in brackets). Random data,
in both from the same Zarr in memory-backed storage; written to a target that drops what it is given (dask: an array
that does; lazyzarr, which writes Zarr alone: an array without codecs in a store that does). Groups are written out in
dask.array, which has none of its own. Neither is given a budget: ours is the default, half of what is free, of which no
plan here takes more than it needs; dask.array knows none. Each run is a process of its own, on two cores and with two
threads; its peak is VmHWM at the end less VmRSS after imports and opening.
"""

from __future__ import annotations

import shutil
import statistics
from dataclasses import dataclass

import numpy as np
from child import alone
from harness import arguments, save
from peers.lazyzarr import CODEC, lz

PEERS = ["lazyzarr", "dask"]
SETUP = {
    "lazyzarr": """
import numpy as np
import lazyzarr as lz
import lazyzarr.numpy as xp

class NullStore(dict):
    "A store that keeps metadata and drops chunks."
    def __setitem__(self, key, value):
        if key.endswith("zarr.json"):
            super().__setitem__(key, value)

def opened(name):
    return lz.from_zarr(f"{root}/{name}.zarr")

def run(y):
    return y.compute(scheduler="threads")

def drop(y):
    z = lz.create_array(NullStore(), shape=y.shape, chunks=y.chunksize, dtype=y.dtype, compressors=None)
    z[...] = y

def means(x, groups, count):
    return x.groupby_reduce(groups, "mean", axis=0, num_groups=count)
""",
    "dask": """
import dask.array as xp
import numpy as np
import peers.zarr
from child import Null

def opened(name):
    return xp.from_zarr(f"{root}/{name}.zarr")

def run(y):
    return y.compute(scheduler="threads", num_workers=2)

def drop(y):
    xp.store(y, Null(y), lock=False, scheduler="threads", num_workers=2)

def means(x, groups, count):
    return xp.stack([x[np.flatnonzero(groups == g)].mean(axis=0) for g in range(count)])
""",
}


@dataclass(frozen=True)
class Work:
    """A workload: its sources with shapes and chunks, what is done, and a part of the result to compare."""

    sources: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    before: str
    work: str
    value: str
    dtype: str = "f8"


def works(n: int) -> dict[str, Work]:
    """The workloads; n is 1, or a divisor for a quick trial."""
    side, plane, wide = 5000 // n, 10000 // n, 10 * 2**20 // 8 // n
    tile, time, depth = 1600 // n, 200, max(1, 24 // n)
    square, level = ((plane, plane), (tile, tile)), (1, 1, depth, 21, 90, 144)
    return {
        "vorticity": Work(
            {
                **dict.fromkeys("uv", ((side, side, 4), (side, side, 1))),
                **dict.fromkeys(("dx", "dy"), ((side + 1, side), (side + 1, side))),
            },
            "u, v, dx, dy = map(opened, ('u', 'v', 'dx', 'dy'))",
            "p = lambda a: xp.pad(a, [(0, 1), (0, 0), (0, 0)], mode='wrap').rechunk({0: a.shape[0] + 1})\n"
            "y = dx[..., None] * p(u) - dy[..., None] * p(v)\ndrop(y)",
            "run(y[-2:, ::1000]).ravel().tolist()",
        ),
        "double_diff": Work(
            {"a": square, "b": square},
            "a, b = map(opened, 'ab')",
            "y = a[1:, 1:] - b[:-1, :-1]\ndrop(y)",
            "run(y[-1, ::1000]).tolist()",
        ),
        "anom_mean": Work(
            {"x": ((time, wide), (1, wide))},
            f"x, day = opened('x'), np.arange({time}) % {time // 100}",
            f"y = run((x - means(x, day, {time // 100})[day]).mean(axis=0))",
            "[float(abs(y).max() < 1e-12)]",
        ),
        "map_overlap_sample": Work(
            {"x": ((plane, plane), (50, 50))},
            "x = opened('x')",
            "y = x.map_overlap(lambda block: block, depth=1)\n"
            f"y = run(y[{plane // 2}:{plane // 2 + 10}, {plane // 2}:{plane // 2 + 10}])",
            "y.ravel().tolist()",
        ),
        "climatology": Work(
            {"x": ((28, 2, *level[2:]), level)},
            "x, year = opened('x'), np.arange(28) % 10",
            "y = means(x, year, 10)\ndrop(y)",
            "run(y[::3, 0, 0, 0, 0, ::50]).ravel().tolist()",
            "f4",
        ),
    }


def make(root: str, work: Work) -> int:
    """Stores the sources of a workload, random numbers slab by slab; the number of bytes."""
    total = 0
    for seed, (name, (shape, chunks)) in enumerate(work.sources.items()):
        z = lz.create_array(
            f"{root}/{name}.zarr",
            shape=shape,
            chunks=chunks,
            dtype=work.dtype,
            compressors=CODEC,
            overwrite=True,
        )
        axis = max(range(len(shape)), key=lambda a: -(-shape[a] // chunks[a]))
        rng = np.random.default_rng(seed)
        for low in range(0, shape[axis], chunks[axis]):
            part = [*shape]
            part[axis] = min(chunks[axis], shape[axis] - low)
            where = (slice(None),) * axis + (slice(low, low + part[axis]),)
            z[where] = rng.random(part, dtype=work.dtype)
        total += z.nbytes
    return total


def rounds_of(root: str, work: Work, count: int) -> dict[str, list[dict]]:
    """The runs of both, in turn; stops where they disagree."""
    found: dict[str, list[dict]] = {peer: [] for peer in PEERS}
    for number in range(count):
        for peer in PEERS[number % 2 :] + PEERS[: number % 2]:
            setup = f"root = {root!r}\n{SETUP[peer]}\n{work.before}"
            found[peer].append(alone(setup, work.work, work.value))
        values = [found[peer][-1].get("value") for peer in PEERS]
        if None not in values and not np.allclose(*values, rtol=1e-5, atol=1e-9):
            raise SystemExit(f"wrong values: {values}")
    return found


def line(name: str, stored: int, runs: dict[str, list[dict]]) -> list[str]:
    """A row of the table: seconds and MB of both, and ours as a multiple of dask's."""
    failed = [f"{peer}: {r['error'][:120]}" for peer, rs in runs.items() for r in rs if "error" in r]
    title = f"{name} ({stored / 1e9:.1f} GB)"
    if failed:
        return [title, failed[0], "", "", "", "", ""]
    cells = [title]
    for key, unit, digits in (("seconds", 1, 2), ("peak", 1e6, 0)):
        ours, theirs = (statistics.median(r[key] for r in runs[peer]) / unit for peer in PEERS)
        share = statistics.median(a[key] / b[key] for a, b in zip(*runs.values(), strict=True))
        cells += [
            f"{ours:.{digits}f}",
            f"{theirs:.{digits}f}",
            f"{share:.2f}{'' if share <= 1 else ', missed'}",
        ]
    return cells


def main() -> None:
    options = arguments(__doc__)
    count = 1 if options.quick else min(3, options.rounds)
    head = ["workload", "lazyzarr s", "dask s", "of dask (goal 1)"]
    head += ["lazyzarr MB", "dask MB", "of dask (goal 1)"]
    lines, records = [head, ["---", *["---:"] * 6]], {}
    for name, work in works(8 if options.quick else 1).items():
        if options.rows not in name:
            continue
        try:
            stored = make(options.root, work)
            records[name] = rounds_of(options.root, work, count)
        finally:
            shutil.rmtree(options.root, ignore_errors=True)
        lines.append(line(name, stored, records[name]))
        print(lines[-1])
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    print(table)
    save("coiled", options, {"rounds": count, "table": table, "records": records})


if __name__ == "__main__":
    main()
