"""The demo: writes an array, plans, computes within a memory budget, writes another, checks each step."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lazyzarr as lz

from .errors import ChunkDecodeError, ContainsArrayError
from .settings import format_bytes, memory_at_most, memory_in_use, parse_bytes

__all__ = ["run"]

SIDE = 360  # rows and columns of the map
CHUNKS = (40, 120, 120)  # days, rows, columns: 2.3 MB
OTHER_CHUNKS = (200, 60, 60)  # longer in time, smaller in space


class Checks:
    """Counts what held, and says what did and did not."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def __call__(self, claim: str, holds: bool) -> None:
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        print(f"   {'ok' if holds else 'WRONG'}: {claim}")


class Truth:
    """What NumPy counts while the slabs are in memory, to compare with what is computed from the chunks."""

    def __init__(self) -> None:
        self.size, self.sum, self.squares, self.low, self.high = 0, 0.0, 0.0, np.inf, -np.inf

    def add(self, slab: NDArray[np.float32]) -> None:
        self.size += slab.size
        self.sum += float(slab.sum(dtype="f8"))
        self.squares += float(np.square(slab, dtype="f8").sum())
        self.low, self.high = min(self.low, float(slab.min())), max(self.high, float(slab.max()))

    def agrees(self, mean: float, std: float, low: float, high: float) -> bool:
        expected = self.sum / self.size
        spread = (self.squares / self.size - expected**2) ** 0.5
        return bool(
            np.allclose((mean, std), (expected, spread), rtol=1e-6) and (low, high) == (self.low, self.high)
        )


def run(folder: str | None = None, size: str = "400MB", memory: str = "200MB") -> int:
    """0 if every check of the demo held, else 1. Size and memory are bytes in words.

    Without a folder the arrays are made in a temporary one and removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="lazyzarr-") as temporary:
        return _run(Path(folder or temporary) / "demo.zarr", parse_bytes(size), memory)


def _run(path: Path, size: int, memory: str) -> int:
    check, start, used = Checks(), time.perf_counter(), memory_in_use() or 0
    days = max(1, round(size / (4 * SIDE * SIDE * OTHER_CHUNKS[0]))) * OTHER_CHUNKS[0]
    job: dict[str, Any] = {"memory": memory, "num_workers": 2, "progress": True}

    nbytes = format_bytes(4 * days * SIDE * SIDE)
    print(f"1. Write {nbytes} of float32, {days} days in chunks {CHUNKS}: {path}/t")
    truth = _write(path, days, check)
    x = lz.from_zarr(path / "t")

    print("\n2. The mean, the spread and the range of all of it, each chunk decoded once.")
    print("   The peak of a run is what it took above what was in use when it began:")
    found = lz.compute(x.mean(dtype="f8"), x.std(dtype="f8"), x.min(), x.max(), **job)
    check("they are what NumPy counted while the data were in memory", truth.agrees(*map(float, found)))

    print(f"\n3. The plan of a derived array, with other chunks, within {memory}.")
    print("   The peak of a plan is the most that its run can take, known before anything is read:")
    y = (x - x.mean(axis=0)) / x.std(axis=0)
    plan = y.to_zarr(path / "standardised", chunks=OTHER_CHUNKS, compute=False, **job)
    print(plan)

    print("\n4. The plan runs, then what it wrote is read:")
    z = plan.run()
    check("the plan fits the budget and names one writer a chunk", plan.fits and plan.writers == z.nchunks)
    _read_back(path, z, job, check)

    print("\n5. What must not happen, does not:")
    _refuse(path, y, check)

    peak = memory_at_most() - used
    check("all of the demo together stayed within the budget of one run", peak <= parse_bytes(memory))
    return _verdict(check, time.perf_counter() - start, peak, memory)


def _write(path: Path, days: int, check: Checks) -> Truth:
    """The source: slabs of made-up weather through plain NumPy assignment."""
    z = lz.create_array(
        path / "t", shape=(days, SIDE, SIDE), chunks=CHUNKS, dtype="f4", dimension_names=("day", "y", "x")
    )
    truth = Truth()
    for first in range(0, days, CHUNKS[0]):
        slab = _weather(first)
        z[first : first + CHUNKS[0]] = slab
        truth.add(slab)
    again = lz.open_array(path / "t", mode="r")
    check("opened again it has its shape and chunks", (again.shape, again.chunks) == (z.shape, CHUNKS))
    check("its last slab is read back bit for bit", np.array_equal(again[-CHUNKS[0] :], slab))
    return truth


def _weather(first: int) -> NDArray[np.float32]:
    """Temperatures of some days: a season, a gradient from south to north, and noise."""
    noise = np.random.default_rng(first).standard_normal((CHUNKS[0], SIDE, SIDE), dtype="f4")
    season = 10 * np.cos(np.arange(first, first + CHUNKS[0], dtype="f4") * np.float32(2 * np.pi / 365))
    gradient = np.linspace(25, -5, SIDE, dtype="f4")
    noise += gradient[:, None]
    noise -= season[:, None, None]
    return np.round(noise, 2, out=noise)


def _read_back(path: Path, z: Any, job: dict[str, Any], check: Checks) -> None:
    """Compares the derived array with NumPy on a corner, and with what it must be as a whole."""
    check("it has the chunks that were asked for", z.chunks == OTHER_CHUNKS)
    corner = lz.open_array(path / "t", mode="r")[:, -7:, 50:90]
    expected = (corner - corner.mean(axis=0)) / corner.std(axis=0)
    check("a corner of it is what NumPy gives", np.allclose(z[:, -7:, 50:90], expected, atol=1e-4))
    y = lz.from_zarr(path / "standardised")
    mean, std = lz.compute(y.mean(dtype="f8"), y.std(dtype="f8"), **job)
    check("as a whole it has mean 0 and standard deviation 1", abs(mean) < 1e-4 and abs(std - 1) < 1e-4)


def _refuse(path: Path, y: Any, check: Checks) -> None:
    """An array is not overwritten unasked, a flipped bit does not pass, nothing of ours is left behind."""
    try:
        y.to_zarr(path / "standardised")
        check("an existing array is not replaced unasked", False)
    except ContainsArrayError:
        check("an existing array is not replaced unasked", True)
    check("one flipped bit in a chunk is an error, not a number", _flip_is_noticed(path))
    names = {file.relative_to(path).parts[1] for file in path.rglob("*") if file.parent != path}
    check("nothing but chunks and metadata is left on disk", names <= {"c", "zarr.json"})


def _flip_is_noticed(path: Path) -> bool:
    """Whether reading a chunk with one bit turned raises; the bit is turned back afterwards."""
    chunk = path / "t" / "c" / "0" / "1" / "2"
    sound = chunk.read_bytes()
    middle = len(sound) // 2
    chunk.write_bytes(sound[:middle] + bytes([sound[middle] ^ 8]) + sound[middle + 1 :])
    try:
        lz.open_array(path / "t", mode="r")[:40, 120:240, 240:]
    except ChunkDecodeError:
        return True
    finally:
        chunk.write_bytes(sound)
    return False


def _verdict(check: Checks, seconds: float, peak: int, memory: str) -> int:
    """Prints the last line; the exit status."""
    total = check.passed + check.failed
    said = f"all {total} checks passed" if not check.failed else f"{check.failed} of {total} checks FAILED"
    budget = format_bytes(parse_bytes(memory))
    measured = (
        f"peak of the whole demo {format_bytes(peak)} of {budget}"
        if peak
        else f"peak not measured on this system, of {budget}"
    )
    print(f"\n{said} in {seconds:.0f} s; {measured}")
    return int(check.failed > 0)
