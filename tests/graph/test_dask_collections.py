"""LazyArrays among Dask's collections: in both directions, persisted, in delayed calls, with its progress bar."""

from __future__ import annotations

import contextlib
import io
import re
import sys

import dask
import dask.array as da
import numpy as np
import pytest
from dask.diagnostics import ProgressBar

import lazyzarr as lz
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.ops.sources import DaskSource, MemorySource
from lazyzarr.graph.tasks import given_tasks
from tests.graph.conftest import SHAPE, values


@pytest.fixture(params=["threads", "sync", "processes", "client"])
def how(request):
    return request.getfixturevalue("client") if request.param == "client" else request.param


def same(got, expected):
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype


def counted(block, folder):
    """A chunk of ones less than what is there; each call leaves a file."""
    import tempfile

    if block.size > 1:  # Dask asks first, with an empty one
        tempfile.mkstemp(dir=folder)
    return block + 1


@pytest.mark.parametrize("verb", ["map", "misaligned", "reduce", "roll", "of both", "to_zarr"])
def test_each_chunk_of_a_dask_array_is_computed_once(x, how, verb, tmp_path):
    (tmp_path / "calls").mkdir()
    d = da.ones(SHAPE, chunks=(300, 500)).map_blocks(counted, folder=str(tmp_path / "calls"), dtype="f8")
    y, two = lz.from_dask_array(d, dims=("a", "b")), np.full(SHAPE, 2.0)
    assert y.chunks == d.chunks
    assert y.dims == ("a", "b")
    a = values()
    got, expected = {
        "map": lambda: ((y * 3).compute(scheduler=how, num_workers=2), two * 3),
        "misaligned": lambda: ((y[1:] - y[:-1] + x[1:]).compute(scheduler=how, num_workers=2), a[1:]),
        "reduce": lambda: (y.sum(axis="a").compute(scheduler=how, num_workers=2), two.sum(axis=0)),
        "roll": lambda: (np.roll(y, 7, axis=0).compute(scheduler=how, num_workers=2), two),
        "of both": lambda: ((x + d).compute(scheduler=how, num_workers=2), a + 2),
        "to_zarr": lambda: (
            (y + x).to_zarr("out.zarr", chunks=(90, 400), scheduler=how, num_workers=2)[...],
            a + 2,
        ),
    }[verb]()
    same(got, expected)
    assert len(list((tmp_path / "calls").iterdir())) == d.npartitions


def test_a_dask_array_of_unknown_chunks_says_the_cure():
    d = da.ones(10, chunks=5)
    with pytest.raises(ValueError, match=r"x\.compute_chunk_sizes\(\)"):
        lz.from_dask_array(d[d > 0])
    assert lz.from_array(d, chunks=4).chunks == ((4, 4, 2),)
    assert lz.from_array(da.ones((), chunks=())).compute() == 1


@pytest.mark.parametrize("build", ["map", "reduce", "kept", "source"])
def test_to_dask_array_has_the_values_and_chunks(x, how, build):
    a = values()
    y, expected = {
        "map": (x - x.max(axis=0), a - a.max(axis=0)),
        "reduce": (x.sum(axis=1), a.sum(axis=1)),
        "kept": (x.rechunk((1000, 333)).max(axis=0, keepdims=True), a.max(axis=0, keepdims=True)),
        "source": (x, a),
    }[build]
    d = y.to_dask_array()
    assert d.chunks == y.chunks
    assert d.dtype == y.dtype
    same(d.compute(scheduler=how), expected)
    same((d[..., 3:700] + 1).compute(scheduler=how), expected[..., 3:700] + 1)


def test_a_reduction_within_is_computed_once_for_all_chunks(x):
    calls = []

    def peek(block):
        calls.append(1)
        return block

    d = (x - x.map_blocks(peek, dtype="f8").max()).to_dask_array()
    same(d.compute(scheduler="threads"), values() - values().max())
    assert len(calls) == x.npartitions


