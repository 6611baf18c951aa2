"""Small arrays for tests of what is stored, and in which order: made, read, written, looked over."""

from __future__ import annotations

import errno
import itertools

import numpy as np

from lazyzarr.format import metadata_v2, metadata_v3
from lazyzarr.format.chunk import ChunkReader, ChunkWriter
from lazyzarr.format.chunk_loops import read_selection, write_selection
from lazyzarr.format.dtypes import data_type_of
from lazyzarr.format.keys import METADATA_KEYS
from lazyzarr.format.locks import array_lock
from lazyzarr.format.lookup import find_array, read_node
from lazyzarr.format.metadata import ArrayMetadata, CodecSpec
from lazyzarr.format.os_calls import OsCalls
from lazyzarr.format.selection import parse_basic
from lazyzarr.format.stores import DROP

FILL = 7


def array_metadata(shape=(5, 6), chunks=(2, 3), zarr_format=3, attributes=None, dtype="i4"):
    """An array without compression: what is stored is what is seen."""
    build = metadata_v3 if zarr_format == 3 else metadata_v2
    codecs = [CodecSpec("bytes", {"endian": "little"})]
    return build.build_array(
        shape, data_type_of(np.dtype(dtype)), chunks, codecs, fill_value=FILL, attributes=attributes
    )


def group_metadata(zarr_format=3, attributes=None):
    return (metadata_v3 if zarr_format == 3 else metadata_v2).build_group(attributes)


def numbers(shape=(5, 6), start=100):
    """Values of which none is the fill value."""
    return np.arange(start, start + np.prod(shape), dtype="i4").reshape(shape)


def read(store, path="", selection=...):
    metadata = find_array(store, path)
    parsed = parse_basic(selection, metadata.shape)
    out = np.empty(parsed.out_shape, metadata.dtype)
    read_selection(ChunkReader(store, path, metadata), parsed, out)
    return out


def write(store, path, selection, values, metadata=None):
    metadata = metadata or find_array(store, path)
    writer = ChunkWriter(store, path, metadata)
    parsed = parse_basic(selection, metadata.shape)
    values = np.broadcast_to(np.asarray(values, metadata.dtype), parsed.out_shape)
    write_selection(writer, array_lock(store, path), parsed, values)


def writing(values):
    """What `create_array` takes to write the data of a new array."""
    return lambda store, path: write(store, path, ..., values)


def state(store):
    """Everything a reader can learn from a store: each node's kind, attributes, shape and values."""
    found = {}
    for key in store.list():
        path, _, name = key.rpartition("/")
        if name in METADATA_KEYS and path not in found and (node := read_node(store, path)) is not None:
            array = isinstance(node, ArrayMetadata)
            values = (node.shape, read(store, path).tolist()) if array else None
            found[path] = (dict(node.attributes), values)
    return found


def stray_keys(store):
    """Listed keys that are neither metadata nor chunks of an array."""
    arrays = {}
    stray = []
    for key in store.list():
        if key.rpartition("/")[2] in METADATA_KEYS:
            continue
        parts = key.split("/")
        for n in range(len(parts)):
            path = "/".join(parts[:n])
            node = arrays.setdefault(path, read_node(store, path))
            if isinstance(node, ArrayMetadata):
                name = key[len(path) :].lstrip("/")
                if node.chunk_key_encoding.decode(name, node.ndim) is None:
                    stray.append(key)
                break
        else:
            stray.append(key)
    return stray


class FailingCalls:
    """The calls to the operating system, of which the n-th fails; `count` tells how many were made."""

    def __init__(self, fail_at=0, number=errno.EIO, only=None):
        self._calls = OsCalls()
        self._counter = itertools.count(1)
        self._fail_at = fail_at
        self._number = number
        self._only = only
        self.count = 0
        self.failed = None

    def __getattr__(self, name):
        call = getattr(self._calls, name)

        def counted(*args, **kwargs):
            if self._only is not None and name not in self._only:
                return call(*args, **kwargs)
            self.count = next(self._counter)
            if self.count != self._fail_at:
                return call(*args, **kwargs)
            self.failed = name
            if name == "close":  # a close that reports an error has closed the file all the same
                call(*args, **kwargs)
            raise OSError(self._number, "made to fail")

        return counted


class FailingScript:
    """A FaultStore's script that fails the n-th call, or drops it."""

    def __init__(self, fail_at=0, drop=False):
        self.fail_at = fail_at
        self.drop = drop
        self.count = 0
        self.failed = None

    def __call__(self, verb, key, n):
        self.count = n
        if n != self.fail_at:
            return None
        self.failed = (verb, key)
        if self.drop:
            return DROP
        raise OSError(errno.EIO, "made to fail")
