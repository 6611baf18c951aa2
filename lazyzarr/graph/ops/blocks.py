"""map_blocks: a user's function that sees exactly the chunks that `.chunks` says, once each."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.computed import Box, Computed, Get, Intervals, cuts_of, within
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.ops.lending import Loan, answer, copied_bytes
from lazyzarr.graph.ops.user import note_user_error, promised, step_into, user_call
from lazyzarr.graph.region import Region

__all__ = ["Coords", "MapBlocks", "UserBlocks", "interval", "map_blocks", "probed", "wanted_words"]

Coords = tuple[int | None, ...]
"""The number of a chunk along each axis; None: all of them."""


class UserBlocks(Computed):
    """A user's function of blocks; parameters: function, operands, keywords, dtype, chunks, which of block_id and
    block_info it takes, and what a kind has besides.

    Its values cannot be asked for by parts, so it is read like a source whose chunks are computed.
    """

    __slots__ = ()
    calls_user: ClassVar[bool] = True
    verb = "map_blocks"

    @property
    def label(self) -> str:
        """The function's name."""
        return getattr(self.params[0], "__name__", self.verb).strip("<>")

    @property
    def working_bytes(self) -> int:
        """A copy of what the function gives, where others can reach that, and what it is lent as copies."""
        result = math.prod(max(sizes, default=0) for sizes in self.chunks) * self.dtype.itemsize
        return result + copied_bytes(self.inputs, self.intervals())

    @abstractmethod
    def block_of(self, i: int, coords: tuple[int, ...]) -> Coords:
        """The chunk of an input that goes with an output block: along each axis its number, or None for all."""

    def compute(self, coords: tuple[int, ...], get: Get) -> np.ndarray[Any, Any]:
        """What the function gives for the chunks that go with this block."""
        boxes = [box_of(source, self.block_of(i, coords)) for i, source in enumerate(self.inputs)]
        pieces = [get(i, box) for i, box in enumerate(boxes)]
        return self.call(pieces, self.box(coords)[0], coords)

    def call(
        self, pieces: Sequence[Any], origin: tuple[int, ...], block_id: tuple[int, ...]
    ) -> np.ndarray[Any, Any]:
        """The block's values of the pieces, which are lent to the function; as `called`."""
        with Loan(pieces) as lent:
            return self.called(
                [o.value if isinstance(o, Constant) else lent[o] for o in self.params[1]], origin, block_id
            )

    def called(
        self, arguments: Sequence[Any], origin: tuple[int, ...], block_id: tuple[int, ...]
    ) -> np.ndarray[Any, Any]:
        """The block's values, in memory of their own: the function must give what shape and dtype promise.

        Raises ShapeMismatchError where it gives another shape; its own errors keep their type and
        carry the block in a note.
        """
        function, _, keywords, _, chunks, wants, *_ = self.params
        shape = tuple(sizes[i] for sizes, i in zip(chunks, block_id, strict=True))
        words = dict(keywords)
        if "block_id" in wants:
            words["block_id"] = block_id
        if "block_info" in wants:
            words["block_info"] = self._block_info(block_id)
        try:
            values, alone = answer(function, arguments, words)
        except Exception as error:
            note_user_error(error, self._where(origin, shape, block_id), step_into(self, block_id))
            raise
        where = functools.partial(self._where, origin, shape, block_id)
        return promised(values, shape, self.dtype, where, self.cure, copy=not alone)

    def _where(self, origin: tuple[int, ...], shape: tuple[int, ...], block_id: tuple[int, ...]) -> str:
        return f"{user_call(self.verb, self)}, block {block_id} = {interval(origin, shape)} of {self.dtype}"

    cure = "; if its blocks have other shapes, say chunks=..."

    def _block_info(self, block_id: tuple[int, ...]) -> dict[int | None, dict[str, Any]]:
        """What dask.array tells a function about its block, by position of the input and None for the output."""
        result: dict[int | None, dict[str, Any]] = {
            i: _location(self.inputs[operand], self.block_of(operand, block_id))
            for i, operand in enumerate(self.params[1])
            if not isinstance(operand, Constant)
        }
        own = _location(self, block_id)
        sizes = tuple(axis[i] for axis, i in zip(self.chunks, block_id, strict=True))
        return result | {None: own | {"chunk-shape": sizes, "dtype": self.dtype}}


