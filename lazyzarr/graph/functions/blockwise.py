"""Users' functions of blocks, of windows, of whatever parts there are, and of nothing but a place."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.chunking import axes_of, by_axis, normalize_chunks
from lazyzarr.graph.functions.arguments import as_node, axes_in, new_axes
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Chunks, Node
from lazyzarr.graph.ops import blocks, calls, coarsening, object_states, overlap, views
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.ops.joining import part
from lazyzarr.graph.words import Axes, ChunksLike, Lengths

__all__ = ["coarsen", "from_map", "map_blocks", "map_overlap", "reduction"]


def map_blocks(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike | None = None,
    chunks: ChunksLike = None,
    drop_axis: Axes = None,
    new_axis: int | Sequence[int] | None = None,
    meta: Any = None,
    keywords: Mapping[str, Any] | None = None,
    **words: Any,
) -> Node:
    """The results of a function called with the chunks of arrays that lie at one place, once each.

    As `LazyArray.map_blocks`; the array with the most axes says what the chunks are. Raises ShapeMismatchError where
    the others do not fit it, TypeError where there is no array.
    """
    lifted = [lift(array) for array in arrays]
    nodes = [each for each in lifted if isinstance(each, Node)]
    if not nodes:
        raise TypeError("map_blocks takes an array at least; from_map makes blocks of their places alone")
    lead = max(nodes, key=lambda node: node.ndim)
    arguments = [
        each if each is lead or isinstance(each, Constant) else _aligned(each, lead) for each in lifted
    ]
    result = _given_dtype(dtype, meta)
    given = {**(keywords or {}), **words}
    dropped = [] if drop_axis is None else list(axes_of(drop_axis, lead.dims))
    if new_axis is None and isinstance(chunks, (tuple, list)):
        new_axis = tuple(range(max(0, len(chunks) - (lead.ndim - len(dropped))))) or None
    if not dropped and new_axis is None:
        given_chunks = _one_each(chunks, lead.dims, lead.chunks)
        grid = lead.chunks if chunks is None else _block_chunks(given_chunks, tuple(map(len, lead.chunks)))
        return blocks.map_blocks(function, arguments, given, result, grid)
    return _with_other_axes(function, arguments, lead, given, result, chunks, dropped, new_axis)


def _with_other_axes(
    function: Callable[..., Any],
    arguments: Sequence[Node | Constant],
    lead: Node,
    words: dict[str, Any],
    dtype: np.dtype[Any] | None,
    chunks: Any,
    dropped: Sequence[int],
    new_axis: Any,
) -> Node:
    """map_blocks with axes that the result has not, whose chunks are given whole, and with new ones."""
    kept = [axis for axis in range(lead.ndim) if axis not in dropped]
    places = () if new_axis is None else new_axes(new_axis, len(kept))
    own: list[int | None] = list(kept)
    for place in places:
        own.insert(place, None)
    dims = tuple(None if axis is None else lead.dims[axis] for axis in own)
    present = tuple((1,) if axis is None else lead.chunks[axis] for axis in own)
    chunks = _one_each(chunks, dims, present)
    counts = tuple(
        _new_count(chunks, place) if axis is None else len(lead.chunks[axis])
        for place, axis in enumerate(own)
    )
    grid = present if chunks is None else _block_chunks(chunks, counts)
    if dtype is None:
        dtype = blocks.probed(function, arguments, words, blocks.wanted_words(function))
    goes_with = [
        tuple(own.index(axis) if axis in own else None for axis in range(lead.ndim - node.ndim, lead.ndim))
        for node in arguments
        if isinstance(node, Node)
    ]
    name = getattr(function, "__name__", "map_blocks").strip("<>")
    return calls.call(function, arguments, goes_with, words, dtype, grid, dims, name, "map_blocks")


def _one_each(chunks: Any, dims: Sequence[str | None], present: Chunks) -> Any:
    """A mapping by axis number or dimension name as one entry an axis; axes that it does not name keep their chunks."""
    if not isinstance(chunks, Mapping):
        return chunks
    named = by_axis(chunks, dims)
    return [named.get(axis, sizes) for axis, sizes in enumerate(present)]


def _new_count(chunks: Any, place: int) -> int:
    """How many blocks a new axis has."""
    sizes = chunks[place] if isinstance(chunks, (tuple, list)) and place < len(chunks) else 1
    return len(sizes) if isinstance(sizes, (tuple, list)) else 1


def _given_dtype(dtype: Any, meta: Any) -> np.dtype[Any] | None:
    """The dtype that was given, by itself or as that of dask's `meta`."""
    given = getattr(meta, "dtype", None) if dtype is None else dtype
    if given is None:
        return None
    found: np.dtype[Any] = np.dtype(given)
    return found


