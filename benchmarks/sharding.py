"""How long does it take to write and to read shards of many inner chunks, whole and at random points?

Float32 in shards of 256^3 with inner chunks of 32^3, zstd (level 3). The points are 200, other ones in each round;
all peers read what tensorstore wrote. "decode" is no reader: it is what decoding the chunks of the points alone takes
on two threads, with their bytes at hand; the goal for the points lies below it.
"""

from __future__ import annotations

import math

from harness import Row, compete

PEERS = ["lazyzarr", "tensorstore", "zarr", "decode"]
WORKS = {"write": ("write_shards", 1.0), "read": ("read_shards", 1.0), "200 points of": ("points", 0.5)}


def rows(scale: int) -> list[Row]:
    shape, shards, chunks = ([n // scale for n in lengths] for lengths in SIZES)
    return [
        Row(f"{name} {4 * math.prod(shape) >> 20} MiB", work, shape, chunks, {"tensorstore": goal}, shards)
        for name, (work, goal) in WORKS.items()
    ]


SIZES = (512, 512, 256), (256, 256, 256), (32, 32, 32)

if __name__ == "__main__":
    compete("sharding", __doc__, rows(1), rows(4), PEERS)
