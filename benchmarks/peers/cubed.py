"""cubed on its threads executor with two workers; what it stores in between lies in the memory-backed folder too."""

from __future__ import annotations

import os

import cubed
import cubed.array_api as xp
import zarr
from peers.zarr import CODEC  # sets the pipeline

EXECUTOR = {"executor_options": {"max_workers": 2}}


class Lazy:
    """The workloads in the words of the Array API, which cubed keeps to."""

    def open(self, path):
        work = os.path.join(os.path.dirname(path), "cubed")
        spec = cubed.Spec(work_dir=work, allowed_mem="2GB", executor_name="threads", **EXECUTOR)
        return cubed.from_zarr(path, spec=spec)

    def compute(self, *values):
        return cubed.compute(*values)

    def save(self, value, path, chunks):
        target = zarr.create_array(
            store=path, shape=value.shape, chunks=chunks, dtype=value.dtype, compressors=CODEC
        )
        cubed.store([value], [target])

    def total(self, u):
        return self.compute(xp.sum(u))[0]

    def mean0(self, u):
        return self.compute(xp.mean(u, axis=0))[0]

    def quad(self, u, v):
        return self.compute(xp.mean(xp.sqrt(u * u + v * v)))[0]

    def stats(self, u):
        return self.compute(xp.mean(u), xp.std(u), xp.min(u), xp.max(u))

    def map_write(self, u, path, chunks):
        self.save(u * 2 + 1, path, chunks)

    def anom_write(self, u, path, chunks):
        self.save(u - xp.mean(u, axis=0), path, chunks)

    def rechunk(self, u, path, chunks):
        self.save(cubed.rechunk(u, chunks), path, chunks)

    def line(self, u, at):
        return self.compute(u[:, at[0], at[1]])[0]

    def stride(self, u, steps):
        return self.compute(xp.mean(u[tuple(slice(None, None, step) for step in steps)]))[0]

    def diff(self, u):
        return self.compute(xp.max(u[1:] - u[:-1]))[0]

    def masked(self, u):
        picked = u > 2
        amount, count = xp.sum(xp.where(picked, u, 0.0)), xp.sum(xp.astype(picked, xp.int64))
        amount, count = self.compute(amount, count)
        return amount / count
