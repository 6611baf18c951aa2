"""The plan as its reader sees it: its text, its table, its fields; and the plan that runs."""

from __future__ import annotations

import fnmatch
import pickle
import re

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ContainsArrayError, MemoryBudgetError
from lazyzarr.format.stores import FaultStore, LocalStore
from lazyzarr.storage import MemoryStore

NAMES = ("time", "lat", "lon")
HOW = {"memory": "200MB", "num_workers": 2}


@pytest.fixture
def u():
    """57.6 MB in 10 chunks of 24 times each; nothing is stored but the metadata."""
    lz.create_array(
        "data.zarr/u", shape=(240, 200, 300), chunks=(24, 200, 300), dtype="f4", dimension_names=NAMES
    )
    return lz.from_zarr("data.zarr/u")


def v():
    return lz.from_zarr(
        lz.create_array("data.zarr/v", shape=(240, 200, 300), chunks=(24, 200, 300), dtype="f4")
    )


TEXTS = {
    "a reduction": (
        lambda u: u.mean("time").explain(**HOW),
        """
        u.mean("time") (200, 300) float32, 240.0 kB test_explain.py:*
        stage tasks decode amp write peak what it does
        1 mean-u 8 57.6 MB 1.00 - * MB u -> mean (200, 300)
        total 8 57.6 MB 1.00 - * MB of 200.0 MB, 2 at once
        bound by memory: *
        """,
    ),
    "two passes": (
        lambda u: (u - u.mean("time")).explain(**HOW),
        """
        u - u.mean("time") (240, 200, 300) float32, 57.6 MB test_explain.py:*
        stage tasks decode amp write peak what it does
        1 mean-u 8 57.6 MB 1.00 - * MB u -> mean (200, 300)
        2 subtract-u 8 57.6 MB 1.00 - * MB u, mean -> result
        total 16 115.2 MB 2.00 - * MB of 200.0 MB, 2 at once
        u is decoded twice: all of it is in mean-u before subtract-u begins
        bound by memory: *
        """,
    ),
    "a halo": (
        lambda u: u[:, :, :200].map_overlap(same, depth=8, dtype="f4").explain(memory="200MB", num_workers=1),
        """
        u?:, :, :200?.map_overlap(same, depth=8, dtyp...
        (240, 200, 200) float32, 38.4 MB test_explain.py:*
        stage tasks decode amp write peak what it does
        1 same 1 57.6 MB 1.00 - * MB u -> result
        total 1 57.6 MB 1.00 - * MB of 200.0 MB, 1 at once
        halo 8: decodes 1.00x (a halo is a larger region: no rechunk, neighbours shared inside a task)
        bound by memory: *
        """,
    ),
    "halos along some axes": (
        lambda u: (
            u.map_overlap(same, depth={"lon": (0, 3)}, dtype="f4")
            .map_overlap(same, depth={0: 1, "lat": 2}, dtype="f4")
            .mean()
            .explain(memory="200MB", num_workers=1)
        ),
        """
        u.map_overlap(same, depth={'lon': (0, 3)}, dt... () float32, 4 B test_explain.py:*
        stage tasks decode amp write peak what it does
        1 mean-u 1 57.6 MB 1.00 - * MB u -> mean ()
        total 1 57.6 MB 1.00 - * MB of 200.0 MB, 1 at once
        halo lon (0, 3): decodes 1.00x (a halo is a larger region: no rechunk, neighbours shared inside a
        task)
        halo time 1, lat 2: decodes 1.00x (a halo is a larger region: no rechunk, neighbours shared inside
        a task)
        bound by memory: *
        """,
    ),
    "two sources in one pass": (
        lambda u: (u + v()).sum().explain(**HOW),
        """
        (u + v()).sum() () float32, 4 B test_explain.py:*
        stage tasks decode amp write peak what it does
        1 sum-u 8 115.2 MB 1.00 - * MB u, v -> sum ()
        total 8 115.2 MB 1.00 - * MB of 200.0 MB, 2 at once
        bound by memory: *
        """,
    ),
    "a write": (
        lambda u: (u - u.mean("time")).to_zarr(
            "out.zarr/anomaly", chunks={"time": 48}, shards={"time": 96}, compute=False, **HOW
        ),
        """
        out.zarr/anomaly <- u - u.mean("time") (240, 200, 300) float32, 57.6 MB test_explain.py:*
        stage tasks decode amp write peak what it does
        1 mean-u 8 57.6 MB 1.00 - * MB u -> mean (200, 300)
        2 subtract-u 3 57.6 MB 1.00 57.6 MB * MB u, mean -> out.zarr/anomaly
        total 11 115.2 MB 2.00 57.6 MB * MB of 200.0 MB, 2 at once
        u is decoded twice: all of it is in mean-u before subtract-u begins
        3 shards written, one writer each; nothing is written before stage 2
        bound by encode: * s at 0.4 GB/s a core (zstd); then *
        """,
    ),
    "what does not fit": (
        lambda u: u.explain(memory="10MB", num_workers=1),
        """
        lz.from_zarr("data.zarr/u") (240, 200, 300) float32, 57.6 MB test_explain.py:*
        stage tasks decode amp write peak what it does
        1 read-u * 57.6 MB 1.00 - * MB OVER by * MB: the result, (240, 200, 300)
        float32, is 57.6 MB and stays in memory
        total * 57.6 MB 1.00 - * MB of 10.0 MB, 1 at once
        bound by memory: *
        What fits: memory="*MB" *
        """,
    ),
    "nothing stored": (
        lambda u: lz.from_array(np.ones(5)).sum().explain(**HOW),
        """
        lz.from_array(np.ones(5)).sum() () float64, 8 B test_explain.py:*
        stage tasks decode amp write peak what it does
        1 sum-array 1 - - - * MB array -> sum ()
        total 1 - - - * MB of 200.0 MB, 2 at once
        """,
    ),
    "a part that many blocks need": (
        lambda u: (u - u[0]).explain(**HOW),
        """
        u - u?0? (240, 200, 300) float32, 57.6 MB test_explain.py:*
        stage tasks decode amp write peak what it does
        1 subtract-u 4 80.6 MB 1.40 - * MB u -> result
        total 4 80.6 MB 1.40 - * MB of 200.0 MB, 2 at once
        bound by memory: *
        """,
    ),
    "what is refused for another reason": (
        lambda u: (lz.from_zarr(lz.array(np.ones(9))) * 2).explain(scheduler="processes", memory="200MB"),
        """
        lz.from_zarr(lz.array(np.ones(9))) * 2 (9,) float64, 72 B test_explain.py:*
        stage tasks decode amp write peak what it does
        1 multiply-array 1 72 B 1.00 - * MB array -> result
        total 1 72 B 1.00 - * MB of 200.0 MB, * at once
        refused: memory:* lives in this process alone, where worker processes*
        *Use scheduler="threads", or *
        """,
    ),
}  # fmt: skip


