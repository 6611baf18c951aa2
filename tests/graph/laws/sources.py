"""Sources of the law machine: arrays in memory, array-likes and stored arrays, in random chunks of random dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.lift import array_node
from lazyzarr.storage import MemoryStore
from tests.graph.laws.values import Value

__all__ = ["NUMBERS", "SHAPES", "Sliced", "chunk_sizes", "elements", "sources"]

SHAPES = st.lists(st.sampled_from([*range(1, 10), 1, 4, 0]), min_size=0, max_size=4).map(tuple)
NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", ">i4", ">f8"]
OTHERS = ["M8[s]", "m8[s]", "M8[D]", "U3", "S3"]


class Sliced:
    """An array-like that counts the elements that it is asked for."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.asked = 0

    def __getitem__(self, selection: Any) -> np.ndarray:
        found = self.values[selection]
        self.asked += found.size
        return found


def elements(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Small whole numbers, mostly; now and then what is not finite, or the ends of the range."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    given = np.dtype(dtype)
    if given.kind in "US":
        return rng.choice(np.array(["", "a", "bc", "zzz"], given), shape)
    low = -9 if given.kind in "ifcm" else 0
    values = rng.integers(low, 100, shape).astype(given)
    if given.kind == "b":
        return rng.random(shape) < 0.5
    if given.kind == "c":
        values = values + 1j * rng.integers(-9, 10, shape).astype(given)
        values = values.astype(given)
    odd = draw(st.sampled_from([0, 0, 0, 0.2]))
    if odd:
        ends: list[Any] = []
        if given.kind in "fc":
            ends = [np.nan, np.inf, -np.inf, -0.0]
        elif given.kind in "iu":
            ends = [np.iinfo(given).min, np.iinfo(given).max]
        elif given.kind in "mM":
            ends = [np.array("NaT", given)]
        where = rng.random(shape) < odd
        values = np.where(where, rng.choice(np.array(ends, given), shape), values).astype(given)
    return values


def chunk_sizes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Ragged chunks."""
    chunks = []
    for n in shape:
        cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=3))) if n > 1 else []
        chunks.append(tuple(np.diff([0, *cuts, n]).tolist()))
    return tuple(chunks)


@st.composite
def sources(draw: st.DrawFn, shape: tuple[int, ...], dtypes: Any = None) -> Value:
    """An array of a shape: in memory, sliced, or stored."""
    # NumPy's scalars of text forget its length.
    others = OTHERS if shape else OTHERS[:3]
    dtype = draw(st.sampled_from(dtypes or NUMBERS * 4 + others))
    values = np.array(elements(draw, shape, dtype))
    kind = draw(st.sampled_from(["memory", "sliced", "stored", "stored"]))
    if kind == "memory" and shape and draw(st.booleans()):
        values = np.asfortranarray(values)
    values.flags.writeable = False
    if kind == "stored":
        return _stored(draw, values)
    held = values if kind == "memory" else Sliced(values)
    chunks = chunk_sizes(draw, shape)
    return Value(LazyArray(array_node(held, chunks, None)), values, story=f"{kind} {dtype} {chunks}")


def _stored(draw: st.DrawFn, values: np.ndarray) -> Value:
    """A stored array, of which some chunks may be missing: there the fill value stands."""
    shape = values.shape
    zarr_format = draw(st.sampled_from([2, 3])) if values.dtype.kind not in "US" else 2
    chunks = tuple(draw(st.integers(1, max(n, 1) + 1)) for n in shape)
    words: dict[str, Any] = {"chunks": chunks, "zarr_format": zarr_format}
    if zarr_format == 3 and shape and draw(st.booleans()):
        words["shards"] = tuple(draw(st.integers(1, 3)) * c for c in chunks)
    if draw(st.booleans()):
        words["compressors"] = None
    if zarr_format == 2:
        words["order"] = draw(st.sampled_from("CF"))
    if zarr_format == 3 and shape and "shards" not in words and draw(st.booleans()):
        words["chunks"] = [
            list(sizes) if n else 1 for n, sizes in zip(shape, chunk_sizes(draw, shape), strict=True)
        ]
    z = lz.create_array(MemoryStore(), shape=shape, dtype=values.dtype, fill_value=_fill(values), **words)
    values = values.copy()
    missing = shape and shape[0] > 1 and draw(st.booleans())
    start = draw(st.integers(1, shape[0])) if missing else 0
    if missing:
        values[:start] = z.fill_value
    z[(slice(start, None),) if shape else ...] = values[start:] if shape else values
    values.flags.writeable = False
    lazy = z.lazy()
    lazy = lazy.rechunk(chunk_sizes(draw, shape)) if draw(st.booleans()) else lazy
    return Value(lazy, values, story=f"stored {values.dtype} {shape} {words} from {start}, as {lazy.chunks}")


def _fill(values: np.ndarray) -> Any:
    kind = values.dtype.kind
    if kind in "US":
        return ""
    if kind == "b":
        return False
    return np.array(7, values.dtype)[()] if kind in "mM" else np.array(7).astype(values.dtype)[()]
