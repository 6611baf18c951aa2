"""How long do eleven lazy computations over 512 x 512 x 512 float32 take, at large and at small chunks?

Peers read the same Zarr, and write with the same chunks and codec; python-blosc2 works on files of its own, with the
same chunks and codec. Of Dask, dask-array and xarray the better counts of the stored chunks and of `chunks="auto"`.
Runs of peers that take over 1 s were done in 3 rounds, over 8 s in one.
"""

from __future__ import annotations

from harness import LOOPS, Row, compete

SAME_ZARR = ["dask", "dask_array", "xarray", "cubed"]
AUTO = ["dask-auto", "dask_array-auto", "xarray-auto"]
PEERS = ["lazyzarr", *LOOPS, *SAME_ZARR, *AUTO, "blosc2"]
WORKS = {
    "u.sum()": "total",
    "u.mean(axis=0)": "mean0",
    "((u*u + v*v)**0.5).mean()": "quad",
    "u.mean(), .std(), .min(), .max()": "stats",
    "u*2 + 1 written": "map_write",
    "u - u.mean(axis=0) written": "anom_write",
    "u in chunks (512, 32, 32) written": "rechunk",
    "u[:, 100, 200]": "line",
    "u[::10, ::4, ::4].mean()": "stride",
    "(u[1:] - u[:-1]).max()": "diff",
    "u[u > 2].mean()": "masked",
}
CHUNKS = {(64, 128, 128): 1.3, (16, 32, 64): 1.5}  # and at most this multiple of the loop's time


def rows(shape: tuple[int, ...]) -> list[Row]:
    return [
        Row(f"{name}, chunks {chunks}", work, shape, chunks, {"loop": goal, **dict.fromkeys(SAME_ZARR, 1.0)})
        for chunks, goal in CHUNKS.items()
        for name, work in WORKS.items()
    ]


if __name__ == "__main__":
    compete("lazy", __doc__, rows((512, 512, 512)), rows((256, 256, 256)), PEERS)
