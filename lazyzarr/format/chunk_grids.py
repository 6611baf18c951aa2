"""Chunks of several lengths: how documents spell a rectilinear grid, and how it grows.

Specification: the extension registry's "rectilinear" chunk grid. Along each axis stands one length for all chunks,
or a list of lengths in which [length, count] stands for many of one length; together they reach the array's end.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

from ..errors import MetadataValidationError
from .grid import Grid, RectilinearGrid, RegularGrid

__all__ = ["AxisEdges", "edges_to_json", "grid_of", "grown", "longest", "merged", "parse_edges"]

AxisEdges: TypeAlias = int | tuple[int, ...]
"""The length of all chunks along an axis, or of each of them."""
MOST_GROWN = 100_000  # chunks that a growth adds
MOST_EDGES = 1_000_000  # chunks along an axis whose lengths are listed


def grid_of(shape: tuple[int, ...], edges: Sequence[AxisEdges]) -> Grid:
    """The grid of an array; a regular one where each axis has one length.

    >>> grid_of((6,), ((2, 3, 4),)).clipped_chunks()
    ((2, 3, 1),)
    """
    if all(isinstance(axis, int) for axis in edges):
        return RegularGrid(shape, longest(edges))
    return RectilinearGrid(shape, tuple(edges))


def longest(edges: Sequence[AxisEdges]) -> tuple[int, ...]:
    """The longest chunk along each axis."""
    return tuple(axis if isinstance(axis, int) else max(axis) for axis in edges)


def parse_edges(specs: Any, shape: Sequence[int]) -> tuple[AxisEdges, ...]:
    """The lengths that a document's `chunk_shapes` spell. Raises MetadataValidationError.

    >>> parse_edges([4, [1, 2, 3], [[4, 2], 1]], (9, 6, 8))
    (4, (1, 2, 3), (4, 4, 1))
    """
    if not isinstance(specs, list) or len(specs) != len(shape):
        raise MetadataValidationError(
            f"chunk_shapes {_shown(specs)} are not lengths for each of the {len(shape)} axes"
        )
    return tuple(_axis(spec, n, axis) for axis, (spec, n) in enumerate(zip(specs, shape, strict=True)))


def _axis(spec: Any, n: int, axis: int) -> AxisEdges:
    if not isinstance(spec, list):
        return _length(spec, axis)
    runs = [_run(entry, axis) for entry in spec]
    if sum(count for _, count in runs) > MOST_EDGES:
        raise MetadataValidationError(f"axis {axis} lists more than {MOST_EDGES:,} chunks; that is not read")
    edges = tuple(itertools.chain.from_iterable(itertools.repeat(*run) for run in runs))
    if not edges or not n <= sum(edges) < 2**63:
        raise MetadataValidationError(
            f"the chunks along axis {axis}, {_shown(spec)}, are {sum(edges)} elements together; the array has {n}"
        )
    return edges


def _run(entry: Any, axis: int) -> tuple[int, int]:
    """Length and count of an entry of a list."""
    if isinstance(entry, list):
        if len(entry) != 2:
            raise MetadataValidationError(
                f"{_shown(entry)}, along axis {axis}, is neither a length nor [length, count]"
            )
        return _length(entry[0], axis), _length(entry[1], axis)
    return _length(entry, axis), 1


def _length(value: Any, axis: int) -> int:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int) or not 1 <= whole < 2**63:
        raise MetadataValidationError(
            f"{_shown(value)} is no length of chunks along axis {axis}; integers from 1 are"
        )
    return whole


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def edges_to_json(edges: Sequence[AxisEdges]) -> dict[str, Any]:
    """The `chunk_grid` of a document; lengths that repeat are written once.

    >>> edges_to_json((4, (5, 5, 5, 2)))["configuration"]["chunk_shapes"]
    [4, [[5, 3], 2]]
    """
    shapes = [axis if isinstance(axis, int) else _listed(axis) for axis in edges]
    return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": shapes}}


def _listed(edges: Sequence[int]) -> list[Any]:
    runs = [(length, len(list(group))) for length, group in itertools.groupby(edges)]
    short: list[Any] = [[length, count] if count > 1 else length for length, count in runs]
    return short if len(short) < len(edges) else list(edges)


def grown(edges: Sequence[AxisEdges], shape: Sequence[int]) -> tuple[AxisEdges, ...]:
    """The lengths of an array that takes another shape: more of the longest one where they did not reach its end.

    >>> grown(((2, 3), 4), (10, 10))
    ((2, 3, 3, 3), 4)
    """
    return tuple(
        axis if isinstance(axis, int) else (*axis, *_more(n - sum(axis), max(axis)))
        for axis, n in zip(edges, shape, strict=True)
    )


def _more(missing: int, length: int) -> tuple[int, ...]:
    """Chunks for so many elements; longer ones, multiples of the length, where they would be very many."""
    if missing <= 0:
        return ()
    length *= -(-missing // (length * MOST_GROWN))
    return (length,) * -(-missing // length)


def merged(edges: Sequence[AxisEdges]) -> tuple[AxisEdges, ...]:
    """The lengths with one for each axis where all chunks have it but a shorter last one.

    >>> merged(((3, 3, 1), (1, 2)))
    (3, (1, 2))
    """
    return tuple(
        axis if isinstance(axis, int) or len(set(axis[:-1])) > 1 or axis[-1] > axis[0] else axis[0]
        for axis in edges
    )
