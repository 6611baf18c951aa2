"""How long does it take to write and to read an array of float32, whole, at three chunk sizes?"""

from __future__ import annotations

import math

from harness import LOOPS, Row, compete

PEERS = ["lazyzarr", *LOOPS, "zarr", "tensorstore"]
SIZES = [  # chunk size, shape, chunks, at most this multiple of zarr-python's time
    ("2 MiB", (512, 512, 512), (64, 64, 128), 1.0),
    ("128 KiB", (512, 512, 512), (32, 32, 32), 0.5),
    ("16 KiB", (256, 256, 256), (16, 16, 16), 0.5),
]


def rows(scale: int) -> list[Row]:
    return [
        row(work, f"{size} chunks", tuple(n // scale for n in shape), chunks, zarr)
        for size, shape, chunks, zarr in SIZES
        for work in ("write", "read")
    ]


def row(work: str, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], zarr: float) -> Row:
    goals = {"loop": 1.25, "zarr": zarr, "tensorstore": 1.0}
    return Row(f"{work} {math.prod(shape) >> 18} MiB, {name}", work, shape, chunks, goals)


if __name__ == "__main__":
    compete("eager", __doc__, rows(1), rows(2), PEERS)
