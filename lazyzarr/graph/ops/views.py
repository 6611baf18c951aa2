"""Views: slices, transposes, broadcasts and rechunks; they move no data, only what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.format.selection import BasicSelection
from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.region import Region, Span, place, through

__all__ = ["Broadcast", "Index", "Rechunk", "Transpose", "broadcast_to", "index", "rechunk", "transpose"]

ONE = Span(0, 1, 1)


class View(Node):
    """A node whose values are its input's, otherwise arranged."""

    __slots__ = ()

    @property
    def is_view(self) -> bool:
        """Always: nothing is computed."""
        return True


class Index(View):
    """A basic selection; parameters: one (start, step, count) an input axis, dropped axes, new axes."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "getitem"

    @property
    def ranges(self) -> tuple[tuple[int, int, int], ...]:
        """Start, step and count along each axis of the input."""
        return self.params[0]  # type: ignore[no-any-return]

    @property
    def kept(self) -> list[int]:
        """The input axes that stay, in order."""
        return [axis for axis in range(len(self.ranges)) if axis not in self.params[1]]

    def infer(self) -> None:
        """Kept axes with their chunks cut to the selection, and new axes of length 1."""
        ranges, _, newaxes = self.params
        source, kept = self.inputs[0], self.kept
        shape = [ranges[axis][2] for axis in kept]
        chunks = [_cut_chunks(source.chunks[axis], source.shape[axis], ranges[axis]) for axis in kept]
        dims = [source.dims[axis] for axis in kept]
        for axis in newaxes:
            shape.insert(axis, 1)
            chunks.insert(axis, (1,))
            dims.insert(axis, None)
        self.shape, self.chunks, self.dims, self.dtype = (
            tuple(shape),
            tuple(chunks),
            tuple(dims),
            source.dtype,
        )

    def pull(self, region: Region) -> list[Region]:
        """The selection of the region: slices compose, and nothing else is read."""
        ranges, _, newaxes = self.params
        spans = [span for axis, span in enumerate(region) if axis not in newaxes]
        result = [Span(start, 1, 1) for start, _, _ in ranges]
        for axis, span in zip(self.kept, spans, strict=True):
            result[axis] = through(span, *ranges[axis][:2])
        return [tuple(result)]

    @property
    def hands_on(self) -> bool:
        """Whether no axis is dropped and none is new: the region that is asked for is all there is to it."""
        return not self.params[1] and not self.params[2]

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The piece without the dropped axes and with the new ones."""
        _, dropped, newaxes = self.params
        view = pieces[0]
        if dropped:
            view = view[place(0 if axis in dropped else slice(None) for axis in range(view.ndim))]
        return np.expand_dims(view, newaxes) if newaxes else view