def same(block):
    return block


def lines(text):
    return [" ".join(line.split()) for line in text.strip().splitlines()]


@pytest.mark.parametrize(("explain", "expected"), TEXTS.values(), ids=TEXTS)
def test_text(u, explain, expected):
    text = str(explain(u))
    assert len(lines(text)) == len(lines(expected)), text
    assert all(len(line) <= 100 for line in text.splitlines()), text
    for line, pattern in zip(lines(text), lines(expected), strict=True):
        assert fnmatch.fnmatchcase(line, pattern), text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_columns_are_aligned(u):
    head, *rows = str((u - u.mean("time")).explain(**HOW)).splitlines()[1:5]
    ends = [head.index(word) + len(word) for word in ("tasks", "decode", "amp", "write", "peak")]
    assert all(row[end - 1] != " " and row[end : end + 2] == "  " for row in rows[:2] for end in ends)


def test_fields(u):
    made = (u - u.mean("time")).to_zarr("out.zarr", compute=False, **HOW)
    assert [stage.name for stage in made.stages] == ["mean-u", "subtract-u"]
    assert made.tasks == sum(stage.tasks for stage in made.stages)
    assert [stage.kind for stage in made.stages] == ["reduce", "map"]
    assert [stage.reads for stage in made.stages] == [("u",), ("u", "mean")]
    assert [stage.gives for stage in made.stages] == [("mean (200, 300)",), ("out.zarr",)]
    assert [stage.write for stage in made.stages] == [0, u.nbytes]
    assert [stage.why for stage in made.stages] == ["", ""]
    assert max(stage.peak for stage in made.stages) == made.peak_memory
    assert {stage.place.file for stage in made.stages} == {"test_explain.py"}
    assert (made.bytes_decoded, made.bytes_written) == (2 * u.nbytes, u.nbytes)
    assert made.amplification == 2
    assert made.writers == 10
    assert (made.memory, made.workers) == (200_000_000, 2)
    assert 0 < made.peak_memory <= made.memory
    assert made.fits
    assert made.problem == ""


