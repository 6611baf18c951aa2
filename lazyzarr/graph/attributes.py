"""Attributes of new arrays: those of the arrays that they are made of, as far as they are still true.

Values that are moved, picked or sorted keep all of them. Differences, means and the like keep what does not say how
numbers are stored, and their units where all operands have the same; times since a day are none once they are
subtracted. Of anything else (products, powers, functions of the user) nobody knows whether they hold, so nothing
follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from lazyzarr.errors import MetadataValidationError
from lazyzarr.format.attributes import STORED_BY
from lazyzarr.format.metadata import DIMENSIONS_ATTRIBUTE
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.coarsening import Coarsen
from lazyzarr.graph.ops.elementwise import Cast, Constant, Elementwise, Where
from lazyzarr.graph.ops.filling import Fill
from lazyzarr.graph.ops.fitting import Fitted
from lazyzarr.graph.ops.groups import GroupReduce
from lazyzarr.graph.ops.joined import Extremum
from lazyzarr.graph.ops.joining import Concatenate
from lazyzarr.graph.ops.lines import Lines
from lazyzarr.graph.ops.moments import PickedVariance
from lazyzarr.graph.ops.padding import Padded
from lazyzarr.graph.ops.points import Take, Vindex
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.reshaping import Reshape
from lazyzarr.graph.ops.scatter import Scatter
from lazyzarr.graph.ops.sources import Source, ZarrSource
from lazyzarr.graph.ops.sums import Mean, Sum
from lazyzarr.graph.ops.variances import Variance
from lazyzarr.graph.ops.views import Rechunk, View
from lazyzarr.graph.packing import FACTOR, OFFSET, UNSIGNED, decoded, stored_attributes

__all__ = ["attributes_of"]

Attributes = Mapping[str, Any]

_SCALED = {FACTOR, OFFSET}
# What is true of the very values alone: how they are stored, and what was done to get them (CF conventions, 7.3).
_OWN = {*STORED_BY, "cell_methods"}
_UNITS = {"units"}
# What says that a number is a time since a day.
_TIMES = {"units", "calendar"}

_MOVED = (View, Take, Vindex, Reshape, Padded, Concatenate, Cast, Fitted, Extremum, Fill)
_ADDED = {"add", "subtract"}
_ALIKE = {
    "absolute",
    "ceil",
    "clip",
    "floor",
    "fmax",
    "fmin",
    "maximum",
    "minimum",
    "negative",
    "positive",
    "rint",
    "round",
    "trunc",
}
_DISTANCES = {*_ADDED, "absolute", "negative", "std"}
_WINDOWS = {"coarsen-mean", "coarsen-median", "coarsen-min", "coarsen-max"}
_PICKED = {"min", "max", "first", "last"}


def attributes_of(root: Node, stored_otherwise: bool = False) -> dict[str, Any]:
    """The attributes of the stored arrays that a node is made of, as far as they hold for its values.

    Where these are to be stored otherwise, none of those that say how they were.
    """
    found: dict[Node, Attributes | None] = {}
    for node in walk([root]):
        if node not in found:
            found[node] = _attributes(node, found)
        if isinstance(node, ZarrSource) or (
            isinstance(node, Rechunk) and isinstance(node.inputs[0], ZarrSource)
        ):
            found |= _of_what_is_meant(node, found[node])
    return dict(_without(STORED_BY if stored_otherwise else (), found[root] or {}))


def _of_what_is_meant(stored: Node, attributes: Attributes | None) -> dict[Node, Attributes | None]:
    """The attributes of the values that those of an array say are meant, which do not say how they are stored."""
    leaf = stored if isinstance(stored, ZarrSource) else stored.inputs[0]
    assert isinstance(leaf, ZarrSource)
    try:
        meant = decoded(stored, leaf.array)
    except MetadataValidationError:  # told where somebody asks for these values
        return {}
    return {} if meant is stored else {meant: _without(STORED_BY, attributes or {})}


def _without(names: Collection[str], attributes: Attributes) -> Attributes:
    return {key: value for key, value in attributes.items() if key not in names}


def _attributes(node: Node, found: Mapping[Node, Attributes | None]) -> Attributes | None:
    """What is known of a node's attributes, given that of its inputs; None: no array below it has any to say."""
    if isinstance(node, ZarrSource):
        return _without(
            [DIMENSIONS_ATTRIBUTE], stored_attributes(node.array)
        )  # names of axes go by themselves
    if isinstance(node, Source):
        return None
    of = [found[each] for each in _values_of(node)]
    known = [each for each in of if each is not None]
    if not known:
        return None
    together = _agreed(known)
    moved = _is_moved(node)
    if moved and _holds_all(node):
        return {} if _is_read_otherwise(node, known) else together
    scaled = any(key in each for each in known for key in (*_SCALED, UNSIGNED))
    if node.dtype == bool or scaled or not (moved or _is_alike(node)):
        return {}
    units = _UNITS if node.label in _ADDED and not _all_have(node, of) else set()
    times = _TIMES if _is_a_distance(node) and " since " in str(together.get("units")) else set()
    return _without(_OWN | units | times, together)


