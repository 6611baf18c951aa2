"""The benchmarks run: every workload of every peer, tiny, with equal values."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

import lazyzarr as lz
from tests import source

FOLDER = source.ROOT / "benchmarks"
SHAPE, CHUNKS = (8, 12, 16), (4, 6, 8)


@pytest.fixture(scope="module")
def benchmarks():
    sys.path.insert(0, str(FOLDER))
    names = "harness worker eager sharding lazy memory plan child coiled".split()
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(FOLDER))


@pytest.mark.parametrize("script", ["eager", "lazy"])
def test_peers_agree(benchmarks, script, tmp_path):
    """One round; harness.compare stops where a peer is wrong."""
    harness, peers = benchmarks["harness"], ["lazyzarr", "loop-1", "loop-2"]
    works = {row.work for row in benchmarks[script].rows(1 if script == "eager" else SHAPE)}
    rows = [harness.Row(work, work, SHAPE, CHUNKS, {"loop": 1.0}) for work in sorted(works)]
    records = harness.measure(rows, peers, 1, str(tmp_path))
    assert len(records) == len(rows) * len(peers)
    assert "of loop (goal 1)" in harness.table(rows, records, peers)


def test_peers_agree_on_shards(benchmarks, tmp_path):
    harness, sharding, peers = benchmarks["harness"], benchmarks["sharding"], ["lazyzarr", "tensorstore"]
    rows = [harness.Row(row.work, row.work, SHAPE, (2, 3, 4), row.goals, CHUNKS) for row in sharding.rows(1)]
    records = harness.measure(rows, peers, 1, str(tmp_path))
    assert len(records) == len(rows) * len(peers)


def test_a_wrong_value_stops_the_benchmark(benchmarks):
    harness = benchmarks["harness"]
    row = harness.Row("sum", "total", SHAPE, CHUNKS)
    harness.compare(row, {"a": [1.0, 2.0], "b": [1.0, 2.00001]})
    for wrong in ([1.0, 2.1], False):
        with pytest.raises(SystemExit, match="wrong values"):
            harness.compare(row, {"a": [1.0, 2.0], "b": wrong})


def test_ratio_is_the_median_of_the_rounds(benchmarks):
    assert benchmarks["harness"].ratio([1.0, 9.0, 4.0], [2.0, 3.0, 4.0]) == 1.0


def test_slow_peers_run_in_fewer_rounds(benchmarks):
    """Ours and the loops run always; a variant far behind its sibling, and one that failed, not again."""
    seconds = {"lazyzarr": 20.0, "loop-2": 9.0, "dask": 2.0, "dask-auto": 4.0, "xarray": 0.5, "cubed": 30.0}
    answers = {peer: {"seconds": took} for peer, took in seconds.items()} | {"blosc2": {"error": "no"}}
    due = benchmarks["harness"].rounds_due(answers, 7)
    assert due == {
        "lazyzarr": 7,
        "loop-2": 7,
        "dask": 3,
        "dask-auto": 0,
        "xarray": 7,
        "cubed": 1,
        "blosc2": 0,
    }


def test_a_ratio_is_of_the_rounds_of_both_and_failures_are_named(benchmarks):
    harness = benchmarks["harness"]
    rows = [
        harness.Row("sum", "total", SHAPE, CHUNKS, {"a": 1.0}),
        harness.Row("diff", "diff", SHAPE, CHUNKS),
    ]
    records = [
        {"row": "sum", "peer": "lazyzarr", "round": 1, "ms": 2.0},
        {"row": "sum", "peer": "lazyzarr", "round": 2, "ms": 90.0},
        {"row": "sum", "peer": "a", "round": 1, "ms": 1.0},
        {"row": "diff", "peer": "lazyzarr", "round": 1, "ms": 1.0},
        {"row": "diff", "peer": "a", "round": 0, "error": "TypeError: no"},
    ]
    text = harness.table(rows, records, ["lazyzarr", "a"])
    assert "| sum | 46 | 1 | 2.00 (goal 1), missed |" in text
    assert "| diff | 1 | - |  |" in text
    assert text.endswith("a cannot: diff (TypeError: no).")


def test_peers_that_are_not_installed_are_left_out(benchmarks):
    harness = benchmarks["harness"]
    here, missing = harness.available(["lazyzarr", "loop-1", "dask", "no_such-auto", "no_such"])
    assert (here, missing) == (["lazyzarr", "loop-1", "dask"], ["no-such"])


def test_memory_is_measured_or_refused(benchmarks, tmp_path):
    memory = benchmarks["memory"]
    found = memory.run(str(tmp_path), 64_000_000, (64, 128, 128), "x.mean(axis=0)")
    peak, share, seconds = memory.cells(found["x.mean(axis=0)"], 64_000_000)
    assert 0 < float(peak) < 64
    assert share.endswith("%")
    assert float(seconds) >= 0 < found["x.mean(axis=0)"]["seconds"]
    error = {"error": "MemoryBudgetError: this needs 2 MB at its peak"}
    assert memory.cells(error, 1)[0].startswith("refused: MemoryBudgetError")


def test_peak_of_a_child(benchmarks):
    """What is held at the peak counts, and what is let go before the end."""
    child = benchmarks["child"]
    found = child.alone("import numpy as np", "x = np.ones(4_000_000); y = x[:5].sum(); del x", "float(y)")
    assert found["value"] == 5
    assert 30e6 < found["peak"] < 64e6
    assert child.alone("", "1 / 0") == {"error": "ZeroDivisionError: division by zero"}
    assert child.alone("", "import time; time.sleep(9)", limit=0.5) == {"error": "not done after 0 s"}


def test_a_plan_is_what_a_scheduler_is_given(benchmarks, tmp_path):
    plan = benchmarks["plan"]
    source = str(tmp_path / "x.zarr")
    lz.create_array(store=source, shape=(640,) * 3, chunks=(64,) * 3, dtype="f4")
    found = plan.run(source, "x*2 + 1", "written")
    assert 8 <= found["tasks"] <= found["bound"]
    assert 500 < found["sent"] < 100_000
    few = {**found, "build": 0.1, "explain": 0.1, "tasks": found["bound"]}
    assert "missed" not in plan.line("x", [few])
    assert plan.line("x", [{**few, "tasks": 10**6}]).count("missed") == 1


@pytest.mark.peer
@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="zarr-python 3.4, which the peers use, needs Python 3.12"
)
def test_coiled_workloads_agree(benchmarks, tmp_path):
    """All workloads in one process a peer: what each compares is equal."""
    coiled, code, values = benchmarks["coiled"], "values = []", []
    for name, work in coiled.works(100).items():
        coiled.make(str(tmp_path / name), work)
        code += f"\nroot = {str(tmp_path / name)!r}\n{work.before}\n{work.work}\nvalues.append({work.value})"
    for peer in coiled.PEERS:
        found = benchmarks["child"].alone(coiled.SETUP[peer], code, "values")
        assert "error" not in found
        values.append(found["value"])
    for ours, theirs in zip(*values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)
        assert np.count_nonzero(ours) > 0


def test_coiled_shares_are_of_the_same_round(benchmarks):
    runs = {
        "lazyzarr": [
            {"seconds": 1.0, "peak": 2e6},
            {"seconds": 2.0, "peak": 2e6},
            {"seconds": 3.0, "peak": 2e6},
        ],
        "dask": [{"seconds": 2.0, "peak": 1e6}, {"seconds": 8.0, "peak": 1e6}, {"seconds": 4.0, "peak": 1e6}],
    }
    line = benchmarks["coiled"].line("x", 10**9, runs)
    assert line == ["x (1.0 GB)", "2.00", "4.00", "0.50", "2", "1", "2.00, missed"]
    failed = benchmarks["coiled"].line("x", 10**9, {**runs, "dask": [{"error": "KeyError: 1"}]})
    assert failed[1] == "dask: KeyError: 1"