def _aligned(other: Node, lead: Node) -> Node:
    """A further argument of map_blocks in the chunks of the one that has the most axes."""
    own = lead.chunks[lead.ndim - other.ndim :]
    if any(n not in (1, sum(sizes)) for n, sizes in zip(other.shape, own, strict=True)):
        raise ShapeMismatchError(
            f"map_blocks: an array of shape {other.shape} has no chunks at the places of one of shape {lead.shape}"
        )
    grid = tuple((1,) if n == 1 else sizes for n, sizes in zip(other.shape, own, strict=True))
    return views.rechunk(other, grid)


def _block_chunks(chunks: Any, numblocks: tuple[int, ...]) -> Chunks:
    """The chunks of a map_blocks result: sizes an axis, or one length an axis repeated for each block.

    Raises ShapeMismatchError where they are not one chunk for each block of the input.
    """
    given = chunks if isinstance(chunks, (tuple, list)) else (chunks,) * len(numblocks)
    grid = [
        tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,) * count
        for sizes, count in zip(given, numblocks, strict=False)
    ]
    fits = len(given) == len(numblocks) and tuple(map(len, grid)) == numblocks
    if not fits or not all(
        isinstance(size, (int, np.integer)) and size >= 0 for axis in grid for size in axis
    ):
        raise ShapeMismatchError(
            f"map_blocks(chunks={chunks!r}): the function is called for {numblocks} blocks, and chunks= gives the size "
            "of what it makes of each: one length an axis, or a tuple of lengths with one for each block along it"
        )
    return tuple(tuple(int(size) for size in sizes) for sizes in grid)


def map_overlap(
    function: Callable[..., Any],
    *arrays: Any,
    depth: Any,
    boundary: Any = "none",
    trim: bool = True,
    dtype: DTypeLike | None = None,
    meta: Any = None,
    keywords: Mapping[str, Any] | None = None,
    **words: Any,
) -> Node:
    """The results of a function called with each chunk of arrays of one shape and what is around it.

    As `LazyArray.map_overlap`. Raises ShapeMismatchError for arrays of other shapes, ValueError for a depth below 0.
    """
    if not trim:
        raise ValueError(
            "map_overlap keeps the chunk's own part of what the function gives; trim=False is not offered"
        )
    lead = as_node(arrays[0])
    nodes = [as_node(array) for array in arrays]
    for node in nodes:
        if node.shape != lead.shape:
            raise ShapeMismatchError(
                f"map_overlap: further arrays have the shape {lead.shape}, not {node.shape}"
            )
    depths = [_pair(d) for d in _each_axis(depth, lead.dims, 0)]
    if any(d < 0 for pair in depths for d in pair):
        raise ValueError(f"depth={depth!r}: elements at each side are 0 or more")
    edges = _each_axis(boundary, lead.dims, "none")
    edges = ["none" if edge is None else edge for edge in edges]
    unknown = [e for e in edges if isinstance(e, str) and e not in ("none", "reflect", "nearest", "periodic")]
    if unknown:
        raise ValueError(f"boundary={unknown[0]!r}: none, reflect, nearest, periodic, or a number")
    given = {**(keywords or {}), **words}
    return overlap.map_overlap(function, nodes, depths, edges, given, _given_dtype(dtype, meta))


def _pair(depth: Any) -> tuple[int, int]:
    """Elements before and after."""
    if isinstance(depth, (tuple, list)):
        before, after = depth
        return operator.index(before), operator.index(after)
    return operator.index(depth), operator.index(depth)