def _holds_all(node: Node) -> bool:
    """Whether values are still what they were in the data type that they have now."""
    return all(np.can_cast(each.dtype, node.dtype, "same_kind") for each in _values_of(node))


def _is_read_otherwise(node: Node, known: Sequence[Attributes]) -> bool:
    """Whether what bits mean by an attribute they do not mean in another data type."""
    changed = any(each.dtype.itemsize != node.dtype.itemsize for each in _values_of(node))
    return changed and any(UNSIGNED in each for each in known)


def _is_a_distance(node: Node) -> bool:
    """Whether values lie between those of the inputs: of times since a day, lengths of time."""
    return node.label in _DISTANCES or (isinstance(node, GroupReduce) and node.how == "std")


def _all_have(node: Node, of: Sequence[Attributes | None]) -> bool:
    """Whether all operands have attributes: of numbers nobody knows the units."""
    operands = node.operands if isinstance(node, Elementwise) else ()
    return None not in of and not any(isinstance(operand, Constant) for operand in operands)


def _values_of(node: Node) -> Sequence[Node]:
    """The inputs whose values a node has, and not what says where."""
    if _is_mean_of_some(node):
        return node.inputs[0].inputs[:1]
    if isinstance(node, Where):
        return [node.inputs[operand] for operand in node.operands[1:] if isinstance(operand, int)]
    return node.inputs[:1] if isinstance(node, (Reduce, Scatter)) else node.inputs


def _is_moved(node: Node) -> bool:
    """Whether each value is one of the input's."""
    if isinstance(node, GroupReduce):
        return node.how in _PICKED
    if isinstance(node, Lines):
        return node.ordering is not None and not node.ordering[0]
    return isinstance(node, _MOVED)


def _is_alike(node: Node) -> bool:
    """Whether values are of the same kind as the inputs', in the same unit."""
    if isinstance(node, GroupReduce):
        return node.how in ("mean", "std")
    if isinstance(node, Lines):
        return node.ranking is not None
    if isinstance(node, Coarsen):
        return node.label in _WINDOWS and _is_numpys(node.params[0])
    if isinstance(node, (Variance, PickedVariance)):
        return node.label == "std"
    if isinstance(node, (Mean, Where, Scatter)) or _is_mean_of_some(node):
        return True
    return isinstance(node, Elementwise) and not node.calls_user and node.label in _ADDED | _ALIKE


def _is_mean_of_some(node: Node) -> bool:
    """Whether it is a sum of some values over their number: a mean with `where=`, or past NaN."""
    if not isinstance(node, Elementwise) or node.label != "divide" or len(node.inputs) != 2:
        return False
    total, count = node.inputs
    return type(total) is Sum and isinstance(count, Sum) and count.operand.dtype == bool


def _is_numpys(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "numpy"


def _agreed(known: Sequence[Attributes]) -> Attributes:
    """The attributes that all have, with equal values."""
    first, *others = known
    return {
        key: value
        for key, value in first.items()
        if all(key in other and _equal(other[key], value) for other in others)
    }


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) or repr(one) == repr(other)  # NaN is no other NaN
