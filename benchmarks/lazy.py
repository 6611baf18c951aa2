"""How long do four lazy computations over 512 x 512 x 512 float32 take, at large and at small chunks?"""

from __future__ import annotations

from harness import LOOPS, Row, compete

PEERS = ["lazyzarr", *LOOPS, "dask"]
WORKS = {
    "u.sum()": "total",
    "u.mean(axis=0)": "mean0",
    "((u*u + v*v)**0.5).mean()": "quad",
    "u*2 + 1 written": "map_write",
}
CHUNKS = {(64, 128, 128): 1.3, (16, 32, 64): 1.5}  # and at most this multiple of the loop's time


def rows(shape: tuple[int, ...]) -> list[Row]:
    return [
        Row(f"{name}, chunks {chunks}", work, shape, chunks, {"loop": goal})
        for chunks, goal in CHUNKS.items()
        for name, work in WORKS.items()
    ]


if __name__ == "__main__":
    compete("lazy", __doc__, rows((512, 512, 512)), rows((256, 256, 256)), PEERS)
