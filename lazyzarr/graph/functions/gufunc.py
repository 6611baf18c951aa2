"""apply_gufunc: functions of whole vectors and matrices along core axes, called block by block along the others."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.functions.arguments import as_node, axis_in
from lazyzarr.graph.functions.shapes import expand_dims, moveaxis
from lazyzarr.graph.node import Chunks, Node, finer
from lazyzarr.graph.ops import calls, elementwise, views

__all__ = ["apply_gufunc"]

BLOCK = 64_000_000  # bytes of a block that had to be put together, at most, where one line is not longer
_GROUP = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*)?\)"
_SIGNATURE = re.compile(rf"\s*(?:{_GROUP}\s*(?:,\s*{_GROUP}\s*)*)?->\s*{_GROUP}\s*(?:,\s*{_GROUP}\s*)*")

Core = tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """The core axes of each argument and each output, by the names that a signature gives them."""

    inputs: tuple[Core, ...]
    outputs: tuple[Core, ...]

    @property
    def several(self) -> bool:
        """Whether the function gives a tuple."""
        return len(self.outputs) > 1


def parsed(signature: str) -> Signature:
    """The core axes that a signature such as "(i,j),(j)->(i)" names. Raises ValueError for one that is none."""
    if not _SIGNATURE.fullmatch(signature):
        raise ValueError(
            f"{signature!r} is no signature: one group an argument and output, as in '(i,j),(j)->(i)'"
        )
    sides = signature.split("->")
    given, made = (
        tuple(tuple(re.findall(r"\w+", group)) for group in re.findall(_GROUP, side)) for side in sides
    )
    return Signature(given, made)


@dataclass(frozen=True)
class Loop:
    """What the function is called over: the axes that are not core ones, and the lengths of those that are."""

    chunks: Chunks
    dims: tuple[str | None, ...]
    lengths: Mapping[str, int]
    names: Mapping[str, str | None]


def apply_gufunc(
    function: Callable[..., Any],
    signature: str,
    *args: Any,
    axes: Any = None,
    axis: Any = None,
    keepdims: bool = False,
    output_dtypes: Any = None,
    output_sizes: Mapping[str, int] | None = None,
    vectorize: bool = False,
    allow_rechunk: bool = True,
    **keywords: Any,
) -> Node | tuple[Node, ...]:
    """The results of a function of core axes; see `lz.apply_gufunc`."""
    core = parsed(signature)
    if len(args) != len(core.inputs):
        raise ValueError(f"apply_gufunc: {signature!r} takes {len(core.inputs)} arrays, not {len(args)}")
    nodes = [as_node(each) for each in args]
    for node, own in zip(nodes, core.inputs, strict=True):
        if node.ndim < len(own):
            raise ValueError(f"apply_gufunc: an array of shape {node.shape} has no core axes {own}")
    places = _places(nodes, core, axes, axis, keepdims)
    for i, node in enumerate(nodes):  # from the end, as broadcasting counts
        places[i] = tuple(axis_in(node, place) - node.ndim for place in places[i])
    if isinstance(axis, str):  # the shared core axis stands in outputs where it stands in what has it
        place = next(own for own in places[: len(nodes)] if own)
        places[len(nodes) :] = [place if own else own for own in places[len(nodes) :]]
    nodes = [_core_last(node, own) for node, own in zip(nodes, places, strict=False)]
    loop = _loop(nodes, core, output_sizes or {}, allow_rechunk)
    nodes = [_blocked(node, own, loop) for node, own in zip(nodes, core.inputs, strict=True)]
    dtypes = _dtypes(function, nodes, core, loop, output_dtypes, vectorize, keywords)
    if vectorize:
        otypes = [dtype.char for dtype in dtypes]
        function = np.vectorize(function, otypes=otypes, signature=signature)
    outputs = _outputs(function, nodes, core, loop, dtypes, keywords)
    loops = len(loop.chunks)
    made = [
        _put_back(node, own, loops, keepdims, places[0] if places else ())
        for node, own in zip(outputs, places[len(nodes) :], strict=True)
    ]
    return tuple(made) if core.several else made[0]


Places = tuple[Any, ...]
"""Where the core axes of an argument or output stand."""


def _places(nodes: Sequence[Node], core: Signature, axes: Any, axis: Any, keepdims: bool) -> list[Places]:
    """The core axes of each argument and output. Raises ValueError for what the signature does not allow."""
    every = [*core.inputs, *core.outputs]
    if keepdims and (any(core.outputs) or len({len(own) for own in core.inputs}) != 1):
        raise ValueError("keepdims=True: all arrays have as many core axes, and outputs have none")
    if axis is not None:
        if axes is not None:
            raise ValueError("either axis= or axes= is given")
        if any(len(own) > 1 for own in every) or len({name for own in every for name in own}) != 1:
            raise ValueError("axis= is for signatures with one core axis that all share")
        return [(axis,) * len(own) for own in every]
    if axes is None:
        return [tuple(range(-len(own), 0)) for own in every]
    given = [each if isinstance(each, (tuple, list)) else (each,) for each in axes]
    if len(given) == len(core.inputs) and not any(core.outputs):
        given += [()] * len(core.outputs)
    if len(given) != len(every) or any(len(at) != len(own) for at, own in zip(given, every, strict=True)):
        raise ValueError(f"axes={axes!r} is to have the core axes of each argument and output, {every}")
    return [tuple(each) for each in given]


def _core_last(node: Node, places: Places) -> Node:
    """The array with its core axes last."""
    return moveaxis(node, places, tuple(range(-len(places), 0))) if places else node


def _loop(nodes: Sequence[Node], core: Signature, sizes: Mapping[str, int], rechunks: bool) -> Loop:
    """The axes that blocks are cut along. Raises ShapeMismatchError where lengths do not fit."""
    lengths: dict[str, int] = dict(sizes)
    names: dict[str, str | None] = {}
    for node, own in zip(nodes, core.inputs, strict=True):
        first = node.ndim - len(own)
        for name, n, dim in zip(own, node.shape[first:], node.dims[first:], strict=True):
            if lengths.setdefault(name, n) != n:
                raise ShapeMismatchError(
                    f"apply_gufunc: the core axis {name!r} has lengths {lengths[name]} and {n}"
                )
            names[name] = dim if names.get(name, dim) == dim else None
    for name in (name for own in core.outputs for name in own):
        if name not in lengths:
            raise ValueError(
                f"apply_gufunc: output_sizes={{{name!r}: ...}} says how long the new axis {name!r} is"
            )
    loops = [node.ndim - len(own) for node, own in zip(nodes, core.inputs, strict=True)]
    try:
        shape = np.broadcast_shapes(*(node.shape[:n] for node, n in zip(nodes, loops, strict=True)))
    except ValueError:
        shapes = " and ".join(str(node.shape[:n]) for node, n in zip(nodes, loops, strict=True))
        raise ShapeMismatchError(f"apply_gufunc: loop axes {shapes} do not broadcast together") from None
    chunks, dims = [], []
    for place, n in enumerate(shape):
        here = [(node, place - len(shape) + own) for node, own in zip(nodes, loops, strict=True)]
        candidates = [node.chunks[at] for node, at in here if at >= 0 and node.shape[at] == n]
        chunks.append(elementwise.refine(candidates))
        found = {node.dims[at] for node, at in here if at >= 0} - {None}
        dims.append(found.pop() if len(found) == 1 else None)
    whole = all(
        len(sizes) == 1 for node, own in zip(nodes, loops, strict=True) for sizes in node.chunks[own:]
    )
    if not whole and not rechunks:
        raise ValueError("apply_gufunc: a core axis has several chunks, and allow_rechunk=False")
    grid = tuple(chunks) if whole else _bounded(chunks, nodes, loops)
    return Loop(grid, tuple(dims), lengths, names)


def _bounded(chunks: Sequence[tuple[int, ...]], nodes: Sequence[Node], loops: Sequence[int]) -> Chunks:
    """The chunks cut so that a block with whole core axes is not too large."""
    beside = max(
        (math.prod(node.shape[own:]) * node.dtype.itemsize for node, own in zip(nodes, loops, strict=True)),
        default=1,
    )
    most = [max(sizes, default=1) or 1 for sizes in chunks]
    while math.prod(most) * beside > BLOCK and max(most, default=1) > 1:
        longest = most.index(max(most))
        most[longest] = -(-most[longest] // 2)
    return finer(chunks, most)


def _blocked(node: Node, core: Core, loop: Loop) -> Node:
    """An argument in the blocks of the loop, core axes whole."""
    own = node.ndim - len(core)
    behind = loop.chunks[len(loop.chunks) - own :]
    grid = tuple((1,) if n == 1 else sizes for n, sizes in zip(node.shape[:own], behind, strict=True))
    return views.rechunk(node, (*grid, *((n,) for n in node.shape[own:])))


def _dtypes(
    function: Callable[..., Any],
    nodes: Sequence[Node],
    core: Signature,
    loop: Loop,
    given: Any,
    vectorize: bool,
    keywords: dict[str, Any],
) -> list[np.dtype[Any]]:
    """The dtypes of the outputs: as given, or asked of the function with ones."""
    if given is not None:
        several = isinstance(given, (tuple, list))
        found = [np.dtype(each) for each in (given if several else (given,) * len(core.outputs))]
        if len(found) != len(core.outputs):
            raise ValueError(f"output_dtypes={given!r}: one for each of {len(core.outputs)} outputs")
        return found
    ones = []
    for node, own in zip(nodes, core.inputs, strict=True):
        loops = 0 if vectorize else node.ndim - len(own)
        ones.append(np.ones((*(1,) * loops, *node.shape[node.ndim - len(own) :]), node.dtype))
    try:
        with np.errstate(all="ignore"):
            results = function(*(one[()] if not one.ndim else one for one in ones), **keywords)
    except Exception as error:
        error.add_note("apply_gufunc called the function with ones to learn its dtypes; give output_dtypes=")
        raise
    return [np.asarray(each).dtype for each in (results if core.several else (results,))]


def _outputs(
    function: Callable[..., Any],
    nodes: Sequence[Node],
    core: Signature,
    loop: Loop,
    dtypes: Sequence[np.dtype[Any]],
    keywords: dict[str, Any],
) -> list[Node]:
    """The nodes of the outputs, core axes last. Outputs without core axes come of one call for all."""
    loops = len(loop.chunks)
    goes_with = [
        (*range(loops - (node.ndim - len(own)), loops), *(None,) * len(own))
        for node, own in zip(nodes, core.inputs, strict=True)
    ]
    name = getattr(
        function, "__name__", getattr(getattr(function, "pyfunc", None), "__name__", "gufunc")
    ).strip("<>")
    if not core.several:
        return [
            calls.call(
                function, nodes, goes_with, keywords, dtypes[0], *_extent(core.outputs[0], loop), name, _VERB
            )
        ]
    words = {"function": function, "words": tuple(keywords.items())}
    if not any(core.outputs):
        record = np.dtype([(f"f{i}", dtype) for i, dtype in enumerate(dtypes)])
        packed = calls.call(
            together, nodes, goes_with, words | {"dtype": record}, record, loop.chunks, loop.dims, name, _VERB
        )
        return [elementwise.field(packed, field) for field in record.names or ()]
    return [
        calls.call(one_of, nodes, goes_with, words | {"number": i}, dtype, *_extent(own, loop), name, _VERB)
        for i, (own, dtype) in enumerate(zip(core.outputs, dtypes, strict=True))
    ]


_VERB = "apply_gufunc"


def _extent(core: Core, loop: Loop) -> tuple[Chunks, tuple[str | None, ...]]:
    """The chunks and names of an output."""
    chunks = (*loop.chunks, *((loop.lengths[name],) for name in core))
    return chunks, (*loop.dims, *(loop.names.get(name) for name in core))


def together(*blocks: Any, function: Callable[..., Any], words: Any, dtype: np.dtype[Any]) -> Any:
    """All outputs of a function as records."""
    found = [np.asarray(each) for each in function(*blocks, **dict(words))]
    if len(found) != len(dtype.names or ()):
        raise ValueError(
            f"the function gave {len(found)} outputs, and its signature says {len(dtype.names or ())}"
        )
    out = np.empty(np.broadcast_shapes(*(each.shape for each in found)), dtype)
    for name, each in zip(dtype.names or (), found, strict=True):
        out[name] = each
    return out


def one_of(*blocks: Any, function: Callable[..., Any], words: Any, number: int) -> Any:
    """One output of a function."""
    return function(*blocks, **dict(words))[number]


def _put_back(node: Node, places: Places, loops: int, keepdims: bool, kept: Places) -> Node:
    """An output with its core axes, or with ones for those that are gone, where they are to stand."""
    if keepdims:
        return expand_dims(node, tuple(kept)) if kept else node
    core = node.ndim - loops
    if not core or tuple(places) == tuple(range(-core, 0)):
        return node
    return moveaxis(node, tuple(range(loops, node.ndim)), places)
