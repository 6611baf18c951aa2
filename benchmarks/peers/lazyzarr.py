"""lazyzarr itself, as its users call it."""

from __future__ import annotations

import lazyzarr as lz
from lazyzarr.codecs import BloscCodec, ZstdCodec

CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")  # as the peers write it: without our crc32c
# How many threads is left to the plan, as a user leaves it: as many as cores, one where chunks are tiny.
JOB = {"scheduler": "threads", "memory": "1GB"}

open_lazy = lz.from_zarr


def open_array(path):
    return lz.open_array(path, mode="r")


def write(path, array, chunks):
    z = lz.create_array(store=path, shape=array.shape, chunks=chunks, dtype=array.dtype, compressors=CODEC)
    z[...] = array


def write_shards(path, array, chunks, shards):
    codec = ZstdCodec(level=3)
    z = lz.create_array(
        store=path, shape=array.shape, chunks=chunks, shards=shards, dtype=array.dtype, compressors=codec
    )
    z[...] = array


def read(z):
    return z[...]


def points(z, points):
    return z.vindex[points]


def total(u):
    return u.sum().compute(**JOB)


def mean0(u):
    return u.mean(axis=0).compute(**JOB)


def quad(u, v):
    return ((u * u + v * v) ** 0.5).mean().compute(**JOB)


def map_write(u, path):
    (u * 2 + 1).to_zarr(path, compressors=CODEC, **JOB)
