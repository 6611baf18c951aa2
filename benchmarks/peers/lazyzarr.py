"""lazyzarr itself, as its users call it."""

from __future__ import annotations

from peers.numpy_face import NumpyFace

import lazyzarr as lz
from lazyzarr.codecs import BloscCodec, ZstdCodec

CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")  # as the peers write it: without our crc32c
# How many threads is left to the plan, as a user leaves it: as many as cores, one where chunks are tiny.
JOB = {"scheduler": "threads", "memory": "1GB"}


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


class Lazy(NumpyFace):
    """The workloads, and how they run."""

    def open(self, path):
        return lz.from_zarr(path)

    def compute(self, *values):
        return lz.compute(*values, **JOB)

    def save(self, value, path, chunks):
        value.to_zarr(path, chunks=chunks, compressors=CODEC, **JOB)
