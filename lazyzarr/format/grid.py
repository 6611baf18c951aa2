"""Chunk grids: an array's shape cut into chunks, axis by axis. Integers only, no I/O.

Specification: Zarr v3 core, "Regular grids", and the extension registry's "rectilinear". Chunks at the edge are
stored in full; only their extent within the array counts.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import MetadataValidationError

__all__ = ["Axis", "EvenAxis", "Grid", "RectilinearGrid", "RegularGrid", "UnevenAxis", "guess_chunks"]

CHUNK_TARGET = 4 * 1024 * 1024  # decoded bytes; two threads scale from 256 KiB, object stores like megabytes


Indices: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class EvenAxis:
    """One axis, cut into chunks of one length."""

    n: int
    """Elements of the array."""
    edge: int
    """Elements of a chunk, at least 1."""

    @property
    def count(self) -> int:
        """The number of chunks; 0 where the axis is empty."""
        return -(-self.n // self.edge)

    def find(self, index: int) -> int:
        """The chunk that an element lies in."""
        return index // self.edge

    def find_all(self, indices: Indices) -> Indices:
        """The chunk that each element lies in."""
        return indices // self.edge

    def start(self, chunk: int) -> int:
        """The first element of a chunk."""
        return chunk * self.edge

    def starts(self, chunks: Indices) -> Indices:
        """The first element of each chunk."""
        return chunks * self.edge

    def stored(self, chunk: int) -> int:
        """Elements of a chunk as it is stored."""
        return self.edge

    def length(self, chunk: int) -> int:
        """Elements of a chunk within the array."""
        return min(self.edge, self.n - chunk * self.edge)

    def lengths(self) -> tuple[int, ...]:
        """Elements of each chunk within the array."""
        whole, rest = divmod(self.n, self.edge)
        return (self.edge,) * whole + ((rest,) if rest else ())


@dataclass(frozen=True, slots=True)
class UnevenAxis:
    """One axis, cut into chunks of several lengths.

    >>> axis = UnevenAxis(6, (2, 3, 4))
    >>> axis.count, axis.find(4), axis.start(1), axis.length(2), axis.stored(2)
    (3, 1, 2, 1, 4)
    """

    n: int
    """Elements of the array."""
    edges: tuple[int, ...]
    """Elements of each chunk, at least 1; together n or more."""
    count: int = field(init=False, compare=False, repr=False)
    """The number of chunks that reach into the array."""
    _bounds: tuple[int, ...] = field(init=False, compare=False, repr=False)
    _starts: Indices = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        bounds = tuple(itertools.accumulate(self.edges, initial=0))
        object.__setattr__(self, "_bounds", bounds)
        object.__setattr__(self, "_starts", np.array(bounds, np.intp))
        object.__setattr__(self, "count", bisect_right(bounds, self.n - 1) if self.n else 0)

    def find(self, index: int) -> int:
        """The chunk that an element lies in."""
        return bisect_right(self._bounds, index) - 1

    def find_all(self, indices: Indices) -> Indices:
        """The chunk that each element lies in."""
        return np.searchsorted(self._starts, indices, "right") - 1

    def start(self, chunk: int) -> int:
        """The first element of a chunk."""
        return self._bounds[chunk]

    def starts(self, chunks: Indices) -> Indices:
        """The first element of each chunk."""
        return self._starts[chunks]

    def stored(self, chunk: int) -> int:
        """Elements of a chunk as it is stored."""
        return self.edges[chunk]

    def length(self, chunk: int) -> int:
        """Elements of a chunk within the array."""
        return min(self._bounds[chunk + 1], self.n) - self._bounds[chunk]

    def lengths(self) -> tuple[int, ...]:
        """Elements of each chunk within the array."""
        return tuple(map(self.length, range(self.count)))


Axis: TypeAlias = EvenAxis | UnevenAxis


@dataclass(frozen=True, slots=True)
class RegularGrid:
    """An array's shape cut into chunks of one shape.

    >>> grid = RegularGrid((10, 7), (4, 7))
    >>> grid.grid_shape, grid.nchunks, grid.extent((2, 0)), grid.clipped_chunks()
    ((3, 1), 3, ((8, 10), (0, 7)), ((4, 4, 2), (7,)))
    """

    shape: tuple[int, ...]
    """Elements along each axis of the array."""
    chunk_shape: tuple[int, ...]
    """Elements along each axis of a chunk, at least 1."""
    grid_shape: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Chunks along each axis; 0 where the axis is empty."""
    axes: tuple[EvenAxis, ...] = field(init=False, compare=False, repr=False)
    """How each axis is cut."""

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.chunk_shape):
            raise MetadataValidationError(
                f"chunks {self.chunk_shape} have {len(self.chunk_shape)} axes, the shape {self.shape} has "
                f"{len(self.shape)}"
            )
        if any(edge < 1 for edge in self.chunk_shape):
            raise MetadataValidationError(
                f"chunks {self.chunk_shape} hold an edge below 1; edges are at least 1"
            )
        object.__setattr__(self, "axes", tuple(map(EvenAxis, self.shape, self.chunk_shape)))
        object.__setattr__(self, "grid_shape", tuple(axis.count for axis in self.axes))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nchunks(self) -> int:
        """The number of chunks; a 0-d array has one."""
        return math.prod(self.grid_shape)

    def extent(self, coords: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Where a chunk lies in the array, a (start, stop) an axis, clipped at the edge."""
        return tuple(
            (i * edge, min((i + 1) * edge, n))
            for i, edge, n in zip(coords, self.chunk_shape, self.shape, strict=True)
        )

    def clipped_chunks(self) -> tuple[tuple[int, ...], ...]:
        """The chunks' lengths along each axis, clipped at the edge, as dask spells `.chunks`."""
        return tuple(axis.lengths() for axis in self.axes)

    def stored_shape(self, coords: Sequence[int]) -> tuple[int, ...]:
        """Elements along each axis of a chunk as it is stored, which may reach beyond the array."""
        return self.chunk_shape


@dataclass(frozen=True, slots=True)
class RectilinearGrid:
    """An array's shape cut into chunks whose lengths differ, axis by axis.

    >>> grid = RectilinearGrid((6, 10), ((2, 3, 4), 4))
    >>> grid.grid_shape, grid.extent((2, 2)), grid.stored_shape((2, 2)), grid.chunk_shape
    ((3, 3), ((5, 6), (8, 10)), (4, 4), (4, 4))
    """

    shape: tuple[int, ...]
    """Elements along each axis of the array."""
    edges: tuple[int | tuple[int, ...], ...]
    """Along each axis the length of all chunks, or of each; at least 1, and together the axis or more."""
    grid_shape: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Chunks along each axis; 0 where the axis is empty."""
    axes: tuple[Axis, ...] = field(init=False, compare=False, repr=False)
    """How each axis is cut."""

    def __post_init__(self) -> None:
        axes = tuple(
            EvenAxis(n, edge) if isinstance(edge, int) else UnevenAxis(n, edge)
            for n, edge in zip(self.shape, self.edges, strict=True)
        )
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "grid_shape", tuple(axis.count for axis in axes))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nchunks(self) -> int:
        """The number of chunks."""
        return math.prod(self.grid_shape)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """The longest chunk along each axis."""
        return tuple(edge if isinstance(edge, int) else max(edge) for edge in self.edges)

    def stored_shape(self, coords: Sequence[int]) -> tuple[int, ...]:
        """Elements along each axis of a chunk as it is stored, which may reach beyond the array."""
        return tuple(axis.stored(i) for axis, i in zip(self.axes, coords, strict=True))

    def extent(self, coords: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Where a chunk lies in the array, a (start, stop) an axis, clipped at the edge."""
        return tuple(
            (axis.start(i), axis.start(i) + axis.length(i)) for axis, i in zip(self.axes, coords, strict=True)
        )

    def clipped_chunks(self) -> tuple[tuple[int, ...], ...]:
        """The chunks' lengths along each axis, clipped at the edge, as dask spells `.chunks`."""
        return tuple(axis.lengths() for axis in self.axes)


Grid: TypeAlias = RegularGrid | RectilinearGrid


def guess_chunks(shape: Sequence[int], itemsize: int, target: int = CHUNK_TARGET) -> tuple[int, ...]:
    """A chunk shape of about `target` bytes in the array's proportions, whose edges divide it if they can.

    >>> guess_chunks((1000, 1000), 4), guess_chunks((4096, 4096), 4), guess_chunks((), 8)
    ((1000, 1000), (1024, 1024), ())
    """
    edges = [max(1, n) for n in shape]
    budget = max(1, target // max(1, itemsize))
    if math.prod(edges) <= budget:
        return tuple(edges)
    # Short axes first: their edges round most coarsely, and the long ones can make up for it.
    axes = sorted(range(len(edges)), key=edges.__getitem__)
    for position, axis in enumerate(axes):
        left = axes[position:]
        ratio = math.prod(edges) / budget
        edges[axis] = _divide(edges[axis], ratio ** (1 / len(left)))
    return tuple(edges)


def _divide(n: int, ratio: float) -> int:
    """An edge near n / ratio: one that divides n where there is one near, else that of equal pieces."""
    ideal = min(max(1.0, n / ratio), float(n))
    near = list(itertools.islice(_near_divisors(n, ideal), 2))
    if near:
        return min(near, key=lambda edge: abs(math.log(edge / ideal)))
    return -(-n // max(1, round(n / ideal)))


def _near_divisors(n: int, ideal: float) -> Iterator[int]:
    """Divisors of n within a factor 1.45 of the ideal edge, the nearest on either side first.

    The edge or the number of pieces is counted through, whichever is the smaller number.
    """
    middle = min(ideal, n / ideal)
    for away in range(min(1000, math.ceil(0.45 * middle) + 1)):
        for divisor in {math.floor(middle) - away, math.ceil(middle) + away}:
            if divisor > 0 and n % divisor == 0:
                edge = divisor if middle == ideal else n // divisor
                if 1 / 1.45 <= edge / ideal <= 1.45:
                    yield edge
