"""Regions: which elements of a node are asked for, one `Span` an axis; pure integers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Region",
    "Span",
    "ascending",
    "forward",
    "hull",
    "merge",
    "offset",
    "place",
    "through",
    "volume",
    "whole",
]


class Span(NamedTuple):
    """Elements `start, start + step, ...` of one axis, `count` of them, that move with the tile.

    While a stage walks its domain, the span of a tile whose origin is `o` starts at
    `start + rate * o[axis]`; `axis` is None where the span stays where it is.
    """

    start: int
    step: int
    count: int  # type: ignore[assignment]
    axis: int | None = None
    rate: int = 0
    within: tuple[int, int] | None = None
    """The first and last position that is asked for, wherever the tile lies: joined arrays end there; None: all."""

    @property
    def last(self) -> int:
        """The position of the last element of a span that is not empty."""
        return self.start + self.step * (self.count - 1)


Region = tuple[Span, ...]


def whole(shape: Iterable[int], moving: bool = True) -> Region:
    """The region of all elements; `moving`: as a tile at origin 0 of a domain of that shape.

    >>> whole((4,), moving=False)
    (Span(start=0, step=1, count=4, axis=None, rate=0, within=None),)
    """
    if moving:
        return tuple(Span(0, 1, n, axis, 1) for axis, n in enumerate(shape))
    return tuple(Span(0, 1, n) for n in shape)


def place(parts: Iterable[Any]) -> Any:
    """An index of these parts that gives an array even where it leaves no axes, not a scalar.

    >>> place([slice(0, 2)])
    (slice(0, 2, None), Ellipsis)
    """
    return (*parts, ...)


def ascending(*parts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The positions of several arrays, each ascending itself, once each.

    >>> ascending(np.array([0, 4, 10]), np.array([0, 5, 10])).tolist()
    [0, 4, 5, 10]
    """
    # np.unique hashes integers: twenty times slower for a million that are nearly in order.
    positions = np.concatenate(parts)
    positions.sort(kind="stable")
    new = np.ones(len(positions), bool)
    np.not_equal(positions[1:], positions[:-1], out=new[1:])
    return positions[new]


def volume(region: Region) -> int:
    """The number of elements of a region."""
    return math.prod(_asked(span) for span in region)


def _asked(span: Span) -> int:
    """How many elements of a span are asked for, where it holds all of a domain."""
    if span.within is None:
        return span.count
    low, high = span.within
    return min(span.count, max(0, (high - low) // abs(span.step) + 1))


def through(span: Span, start: int, step: int) -> Span:
    """The span on the input of a slice `start::step` that `span` of its output needs.

    >>> through(Span(2, 1, 3), 10, -2)
    Span(start=6, step=-2, count=3, axis=None, rate=0, within=None)
    """
    within = None if span.within is None else (start + step * span.within[0], start + step * span.within[1])
    if within is not None and step < 0:
        within = within[::-1]
    return Span(start + step * span.start, step * span.step, span.count, span.axis, step * span.rate, within)


def forward(span: Span) -> Span:
    """The same elements in ascending order.

    >>> forward(Span(6, -2, 3))
    Span(start=2, step=2, count=3, axis=None, rate=0, within=None)
    """
    if span.count <= 1:
        return span._replace(step=1)
    return span if span.step > 0 else span._replace(start=span.last, step=-span.step)


def hull(a: Span, b: Span) -> Span | None:
    """The smallest ascending span that holds both, or None where they move differently.

    >>> hull(Span(1, 1, 4), Span(0, 1, 4))
    Span(start=0, step=1, count=5, axis=None, rate=0, within=None)
    """
    if a.axis != b.axis or a.rate != b.rate or a.within != b.within:
        return None
    a, b = forward(a), forward(b)
    if a.within is not None and abs(a.start - b.start) > a.within[1] - a.within[0]:
        return None  # an array joined with itself: no tile needs it here and there
    step = math.gcd(a.step if a.count > 1 else 0, b.step if b.count > 1 else 0, a.start - b.start) or 1
    start, last = min(a.start, b.start), max(a.last, b.last)
    return Span(start, step, (last - start) // step + 1, a.axis, a.rate, a.within)


def merge(regions: Iterable[Region]) -> list[Region]:
    """Hulls that hold all the regions; two stay apart where their hull would more than double the work.

    >>> near = [(Span(0, 1, 8),), (Span(1, 1, 8),)]
    >>> merge(near)
    [(Span(start=0, step=1, count=9, axis=None, rate=0, within=None),)]
    >>> len(merge([(Span(0, 1, 8),), (Span(1000, 1, 8),)]))
    2
    """
    hulls: list[Region] = []
    for region in regions:
        new = tuple(map(forward, region))
        position = 0
        while position < len(hulls):
            joined = _join(hulls[position], new)
            if joined is None:
                position += 1
            else:
                # A grown hull may now reach one that was out of reach before.
                new, position = joined, 0
                hulls = [other for other in hulls if _join(other, joined) != joined]
        hulls.append(new)
    return hulls


def _join(a: Region, b: Region) -> Region | None:
    """The hull of two regions, or None where keeping them apart is less work."""
    if not volume(a) or not volume(b):
        return None  # where nothing is asked for may lie beyond the end
    spans = []
    for one, other in zip(a, b, strict=True):
        joined = hull(one, other)
        if joined is None:
            return None
        spans.append(joined)
    result = tuple(spans)
    return result if volume(result) <= 2 * (volume(a) + volume(b)) else None


def offset(part: Region, held: Region) -> tuple[slice, ...] | None:
    """Where `part` lies in an array of the elements of `held` (ascending), or None where it does not.

    >>> offset((Span(6, -2, 2),), (Span(2, 2, 5),))
    (slice(2, 0, -1),)
    """
    slices = []
    for want, have in zip(part, held, strict=True):
        place = _offset(want, have)
        if place is None:
            return None
        slices.append(place)
    return tuple(slices)


def _offset(want: Span, have: Span) -> slice | None:
    """The slice of `have` that is `want`, or None."""
    if want.axis != have.axis or want.rate != have.rate:
        return None
    if not want.count:
        return slice(0, 0, 1)
    first, remainder = divmod(want.start - have.start, have.step)
    step, odd = divmod(want.step, have.step) if want.count > 1 else (1, 0)
    last = first + step * (want.count - 1)
    if remainder or odd or min(first, last) < 0 or max(first, last) >= have.count:
        return None
    stop = last + (1 if step > 0 else -1)
    return slice(first, None if stop < 0 else stop, step)
