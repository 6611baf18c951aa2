"""Reads without a plan: what they give is what a plan gives, and everything else is planned."""

from __future__ import annotations

import dask
import numpy as np
import pytest
from dask.callbacks import Callback
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError, MemoryBudgetError, SourceChangedError
from lazyzarr.graph import run
from lazyzarr.graph.direct import direct_read
from lazyzarr.graph.schedule import choose_scheduler
from lazyzarr.settings import cpu_count, parse_bytes


@pytest.fixture
def planned(monkeypatch):
    """A list that each run of a plan adds to."""
    runs, real = [], run.check
    monkeypatch.setattr(run, "check", lambda *args: (runs.append(args), real(*args)))
    return runs


def direct(x, scheduler=None, num_workers=None, memory="200MB"):
    """How a lazy array would be read without a plan."""
    chosen = choose_scheduler(scheduler, num_workers)
    return direct_read([run.Output(x._node)], chosen, lambda: parse_bytes(memory))


views = st.lists(
    st.sampled_from(
        [
            lambda a: a.T,
            lambda a: a[::-1] if a.ndim else a,
            lambda a: a[..., ::2] if a.ndim else a,
            lambda a: a[..., -2:0:-3] if a.ndim else a,
            lambda a: a[None],
            lambda a: a[1:] if a.ndim and a.shape[0] > 1 else a,
            lambda a: a[-1] if a.ndim else a,
            lambda a: np.broadcast_to(a, (2, *a.shape)),
            lambda a: np.moveaxis(a, 0, -1) if a.ndim > 1 else a,
        ]
    ),
    max_size=5,
)


@given(shape=npst.array_shapes(min_dims=1, max_dims=3, max_side=20), steps=views, data=st.data())
def test_values_are_those_of_numpy_and_of_a_plan(shape, steps, data):
    values = np.arange(np.prod(shape)).reshape(shape)
    z = lz.array(values, chunks=tuple(data.draw(st.integers(1, n)) for n in shape), fill_value=7)
    z[-1] = values[-1] = 7
    x = z.lazy()
    for step in steps:
        x, values = (step(x), step(values)) if min(values.shape, default=1) else (x, values)
    read = direct(x) if values.size else None
    assert (read is None) == (values.size == 0)
    found, plan = x.compute(), x.compute(scheduler="sync")
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(plan, values)
    assert type(found) is type(plan)
    assert found.dtype == plan.dtype
    if isinstance(found, np.ndarray):
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert found.shape == values.shape
        found[...] = 0  # and nobody else sees it
        np.testing.assert_array_equal(x.compute(), values)


@pytest.mark.parametrize(
    "dtype", ["?", "i1", ">u2", "f4", "c16", "M8[s]", "U3", "S4", str, [("a", "i4"), ("b", "f8")]]
)
def test_all_dtypes(dtype, planned):
    values = np.arange(60).reshape(6, 10).astype("i4").astype(dtype if dtype is not str else "U3")
    z = lz.create_array(store={}, shape=values.shape, chunks=(4, 3), dtype=dtype)
    z[...] = values
    found = z.lazy()[1:, 5].compute()
    assert not planned
    assert found.dtype == z.dtype
    np.testing.assert_array_equal(found, z[1:, 5])


def test_whatever_is_no_look_is_planned(x, planned):
    y = lz.from_array(np.ones(10))
    others = [
        x + 1,
        x.sum(),
        y,
        x[[3, 1, 8]],
        np.concatenate([x, x])[998:1003],
        x.astype("f4"),
        x.map_blocks(np.abs),
    ]
    for n, other in enumerate(others):
        assert direct(other) is None
        other.compute()
        assert len(planned) == n + 1
    lz.compute(x[0], x[1])
    assert len(planned) == len(others) + 1


def test_runs_that_are_watched_or_not_on_all_cores_are_planned(x, planned, capsys):
    line, options = x[:, 3], [{"scheduler": "sync"}, {"num_workers": cpu_count() + 1}, {"progress": True}]
    for n, words in enumerate(options):
        line.compute(**words)
        assert len(planned) == n + 1
    assert "decoded" in capsys.readouterr().err
    keys = []
    with Callback(posttask=lambda key, *rest: keys.append(key)):
        x.compute()
    assert keys
    assert len(planned) == len(options) + 1
    with dask.config.set(pool=dask.threaded.ThreadPoolExecutor(1)):
        line.compute()
    assert len(planned) == len(options) + 2
    line.to_zarr("line.zarr")
    assert len(planned) == len(options) + 3
    line.compute()
    assert len(planned) == len(options) + 3


def test_what_the_memory_does_not_hold_is_planned(planned):
    z = lz.create_array(store={}, shape=(40, 1000, 1000), chunks=(1, 1000, 1000), dtype="u1")
    assert direct(z.lazy()[:, 0, 0], memory="80MB").nbytes == 40_000_080
    assert direct(z.lazy()[:, 0, 0], memory="70MB") is None
    z.lazy()[:, 0, 0].compute(memory="70MB")
    assert len(planned) == 1
    with pytest.raises(MemoryBudgetError):
        z.lazy().compute(memory="33MB")
    wide = np.broadcast_to(z.lazy()[0], (300, 1000, 1000))
    assert direct(wide, memory="500MB") is None
    with pytest.raises(MemoryBudgetError):
        wide.compute(memory="60MB")


def test_a_source_that_has_changed_is_refused(x):
    line = x[:, 3]
    lz.open_array("data.zarr/x").resize((900, 1000))
    with pytest.raises(SourceChangedError, match="shape"):
        line.compute()


def test_a_damaged_chunk_is_the_error_that_a_plan_gives(x, tmp_path):
    with open("data.zarr/x/c/1/0", "r+b") as file:
        file.truncate(100)
    said = []
    for scheduler in ("threads", "sync"):
        with pytest.raises(ChunkDecodeError) as caught:
            x[:, 3].compute(scheduler=scheduler)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "c/1/0" in said[0]
