"""Chunks as users write them (-1, "auto", "64MB", {"time": 12}) as sizes along each axis."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.format.axes import Dims, axes_of, axis_of, by_axis
from lazyzarr.graph.node import Chunks, pieces_of
from lazyzarr.settings import parse_bytes

__all__ = ["AUTO_BYTES", "axes_of", "axis_of", "by_axis", "normalize_chunks", "uniform_chunks"]

# The size of an "auto" chunk: what a task decodes.
AUTO_BYTES = 64_000_000


def uniform_chunks(shape: Sequence[int], chunk_shape: Sequence[int]) -> Chunks:
    """Chunks of one size, the last along each axis cut off.

    >>> uniform_chunks((10,), (4,))
    ((4, 4, 2),)
    """
    return tuple(pieces_of(n, min(max(c, 1), max(n, 1))) for n, c in zip(shape, chunk_shape, strict=True))


def normalize_chunks(
    chunks: Any, shape: tuple[int, ...], itemsize: int, dims: Dims, present: Chunks
) -> Chunks:
    """Chunk sizes along each axis, as Dask writes them.

    `chunks`: an integer for all axes; "auto" or a size in bytes ("64MB") for chunks of about that size made of
    whole present ones; a sequence with one entry an axis; a mapping from axis number or dimension name,
    where axes not named keep theirs. An entry is a length, -1 for the whole axis, None for what is
    there, "auto", or the sizes themselves.

    >>> normalize_chunks({"x": -1}, (4, 6), 8, ("t", "x"), ((2, 2), (3, 3)))
    ((2, 2), (6,))
    """
    if isinstance(chunks, str):
        return _sized(_bytes(chunks), range(len(shape)), shape, itemsize, present, list(present))
    if isinstance(chunks, Mapping):
        entries: list[Any] = [None] * len(shape)
        for axis, value in by_axis(chunks, dims).items():
            entries[axis] = value
    elif isinstance(chunks, (tuple, list)):
        entries = list(chunks)
    else:
        entries = [chunks] * len(shape)
    if len(entries) != len(shape):
        raise ShapeMismatchError(
            f"chunks={chunks!r} has {len(entries)} entries for an array with {len(shape)} axes, {shape}"
        )
    fixed = [
        present[i] if isinstance(e, str) else _axis_chunks(e, n, present[i], chunks)
        for i, (e, n) in enumerate(zip(entries, shape, strict=True))
    ]
    words = [i for i, entry in enumerate(entries) if isinstance(entry, str)]
    if not words:
        return tuple(fixed)
    return _sized(min(_bytes(entries[i]) for i in words), words, shape, itemsize, present, fixed)


def _bytes(word: str) -> int:
    return AUTO_BYTES if word == "auto" else parse_bytes(word)


def _axis_chunks(entry: Any, n: int, present: tuple[int, ...], chunks: Any) -> tuple[int, ...]:
    if entry is None:
        return present
    if isinstance(entry, (tuple, list)):
        sizes = tuple(operator.index(size) for size in entry)
        if sum(sizes) != n or any(size < 0 for size in sizes):
            raise ShapeMismatchError(f"chunks {sizes} add up to {sum(sizes)}, the axis has {n}")
        sizes = tuple(size for size in sizes if size) or (0,)  # chunks of nothing are none
        return sizes
    length = operator.index(entry)
    if length == -1:
        return (n,)
    if length < 1:
        raise ShapeMismatchError(
            f"chunks={chunks!r}: a chunk has at least 1 element along each axis; -1 is the whole axis"
        )
    return pieces_of(n, min(length, max(n, 1)))


def _sized(
    target: int,
    axes: Sequence[int],
    shape: tuple[int, ...],
    itemsize: int,
    present: Chunks,
    fixed: Sequence[tuple[int, ...]],
) -> Chunks:
    """Chunks of about `target` bytes: along the given axes, whole numbers of the present ones, last axes first."""
    lengths = [max(sizes, default=1) or 1 for sizes in fixed]
    for axis in reversed(list(axes)):
        step = max(present[axis], default=1) or 1
        others = math.prod(lengths[:axis]) * math.prod(lengths[axis + 1 :]) * itemsize
        most = max(target // max(others, 1), 1)
        # Where one present chunk is too large already, a part of it.
        lengths[axis] = max(min(most // step * step or most, shape[axis]), 1)
    return tuple(pieces_of(n, lengths[i]) if i in axes else fixed[i] for i, n in enumerate(shape))
