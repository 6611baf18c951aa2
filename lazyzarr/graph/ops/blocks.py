"""map_blocks: a user's function that sees exactly the chunks that `.chunks` says, once each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.region import Region

__all__ = ["MapBlocks", "map_blocks"]


class MapBlocks(Node):
    """A function of chunks; parameters: function, keywords, dtype, chunks, which of block_id and block_info it takes.

    Its values cannot be asked for by parts, so it is read like a source whose chunks are computed.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """The function's name."""
        return getattr(self.params[0], "__name__", "map_blocks").strip("<>")

    @property
    def is_leaf(self) -> bool:
        """Always: values come by whole blocks."""
        return True

    def infer(self) -> None:
        """The first input's dims; dtype and chunks were given."""
        _, _, dtype, self.chunks, _ = self.params
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

    def call(
        self, pieces: Sequence[Any], origin: tuple[int, ...], block_id: tuple[int, ...]
    ) -> np.ndarray[Any, Any]:
        """The block's values, checked: the function must give what shape and dtype promise.

        Raises ShapeMismatchError where it gives another shape; its own errors keep their type and
        carry the block in a note.
        """
        function, keywords, dtype, chunks, wants = self.params
        shape = tuple(sizes[i] for sizes, i in zip(chunks, block_id, strict=True))
        words = dict(keywords)
        if "block_id" in wants:
            words["block_id"] = block_id
        if "block_info" in wants:
            words["block_info"] = self._block_info(origin, shape, block_id)
        try:
            result = function(*pieces, **words)
        except Exception as error:
            error.add_note(
                f"in map_blocks({self.label}), block {block_id} = {_extent(origin, shape)} {np.dtype(dtype)}"
            )
            if isinstance(error, ValueError) and "read-only" in str(error):
                error.add_note(
                    "a block is borrowed from the reader and cannot be changed in place: start with "
                    "block = block.copy()"
                )
            raise
        values = np.asarray(result)
        if values.shape != shape:
            raise ShapeMismatchError(
                f"map_blocks({self.label}) gave shape {values.shape} for block {block_id} = {_extent(origin, shape)}, "
                f"which has shape {shape}; give chunks= where the function changes shapes"
            )
        return values.astype(self.dtype, copy=False)

    def _block_info(
        self, origin: tuple[int, ...], shape: tuple[int, ...], block_id: tuple[int, ...]
    ) -> dict[Any, Any]:
        """What dask.array tells a function about its block, by input position and None for the output."""
        location = [(start, start + n) for start, n in zip(origin, shape, strict=True)]
        own = {
            "shape": self.shape,
            "num-chunks": tuple(map(len, self.chunks)),
            "array-location": location,
            "chunk-location": block_id,
            "chunk-shape": shape,
            "dtype": self.dtype,
        }
        first = self.inputs[0]
        keys = ("shape", "num-chunks", "array-location", "chunk-location")
        return {0: {key: own[key] for key in keys} | {"dtype": first.dtype}, None: own}


def map_blocks(
    function: Callable[..., Any],
    nodes: Sequence[Node],
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
        dtype = _probe(function, nodes, keywords, wants)
    grid = max((node for node in nodes), key=lambda node: node.ndim).chunks if chunks is None else chunks
    return make(MapBlocks, tuple(nodes), (function, tuple(keywords.items()), np.dtype(dtype), grid, wants))


def _wanted_words(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return ()
    return tuple(word for word in ("block_id", "block_info") if word in names)


def _probe(
    function: Callable[..., Any], nodes: Sequence[Node], keywords: dict[str, Any], wants: tuple[str, ...]
) -> np.dtype[Any]:
    words = dict(keywords)
    words |= {word: (0,) * nodes[0].ndim if word == "block_id" else None for word in wants}
    blocks = [np.ones((1,) * node.ndim, node.dtype) for node in nodes]
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
