"""dask.array over zarr-python with its FusedCodecPipeline, on the threaded scheduler with two workers."""

from __future__ import annotations

import dask.array as da
from peers import zarr as _zarr  # sets the pipeline

JOB = {"scheduler": "threads", "num_workers": 2}

open_lazy = da.from_zarr


def total(u):
    return u.sum().compute(**JOB)


def mean0(u):
    return u.mean(axis=0).compute(**JOB)


def quad(u, v):
    return ((u * u + v * v) ** 0.5).mean().compute(**JOB)


def map_write(u, path):
    (u * 2 + 1).to_zarr(path, compressors=_zarr.CODEC, compute=False).compute(**JOB)
