"""One writer a write unit: random misaligned parallel writes lose nothing, whatever the chunks, shards and threads.

The store sleeps after each read of a chunk that is to be changed, so that two writers of one unit would meet.
LAZYZARR_WRITES sets how many random writes are made (1,000 in `make faults`).
"""

from __future__ import annotations

import os
import time
from typing import Any

import dask.array as da
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError, WriteConflictError
from lazyzarr.format.stores.wrappers import FaultStore
from lazyzarr.graph import check, spreading
from lazyzarr.graph.layout import Cuts
from lazyzarr.graph.sink import Sink
from lazyzarr.storage import LocalStore, MemoryStore

WRITES = int(os.environ.get("LAZYZARR_WRITES", "80"))


class Sleeper:
    """A store's script: waits after each read below the array that is written."""

    def __init__(self) -> None:
        self.writes: dict[str, int] = {}

    def __call__(self, verb: str, key: str, number: int) -> None:
        if verb == "get" and "/c/" in f"/{key}":
            time.sleep(0.0005)
        if verb == "set" and "/c/" in f"/{key}":
            self.writes[key] = self.writes.get(key, 0) + 1


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few bytes, so that small arrays are written by many tasks."""
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 256)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)


def random_case(rng: np.random.Generator) -> tuple[Any, ...]:
    """A source in one grid and a target in another, with shards or without."""
    shape = tuple(int(n) for n in rng.integers(1, 40, rng.integers(1, 3)))
    source = tuple(int(rng.integers(1, n + 1)) for n in shape)
    chunks = tuple(int(rng.integers(1, n + 1)) for n in shape)
    shards = tuple(int(c * rng.integers(1, 4)) for c in chunks) if rng.random() < 0.5 else None
    return shape, source, chunks, shards, int(rng.integers(1, 9))


def write_once(rng: np.random.Generator, folder: str) -> int:
    """Writes a random array lazily, new or into a region of one that is there; the number of wrong elements."""
    shape, source, chunks, shards, threads = random_case(rng)
    values = rng.integers(1, 1000, shape).astype("i4")
    x = lz.from_array(values, chunks=source)
    script = Sleeper()
    store = FaultStore(MemoryStore() if rng.random() < 0.5 else LocalStore(folder), script)
    if rng.random() < 0.6:
        out = (x * 2).to_zarr(store, "a", chunks=chunks, shards=shards, num_workers=threads, mode="w")
        assert max(script.writes.values()) == 1
        return int((out[...] != values * 2).sum())
    margin = [int(n) for n in rng.integers(0, 7, len(shape))]
    whole = tuple(n + 2 * m for n, m in zip(shape, margin, strict=True))
    out = lz.create_array(
        store, name="a", shape=whole, chunks=chunks, shards=shards, dtype="i4", overwrite=True
    )
    before = rng.integers(1, 1000, whole).astype("i4")
    out[...] = before
    script.writes.clear()
    region = tuple(slice(m, m + n) for m, n in zip(margin, shape, strict=True))
    with lz.config.set(num_workers=threads):
        out[region] = x * 2
    assert max(script.writes.values()) == 1
    before[region] = values * 2
    return int((out[...] != before).sum())


def test_random_misaligned_writes_lose_nothing(tmp_path: Any) -> None:
    rng = np.random.default_rng(20261122)
    wrong = sum(write_once(rng, f"{tmp_path}/{i}") for i in range(WRITES))
    assert wrong == 0
    print(f"one_writer {WRITES}/{WRITES} wrong elements 0")


def misaligned(self: Sink, domain: tuple[int, ...]) -> tuple[Cuts, ...]:
    """Cuts that no unit ends at."""
    return tuple(np.unique([*range(0, n, 5), n]).astype(np.int64) for n in domain)


def test_a_misaligned_plan_is_refused_before_any_write(monkeypatch: pytest.MonkeyPatch) -> None:
    x = lz.from_array(np.arange(1, 65).reshape(8, 8), chunks=2)
    calls: list[str] = []
    store = FaultStore(
        MemoryStore(), lambda verb, key, number: calls.append(key) if verb == "set" and "/c/" in key else None
    )
    monkeypatch.setattr(Sink, "cuts", misaligned)
    with pytest.raises(WriteConflictError, match="two tasks"):
        x.to_zarr(store, "a", chunks=(4, 4))
    assert calls == []


def test_without_the_check_the_same_writes_lose_elements(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Shows that the harness can see what the law prevents."""
    monkeypatch.setattr(Sink, "cuts", misaligned)
    monkeypatch.setattr(check, "LAWS", [law for law in check.LAWS if law is not check.one_writer])
    wrong = 0
    for i in range(5):
        values = np.arange(1, 1601, dtype="i4").reshape(40, 40)
        store = FaultStore(LocalStore(f"{tmp_path}/{i}"), Sleeper())
        try:
            out = lz.from_array(values, chunks=5).to_zarr(store, "a", chunks=(16, 16), num_workers=8)
        except ChunkDecodeError:  # one of two writers met what the other had half written
            wrong += 1
        else:
            wrong += int((out[...] != values).sum())
    assert wrong > 0


@pytest.mark.peer
def test_dask_array_loses_elements_in_the_same_harness(tmp_path: Any) -> None:
    """The peer's own default for a new array, and its own grid for ours: no lock, no alignment."""
    zarr = pytest.importorskip("zarr")

    class Sleeping(zarr.storage.LocalStore):  # type: ignore[misc, name-defined]
        async def get(self, key: str, *args: Any, **options: Any) -> Any:
            found = await super().get(key, *args, **options)
            if "/c/" in f"/{key}":
                time.sleep(0.0005)
            return found

    wrong = 0
    for i in range(5):
        values = np.arange(1, 1601, dtype="i4").reshape(40, 40)
        z = zarr.create_array(Sleeping(f"{tmp_path}/{i}"), shape=(40, 40), chunks=(16, 16), dtype="i4")
        da.store(da.from_array(values, chunks=5), z, lock=False, scheduler="threads", num_workers=8)
        wrong += int((z[...] != values).sum())
    assert wrong > 0
