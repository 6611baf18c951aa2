"""Running sums and products of float64, with what rounding took from each step added up beside them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from lazyzarr.graph.ops.double import Double, two_product
from lazyzarr.graph.ops.strips import shorten, slices_of

__all__ = ["Carry", "running", "working_bytes"]

Array = np.ndarray[Any, Any]
Carry = Double
"""What the values before amount to: a sum and what it is short of, or a product and which part of it it is short of."""

PIECE = 16000  # elements that are worked on at once: so few get their memory without asking the system
STEPS = 16  # of each line at least
COPIES = 10


def working_bytes(elements: int) -> int:
    """What is made on the way, of so many values."""
    return COPIES * min(elements, PIECE) * 8


def running(function: np.ufunc, values: Array, axis: int, carry: Carry | None) -> tuple[Array, Carry]:
    """The running totals by np.add or np.multiply along an axis, and what they carry on."""
    out = np.empty(values.shape)
    ends = np.zeros((2, *values.shape[:axis], 1, *values.shape[axis + 1 :]))
    lines, along = _cuts(values.shape, axis)
    with np.errstate(all="ignore"):
        for line in lines:
            known = None if carry is None else (carry[0][line], carry[1][line])
            for part in along:
                strip = (*line[:axis], part, *line[axis + 1 :])
                known = _strip(function, values[strip], out[strip], axis, known)
            if known is not None:
                ends[0][line], ends[1][line] = known
    return out, (ends[0], ends[1])


def _cuts(shape: tuple[int, ...], axis: int) -> tuple[list[tuple[slice, ...]], list[slice]]:
    """Groups of lines along an axis, and parts of a line, which make strips that are small enough."""
    lengths = list(shape)
    others = [other for other in range(len(shape)) if other != axis]
    shorten(lengths, others, PIECE // STEPS)
    lengths[axis] = max(1, min(shape[axis], PIECE // max(math.prod(lengths[other] for other in others), 1)))
    cuts = slices_of(shape, lengths)
    along, cuts[axis] = cuts[axis], [slice(None)]
    return list(itertools.product(*cuts)), along


def _strip(function: np.ufunc, values: Array, out: Array, axis: int, carry: Carry | None) -> Carry:
    """The running totals of a strip, and what they carry on."""
    front = (slice(None),) * axis
    first, later = (*front, slice(0, 1)), (*front, slice(1, None))
    before, last = (*front, slice(None, -1)), (*front, slice(-1, None))
    rest = np.zeros(values.shape)
    if carry is not None:
        head = function(carry[0], values[first])
        rest[first] = _lost(function, carry[0], values[first], head)
        values = values.copy()
        values[first] = head
    function.accumulate(values, axis=axis, out=out)
    rest[later] = _lost(function, out[before], values[later], out[later])
    if carry is not None:
        rest[first] += carry[1]
    lost = np.add.accumulate(rest, axis=axis)
    if not np.isfinite(lost[last]).all():  # beyond infinity there is nothing to carry
        lost = np.add.accumulate(np.where(np.isfinite(rest), rest, 0), axis=axis)
    end = out[last].copy(), lost[last].copy()
    if function is np.multiply:
        lost = np.where(np.isfinite(out), out * lost, 0)
    # Zeros keep their signs.
    np.add(out, lost, out=out, where=True if out.all() else lost != 0)
    return end


def _lost(function: np.ufunc, before: Array, values: Array, after: Array) -> Array:
    """What rounding took from each step: of a sum as much, of a product that part of it."""
    if function is np.add:
        shadow = after - before
        rest: Array = values - shadow
        np.subtract(after, shadow, out=shadow)
        np.subtract(before, shadow, out=shadow)
        rest += shadow
        return rest
    return two_product(before, values)[1] / after  # type: ignore[no-any-return]
