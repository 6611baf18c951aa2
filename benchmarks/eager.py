"""How long does it take to write and to read an array of float32, whole, at three chunk sizes?"""

from __future__ import annotations

from harness import LOOPS, Row, compete

PEERS = ["lazyzarr", *LOOPS, "zarr", "tensorstore"]
SIZES = [  # name, shape, chunks, at most this multiple of zarr-python's time
    ("2 MiB chunks, 512 MiB", (512, 512, 512), (64, 64, 128), 1.0),
    ("128 KiB chunks, 512 MiB", (512, 512, 512), (32, 32, 32), 0.5),
    ("16 KiB chunks, 64 MiB", (256, 256, 256), (16, 16, 16), 0.5),
]


def rows(scale: int) -> list[Row]:
    return [
        Row(
            f"{work}, {name}",
            work,
            tuple(n // scale for n in shape),
            chunks,
            {"loop": 1.25, "zarr": zarr, "tensorstore": 1.0},
        )
        for name, shape, chunks, zarr in SIZES
        for work in ("write", "read")
    ]


if __name__ == "__main__":
    compete("eager", __doc__, rows(1), rows(2), PEERS)
