"""Three libraries over the same dicts of keys and bytes: lazyzarr, zarr-python and tensorstore write and read them."""

from __future__ import annotations

import json

import numpy as np
import tensorstore
import zarr
from zarr.core.buffer import cpu

import lazyzarr as lz
from lazyzarr.storage import MemoryStore


def assert_same(got, expected, who):
    assert got.shape == expected.shape, who
    if expected.dtype.hasobject:
        assert [(type(x), x) for x in got.flat] == [(type(x), x) for x in expected.flat], who
        return
    assert got.dtype.newbyteorder("=") == expected.dtype, who
    if expected.dtype.names:  # what lies between fields is nobody's
        for name in expected.dtype.names:
            assert_same(got[name], np.ascontiguousarray(expected[name]), f"{who}: {name}")
        return
    native = np.ascontiguousarray(got.astype(expected.dtype))
    assert native.tobytes() == expected.tobytes(), who


# What each library writes and reads: dicts of keys and bytes.


def read_ours(contents):
    return lz.open_array(MemoryStore(contents, read_only=True), mode="r")[...]


def write_ours(data, options):
    contents = {}
    array = lz.create_array(MemoryStore(contents), shape=data.shape, **{"dtype": data.dtype, **options})
    array[...] = data
    return {key: bytes(raw) for key, raw in contents.items()}


def open_zarr(contents):
    store = zarr.storage.MemoryStore({key: cpu.Buffer.from_bytes(raw) for key, raw in contents.items()})
    return zarr.open_array(store, mode="r")


def read_zarr(contents):
    return open_zarr(contents)[...]


def write_zarr(data, options):
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(store, shape=data.shape, **options)
    array[...] = data
    return {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}


class Tensorstore:
    """tensorstore over a memory of its own."""

    def __init__(self, contents=()):
        self.context = tensorstore.Context()
        self.keys = tensorstore.KvStore.open({"driver": "memory"}, context=self.context).result()
        for key, raw in dict(contents).items():
            self.keys.write(key, raw).result()

    def open(self, driver, **options):
        spec = {"driver": driver, "kvstore": {"driver": "memory"}, **options}
        return tensorstore.open(spec, context=self.context, open=True, create="metadata" in options).result()


def read_tensorstore(contents):
    driver = "zarr3" if "zarr.json" in contents else "zarr"
    return Tensorstore(contents).open(driver).read().result()


def write_tensorstore(data, contents):
    """The data under the metadata of an array that another library wrote."""
    driver, key = ("zarr3", "zarr.json") if "zarr.json" in contents else ("zarr", ".zarray")
    metadata = json.loads(contents[key])
    store = Tensorstore()
    store.open(driver, metadata=metadata).write(data).result()
    return {name.decode(): store.keys.read(name).result().value for name in store.keys.list().result()}
