"""Chunks that are not stored are one value throughout: what is computed of nothing else is computed once."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph.bound import Bound


@pytest.fixture
def runs(monkeypatch):
    """How often the steps of programs ran."""
    count = [0]
    run = Bound._run

    def counted(self, registers):
        count[0] += 1
        return run(self, registers)

    monkeypatch.setattr(Bound, "_run", counted)
    return count


def sparse(path, fill, stored, dtype="f4", shape=(40, 30), chunks=(4, 5)):
    """An array of which only some chunks are stored, and its values."""
    z = lz.create_array(path, shape=shape, chunks=chunks, dtype=dtype, fill_value=fill)
    rng = np.random.default_rng(0)
    for i, j in stored:
        block = z.blocks[i, j].shape
        z.blocks[i, j] = rng.integers(1, 9, block).astype(dtype)
    return z, z[...]


def test_steps_run_once_for_all_tiles_of_nothing_stored(tmp_path, runs):
    z, values = sparse(tmp_path / "a.zarr", 3, [(0, 0), (7, 2)])
    x = lz.from_zarr(z)
    np.testing.assert_array_equal((x * 2 + 1).compute(scheduler="sync"), values * 2 + 1)
    assert 2 <= runs[0] <= 8, "60 chunks, of which 2 are stored"


@pytest.mark.parametrize("fill", [0, 2.5, np.nan])
def test_every_reduction_counts_what_is_not_stored(tmp_path, fill):
    z, values = sparse(tmp_path / "a.zarr", fill, [(0, 0), (3, 3), (9, 5)], "f8")
    x = lz.from_zarr(z)
    for axis in (None, 0, 1):
        for name in ("sum", "mean", "min", "max", "std", "argmax"):
            got = getattr(x + 1, name)(axis=axis).compute(num_workers=2)
            np.testing.assert_allclose(got, getattr(values + 1, name)(axis=axis), rtol=1e-13)


def test_parts_of_chunks_and_several_arrays(tmp_path):
    a, u = sparse(tmp_path / "a.zarr", 1, [(1, 1), (2, 2)])
    b, v = sparse(tmp_path / "b.zarr", 7, [(2, 2), (5, 1)], chunks=(7, 6))
    x, y = lz.from_zarr(a), lz.from_zarr(b)
    mean = x.mean()
    for lazy, expected in (
        (x[1:] * y[:-1], u[1:] * v[:-1]),
        ((x - mean)[::3, ::-2], (u - u.mean(dtype="f8").astype("f4"))[::3, ::-2]),
        (x[1:] - x[:-1], u[1:] - u[:-1]),
        (np.where(x > 1, y, -y).T, np.where(u > 1, v, -v).T),
    ):
        np.testing.assert_array_equal(lazy.compute(num_workers=2), expected)


def test_what_is_written_is_what_was_computed(tmp_path):
    z, values = sparse(tmp_path / "a.zarr", 3, [(0, 0), (7, 2)])
    out = (lz.from_zarr(z) * 2).to_zarr(tmp_path / "b.zarr", chunks=(9, 7), fill_value=6)
    np.testing.assert_array_equal(out[...], values * 2)
    assert out.nchunks_initialized < out.nchunks, "chunks of nothing but fill are not stored"


def test_what_others_make_of_a_tile_is_asked_for_each_tile(tmp_path):
    """Users' functions and array-likes may give another value for each tile, even where it is one throughout."""
    z, values = sparse(tmp_path / "a.zarr", 3, [])

    class Rows:
        shape, dtype = (40, 30), np.dtype("f4")

        def __getitem__(self, selection):
            rows = np.arange(40, dtype="f4")[selection[0]]
            return np.broadcast_to(rows[:1], (len(rows), len(range(*selection[1].indices(30)))))

    rows = np.repeat(np.arange(0, 40, 4, dtype="f4"), 4)[:, None]
    x = lz.from_zarr(z)
    got = (x + lz.from_array(Rows(), chunks=(4, 5))).compute(scheduler="sync")
    np.testing.assert_array_equal(got, values + rows)
    calls = iter(range(10_000))
    numbered = lz.elementwise(lambda block: block * 0 + next(calls), x, dtype="f4")
    assert len(np.unique(numbered.compute(scheduler="sync"))) > 1
    assert (x + np.arange(30)).compute().tolist() == (values + np.arange(30)).tolist()


def test_text_and_records_that_are_not_stored(tmp_path):
    z = lz.create_array(tmp_path / "s.zarr", shape=(6,), chunks=(2,), dtype=str, fill_value="none")
    z[2:4] = ["a", "b"]
    x = lz.from_zarr(z)
    assert x.compute().tolist() == ["none", "none", "a", "b", "none", "none"]
    assert (x == "none").compute().tolist() == [True, True, False, False, True, True]
