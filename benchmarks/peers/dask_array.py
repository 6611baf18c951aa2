"""dask-array, the package: dask.array's successor with a planner, over the same zarr-python."""

from __future__ import annotations

import dask_array
from peers import dask


class Lazy(dask.Lazy):
    """As dask.array's users write it, but for how a Zarr is described."""

    array = dask_array

    def save(self, value, path, chunks):
        described = {"chunks": chunks, "compressors": dask.CODEC}
        written = value.to_zarr(path, zarr_array_kwargs=described, compute=False)
        self.compute(written)
