"""Selecting: the value at a rank of all values, found exactly, some binary digits in each pass over them.

Values are compared by keys: unsigned integers in the same order, NaN last. In each pass the values whose digits so
far are those of the one looked for are counted by their next digits; the counts say which these are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.binning import bincount
from lazyzarr.graph.ops.blocks import map_blocks
from lazyzarr.graph.ops.elementwise import Elementwise, call
from lazyzarr.graph.ops.joining import part
from lazyzarr.graph.ops.places import Between, Place
from lazyzarr.graph.ops.reductions import reduce_node
from lazyzarr.graph.ops.sums import Sum

__all__ = ["can_select", "order_statistic"]

Array = np.ndarray[Any, Any]
# Binary digits that one pass finds: 65,536 counts for each rank.
DIGITS = 16


def can_select(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype have keys."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def order_statistic(
    node: Node, place: Place, between: Between, passing_over_nan: bool, dtype: np.dtype[Any]
) -> Node:
    """The value at a place between ranks of all values, along one axis of length 1.

    NaN where a value is NaN, or these are passed over. As many passes over the values as they have 16 binary digits.
    """
    count = _count(node)
    words = {"place": place, "size": _size(node), "passing": passing_over_nan}
    found = [_found_at(node, count, words | {"upper": upper}) for upper in (False, True)]
    given = words | {"between": between, "values": node.dtype, "result": dtype}
    return map_blocks(_answer, [count, *found], given, dtype, ((1,),))


def _size(node: Node) -> int:
    size = 1
    for n in node.shape:
        size *= n
    return size


def _count(node: Node) -> Node:
    """How many values are NaN."""
    missing = call(Elementwise, _is_nan, [node], (), np.dtype(np.intp))
    return reduce_node(Sum, missing, tuple(range(node.ndim)), False, np.dtype(np.intp))


def _is_nan(values: Array) -> Array:
    missing: Array = np.asarray(values != values).astype(np.intp)
    return missing


def _found_at(node: Node, count: Node, words: dict[str, Any]) -> Node:
    """The key of the value at a rank, and 0."""
    state: Node = map_blocks(_nothing_found, [count], words, np.dtype(np.uint64), ((2,),))
    bits = 8 * node.dtype.itemsize
    step = min(DIGITS, bits)
    for shift in range(bits - step, -1, -step):
        given = (("shift", shift), ("step", step))
        # The first digits wait for nothing: they are counted while NaN are.
        known = [] if shift == bits - step else [part(state, (slice(0, 1),))]
        digits = call(Elementwise, _digits, [node, *known], given, np.dtype(np.intp))
        counts = bincount(digits, 2**step + 1, None)
        state = map_blocks(_found_so_far, [counts, state], {"step": step}, np.dtype(np.uint64), ((2,),))
    return state


def _nothing_found(missing: Array, place: Place, size: int, passing: bool, upper: bool) -> Array:
    """No digit yet, and the rank that is looked for."""
    count = size - int(missing) if passing else size
    low, high, _ = place(max(count, 1))
    return np.array([0, high if upper else low], np.uint64)


def keys(values: Array) -> Array:
    """Unsigned integers in the order of the values, NaN last.

    >>> keys(np.array([-1.5, -0.0, 2.0, np.nan], "f4")).argsort().tolist()
    [0, 1, 2, 3]
    """
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    bits: Array = values.view(unsigned)
    if values.dtype.kind in "bu":
        return bits
    top = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    if values.dtype.kind == "i":
        flipped: Array = np.bitwise_xor(bits, top)
        return flipped
    found: Array = np.where(bits & top, ~bits, bits | top)
    found[values != values] = np.iinfo(unsigned).max
    return found


def value_of(key: int, dtype: np.dtype[Any]) -> Array:
    """The value of a key, along one axis.

    >>> [value_of(int(key), np.dtype("i2"))[0].item() for key in keys(np.array([-3, 7], "i2"))]
    [-3, 7]
    """
    unsigned, bits = np.dtype(f"u{dtype.itemsize}"), 8 * dtype.itemsize
    top, most = 1 << (bits - 1), (1 << bits) - 1
    if dtype.kind == "i":
        key ^= top
    elif dtype.kind == "f":
        key = key ^ top if key & top else key ^ most
    found: Array = np.array([key], unsigned).view(dtype.newbyteorder("="))
    return found


def _digits(values: Array, state: Array | None = None, *, shift: int, step: int) -> Array:
    """The digits that follow of the values that have the digits found so far; of others a number beyond all."""
    shape = values.shape
    key = keys(values).reshape(shape)
    last = key.dtype.type(2**step - 1)
    own: Array = np.asarray((key >> key.dtype.type(shift)) & last).astype(np.intp)
    if state is not None and state.size:
        found = key.dtype.type(int(state.reshape(-1)[0]))
        own[(key >> key.dtype.type(shift + step)) != found] = 2**step
    return own


def _found_so_far(counts: Array, state: Array, step: int) -> Array:
    """The digits so far with those that the counts say, and the rank among the values that have them."""
    below = np.cumsum(counts[:-1])
    digit = int(np.searchsorted(below, int(state[1]), "right"))
    before = int(below[digit - 1]) if digit else 0
    return np.array([(int(state[0]) << step) | digit, int(state[1]) - before], np.uint64)


def _answer(
    missing: Array,
    low: Array,
    high: Array,
    place: Place,
    size: int,
    passing: bool,
    between: Between,
    values: np.dtype[Any],
    result: np.dtype[Any],
) -> Array:
    """What lies between the two values found."""
    count = size - int(missing) if passing else size
    if count == 0 or (not passing and int(missing)):
        return np.full(1, np.nan, result)
    pair = np.concatenate([value_of(int(each[0]), values) for each in (low, high)])
    return np.asarray(between(pair, place(count)[2]), result).reshape(1)
