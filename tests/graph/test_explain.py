"""The plan as its reader sees it: its text, its table, its fields; and the plan that runs."""

from __future__ import annotations

import fnmatch

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
        mean (200, 300) float32, 240.0 kB
        stage tasks decode amp write peak what it does
        1 mean-u 8 57.6 MB 1.00 - * MB u -> mean (200, 300)
        peak * MB of 200.0 MB, 2 at once
        """,
    ),
    "two passes": (
        lambda u: (u - u.mean("time")).explain(**HOW),
        """
        subtract (240, 200, 300) float32, 57.6 MB
        stage tasks decode amp write peak what it does
        1 mean-u 8 57.6 MB 1.00 - * MB u -> mean (200, 300)
        2 subtract-u 8 57.6 MB 1.00 - * MB u, mean -> result
        total 16 115.2 MB 2.00 - * MB
        peak * MB of 200.0 MB, 2 at once
        u is decoded by 2 stages: mean-u, subtract-u
        """,
    ),
    "two sources in one pass": (
        lambda u: (u + v()).sum().explain(**HOW),
        """
        sum () float32, 4 B
        stage tasks decode amp write peak what it does
        1 sum-u 8 115.2 MB 1.00 - * MB u, v -> sum ()
        peak * MB of 200.0 MB, 2 at once
        """,
    ),
    "a write": (
        lambda u: (u - u.mean("time")).to_zarr(
            "out.zarr/anomaly", chunks={"time": 48}, shards={"time": 96}, compute=False, **HOW
        ),
        """
        out.zarr/anomaly <- subtract (240, 200, 300) float32, 57.6 MB
        stage tasks decode amp write peak what it does
        1 mean-u 8 57.6 MB 1.00 - * MB u -> mean (200, 300)
        2 subtract-u 3 57.6 MB 1.00 57.6 MB * MB u, mean -> out.zarr/anomaly
        total 11 115.2 MB 2.00 57.6 MB * MB
        peak * MB of 200.0 MB, 2 at once
        3 chunks or shards written, one writer each
        u is decoded by 2 stages: mean-u, subtract-u
        """,
    ),
    "what does not fit": (
        lambda u: u.explain(memory="10MB", num_workers=1),
        """
        read (240, 200, 300) float32, 57.6 MB
        stage tasks decode amp write peak what it does
        1 read-u * 57.6 MB 1.00 - * MB u -> result
        peak * MB of 10.0 MB, 1 at once
        does not fit: this needs * MB at its peak; memory= allows 10.0 MB.
        read-u over u: * MB a task, 1 at once: *; results 57.6 MB.
        What fits: memory="*MB"
        y.to_zarr(...) instead of y.compute(): the result alone does not fit
        """,
    ),
    "nothing stored": (
        lambda u: lz.from_array(np.ones(5)).sum().explain(**HOW),
        """
        sum () float64, 8 B
        stage tasks decode amp write peak what it does
        1 sum-array 1 - - - * MB array -> sum ()
        peak * MB of 200.0 MB, 2 at once
        """,
    ),
    "a part that many blocks need": (
        lambda u: (u - u[0]).explain(**HOW),
        """
        subtract (240, 200, 300) float32, 57.6 MB
        stage tasks decode amp write peak what it does
        1 subtract-u 8 103.7 MB 1.64 - * MB u -> result
        peak * MB of 200.0 MB, 2 at once
        """,
    ),
}  # fmt: skip


def lines(text):
    return [" ".join(line.split()) for line in text.strip().splitlines()]


@pytest.mark.parametrize(("explain", "expected"), TEXTS.values(), ids=TEXTS)
def test_text(u, explain, expected):
    text = str(explain(u))
    assert len(lines(text)) == len(lines(expected)), text
    for line, pattern in zip(lines(text), lines(expected), strict=True):
        assert fnmatch.fnmatchcase(line, pattern), text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_columns_are_aligned(u):
    head, *rows = str((u - u.mean("time")).explain(**HOW)).splitlines()[1:5]
    ends = [head.index(word) + len(word) for word in ("tasks", "decode", "amp", "write", "peak")]
    assert all(row[end - 1] != " " and row[end : end + 2] == "  " for row in rows[:2] for end in ends)


def test_table_for_notebooks_says_the_same(u):
    made = (u - u.mean("time")).to_zarr("o<b>.zarr", compute=False, **HOW)
    table = made._repr_html_()
    assert "<td>mean-u</td>" in table
    assert "o&lt;b&gt;.zarr &lt;- subtract" in table
    assert "<b>" not in table
    assert table.count("<tr>") == 4


def test_fields(u):
    made = (u - u.mean("time")).to_zarr("out.zarr", compute=False, **HOW)
    assert [stage.name for stage in made.stages] == ["mean-u", "subtract-u"]
    assert made.tasks == sum(stage.layout.tasks for stage in made.stages)
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
    assert made.problem in str(made).replace("\n  ", "\n")
    with pytest.raises(MemoryBudgetError):
        made.run()


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
    assert {verb for verb, _ in calls} <= {"get", "generation"}
    assert not any("c/" in key for _, key in calls)


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