@pytest.mark.filterwarnings(
    "ignore:Computing mixed collections"
)  # Dask says so wherever a dask.array is among them
def test_collections_are_computed_together(x, how):
    a = values()
    delayed = dask.delayed(sum)([4, 5, 36])
    # Kinds side by side: Dask 2026.8 mixes results up where two of one kind are parted, its own as well.
    total, nested, plus, ten = dask.compute(
        x.sum(), {"m": x.max()}, da.ones(4, chunks=2) + 1, delayed, scheduler=how
    )
    assert (total, ten, nested["m"]) == (a.sum(), 45, a.max())
    same(plus, np.full(4, 2.0))


@pytest.mark.filterwarnings("ignore:Computing mixed collections")
@pytest.mark.parametrize("verb", [dask.compute, dask.persist])
def test_kinds_in_one_call_name_the_scheduler(x, verb):
    d = da.ones(4, chunks=2)
    for mixed in ((x, d), (d, x), (x, d, x + 1), (dask.delayed(sum)([1, 2]), x)):
        with pytest.raises(ValueError, match=r'as dask\.compute\(x, y, d, scheduler="threads"\)') as caught:
            verb(*mixed)
    both = re.search(r"dask\.compute\(.*?\)", str(caught.value))[0]
    first, second, third = eval(both, {"dask": dask, "x": x, "y": x + 1, "d": d})
    same(first, values())
    same(second, values() + 1)
    same(third, np.ones(4))


def test_dask_arrays_functions_take_what_it_gives(x):
    assert isinstance(da.asarray(x[:8]), da.Array)
    out = np.zeros(x.shape)
    with pytest.raises(ValueError, match="dask array"):
        da.store([x], [out])
    da.store([x.to_dask_array()], [out], scheduler="sync")
    same(out, values())
    with pytest.raises(AttributeError, match=r"x\.to_dask_array\(\)"):
        da.to_zarr(x, "out.zarr")


def test_to_xarray_names_all_axes(x):
    xr = pytest.importorskip("xarray")
    found = x.to_xarray("v")
    assert (found.dims, found.name) == (("dim_0", "dim_1"), "v")
    assert isinstance(found.data, lz.LazyArray)
    xr.testing.assert_equal(found.mean("dim_0").compute(), xr.DataArray(values()).mean("dim_0"))
    named = lz.from_array(values(), chunks=500, dims=("y", None)).to_xarray()
    assert named.dims == ("y", "dim_1")
    assert lz.from_array(np.float64(3)).to_xarray().compute().item() == 3


