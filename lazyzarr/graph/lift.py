"""Lifting: what a user hands to an operation (numbers, NumPy arrays, lists, stored and lazy arrays) as nodes."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from lazyzarr.errors import PlanError
from lazyzarr.format.array import Array
from lazyzarr.graph.chunking import normalize_chunks
from lazyzarr.graph.node import Chunks, Node
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.ops.sources import foreign, memory, stored
from lazyzarr.graph.tasks import dask_source

__all__ = ["array_node", "lift", "stored_node"]

_MOST_CHUNKS = 1 << 23  # along one axis: their lengths are a tuple


def lift(value: Any) -> Node | Constant:
    """The node of an array, or the constant of a number; a Python number stays one, for NumPy's weak casting."""
    if isinstance(value, (Node, Constant)):
        return value
    node = getattr(value, "__lazyzarr_node__", None)
    if node is not None:
        return node  # type: ignore[no-any-return]
    if isinstance(value, Array):
        return stored_node(value, None)
    if isinstance(value, (bool, int, float, complex, np.generic, str, bytes)):
        return Constant(value)
    if isinstance(value, (datetime.date, datetime.timedelta)):
        return Constant(np.asarray(value, "m8" if isinstance(value, datetime.timedelta) else "M8")[()])
    if hasattr(value, "__dask_graph__"):
        return dask_source(value, None)
    array = np.asarray(value) if not isinstance(value, np.ma.MaskedArray) else value
    if array.dtype == object:
        raise TypeError(
            f"{type(value).__name__} is no array of numbers, dates or strings that lazyzarr could compute with"
        )
    return Constant(array[()]) if array.ndim == 0 else array_node(array, "auto", None)


def stored_node(array: Array, chunks: Any) -> Node:
    """The node of a stored array, with its read chunks or others."""
    dims = tuple(array.dimension_names or (None,) * array.ndim)
    counts = array.reader().grid.grid_shape
    if max(counts, default=0) > _MOST_CHUNKS:
        raise PlanError(
            f"{array.store.url(array.path)} has {counts} chunks, and a plan counts at most {_MOST_CHUNKS:,} "
            "along an axis; store it in larger chunks first, z[...] reads it as it is"
        )
    present = tuple(sizes or (0,) for sizes in array.reader().grid.clipped_chunks())
    if isinstance(chunks, str) and chunks == "shards":
        chunks = array.shards or array.chunks
    grid = (
        present
        if chunks is None
        else normalize_chunks(chunks, array.shape, array.dtype.itemsize, dims, present)
    )
    return stored(array.handle, array.handle.nonce, array.shape, array.dtype, grid, dims)


def array_node(value: Any, chunks: Any, dims: tuple[str | None, ...] | None) -> Node:
    """The node of a NumPy array or of anything with a shape, a dtype and slices that give NumPy."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            "a masked array's mask would be lost: x.filled(np.nan) says what masked values count as"
        )
    plain = isinstance(value, np.ndarray) or not hasattr(value, "shape") or not hasattr(value, "dtype")
    array = np.asarray(value) if plain else value
    shape = tuple(map(int, array.shape))
    names = (None,) * len(shape) if dims is None else tuple(dims)
    if len(names) != len(shape):
        raise ValueError(f"dims={names} names {len(names)} axes, the array has {len(shape)}: {shape}")
    own = getattr(array, "chunks", None)
    present: Chunks = tuple((n,) for n in shape)
    if isinstance(own, tuple) and len(own) == len(shape) and not plain:
        present = normalize_chunks(own, shape, array.dtype.itemsize, names, present)
        chunks = None if chunks == "auto" else chunks
    if array.dtype == object:
        raise TypeError(
            "an array of objects cannot be computed with; convert it to numbers, dates or fixed-length strings"
        )
    grid = (
        present if chunks is None else normalize_chunks(chunks, shape, array.dtype.itemsize, names, present)
    )
    return memory(array, grid, names) if plain else foreign(array, grid, names)
