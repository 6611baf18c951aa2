"""dask.array over zarr-python with its FusedCodecPipeline, on the threaded scheduler with two workers.

The variant "auto" lets Dask choose larger chunks than the stored ones, as its users do where these are small.
"""

from __future__ import annotations

import os

import dask
import dask.array as da
from peers.numpy_face import NumpyFace
from peers.zarr import CODEC  # sets the pipeline

JOB = {"scheduler": "threads", "num_workers": 2}


class Lazy(NumpyFace):
    """The workloads, and how they run."""

    array = da

    def open(self, path):
        return self.array.from_zarr(path, chunks=os.environ["VARIANT"] or None)

    def compute(self, *values):
        return dask.compute(*values, **JOB)

    def save(self, value, path, chunks):
        written = value.to_zarr(path, chunks=chunks, compressors=CODEC, compute=False)
        self.compute(written)