def test_to_xarray_says_what_to_install(x, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'lazyzarr\[xarray\]'"):
        x.to_xarray()


def test_a_lazy_array_is_an_argument_of_delayed_calls(x, how):
    got = dask.delayed(lambda v, k: v * k)(x.max(axis=0), 2).compute(scheduler=how)
    same(got, values().max(axis=0) * 2)


@pytest.mark.parametrize(
    "build", [lambda v: v, lambda v: v.mean(), lambda v: v + 1, lambda v: v.to_dataset(name="v")]
)
def test_what_xarray_holds_is_computed_by_dask(build):
    xr = pytest.importorskip("xarray")
    a = np.arange(100.0).reshape(50, 2)
    v, expected = (xr.DataArray(each[:40], dims=("y", "x")) for each in (lz.from_array(a, chunks=(10, 2)), a))
    for verb in (dask.compute, dask.persist, dask.optimize):
        (got,) = verb(build(v))
        xr.testing.assert_equal(got.compute(), build(expected))


def test_xarrays_of_several_lazy_arrays_are_computed_together(x):
    xr = pytest.importorskip("xarray")
    v = xr.DataArray(x, dims=("y", "x"))
    both = xr.Dataset({"one": v, "again": v, "more": v + 1, "ones": ("z", da.ones(3))})
    computed, total = dask.compute(both, v.sum())
    assert float(total) == values().sum()
    same(computed["again"].values, values())
    same(computed["more"].values, values() + 1)
    assert computed["ones"].values.tolist() == [1, 1, 1]


def test_what_is_stored_meanwhile_is_computed():
    xr = pytest.importorskip("xarray")
    z = lz.create_array("data.zarr/y", shape=(4,), chunks=(2,), dtype="f8")
    v = xr.DataArray(z.lazy(), dims="t")
    assert dask.compute(v.sum())[0] == 0
    z[...] = 1
    assert dask.compute(v.sum())[0] == 4


def test_dask_knows_it_for_a_collection(x):
    assert dask.is_dask_collection(x)
    assert dask.base.tokenize(x + 1) == dask.base.tokenize(x + 1)
    assert dask.base.tokenize(x + 1) != dask.base.tokenize(x + 2)
    (optimized,) = dask.optimize(x.max(axis=0))
    same(optimized.compute(), values().max(axis=0))
    (held,) = dask.persist(x.max(axis=0), scheduler="threads")
    assert isinstance(held.__lazyzarr_node__, MemorySource)
    same(held.compute(), values().max(axis=0))


def test_persist_holds_values_here(x):
    y = (x * 2).persist(num_workers=2)
    assert isinstance(y.__lazyzarr_node__, MemorySource)
    assert y.chunks == x.chunks
    same(y.compute(), values() * 2)


@pytest.mark.parametrize("build", ["map", "reduce"])
def test_persist_on_a_cluster_leaves_the_values_there(x, client, build):
    from distributed import futures_of, wait

    y = {"map": x * 2, "reduce": x.sum(axis=1)}[build]
    expected = {"map": values() * 2, "reduce": values().sum(axis=1)}[build]
    held = y.persist(scheduler=client)
    assert isinstance(held, LazyArray)
    assert (held.chunks, held.dims) == (y.chunks, y.dims)
    futures = futures_of(held)
    assert {future.client for future in futures} == {client}
    with client.as_current():
        wait(futures)
    lz.open_array("data.zarr/x", mode="r+")[...] = 0  # nothing is read again
    same((held + 1).compute(scheduler=client), expected + 1)
    same(held.sum().compute(scheduler=client), expected.sum())
    same(held.compute(scheduler="threads"), expected)
    same(held.to_zarr("out.zarr", scheduler=client)[...], expected)
    assert dask.compute(held.max(), scheduler=client) == (expected.max(),)


def test_dasks_persist_on_a_cluster_leaves_the_value_there(x, client):
    (held,) = client.persist([x.max(axis=0)])
    assert any(
        isinstance(node, DaskSource) for node in held.__lazyzarr_node__.inputs or [held.__lazyzarr_node__]
    )
    same(held.compute(scheduler=client), values().max(axis=0))


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dasks_progress_bar_sees_the_tasks(x, scheduler):
    out = io.StringIO()
    with ProgressBar(out=out), contextlib.redirect_stdout(out):
        (x - x.max(axis=0)).compute(scheduler=scheduler, num_workers=2)
    assert "100% Completed" in out.getvalue()


def test_distributeds_progress_sees_them_on_a_cluster(x, client):
    from distributed import wait
    from distributed.diagnostics.progressbar import progress

    held = (x * 2).persist(scheduler=client)
    with client.as_current(), contextlib.redirect_stdout(io.StringIO()) as out:
        progress(held, notebook=False)
        wait(held)
    assert "Completed" in out.getvalue()


def test_asarray_computes_within_the_budget(x):
    same(np.asarray(x * 2), values() * 2)
    with lz.config.set(memory="34MB"), pytest.raises(MemoryError, match=r"memory= allows 34\.0 MB"):
        np.asarray(x * 2)


def test_what_other_workers_hold_is_refused_by_name(x, client):
    distributed = pytest.importorskip("distributed")
    words = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(**words) as other,
        distributed.Client(other, set_as_default=False) as elsewhere,
    ):
        held = (x * 2).persist(scheduler=elsewhere)
        for run in ((held + 1).compute, (held + 1).persist):
            with pytest.raises(ValueError, match=r"lie with the workers of .*scheduler=client"):
                run(scheduler=client)
        np.testing.assert_array_equal(held.compute(scheduler="threads"), x.compute() * 2)
    for scheduler in ("threads", client):
        with pytest.raises(ValueError, match="their Client is closed"):
            (held + 1).compute(scheduler=scheduler)


def test_what_no_client_here_knows_is_refused_by_name(x, client):
    """As in a process that was handed the expression and has no Client."""
    held = (x * 2).persist(scheduler=client)
    futures = given_tasks([held.__lazyzarr_node__]).values()
    known = [(future, future._client) for future in futures]
    for future in futures:
        future._client = None
    try:
        with pytest.raises(ValueError, match="their Client is unknown in this process"):
            held.compute(scheduler="threads")
    finally:
        for future, of in known:
            future._client = of
