"""The yardstick: what a careful programmer's own loop over numcodecs and NumPy gets out of this machine.

Plain Zarr v3 files of float32 chunks: one open directory handle per leading index, each file read into a
kept buffer, decoded into scratch, computed in tiles that stay in the cache; one thread or two. It knows only
what its workloads need (whole chunks, shapes that the chunks divide). It may be improved, never weakened.
What it computes lies in loops.py.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numcodecs import Blosc, blosc

blosc.use_threads = False
CODEC = Blosc("lz4", 5, Blosc.SHUFFLE)
TILE = 131072  # elements: 512 KiB of float32
Index = tuple[int, ...]


def metadata(shape: Index, chunks: Index) -> dict:
    """The zarr.json of a float32 array with blosc-lz4."""
    blosc_options = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4, "blocksize": 0}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": blosc_options},
        ],
        "attributes": {},
    }


class Files:
    """The chunk files of one array, below kept directory handles."""

    def __init__(self, path: str, shape: Index, chunks: Index, create: bool = False) -> None:
        self.path, self.shape, self.chunks = path, tuple(shape), tuple(chunks)
        self.grid = tuple(s // c for s, c in zip(shape, chunks, strict=True))
        if create:
            self._create()
        leads = itertools.product(*map(range, self.grid[:-1]))
        self.handles = {i: os.open("/".join([path, "c", *map(str, i)]), os.O_RDONLY) for i in leads}

    @classmethod
    def open(cls, path: str) -> Files:
        with open(path + "/zarr.json") as file:
            document = json.load(file)
        return cls(path, document["shape"], document["chunk_grid"]["configuration"]["chunk_shape"])

    def _create(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path + "/c")
        for depth in range(1, len(self.grid)):
            for index in itertools.product(*map(range, self.grid[:depth])):
                os.mkdir("/".join([self.path, "c", *map(str, index)]))
        with open(self.path + "/zarr.json", "w") as file:
            json.dump(metadata(self.shape, self.chunks), file)

    def indices(self) -> list[Index]:
        return list(itertools.product(*map(range, self.grid)))

    def where(self, index: Index) -> tuple[slice, ...]:
        return tuple(slice(i * c, i * c + c) for i, c in zip(index, self.chunks, strict=True))

    def read(self, index: Index, raw: bytearray, out: np.ndarray) -> np.ndarray:
        file = os.open(str(index[-1]), os.O_RDONLY, dir_fd=self.handles[index[:-1]])
        size = os.readv(file, [raw])
        os.close(file)
        blosc.decompress(memoryview(raw)[:size], out)
        return out

    def write(self, index: Index, chunk: np.ndarray) -> None:
        handle, name = self.handles[index[:-1]], str(index[-1])
        file = os.open(name + ".t", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=handle)
        os.write(file, CODEC.encode(chunk))
        os.close(file)
        os.rename(name + ".t", name, src_dir_fd=handle, dst_dir_fd=handle)

    def close(self) -> None:
        for handle in self.handles.values():
            os.close(handle)
        self.handles = {}


class Buffers(threading.local):
    """What one thread keeps: room for the encoded bytes, two decoded chunks, and a tile of numbers and of a mask."""

    def __init__(self, chunks: Index) -> None:
        self.raw = bytearray(math.prod(chunks) * 4 + 65536)
        self.a, self.b = np.empty(chunks, "f4"), np.empty(chunks, "f4")
        self.tile = np.empty(max(TILE, math.prod(chunks[1:])), "f4")
        self.mask = np.empty(TILE, bool)


def each(work: Callable, items: Iterable, threads: int) -> list:
    """The results of work for each item, on that many threads."""
    items = list(items)
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda k: [work(item) for item in items[k::threads]], range(threads))
        return [result for part in parts for result in part]


def write(path: str, array: np.ndarray, chunks: Index, threads: int) -> None:
    """A new array with the values of one in memory."""
    files, kept = Files(path, array.shape, chunks, create=True), Buffers(chunks)

    def one(index: Index) -> None:
        np.copyto(kept.a, array[files.where(index)])
        files.write(index, kept.a)

    each(one, files.indices(), threads)
    files.close()


def read(files: Files, threads: int) -> np.ndarray:
    """All values of an array."""
    out, kept = np.empty(files.shape, "f4"), Buffers(files.chunks)

    def one(index: Index) -> None:
        out[files.where(index)] = files.read(index, kept.raw, kept.a)

    each(one, files.indices(), threads)
    return out