def _each_axis(given: Any, dims: Sequence[str | None], other: Any) -> list[Any]:
    """One value an axis: given for all, for each, or by number or dimension name, else `other`."""
    if isinstance(given, Mapping):
        found = [other] * len(dims)
        for axis, value in by_axis(given, dims).items():
            found[axis] = value
        return found
    if isinstance(given, (tuple, list)):
        if len(given) != len(dims):
            raise ShapeMismatchError(f"{given!r} has {len(given)} entries for an array with {len(dims)} axes")
        return list(given)
    return [given] * len(dims)


def coarsen(
    reduction: Callable[..., Any] | str,
    x: Any,
    axes: Mapping[Any, int],
    trim_excess: bool = False,
    dtype: DTypeLike | None = None,
    **keywords: Any,
) -> Node:
    """The array with a function of each window of elements in their place; as `LazyArray.coarsen`.

    Raises ShapeMismatchError where windows do not fill an axis and `trim_excess` does not cut off the rest.
    """
    node, function = as_node(x), _window_function(reduction)
    lengths = [1] * node.ndim
    for axis, length in by_axis(axes, node.dims).items():
        lengths[axis] = operator.index(length)
    if any(length < 1 for length in lengths):
        raise ValueError(f"coarsen({dict(axes)}): a window has 1 element at least along each axis")
    rest = [n % length for n, length in zip(node.shape, lengths, strict=True)]
    if any(rest) and not trim_excess:
        raise ShapeMismatchError(
            f"coarsen: windows of {tuple(lengths)} do not fill an array of shape {node.shape}; trim_excess=True cuts "
            "off what is left over"
        )
    node = part(node, tuple(slice(0, n - more) for n, more in zip(node.shape, rest, strict=True)))
    return coarsening.coarsen(node, function, lengths, keywords, None if dtype is None else np.dtype(dtype))


def _window_function(given: Callable[..., Any] | str) -> Callable[..., Any]:
    """A function given by itself or by NumPy's name. Raises ValueError for a name that NumPy has not."""
    found = getattr(np, given, None) if isinstance(given, str) else given
    if not callable(found):
        raise ValueError(
            f"coarsen({given!r}): a function that takes axis=, or NumPy's name of one, such as 'mean'"
        )
    same: dict[Any, Any] = {np.amax: np.max, np.amin: np.min}
    return same.get(found, found)  # type: ignore[no-any-return]


def reduction(
    x: Any,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    axis: Axes = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
    combine: Callable[..., Any] | None = None,
    concatenate: bool = True,
    **keywords: Any,
) -> Node:
    """A reduction made of a user's functions, as dask.array's; see `lz.reduction`."""
    node = as_node(x)
    axes = axes_in(node, axis)
    if not axes:
        raise ValueError("a reduction takes one axis at least")
    join = aggregate if combine is None else combine
    options = chunk, join, aggregate, tuple(keywords.items()), concatenate
    if dtype is None:
        ones = np.ones((1,) * node.ndim, node.dtype)
        with np.errstate(all="ignore"):
            first = chunk(ones, axis=axes, keepdims=True, **keywords)
            dtype = np.asarray(
                aggregate(first if concatenate else [first], axis=axes, keepdims=True, **keywords)
            ).dtype
    return object_states.user_reduce(node, axes, bool(keepdims), np.dtype(dtype), *options)


def from_map(
    function: Callable[..., Any],
    shape: Lengths,
    dtype: DTypeLike,
    chunks: ChunksLike = "auto",
    dims: Sequence[str | None] | None = None,
    keywords: Mapping[str, Any] | None = None,
) -> Node:
    """Blocks that a function makes of where they lie; see `lz.from_map`."""
    lengths = tuple(map(operator.index, shape if isinstance(shape, (tuple, list)) else (shape,)))
    names = (None,) * len(lengths) if dims is None else tuple(dims)
    if len(names) != len(lengths):
        raise ValueError(f"dims={names} names {len(names)} axes, the shape has {len(lengths)}: {lengths}")
    kind = np.dtype(dtype)
    grid = normalize_chunks(chunks, lengths, kind.itemsize, names, tuple((n,) for n in lengths))
    return calls.from_map(function, dict(keywords or {}), kind, grid, names)
