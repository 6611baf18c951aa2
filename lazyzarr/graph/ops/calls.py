"""Calls: a user's function of blocks whose axes are not all the result's, and of no array at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.blocks import Coords, UserBlocks, wanted_words
from lazyzarr.graph.ops.computed import Get, Intervals, cuts_of
from lazyzarr.graph.ops.elementwise import Constant

__all__ = ["Call", "FromMap", "call", "from_map"]

Array = np.ndarray[Any, Any]
Axes = tuple[int | None, ...]
"""For each axis of an input the axis of the result whose blocks it goes with; None: it is given whole."""


class Call(UserBlocks):
    """A function of blocks; parameters as UserBlocks, and: names of the result's axes, for each input the axes that
    its axes go with, the name of the function and of the verb."""

    __slots__ = ()
    cure = "; the shape that its axes promise"

    @property
    def label(self) -> str:
        """The function's name."""
        return self.params[8]  # type: ignore[no-any-return]

    @property
    def verb(self) -> str:  # type: ignore[override]
        """What the user called."""
        return self.params[9]  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Chunks, dtype and names were given."""
        _, _, _, dtype, self.chunks, _, self.dims, *_ = self.params
        self.dtype, self.shape = np.dtype(dtype), tuple(map(sum, self.chunks))

    def block_of(self, i: int, coords: tuple[int, ...]) -> Coords:
        """The chunk with the numbers of the axes that the input's axes go with."""
        source = self.inputs[i]
        return tuple(
            None if axis is None else 0 if len(sizes) == 1 else coords[axis]
            for axis, sizes in zip(self.params[7][i], source.chunks, strict=True)
        )

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """A chunk along axes that go with the result's, else all."""
        return [
            tuple(
                _whole(n) if axis is None else (cuts_of(sizes)[:-1], cuts_of(sizes)[1:])
                for axis, n, sizes in zip(axes, source.shape, source.chunks, strict=True)
            )
            for axes, source in zip(self.params[7], self.inputs, strict=True)
        ]


def _whole(n: int) -> Intervals:
    return np.array([0]), np.array([n])


def call(
    function: Callable[..., Any],
    arguments: Sequence[Node | Constant],
    axes: Sequence[Axes],
    keywords: dict[str, Any],
    dtype: np.dtype[Any],
    chunks: Chunks,
    dims: tuple[str | None, ...],
    name: str,
    verb: str,
) -> Call:
    """The node of a function called once for each block of a result in these chunks.

    `axes` says of each argument that is an array which of its axes go with which of the result's.
    """
    nodes = tuple(argument for argument in arguments if isinstance(argument, Node))
    places = iter(range(len(nodes)))
    operands = tuple(a if isinstance(a, Constant) else next(places) for a in arguments)
    wants = wanted_words(function)
    words = tuple(keywords.items())
    return make(Call, nodes, (function, operands, words, dtype, chunks, wants, dims, tuple(axes), name, verb))


class FromMap(UserBlocks):
    """Blocks that a function makes of where they lie; parameters as UserBlocks, and the names of the axes."""

    __slots__ = ()
    verb = "from_map"
    cure = "; one array for each block of chunks=..."

    def infer(self) -> None:
        """All was given."""
        _, _, _, self.dtype, self.chunks, _, self.dims = self.params
        self.shape = tuple(map(sum, self.chunks))

    def block_of(self, i: int, coords: tuple[int, ...]) -> Coords:
        """Never asked: there are no inputs."""
        raise NotImplementedError

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Nothing is asked for."""
        return []

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """What the function gives for the block, in memory that is nobody else's."""
        starts, extents = self.box(coords)
        where = tuple(slice(start, start + n) for start, n in zip(starts, extents, strict=True))
        return self.called([where], starts, coords)


def from_map(
    function: Callable[..., Any],
    keywords: dict[str, Any],
    dtype: np.dtype[Any],
    chunks: Chunks,
    dims: tuple[str | None, ...],
) -> FromMap:
    """The node of blocks that a function makes of the slices where they lie."""
    words = tuple(keywords.items())
    return make(FromMap, (), (function, (), words, dtype, chunks, wanted_words(function), dims))
