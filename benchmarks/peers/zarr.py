"""zarr-python with its FusedCodecPipeline and two workers."""

from __future__ import annotations

import zarr
from zarr.codecs import BloscCodec, ZstdCodec

zarr.config.set(
    {
        "codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline",
        "codec_pipeline.max_workers": 2,
        "threading.max_workers": 2,
    }
)
CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")


def open_array(path):
    return zarr.open_array(path, mode="r")


def write(path, array, chunks):
    z = zarr.create_array(store=path, shape=array.shape, chunks=chunks, dtype=array.dtype, compressors=CODEC)
    z[...] = array


def write_shards(path, array, chunks, shards):
    codec = ZstdCodec(level=3)
    z = zarr.create_array(
        store=path, shape=array.shape, chunks=chunks, shards=shards, dtype=array.dtype, compressors=codec
    )
    z[...] = array


def points(z, points):
    return z.vindex[points]


def read(z):
    return z[...]
