"""Writes: nodes streamed into a part of an array that is there, and what puts new arrays in their places."""

from __future__ import annotations

from typing import Any

from lazyzarr.errors import DataTypeMismatchError, SelectionError, ShapeMismatchError
from lazyzarr.format import commit
from lazyzarr.format.array import Array
from lazyzarr.format.elements import castable
from lazyzarr.format.selection import parse_basic
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import views
from lazyzarr.graph.ops.fitting import fitted_to
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, run
from lazyzarr.graph.targets import region_sink, stored_type

__all__ = ["Publish", "into_region", "write_region"]


class Publish:
    """The last task of a write: puts what was staged in its place."""

    def __init__(self, staged: tuple[commit.StagedArray, ...]) -> None:
        self._staged = staged

    def __call__(self) -> None:
        for one in self._staged:
            one.publish()


def write_region(array: Array, selection: Any, node: Node, job: Job, url: str | None = None) -> None:
    """Streams a lazy array into a selection of a stored one; broadcasts and casts as an assignment does."""
    run([into_region(array, selection, node, url)], job)


def into_region(array: Array, selection: Any, node: Node, url: str | None = None) -> Output:
    """What is to be written where, for a selection of a stored array; broadcast and cast as an assignment does.

    `url` is where the array will be found, if it is built elsewhere. Raises SelectionError, DataTypeMismatchError,
    ShapeMismatchError.
    """
    picked = parse_basic(selection, array.shape)
    where = url or str(array.store_path)
    if any(r.step != 1 and r.count > 1 for r in picked.ranges):
        raise SelectionError(
            "z[::step] = lazy is not streamed; write whole ranges, or z[...] = lazy.compute()"
        )
    same_objects = node.dtype != object or stored_type(node) == array.metadata.data_type
    if not (castable(node.dtype, array.dtype) and same_objects):
        raise DataTypeMismatchError(
            f"{where} holds {array.dtype}, the value is {node.dtype}; convert it first: "
            f"x.astype({array.dtype.name!r})"
        )
    while node.ndim > len(picked.out_shape) and node.shape[0] == 1:
        node = views.index(node, parse_basic(0, node.shape))
    try:
        node = views.broadcast_to(fitted_to(node, array.dtype, where), picked.out_shape)
    except ValueError:
        raise ShapeMismatchError(
            f"{where}: a value of shape {node.shape} does not fit a selection of shape {picked.out_shape}"
        ) from None
    without_new = tuple(0 if axis in picked.newaxes else slice(None) for axis in range(len(picked.out_shape)))
    node = views.index(node, parse_basic(without_new, node.shape))
    with_dropped = tuple(None if axis in picked.int_axes else slice(None) for axis in range(array.ndim))
    node = views.index(node, parse_basic(with_dropped, node.shape))
    return Output(node, region_sink(array, tuple(r.start for r in picked.ranges), url))
