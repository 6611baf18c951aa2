"""What a plan counts is what is held: lines that are sorted, units on their way to the store, chunks that are kept."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.codecs import BloscCodec
from lazyzarr.format import chunk_parts
from lazyzarr.format.chunk import ChunkReader
from lazyzarr.format.chunk_source import Scratch
from lazyzarr.format.stores import FaultStore, LocalStore
from lazyzarr.graph import plan as planning
from lazyzarr.graph import run as running
from lazyzarr.graph.bound import Arena, Bound
from lazyzarr.graph.leaves import ChunkCache
from lazyzarr.graph.ops import lines
from lazyzarr.graph.targets import region_sink
from lazyzarr.graph.write import UnitWriter

FUNCTIONS = {
    "sort": np.sort,
    "stable sort": lambda a, axis: np.sort(a, axis=axis, stable=True),
    "argsort": np.argsort,
    "stable argsort": lambda a, axis: np.argsort(a, axis=axis, kind="stable"),
    "median": np.median,
    "nanmedian": np.nanmedian,
    "quantile": lambda a, axis: np.quantile(a, 0.3, axis=axis),
    "quantiles": lambda a, axis: np.nanquantile(a, [0.3, 0.5, 0.9], axis=axis),
}
BLOCKS = [((1024, 8, 32), 0), ((8, 512, 64), 1), ((4, 30, 4096), 2), ((300_000,), 0), ((200, 40, 50), 0)]


def peak_of(call, *arguments):
    """Bytes that a call takes at most, by NumPy's and Python's own count, and what it gives.

    It is the least of three calls: what other threads of the process take is counted, too, but not each time.
    """
    tries = [_peak(call, arguments) for _ in range(3)]
    return min(peak for peak, _ in tries), tries[0][1]


def _peak(call, arguments):
    tracemalloc.start()
    try:
        given = call(*arguments)
        return tracemalloc.get_traced_memory()[1], given
    finally:
        tracemalloc.stop()


def lines_below(node):
    """The node of whole lines that an expression is made of."""
    while not isinstance(node, lines.Lines):
        (node,) = node.inputs
    return node


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_lines_take_what_is_counted(function, dtype):
    for shape, axis in BLOCKS:
        values = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
        node = lines_below(function(lz.from_array(values, chunks=shape), axis=axis)._node)
        block = np.moveaxis(values, axis, -1) if node.axis != axis else values
        coords = (0,) * node.ndim
        parts = block[tuple(slice(max(sizes)) for sizes in node.inputs[0].chunks)].copy()
        peak, found = peak_of(node.call, [parts], coords, coords)
        assert peak <= found.nbytes + node.working_bytes + 20_000, (shape, node.working_bytes)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_lines_by_parts_are_numpys(function, monkeypatch):
    monkeypatch.setattr(lines, "PART", 500)
    rng = np.random.default_rng(0)
    for shape, axis in [((70, 9, 4), 0), ((5, 120, 3), 1), ((30, 41), -1), ((900,), 0)]:
        values = rng.integers(0, 30, shape).astype("f4")
        values[rng.random(shape) < 0.1] = np.nan
        x = lz.from_array(values, chunks=tuple(max(1, n // 2) for n in shape))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = function(values, axis=axis)
            found = function(x, axis=axis).compute()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


CODECS = {
    "zstd": {},
    "zstd at a high level": {"compressors": {"name": "zstd", "configuration": {"level": 9}}},
    "blosc": {"compressors": "blosc-lz4"},
    "gzip": {"compressors": "gzip"},
    "none": {"compressors": None},
    "none, big endian": {
        "compressors": None,
        "serializer": {"name": "bytes", "configuration": {"endian": "big"}},
    },
    "big endian": {"serializer": {"name": "bytes", "configuration": {"endian": "big"}}},
    "a checksum": {"compressors": ["zstd", "crc32c"]},
    "transposed": {"filters": [{"name": "transpose", "configuration": {"order": [1, 0]}}]},
    "a cast": {"filters": [{"name": "cast_value", "configuration": {"data_type": "float64"}}]},
    "shards": {"shards": (300, 1000), "chunks": (150, 1000)},
    "shards, index first": {
        "chunks": (300, 1000),
        "compressors": None,
        "serializer": {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [150, 1000],
                "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                "index_location": "start",
            },
        },
    },
    "v2": {"zarr_format": 2, "compressors": {"id": "zlib", "level": 1}},
}


@pytest.mark.parametrize("codecs", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("region", [False, True], ids=["new", "a region"])
def test_a_unit_takes_what_is_counted(codecs, region):
    """Noise of 1.2 MB a unit; those at the end are cut by the edge, those of a region are changed in part."""
    z = lz.create_array("z.zarr", shape=(750, 1000), dtype="f4", **{"chunks": (300, 1000)} | codecs)
    noise = np.random.default_rng(0).random((750, 1000), "f4")
    z[...] = noise
    sink = region_sink(z, (100 if region else 0, 0))
    if not region:
        target = lz.from_array(noise).to_zarr("new.zarr", compute=False, **{"chunks": (300, 1000)} | codecs)
        (sink,) = target._planned.stages[-1].sinks
    domain = (650, 1000) if region else z.shape
    starts = [0, 200, 500] if region else [0, 300, 600]

    def write():
        writer = UnitWriter(sink)
        # Room to read what is stored: reserved, and in memory as far as it is read into.
        reserved = len(writer._scratch.raw) // (16 if region else 1)
        for start, stop in zip(starts, [*starts[1:], domain[0]], strict=True):
            values = writer.buffer((stop - start, 1000))
            values[...] = noise[start:stop]
            writer.write((start, 0), values)
            del values  # it holds the buffer, which may be about to grow
        return reserved

    peak, reserved = peak_of(write)
    peak -= reserved
    counted = sink.writing_bytes(300 * 1000, domain)
    assert peak <= counted + 65536
    assert counted <= 2 * peak + 1_200_000


def test_a_unit_at_the_edge_is_stored_with_fill_beyond_it():
    values = np.arange(1.0, 31, dtype="f4").reshape(5, 6)
    for name, words in {"plain": {}, "shards": {"shards": (4, 8)}, "empty": {"fill_value": 9}}.items():
        x = lz.from_array(values + (0 if name == "plain" else 1), chunks=(2, 2))
        z = x.to_zarr(f"{name}.zarr", chunks=(4, 4), **words)
        same = lz.create_array(f"{name}-same.zarr", shape=(5, 6), chunks=(4, 4), dtype="f4", **words)
        same[...] = x.compute()
        np.testing.assert_array_equal(z[...], same[...])
        stored = [
            {str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("c/*/*")}
            for root in (f"{name}.zarr", f"{name}-same.zarr")
        ]
        assert stored[0] == stored[1]
        assert len(stored[0]) == 4 if not words.get("shards") else 2


def test_lines_are_cut_where_chunks_end():
    z = lz.create_array("z.zarr", shape=(2560, 1024, 300), chunks=(64, 128, 100), dtype="f4")
    x = lz.from_zarr(z)
    assert np.sort(x, axis=0).chunks == ((2560,), (8,) * 128, (100,) * 3)
    assert np.argsort(x, axis=0).chunks == ((2560,), (4,) * 256, (100,) * 3)
    assert np.sort(x[:, :100], axis=2).chunks == ((64,) * 40, (100,), (300,))


def test_medians_read_each_chunk_once_and_keep_one(monkeypatch):
    z = lz.create_array("data.zarr/z", shape=(640, 64, 64), chunks=(40, 32, 32), dtype="f8")
    z[...] = values = np.random.default_rng(0).random(z.shape)
    reads = []
    store = FaultStore(
        LocalStore("data.zarr"), lambda verb, key, n: reads.append(key) if "c/" in key else None
    )
    x = lz.from_zarr(store, "z")
    y = lnp.median(x, axis=0)
    planned = y.explain(memory="44MB", num_workers=1)._planned
    assert [stage.kind for stage in planned.stages] == ["map"]
    (stage,) = planned.stages
    assert stage.memory.nested == 40 * 32 * 32 * 8
    np.testing.assert_array_equal(
        y.compute(memory="44MB", num_workers=1, scheduler="sync"), np.median(values, axis=0)
    )
    assert sorted(reads) == sorted(set(reads))
    assert len(reads) == 64
    made, new_chunk = [], ChunkReader.new_chunk
    monkeypatch.setattr(
        ChunkReader, "new_chunk", lambda self, coords=None: made.append(coords) or new_chunk(self, coords)
    )
    y.compute(memory="44MB", num_workers=1, scheduler="sync")
    assert len(made) == 1


def test_a_plan_says_why_lines_go_through_a_temporary_array():
    """In one pass a task holds the chunks of a column: too much for 120 MB, and in 300 MB for more than one task."""
    x = lz.from_zarr(lz.create_array("z.zarr", shape=(2560, 512, 512), chunks=(64, 128, 128), dtype="f4"))
    less = lnp.median(x, axis=0).explain(memory="120MB", num_workers=2)
    assert [stage.kind for stage in less.stages] == ["spill", "map"]
    assert "two stages, because median alone would need 2" in str(less)
    many = lnp.median(x, axis=0).explain(memory="300MB", num_workers=4)
    assert [stage.kind for stage in many.stages] == ["spill", "map"]
    assert "two stages, because in one only 1 at once would fit the memory" in str(many)
    # For two workers, one of whom waits, that costs more than it saves.
    two = lnp.median(x, axis=0).explain(memory="300MB", num_workers=2)
    assert ([stage.kind for stage in two.stages], two.amplification) == (["map"], 1.0)


def test_blocks_are_not_made_smaller_by_decoding_chunks_again():
    """Of 2.1 GB in columns of 134 MB each, which a task may exceed rather than read them twice."""
    x = lz.from_zarr(lz.create_array("z.zarr", shape=(2560, 512, 512), chunks=(64, 128, 128), dtype="f4"))
    plan = np.sort(x, axis=0).to_zarr("out.zarr", compute=False, memory="1GB", num_workers=2)
    assert plan.amplification == 1.0
    assert plan.stages[0].tasks == 16
    # What reaches a little across its blocks is still cut for the workers.
    assert (x[1:] - x[:-1]).max().explain(memory="1GB", num_workers=2).tasks > 8


@pytest.mark.parametrize("make", [lambda x: x.sum(axis=1), lambda x: np.cumsum(x, axis=1), lambda x: x * 2])
def test_a_chunk_that_is_too_large_is_refused_at_once(make, monkeypatch):
    x = lz.from_zarr(
        lz.create_array("z.zarr", shape=(1000, 10_000, 1000), chunks=(100, 100, 100), dtype="f4")
    )
    fits = make(x).to_zarr("out.zarr", compute=False, memory="100MB", num_workers=2)
    assert fits.fits

    def never(*args):
        raise AssertionError("no blocks are to be tried")

    monkeypatch.setattr(planning, "split_further", never)
    monkeypatch.setattr(planning, "proposals", never)
    plan = make(x).to_zarr("out.zarr", compute=False, memory="36MB", num_workers=2)
    monkeypatch.undo()
    assert not plan.fits
    assert "4.0 MB each" in plan.problem or "chunks or shards on their way" in plan.problem
    (cure,) = plan.advice
    budget = cure.text.removeprefix('memory="').removesuffix('"')
    assert make(x).to_zarr("out.zarr", compute=False, memory=budget, num_workers=2).fits


EXPRESSIONS = {
    "parts of several chunks": lambda x: x[1:, 1:] - x[:-1, :-1],
    "a function of blocks": lambda x: x.map_blocks(lambda block: block + 1, dtype="f8"),
    "a function of blocks and edges": lambda x: x.map_overlap(lambda block: block, depth=1) * 2,
    "a running sum": lambda x: np.cumsum(x, axis=0) + 1,
    "joined": lambda x: np.concatenate([x, x[::-1]]) + 1,
    "a median": lambda x: np.median(x, axis=0) + 1,
    "a reduction": lambda x: x - x.mean(axis=0),
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_what_a_run_worked_with_goes_with_it(expression, scheduler):
    """Nothing waits for the collector, which may not come by for long: it counts objects, not bytes."""
    z = lz.create_array("z.zarr", shape=(900, 500), chunks=(300, 250), dtype="f8", compressors="blosc-lz4")
    z[:600] = np.random.default_rng(0).random((600, 500))
    y = expression(lz.from_zarr(z))
    out = lz.create_array("out.zarr", shape=y.shape, chunks=(150,) * y.ndim, dtype="f8")

    def write():
        lz.store(y, out, scheduler=scheduler)

    write()  # what is made once and kept is there
    gc.collect()
    gc.disable()
    try:
        tries = [_traced(write) for _ in range(3)]
    finally:
        gc.enable()
    assert min(peak for _, peak in tries) > 600_000  # a chunk at the least
    # Other threads of the process may hold something, too, but not each time.
    assert min(held for held, _ in tries) < 200_000


def _traced(call):
    """Bytes that are held after a call, and that it takes at most."""
    tracemalloc.start()
    try:
        call()
        for thread in threading.enumerate():
            if thread.name.startswith("lazyzarr-run"):  # which hold what they work in until they have ended
                thread.join()
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


class Dropped(dict):
    """A mapping that keeps metadata and drops chunks."""

    def __setitem__(self, key, value):
        if key.endswith("zarr.json"):
            super().__setitem__(key, value)


@pytest.mark.parametrize("compressors", [None, "blosc-lz4"])
@pytest.mark.parametrize("kind", ["a mapping", "a folder"])
def test_a_difference_of_shifted_arrays_takes_what_its_plan_counts(compressors, kind, monkeypatch):
    """Two arrays of noise that are read by parts of chunks; what is written is cut at odds with these."""
    monkeypatch.setattr(chunk_parts, "LARGE", 1_000_000)
    monkeypatch.setattr(chunk_parts, "PART", 200_000)
    noise = np.random.default_rng(0).random((1500, 1000))
    codec = BloscCodec(cname="zstd", clevel=1, blocksize=160_000)
    for name in "ab":
        z = lz.create_array(
            f"{name}.zarr", shape=noise.shape, chunks=(400, 400), dtype="f8", compressors=codec
        )
        z[...] = noise
    a, b = lz.from_zarr("a.zarr"), lz.from_zarr("b.zarr")
    y = a[1:, 1:] - b[:-1, :-1]
    store = Dropped() if kind == "a mapping" else "out.zarr"
    out = lz.create_array(store, shape=y.shape, chunks=y.chunksize, dtype="f8", compressors=compressors)
    plans = []
    monkeypatch.setattr(running, "check", lambda planned, reach: plans.append(planned))

    def write():
        lz.store(y, out, scheduler="sync")

    write()
    peak, _ = peak_of(write)
    (stage,) = plans[-1].stages
    assert isinstance(a._node.array.parts_reader(), chunk_parts.PartsReader)
    assert stage.memory.task / 2 < peak <= stage.memory.task + 500_000


LET_GO = {
    "reduced": lambda x: x.sum(),
    "reduced twice": lambda x: (x - x.mean(0)).std(),
    "selected": lambda x: np.quantile(x, 0.3),
    "joined": lambda x: np.roll(x, 3, 0),
    "a user's": lambda x: x.map_blocks(lambda block: block + 1),
    "halos": lambda x: x.map_overlap(lambda block: block, depth=1),
    "scanned": lambda x: x.cumsum(0),
    "picked": lambda x: x[[5, 1, 90]],
}


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
@pytest.mark.parametrize("function", LET_GO.values(), ids=LET_GO)
def test_what_a_run_held_does_not_wait_for_the_garbage_collector(function, scheduler):
    lz.create_array("held.zarr", data=np.arange(6000.0).reshape(100, 60), chunks=(10, 60))
    y = function(lz.from_zarr("held.zarr"))
    gc.collect()
    gc.disable()
    try:
        y.compute(scheduler=scheduler, num_workers=2)
        assert not [
            each for each in gc.get_objects() if isinstance(each, (Arena, Bound, ChunkCache, Scratch))
        ]
    finally:
        gc.enable()
