"""map_blocks: a user's function that sees exactly the chunks that `.chunks` says, once each."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.computed import Box, Computed, Get, Intervals, within
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.ops.user import note_user_error, promised, read_only, step_into, user_call
from lazyzarr.graph.region import Region

__all__ = ["MapBlocks", "kept_copy", "map_blocks"]


class MapBlocks(Computed):
    """A function of chunks; parameters: function, operands, keywords, dtype, chunks, which of block_id and
    block_info it takes.

    Its values cannot be asked for by parts, so it is read like a source whose chunks are computed.
    """

    __slots__ = ()
    calls_user: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """The function's name."""
        return getattr(self.params[0], "__name__", "map_blocks").strip("<>")

    def infer(self) -> None:
        """The first input's dims; dtype and chunks were given."""
        _, _, _, dtype, self.chunks, _ = self.params
        self.dtype = np.dtype(dtype)
        self.shape = tuple(map(sum, self.chunks))
        self.dims = (
            self.inputs[0].dims if len(self.inputs[0].shape) == len(self.shape) else (None,) * len(self.shape)
        )

    def pull(self, region: Region) -> list[Region]:
        """For a region that is one block: the same block of each input."""
        result = []
        for node in self.inputs:
            spans = region[len(region) - node.ndim :]
            result.append(
                tuple(
                    s._replace(start=0, count=1, axis=None, rate=0) if n == 1 else s
                    for s, n in zip(spans, node.shape, strict=True)
                )
            )
        return result

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for one chunk of each input."""
        return [within(source.chunks) for source in self.inputs]

    def compute(self, coords: tuple[int, ...], get: Get) -> np.ndarray[Any, Any]:
        """What the function gives for the chunks at these coordinates."""
        box = self.box(coords)
        pieces = [get(i, self._source_box(source, coords, box)) for i, source in enumerate(self.inputs)]
        return kept_copy(self.call(pieces, box[0], coords), pieces)

    def _source_box(self, source: Node, coords: tuple[int, ...], box: Box) -> Box:
        """The chunk of an input that goes with an output block: by index where chunks differ."""
        new = self.ndim - source.ndim
        starts, counts = [], []
        for axis, (n, sizes) in enumerate(zip(source.shape, source.chunks, strict=True)):
            if n == 1:
                starts.append(0)
                counts.append(1)
            elif sizes == self.chunks[axis + new]:
                starts.append(box[0][axis + new])
                counts.append(box[1][axis + new])
            else:
                starts.append(sum(sizes[: coords[axis + new]]))
                counts.append(sizes[coords[axis + new]])
        return tuple(starts), tuple(counts)

    def call(
        self, pieces: Sequence[Any], origin: tuple[int, ...], block_id: tuple[int, ...]
    ) -> np.ndarray[Any, Any]:
        """The block's values, checked: the function must give what shape and dtype promise.

        Raises ShapeMismatchError where it gives another shape; its own errors keep their type and
        carry the block in a note.
        """
        function, operands, keywords, _, chunks, wants = self.params
        shape = tuple(sizes[i] for sizes, i in zip(chunks, block_id, strict=True))
        words = dict(keywords)
        if "block_id" in wants:
            words["block_id"] = block_id
        if "block_info" in wants:
            words["block_info"] = self._block_info(block_id)
        lent = [o.value if isinstance(o, Constant) else read_only(pieces[o]) for o in operands]
        try:
            result = function(*lent, **words)
        except Exception as error:
            note_user_error(error, self._where(origin, shape, block_id), step_into(self, origin, shape))
            raise
        cure = "; if its blocks have other shapes, say chunks=..."
        return promised(result, shape, self.dtype, lambda: self._where(origin, shape, block_id), cure)

    def _where(self, origin: tuple[int, ...], shape: tuple[int, ...], block_id: tuple[int, ...]) -> str:
        return f"{user_call('map_blocks', self)}, block {block_id} = {_extent(origin, shape)} of {self.dtype}"

    def _block_info(self, block_id: tuple[int, ...]) -> dict[int | None, dict[str, Any]]:
        """What dask.array tells a function about its block, by position of the input and None for the output."""
        result: dict[int | None, dict[str, Any]] = {
            i: _location(self.inputs[operand], block_id)
            for i, operand in enumerate(self.params[1])
            if not isinstance(operand, Constant)
        }
        own = _location(self, block_id)
        sizes = tuple(axis[i] for axis, i in zip(self.chunks, block_id, strict=True))
        return result | {None: own | {"chunk-shape": sizes, "dtype": self.dtype}}


def kept_copy(values: np.ndarray[Any, Any], pieces: Sequence[Any]) -> np.ndarray[Any, Any]:
    """The values in memory of their own: what the function was lent is soon used for something else."""
    if any(np.may_share_memory(values, piece) for piece in pieces):
        return values.copy()
    return values


def _location(node: Node, block_id: tuple[int, ...]) -> dict[str, Any]:
    """Where the block with an index lies in an array; axes of one chunk have that one."""
    index = block_id[len(block_id) - node.ndim :]
    own = tuple(0 if len(sizes) == 1 else i for sizes, i in zip(node.chunks, index, strict=True))
    starts = [sum(sizes[:i]) for sizes, i in zip(node.chunks, own, strict=True)]
    return {
        "shape": node.shape,
        "num-chunks": tuple(map(len, node.chunks)),
        "array-location": [(s, s + sizes[i]) for s, sizes, i in zip(starts, node.chunks, own, strict=True)],
        "chunk-location": own,
        "dtype": node.dtype,
    }


def map_blocks(
    function: Callable[..., Any],
    arguments: Sequence[Node | Constant],
    keywords: dict[str, Any],
    dtype: np.dtype[Any] | None,
    chunks: Chunks | None,
) -> MapBlocks:
    """The node of a function called once a chunk, on the chunks of all inputs at that place.

    Inputs must have equal chunks (axes of length 1 are given whole). Without `dtype` the function is
    asked once, with blocks of ones of length 1.
    """
    wants = _wanted_words(function)
    if dtype is None:
        dtype = _probe(function, arguments, keywords, wants)
    nodes = tuple(argument for argument in arguments if isinstance(argument, Node))
    positions = itertools.count()
    operands = tuple(a if isinstance(a, Constant) else next(positions) for a in arguments)
    grid = nodes[0].chunks if chunks is None else chunks
    return make(MapBlocks, nodes, (function, operands, tuple(keywords.items()), np.dtype(dtype), grid, wants))


def _wanted_words(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()
    return tuple(word for word in ("block_id", "block_info") if word in names)


def _probe(
    function: Callable[..., Any],
    arguments: Sequence[Node | Constant],
    keywords: dict[str, Any],
    wants: tuple[str, ...],
) -> np.dtype[Any]:
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


def _extent(origin: tuple[int, ...], shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(f"{start}:{start + n}" for start, n in zip(origin, shape, strict=True)) + "]"
