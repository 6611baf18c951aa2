"""New lazy arrays: from arrays of any kind, of one value, of evenly spaced ones, of ones on a diagonal."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.graph.chunking import normalize_chunks
from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.ops import elementwise, joining
from lazyzarr.graph.ops.sources import memory
from lazyzarr.graph.ops.views import rechunk as rechunked
from lazyzarr.graph.words import ChunksLike, Lengths

__all__ = ["arange", "asarray", "empty", "eye", "full", "linspace", "ones", "rechunk", "zeros"]


def asarray(a: Any, dtype: DTypeLike | None = None) -> LazyArray:
    """The lazy array over an array of any kind."""
    node = as_node(a)
    return LazyArray(node if dtype is None else elementwise.astype(node, np.dtype(dtype)))


def rechunk(x: Any, chunks: ChunksLike = "auto") -> LazyArray:
    """The same values in other chunks, as `LazyArray.rechunk` takes them."""
    return asarray(x).rechunk(chunks)


def _filled(shape: Lengths, value: Any, dtype: np.dtype[Any], chunks: Any) -> LazyArray:
    sizes = shape if isinstance(shape, Sequence) else (shape,)
    lengths = tuple(map(operator.index, sizes))
    node = joining.full(lengths, value, dtype)
    grid = normalize_chunks(chunks, lengths, dtype.itemsize, (None,) * len(lengths), node.chunks)
    return LazyArray(rechunked(node, grid))


def zeros(shape: Lengths, dtype: DTypeLike = float, chunks: ChunksLike = "auto") -> LazyArray:
    """An array of zeros, of which one element is held in memory."""
    return _filled(shape, 0, np.dtype(dtype), chunks)


def ones(shape: Lengths, dtype: DTypeLike = float, chunks: ChunksLike = "auto") -> LazyArray:
    """An array of ones, of which one element is held in memory."""
    return _filled(shape, 1, np.dtype(dtype), chunks)


def full(
    shape: Lengths,
    fill_value: Any,
    dtype: DTypeLike | None = None,
    chunks: ChunksLike = "auto",
) -> LazyArray:
    """An array of one value, of which one element is held in memory."""
    result = np.asarray(fill_value).dtype if dtype is None else np.dtype(dtype)
    return _filled(shape, fill_value, result, chunks)


empty = zeros


def arange(*args: Any, dtype: DTypeLike | None = None, chunks: ChunksLike = "auto") -> LazyArray:
    """Evenly spaced values, as NumPy makes them; they are held in memory."""
    return _held(np.arange(*args, dtype=dtype), chunks)


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, chunks: ChunksLike = "auto"
) -> LazyArray:
    """So many evenly spaced values from start to stop; they are held in memory."""
    return _held(np.linspace(start, stop, num, endpoint), chunks)


def _held(values: Any, chunks: Any) -> LazyArray:
    grid = normalize_chunks(chunks, values.shape, values.dtype.itemsize, (None,), ((len(values),),))
    return LazyArray(memory(values, grid, (None,)))


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = float, chunks: ChunksLike = "auto"
) -> LazyArray:
    """Ones on the k-th diagonal, elsewhere zeros."""
    rows, columns = (memory(np.arange(n), ((n,),), (None,)) for n in (N, N if M is None else M))
    row = joining.part(elementwise.ufunc(np.add, rows, elementwise.Constant(k)), (slice(None), None))
    node = elementwise.astype(elementwise.ufunc(np.equal, row, columns), np.dtype(dtype))
    return LazyArray(node).rechunk(chunks)