class Transpose(View):
    """Axes in another order; parameters: the order."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "transpose"

    def infer(self) -> None:
        """Everything in the new order."""
        (axes,) = self.params
        source = self.inputs[0]
        self.shape = tuple(source.shape[axis] for axis in axes)
        self.chunks = tuple(source.chunks[axis] for axis in axes)
        self.dims = tuple(source.dims[axis] for axis in axes)
        self.dtype = source.dtype

    def pull(self, region: Region) -> list[Region]:
        """The region in the input's order."""
        (axes,) = self.params
        spans: list[Span] = [ONE] * len(axes)
        for span, axis in zip(region, axes, strict=True):
            spans[axis] = span
        return [tuple(spans)]

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The piece, transposed."""
        return pieces[0].transpose(self.params[0])


class Broadcast(View):
    """Axes of length 1 stretched, new axes in front; parameters: the shape."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "broadcast_to"

    def infer(self) -> None:
        """The shape asked for; stretched axes are one chunk."""
        (self.shape,) = self.params
        source = self.inputs[0]
        new = len(self.shape) - source.ndim
        self.dims = (None,) * new + source.dims
        self.chunks = tuple(
            source.chunks[axis - new] if axis >= new and source.shape[axis - new] == n else (n,)
            for axis, n in enumerate(self.shape)
        )
        self.dtype = source.dtype

    def pull(self, region: Region) -> list[Region]:
        """The region without the stretched axes."""
        source = self.inputs[0]
        spans = region[len(region) - source.ndim :]
        return [
            tuple(
                ONE if n == 1 and m != 1 else span
                for span, n, m in zip(spans, source.shape, self.shape[self.ndim - source.ndim :], strict=True)
            )
        ]

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The piece itself: what uses it broadcasts; `out` gives the shape where one is needed."""
        raise NotImplementedError  # the program stretches the piece, it alone knows the region's shape


class Rechunk(View):
    """Other chunks of the same values; parameters: the chunks."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "rechunk"

    def infer(self) -> None:
        """All but the chunks are the input's."""
        (self.chunks,) = self.params
        source = self.inputs[0]
        self.shape, self.dtype, self.dims = source.shape, source.dtype, source.dims

    def pull(self, region: Region) -> list[Region]:
        """The region as it is: chunks are only how the values are asked for."""
        return [region]

    @property
    def hands_on(self) -> bool:
        """Always."""
        return True

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The piece as it is."""
        return pieces[0]


class Named(View):
    """Other names of the axes; parameters: the names."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The input's word: nothing is done."""
        return self.inputs[0].label

    def infer(self) -> None:
        """All but the names is the input's."""
        (self.dims,) = self.params
        source = self.inputs[0]
        self.shape, self.dtype, self.chunks = source.shape, source.dtype, source.chunks

    def pull(self, region: Region) -> list[Region]:
        """The region as it is."""
        return [region]

    @property
    def hands_on(self) -> bool:
        """Always."""
        return True

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The piece as it is."""
        return pieces[0]


def named(node: Node, dims: tuple[str | None, ...]) -> Node:
    """The node with these names of its axes."""
    return node if node.dims == dims else make(Named, (node,), (dims,))


def index(node: Node, selection: BasicSelection) -> Node:
    """The node of a basic selection; the node itself where everything is selected."""
    ranges = tuple((r.start, r.step, r.count) for r in selection.ranges)
    unchanged = all(r == (0, 1, n) for r, n in zip(ranges, node.shape, strict=True))
    if unchanged and not selection.int_axes and not selection.newaxes:
        return node
    return make(Index, (node,), (ranges, tuple(sorted(selection.int_axes)), tuple(selection.newaxes)))


def transpose(node: Node, axes: Sequence[int]) -> Node:
    """The node with its axes in this order (each once, not negative)."""
    if tuple(axes) == tuple(range(node.ndim)):
        return node
    return make(Transpose, (node,), (tuple(axes),))


def broadcast_to(node: Node, shape: tuple[int, ...]) -> Node:
    """The node stretched to a shape, by NumPy's rules."""
    if np.broadcast_shapes(node.shape, shape) != shape:
        raise ValueError(f"shape {node.shape} does not broadcast to {shape}")
    return node if node.shape == shape else make(Broadcast, (node,), (shape,))


def rechunk(node: Node, chunks: Chunks) -> Node:
    """The node with these chunks."""
    return node if node.chunks == chunks else make(Rechunk, (node,), (chunks,))


def _cut_chunks(sizes: tuple[int, ...], n: int, selected: tuple[int, int, int]) -> tuple[int, ...]:
    """Chunk sizes of `start::step` along an axis: what each chunk has of the selected elements."""
    start, step, count = selected
    if (start, step, count) == (0, 1, n):
        return sizes
    if count == 0:
        return (0,)
    ends = np.cumsum(sizes, dtype=np.int64)
    if step > 0:
        reached = np.clip(-((start - ends) // step), 0, count)  # elements before each chunk's end
    else:
        starts = (ends - np.asarray(sizes, np.int64))[::-1]
        reached = np.clip((start - starts) // -step + 1, 0, count)
    counts = np.diff(reached, prepend=0)
    kept = counts[counts > 0]
    if (kept[:-1] == kept[0]).all() and len(kept) > 1:
        return (int(kept[0]),) * (len(kept) - 1) + (int(kept[-1]),)
    return tuple(kept.tolist())
