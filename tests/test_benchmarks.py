"""The benchmarks run: every workload of every peer, tiny, with equal values."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests import source

FOLDER = source.ROOT / "benchmarks"
SHAPE, CHUNKS = (8, 12, 16), (4, 6, 8)


@pytest.fixture(scope="module")
def benchmarks():
    sys.path.insert(0, str(FOLDER))
    yield {name: importlib.import_module(name) for name in ("harness", "worker", "eager", "sharding", "lazy")}
    sys.path.remove(str(FOLDER))


@pytest.mark.parametrize("script", ["eager", "lazy"])
def test_peers_agree(benchmarks, script, tmp_path):
    """One round; harness.compare stops where a peer is wrong."""
    harness, peers = benchmarks["harness"], ["lazyzarr", "loop-1", "loop-2"]
    works = {row.work for row in benchmarks[script].rows(1 if script == "eager" else SHAPE)}
    rows = [harness.Row(work, work, SHAPE, CHUNKS, {"loop": 1.0}) for work in sorted(works)]
    records = harness.measure(rows, peers, 1, str(tmp_path))
    assert len(records) == len(rows) * len(peers)
    assert harness.table(rows, records, peers).count("goal") == len(rows)


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
