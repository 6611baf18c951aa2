"""A user's program: the daily calls, and what each of them gives. mypy is asked, and so is Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.graph.functions.unique import Unique
from lazyzarr.graph.masked import Masked


def source() -> lz.Array:
    z = lz.create_array(
        "data.zarr/u", shape=(8, 6), chunks=(2, 3), dtype="f8", dimension_names=("time", "x"), overwrite=True
    )
    z[...] = np.arange(48.0).reshape(8, 6)
    return z


def stored_arrays() -> None:
    z = source()
    assert_type(z, lz.Array)
    assert_type(lz.open_array("data.zarr/u"), lz.Array)
    assert_type(z.shape, tuple[int, ...])
    assert_type(z.dtype, np.dtype[Any])
    assert_type(z[...], NDArray[Any])
    assert_type(z[1:3, ::2], NDArray[Any])
    assert_type(z[[0, 2]], NDArray[Any])
    assert_type(z[z > 40], NDArray[Any])
    assert_type(z[0, 0], Any)
    assert_type(z.oindex[[0, 1], :], NDArray[Any])
    assert_type(z.blocks[1:], NDArray[Any])
    assert_type(z.get_mask_selection(z[...] > 3), NDArray[Any])
    assert_type(z.async_array, lz.AsyncArray)
    lz.zeros_like(z)[...] = z + 1
    z[:2] = 0


def groups() -> None:
    source()
    g = lz.open_group("data.zarr", mode="r+")
    assert_type(g, lz.Group)
    assert_type(lz.open("data.zarr"), lz.Array | lz.Group)
    assert_type(g["u"], lz.Array | lz.Group)
    assert_type(g.get_array("u"), lz.Array)
    assert_type(g.create_array("v", data=[1, 2]), lz.Array)
    assert_type(g.async_group, lz.AsyncGroup)
    assert_type(lz.zeros((2, 3), chunks=(1, 3)), lz.Array)
    assert_type(lz.create_array("like.zarr", like=g.get_array("u"), chunks={"time": 4}), lz.Array)
    assert_type(lz.zeros_like(g.get_array("u")), lz.Array)
    assert_type(lz.from_zarr(g["u"]), lz.LazyArray)
    assert_type(lz.load("data.zarr/u"), NDArray[Any] | dict[str, Any])


def arithmetic_of_stored_arrays() -> None:
    z = source()
    assert_type(z + 1, lz.LazyArray)
    assert_type(1 - z, lz.LazyArray)
    assert_type(z > 3, lz.LazyArray)
    assert_type(z == 3, lz.LazyArray)
    assert_type(-z, lz.LazyArray)
    assert_type(z @ z.lazy().T, lz.LazyArray)
    assert_type(divmod(z, 2), tuple[lz.LazyArray, lz.LazyArray])
    assert_type(z.lazy(), lz.LazyArray)
    assert_type(z.lazy[2:5], lz.LazyArray)
    assert_type(z.lazy[z > 3], lz.LazyArray | Masked[lz.LazyArray])


def lazy_arrays() -> None:
    x = lz.from_zarr("data.zarr/u", chunks={"time": 4})
    assert_type(x, lz.LazyArray)
    assert_type(x.chunks, tuple[tuple[int, ...], ...])
    assert_type(x.dims, tuple[str | None, ...])
    assert_type(x.mean("time"), lz.LazyArray)
    assert_type((x - x.mean("time")) / x.std(0, ddof=1), lz.LazyArray)
    assert_type(2**x, lz.LazyArray)
    assert_type(x != 3, lz.LazyArray)
    assert_type(abs(-x), lz.LazyArray)
    assert_type(x[2:, None, [0, 2]], lz.LazyArray)
    assert_type(x.sum(axis=("time", "x"), keepdims=True), lz.LazyArray)
    assert_type(x.T.reshape(-1).astype("f4"), lz.LazyArray)
    assert_type(x.rechunk({"time": -1}), lz.LazyArray)
    assert_type(x.blocks[0], lz.LazyArray)
    assert_type(x.oindex[[0, 1], [2]], lz.LazyArray)
    assert_type(x.map_blocks(np.negative, dtype=x.dtype), lz.LazyArray)
    assert_type(x.map_overlap(np.negative, depth={"time": 1}, dtype=x.dtype), lz.LazyArray)
    assert_type(x.coarsen(np.mean, {"time": 2}), lz.LazyArray)
    assert_type(x.groupby_reduce([0, 1] * 4, "mean", axis="time"), lz.LazyArray)
    assert_type(x.persist(memory="1GB"), lz.LazyArray)
    assert_type(iter(x), Iterator[lz.LazyArray])
    assert_type(x.compute(), Any)
    assert_type(float(x.mean()), float)
    x[x > 3] = 0
    x[1:3, ::2] = x[3:5, ::2]


def masks() -> None:
    x = lz.from_array(np.arange(6.0), chunks=2, dims=["x"])
    assert_type(x, lz.LazyArray)
    picked = x[x > 2]
    assert_type(picked, lz.LazyArray | Masked[lz.LazyArray])
    assert isinstance(picked, Masked)
    assert_type(picked.sum(), lz.LazyArray)
    assert_type(picked == 2, Masked[lz.LazyArray])
    assert_type(picked * 2, Masked[lz.LazyArray])
    assert_type(picked.compute(num_workers=1), NDArray[Any])
    assert_type(picked.compute_chunk_sizes(), Masked[lz.LazyArray])


def runs() -> None:
    x = lz.from_zarr(source())
    plan = x.mean().explain(memory="1GB")
    assert_type(plan, lz.Plan)
    assert_type(plan.peak_memory, int)
    assert_type(plan.fits, bool)
    assert_type(lz.compute(x.min(), x.max(), memory="1GB"), tuple[Any, ...])
    assert_type(x.to_zarr("a.zarr", mode="w", chunks={"x": 2}), lz.Array)
    assert_type(x.to_zarr("b.zarr", compute=False), lz.Plan)
    assert_type(x[:2].to_zarr("a.zarr", region={"time": slice(0, 2)}, progress=False), lz.Array)
    assert_type(lz.store({"c.zarr": x, "d.zarr": x.sum(0)}), dict[str, lz.Array])
    assert_type(lz.store([x, x], ["e.zarr", "f.zarr"]), list[lz.Array])
    assert_type(lz.store(x, "g.zarr"), lz.Array)
    assert_type(lz.store(x, "h.zarr", compute=False), lz.Plan)
    assert_type(lz.from_array("i.zarr", data=np.eye(3)), lz.Array)


def functions() -> None:
    z = source()
    x = lz.from_zarr(z)
    assert_type(lnp.sqrt(x), lz.LazyArray)
    assert_type(lnp.add(z, 1), lz.LazyArray)
    assert_type(lnp.maximum.reduce(x, axis=None), lz.LazyArray)
    assert_type(lnp.divmod(x, 2), tuple[lz.LazyArray, lz.LazyArray])
    assert_type(lnp.concatenate([x, z], axis="time"), lz.LazyArray)
    assert_type(lnp.where(x > 3, x, lnp.nan), lz.LazyArray)
    assert_type(lnp.median(x, axis="time"), lz.LazyArray)
    assert_type(lnp.histogram(x, bins=4, range=(0, 1)), tuple[lz.LazyArray, lz.LazyArray])
    assert_type(lnp.split(x, 2), list[lz.LazyArray])
    assert_type(lnp.zeros((2, 3), dtype=lnp.float32, chunks=2), lz.LazyArray)
    assert_type(lnp.array([1, 2]), lz.LazyArray)
    assert_type(lnp.unique(x), Unique)
    assert_type(lnp.shape(x), tuple[int, ...])
    assert_type(lz.elementwise(np.hypot, x, 3.0), lz.LazyArray)
    assert_type(lz.from_map(lambda where: np.ones(4), 4, "f8"), lz.LazyArray)
    assert_type(lz.reduction(x, np.sum, np.sum, dtype="f8"), lz.LazyArray)
    assert_type(lz.apply_gufunc(lambda b: b.max(-1), "(i)->()", x, output_dtypes="f8"), Any)


def names_of_zarr_python_2() -> None:
    codec = lz.Blosc(cname="lz4")
    assert_type(lz.zeros((2, 3), compressor=codec, zarr_format=2), lz.Array)
    assert_type(lz.DirectoryStore("data.zarr"), lz.storage.LocalStore)
    with lz.config.set(memory="1GB"):
        pass


PARTS = [
    *(stored_arrays, groups, arithmetic_of_stored_arrays, lazy_arrays, masks, runs, functions),
    names_of_zarr_python_2,
]