class MapBlocks(UserBlocks):
    """A function of the chunks at one place; parameters as UserBlocks."""

    __slots__ = ()

    def infer(self) -> None:
        """The names of the first input that has as many axes; dtype and chunks were given."""
        _, _, _, dtype, self.chunks, _ = self.params
        self.dtype = np.dtype(dtype)
        self.shape = tuple(map(sum, self.chunks))
        ndim = len(self.shape)
        self.dims = next((node.dims for node in self.inputs if node.ndim == ndim), (None,) * ndim)

    def pull(self, region: Region) -> list[Region]:
        """For a region that is one block: the same block of each input."""
        result = []
        for node in self.inputs:
            spans = region[len(region) - node.ndim :]
            result.append(
                tuple(
                    s._replace(start=0, count=1, axis=None, rate=0, within=None) if n == 1 else s
                    for s, n in zip(spans, node.shape, strict=True)
                )
            )
        return result

    @property
    def in_step(self) -> bool:
        """Always."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for one chunk of each input."""
        return [within(source.chunks) for source in self.inputs]

    def block_of(self, i: int, coords: tuple[int, ...]) -> Coords:
        """The chunk of the same number, counted from the last axis; axes of one chunk have that one."""
        source = self.inputs[i]
        index = coords[len(coords) - source.ndim :]
        return tuple(0 if len(sizes) == 1 else n for sizes, n in zip(source.chunks, index, strict=True))


def box_of(source: Node, block: Coords) -> Box:
    """Where a chunk of an array lies, given its number along each axis, None for all of an axis."""
    starts, extents = [], []
    for n, sizes, number in zip(source.shape, source.chunks, block, strict=True):
        starts.append(0 if number is None else int(cuts_of(sizes)[number]))
        extents.append(n if number is None else sizes[number])
    return tuple(starts), tuple(extents)


def _location(node: Node, block: Coords) -> dict[str, Any]:
    """Where a chunk lies in an array; what is given whole is one chunk."""
    starts, extents = box_of(node, block)
    return {
        "shape": node.shape,
        "num-chunks": tuple(
            1 if number is None else len(sizes) for sizes, number in zip(node.chunks, block, strict=True)
        ),
        "array-location": [(start, start + n) for start, n in zip(starts, extents, strict=True)],
        "chunk-location": tuple(number or 0 for number in block),
        "dtype": node.dtype,
    }


def map_blocks(
    function: Callable[..., Any],
    arguments: Sequence[Node | Constant],
    keywords: dict[str, Any],
    dtype: np.dtype[Any] | None,
    chunks: Chunks,
) -> MapBlocks:
    """The node of a function called once a chunk, on the chunks of all inputs at that place.

    Inputs must have equal chunks (axes of length 1 are given whole). Without `dtype` the function is
    asked once, with blocks of ones of length 1.
    """
    wants = wanted_words(function)
    if dtype is None:
        dtype = probed(function, arguments, keywords, wants)
    nodes = tuple(argument for argument in arguments if isinstance(argument, Node))
    positions = itertools.count()
    operands = tuple(a if isinstance(a, Constant) else next(positions) for a in arguments)
    return make(
        MapBlocks, nodes, (function, operands, tuple(keywords.items()), np.dtype(dtype), chunks, wants)
    )


def wanted_words(function: Callable[..., Any]) -> tuple[str, ...]:
    """Which of block_id and block_info a function takes."""
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()
    return tuple(word for word in ("block_id", "block_info") if word in names)


def probed(
    function: Callable[..., Any],
    arguments: Sequence[Node | Constant],
    keywords: dict[str, Any],
    wants: tuple[str, ...],
) -> np.dtype[Any]:
    """The dtype of what a function gives, asked of it with blocks of ones of length 1."""
    words = dict(keywords)
    ndim = max(a.ndim for a in arguments if isinstance(a, Node))
    words |= {word: (0,) * ndim if word == "block_id" else None for word in wants}
    blocks = [a.value if isinstance(a, Constant) else np.ones((1,) * a.ndim, a.dtype) for a in arguments]
    try:
        with np.errstate(all="ignore"):
            found: np.dtype[Any] = np.asarray(function(*blocks, **words)).dtype
            return found
    except Exception as error:
        error.add_note(
            "map_blocks called the function with blocks of length 1 to learn its dtype; give dtype= and "
            "it is not called"
        )
        raise


def interval(origin: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Where a block lies, as a slice would say it.

    >>> interval((0, 72), (4, 32))
    '[0:4, 72:104]'
    """
    return "[" + ", ".join(f"{start}:{start + n}" for start, n in zip(origin, shape, strict=True)) + "]"
