"""A user's program with a mistake in each line that says so: mypy finds all of them, and no other."""

from __future__ import annotations

import lazyzarr as lz
import lazyzarr.numpy as lnp


def mistakes(z: lz.Array, x: lz.LazyArray) -> None:
    lz.zeroes((2, 3))  # wrong
    lz.zeros((2, 3), chunk=(1, 3))  # wrong
    lz.open_array("data.zarr/u", mode="rw")  # wrong
    lz.storage.DictStore()  # wrong
    lnp.concatenat([x, x])  # wrong
    z.mean()  # wrong
    z += 1  # wrong
    z.lazy[...] = 1  # wrong
    print(x.values)  # wrong
    x.mean(axis=1.5)  # wrong
    x.compute(memroy="1GB")  # wrong
    x.to_zarr("a.zarr", mode="x")  # wrong
    x.to_zarr("a.zarr", memroy="1GB")  # wrong
    print(x.to_zarr("a.zarr", compute=False).shape)  # wrong
    print(lz.store([x], ["a.zarr"]).shape)  # wrong
    x.rechunk({"time": 1.5})  # wrong
    x[1.5]  # wrong
