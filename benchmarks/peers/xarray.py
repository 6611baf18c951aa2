"""xarray over dask.array and zarr-python, on the threaded scheduler with two workers.

It opens groups of arrays whose axes have names, so what is stored is shown to it as one: the same chunk files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import dask
import xarray as xr
from peers.dask import JOB
from peers.zarr import CODEC  # sets the pipeline

DIMS = ("t", "y", "x")


class Lazy:
    """The workloads, and how they run."""

    below = "/u"

    def open(self, path):
        chunks = os.environ["VARIANT"] or {}
        return xr.open_zarr(as_group(path), chunks=chunks, consolidated=False)["u"]

    def save(self, value, path, chunks):
        encoding = {"u": {"chunks": chunks, "compressors": (CODEC,)}}
        named = value.drop_encoding().to_dataset(name="u")
        dask.compute(named.to_zarr(path, encoding=encoding, consolidated=False, compute=False), **JOB)

    def total(self, u):
        return u.sum().compute(**JOB).item()

    def mean0(self, u):
        return u.mean("t").compute(**JOB).values

    def quad(self, u, v):
        return ((u * u + v * v) ** 0.5).mean().compute(**JOB).item()

    def stats(self, u):
        found = dask.compute(u.mean(), u.std(), u.min(), u.max(), **JOB)
        return [value.item() for value in found]

    def map_write(self, u, path, chunks):
        self.save(u * 2 + 1, path, chunks)

    def anom_write(self, u, path, chunks):
        self.save(u - u.mean("t"), path, chunks)

    def rechunk(self, u, path, chunks):
        self.save(u.chunk(dict(zip(DIMS, chunks, strict=True))), path, chunks)

    def line(self, u, at):
        return u.isel(y=at[0], x=at[1]).compute(**JOB).values

    def stride(self, u, steps):
        every = {dim: slice(None, None, step) for dim, step in zip(DIMS, steps, strict=True)}
        return u.isel(every).mean().compute(**JOB).item()

    def diff(self, u):
        return u.diff("t").max().compute(**JOB).item()

    def masked(self, u):
        return u.where(u > 2).mean().compute(**JOB).item()


def as_group(path: str) -> str:
    """A group beside a stored array that holds it as "u", with its axes named."""
    group = Path(path + ".group")
    if not group.exists():
        (group / "u").mkdir(parents=True)
        document = json.loads(Path(path, "zarr.json").read_text())
        (group / "u" / "zarr.json").write_text(json.dumps({**document, "dimension_names": DIMS}))
        (group / "u" / "c").symlink_to(Path(path, "c"))
        (group / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    return str(group)
