"""The float32 fields that the benchmarks read: rounded noise with a drift, which codecs shrink somewhat."""

from __future__ import annotations

import os

import numpy as np
import roofline


def field(path: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A field of that shape, made once and mapped into memory, read-only."""
    if not os.path.exists(path):
        noise = np.random.default_rng(0).normal(size=shape[1:])
        steps = np.random.default_rng(seed).normal(size=shape[0]) + np.arange(shape[0]) * 0.01
        slabs = (np.round((noise + step).astype("f4"), 2)[None] for step in steps)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        np.save(path + ".part.npy", np.concatenate(list(slabs)))
        os.rename(path + ".part.npy", path)
    return np.asarray(np.load(path, mmap_mode="r"))


def stored(path: str, array: np.ndarray, chunks: tuple[int, ...]) -> str:
    """The path of that array as a Zarr, written once."""
    if not os.path.exists(path + "/zarr.json"):
        roofline.write(path + ".part", array, chunks, threads=2)
        os.rename(path + ".part", path)
    return path
