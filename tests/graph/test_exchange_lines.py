"""Sorting, medians and quantiles along lines that are cut by chunks too large to be held together."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import MemoryBudgetError

SHAPE, CHUNKS = (1000, 64, 64), (50, 32, 32)
HOW = {"memory": "36MB", "num_workers": 2}


@pytest.fixture
def x(tmp_path):
    """16 MB of float32 with ties and NaN, in chunks of 0.2 MB; lines along axis 0 cross 20 of them."""
    rng = np.random.default_rng(0)
    values = rng.integers(-50, 50, SHAPE).astype("f4")
    values[rng.random(SHAPE) < 0.001] = np.nan
    z = lz.create_array("x.zarr", shape=SHAPE, chunks=CHUNKS, dtype="f4", compressors=None)
    z[...] = values
    directory = tmp_path / "temporary"
    directory.mkdir()
    with lz.config.set(temporary_directory=str(directory)):
        yield lz.from_zarr("x.zarr"), values
    assert list(directory.iterdir()) == []


WRITTEN = {
    "sort": (lambda a, np: np.sort(a, axis=0), CHUNKS),
    "stable argsort": (lambda a, np: np.argsort(a, axis=0, kind="stable"), CHUNKS),
    "median": (lambda a, np: np.median(a, axis=0), None),
    "nanmedian": (lambda a, np: np.nanmedian(a, axis=0), None),
    "quantiles over two axes": (lambda a, np: np.quantile(a, [0.1, 0.77], axis=(0, 1)), None),
    "percentile of an expression": (lambda a, np: np.percentile(a[::-1, 3:] * 2 + 1, 30, axis=0), None),
    "a sorted sum": (lambda a, np: np.sort(a, axis=0) + np.sort(-a, axis=0), CHUNKS),
}


@pytest.mark.parametrize(("function", "chunks"), WRITTEN.values(), ids=WRITTEN)
@pytest.mark.filterwarnings("ignore:All-NaN")
def test_lines_go_through_a_temporary_array(x, function, chunks):
    lazy, values = x
    expected = function(values, np)
    y = function(lazy, lnp)
    how = HOW if chunks is None else HOW | {"memory": "42MB"}
    plan = y.to_zarr("out.zarr", chunks=chunks or "keep", compute=False, **how)
    assert plan.fits, plan
    assert "spill" in [stage.kind for stage in plan.stages]
    found = plan.run()[...]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_lines_that_fit_are_sorted_in_one_pass(x):
    lazy, values = x
    plan = lnp.median(lazy, axis=0).explain(memory="200MB", num_workers=2)
    assert [stage.kind for stage in plan.stages] == ["map"]
    plan = lnp.sort(lazy, axis=1).to_zarr("out.zarr", compute=False, **HOW | {"memory": "60MB"})
    assert [stage.kind for stage in plan.stages] == ["map"]
    np.testing.assert_array_equal(plan.run()[...], np.sort(values, axis=1))


def test_a_users_function_of_whole_lines_keeps_its_blocks(x):
    lazy, values = x
    seen = []

    def ordered(block, block_id=None):
        seen.append((block_id, block.shape))
        return np.sort(block, axis=0)

    y = lazy.rechunk({0: -1, 1: 8, 2: 8}).map_blocks(ordered, dtype="f4")
    plan = y.to_zarr("out.zarr", compute=False, **HOW)
    assert [stage.kind for stage in plan.stages] == ["spill", "map"]
    np.testing.assert_array_equal(plan.run()[...], np.sort(values, axis=0))
    assert sorted(seen) == sorted((block, (1000, 8, 8)) for block in np.ndindex(1, 8, 8))


def test_a_line_that_does_not_fit_is_refused_by_name():
    z = lz.create_array("long.zarr", shape=(50_000_000,), chunks=(100_000,), dtype="f4")
    with pytest.raises(MemoryBudgetError, match="cumsum"):
        lnp.apply_along_axis(np.cumsum, 0, lz.from_zarr(z)).to_zarr("out.zarr", memory="100MB")
