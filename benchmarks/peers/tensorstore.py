"""tensorstore's zarr3 driver with two threads for copies and codecs; no fsync, as with all peers."""

from __future__ import annotations

import roofline
import tensorstore as ts

CONTEXT = ts.Context({"data_copy_concurrency": {"limit": 2}, "file_io_sync": False})


def _open(path, **options):
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
    return ts.open({**spec, **options}, context=CONTEXT).result()


def open_array(path):
    return _open(path)


def write(path, array, chunks):
    document = roofline.metadata(array.shape, chunks)
    keep = "shape data_type chunk_grid chunk_key_encoding fill_value codecs".split()
    z = _open(path, metadata={name: document[name] for name in keep}, create=True)
    z.write(array).result()


def write_shards(path, array, chunks, shards):
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 3}},
    ]
    metadata = {
        "shape": array.shape,
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shards}},
        "codecs": [{"name": "sharding_indexed", "configuration": {"chunk_shape": chunks, "codecs": codecs}}],
    }
    _open(path, metadata=metadata, create=True).write(array).result()


def points(z, points):
    return z.vindex[points].read().result()


def read(z):
    return z.read().result()
