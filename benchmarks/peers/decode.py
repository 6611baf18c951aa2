"""What decoding alone takes: the inner chunks that hold the points are decoded on two threads, all else is done before.

No reader that decodes with the same library can be faster than this on two cores; it reads shards of 256^3 with zstd
and the index at the end, wholly into memory, when the array is opened.
"""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lazyzarr.format.codecs.zstd_decoder import decode_into


class Shards:
    """The encoded inner chunks of an array, by their coordinates."""

    def __init__(self, path: str) -> None:
        document = json.loads(Path(path, "zarr.json").read_text())
        outer = document["chunk_grid"]["configuration"]["chunk_shape"]
        self.chunks = document["codecs"][0]["configuration"]["chunk_shape"]
        counts = [n // m for n, m in zip(outer, self.chunks, strict=True)]
        grid = [range(-(-n // m)) for n, m in zip(document["shape"], outer, strict=True)]
        self.encoded = {}
        for shard in itertools.product(*grid):
            data = Path(path, "c", *map(str, shard)).read_bytes()
            index = np.frombuffer(data[-16 * int(np.prod(counts)) - 4 : -4], "<u8").reshape(*counts, 2)
            for inner in itertools.product(*map(range, counts)):
                start, n = map(int, index[inner])
                place = tuple(s * c + i for s, c, i in zip(shard, counts, inner, strict=True))
                self.encoded[place] = data[start : start + n]


def open_array(path):
    return Shards(path)


def points(shards, points):
    chunks, inside = zip(*(np.divmod(p, n) for p, n in zip(points, shards.chunks, strict=True)), strict=True)
    wanted: dict[tuple[int, ...], list[int]] = {}
    for i, place in enumerate(zip(*(c.tolist() for c in chunks), strict=True)):
        wanted.setdefault(place, []).append(i)
    result, parts = np.empty(len(points[0]), "f4"), list(wanted.items())

    def decode(mine):
        chunk = np.empty(shards.chunks, "f4")
        for place, which in mine:
            decode_into(shards.encoded[place], chunk)
            result[which] = chunk[tuple(axis[which] for axis in inside)]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(decode, (parts[::2], parts[1::2])))
    return result