def test_a_plan_that_does_not_fit_says_so_and_is_refused_when_it_runs(u):
    made = u.explain(memory="10MB")
    assert not made.fits
    assert made.problem.splitlines()[-1] in str(made)
    assert made.stages[0].why.startswith("OVER by ")
    with pytest.raises(MemoryBudgetError) as caught:
        made.run()
    assert (caught.value.needed, caught.value.allowed) == (made.peak_memory, 10_000_000)
    assert steady(caught.value.cures) == steady(made.advice) != []
    again = pickle.loads(pickle.dumps(caught.value))
    found = (str(again), again.needed, again.cures)
    assert found == (str(caught.value), made.peak_memory, caught.value.cures)


def steady(cures):
    """Cures without how much memory is free: that is another figure a moment later."""
    return [re.sub(r"\S+ \w+ are free", "are free", str(cure)) for cure in cures]


def test_explaining_reads_and_makes_nothing():
    lz.create_array("data.zarr", shape=(100,), chunks=(10,), dtype="f4")[:] = 1
    calls = []
    store = FaultStore(LocalStore("data.zarr"), lambda verb, key, n: calls.append((verb, key)))
    x = lz.from_zarr(store)
    calls.clear()
    repr((x - x.mean()).explain())
    made = (x * 2).to_zarr(
        FaultStore(MemoryStore(), lambda verb, key, n: calls.append((verb, key))), compute=False
    )
    repr(made)
    assert {verb for verb, _ in calls} <= {"get", "generation", "size"}
    # Of four chunks the sizes are looked at, for each plan; none is read.
    sizes = [key for verb, key in calls if verb == "size"]
    assert set(sizes) == {"c/0", "c/2", "c/4", "c/7"}
    assert len(sizes) <= 2 * 2 * 4
    assert not any("c/" in key for verb, key in calls if verb != "size")


def test_a_plan_runs():
    a = np.arange(24.0).reshape(4, 6)
    x = lz.from_array(a, chunks=(2, 3))
    np.testing.assert_array_equal((x * 2).explain().run(), a * 2)
    made = (x * 2).to_zarr("out.zarr", chunks=(4, 2), compute=False)
    with pytest.raises(FileNotFoundError):
        lz.open("out.zarr")
    out = made.run()
    np.testing.assert_array_equal(out[...], a * 2)
    assert out.chunks == (4, 2)
    # It is a plan of a new array: the second run finds one there.
    with pytest.raises(ContainsArrayError):
        made.run()
    np.testing.assert_array_equal((x * 3).to_zarr("out.zarr", mode="w", compute=False).run()[...], a * 3)


def test_a_plan_names_the_ends_of_a_region_that_share_a_chunk(tmp_path):
    z = lz.create_array(
        tmp_path / "z", shape=(40, 6), chunks=(8, 3), dtype="f8", dimension_names=("time", "x")
    )
    x = lz.from_array(np.ones((40, 6)))
    for low, high, said in [
        (0, 21, ["region time 0:21 ends inside chunk 2 (16:24)"]),
        (3, 40, ["region time 3:40 begins inside chunk 0 (0:8)"]),
        (9, 14, ["region time 9:14 begins and ends inside chunk 1 (8:16)"]),
        (
            3,
            21,
            ["region time 3:21 begins inside chunk 0 (0:8)", "region time 3:21 ends inside chunk 2 (16:24)"],
        ),
        (8, 40, []),
    ]:
        plan = x[low:high].to_zarr(z, region={"time": slice(low, high)}, compute=False)
        text = " ".join(str(plan).split())
        assert [line for line in said if f"{line}: read, merged and written by one task" in text] == said
        assert text.count("inside chunk") == len(said)


def test_a_plan_says_that_several_arrays_take_one_pass(tmp_path, monkeypatch):
    z = lz.create_array(tmp_path / "scan", name="0", shape=(8, 32, 32), chunks=(4, 16, 16), dtype="f4")
    x = lz.from_zarr(z)
    half = x.coarsen(np.mean, {1: 2, 2: 2})
    targets = [str(tmp_path / "scan" / name) for name in "12"]
    one = lz.store([half, half.coarsen(np.mean, {1: 2, 2: 2})], targets, compute=False)
    assert "2 levels in one pass: scan/0 decoded once (1.00x), 2 tasks" in str(one)
    two = lz.store([half, half + 1], targets, compute=False)
    assert "2 arrays in one pass: scan/0 decoded once (1.00x), 1 task\n" in str(two)
    monkeypatch.chdir("/")
    assert f"2 levels in one pass: {tmp_path}/scan/0 decoded once" in " ".join(str(one).split())
    assert "in one pass" not in str(lz.store([half], targets[:1], compute=False))
    assert "in one pass" not in str(lz.store([half, x - x.mean(0)], targets, compute=False))
