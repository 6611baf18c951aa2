"""Pictures of arrays: the shape, and the chunks to scale; a bar, a rectangle, a box, or several of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.svg import FONT, Canvas, Point, text_width

__all__ = ["picture"]

Cuts = np.ndarray[Any, Any]

# The longest side in pixels, and the shortest: axes are to scale unless that would leave nothing to be seen.
LONGEST, SHORTEST = 130.0, 14.0
# Lines along an axis: of more cuts than that, or than there is room for, some are drawn.
MOST_LINES = 12
ROOM = 5.0
# How far back the third axis of a box goes.
BACK = (0.5, 0.4)


def picture(cuts: Sequence[Cuts], dims: Sequence[str | None] = ()) -> str:
    """An array cut at these positions along each axis (0 and its length included), as SVG.

    Axes without any element, and arrays without any axis, are drawn as what they are.

    >>> picture([np.array([0, 4, 8]), np.array([0, 6])], ("y", "x")).count("<line")
    1
    """
    canvas = Canvas()
    names = tuple(dims) or (None,) * len(cuts)
    lengths = [float(axis[-1]) for axis in cuts]
    start = 0.0
    for group in _groups(len(cuts)):
        sides = dict(zip(group, _scaled([lengths[axis] for axis in group]), strict=True))
        labels = [_label(names[axis], lengths[axis]) for axis in group]
        empty = any(not lengths[axis] > 0 for axis in group)
        inside = [_lines(cuts[axis], sides[axis]) for axis in group]
        start = _DRAWN[len(group)](canvas, start, [sides[axis] for axis in group], inside, labels, empty)
    return canvas.svg()


def _groups(ndim: int) -> list[range]:
    """Axes that are drawn together: the last three, the three before them, and so on.

    >>> _groups(5), _groups(0)
    ([range(0, 2), range(2, 5)], [range(0, 0)])
    """
    ends = range(ndim, 0, -3)
    return [range(max(end - 3, 0), end) for end in ends][::-1] or [range(0)]


def _scaled(lengths: Sequence[float]) -> list[float]:
    """Pixels of each axis."""
    known = [n for n in lengths if n > 0 and math.isfinite(n)]
    longest = max(known, default=1.0)
    return [max(SHORTEST, LONGEST * n / longest) if n in known else LONGEST / 2 for n in lengths]


def _label(name: str | None, length: float) -> str:
    size = f"{int(length):,}" if math.isfinite(length) else "?"
    return f"{name} {size}" if name else size


def _lines(cuts: Cuts, side: float) -> list[float]:
    """Where along a side lines between chunks are drawn."""
    n, inner, most = float(cuts[-1]), cuts[1:-1], min(MOST_LINES, int(side / ROOM))
    if len(inner) > most:
        inner = inner[np.linspace(0, len(inner) - 1, most + 2).round().astype(int)[1:-1]]
    return [float(cut) / n * side for cut in inner] if n > 0 and math.isfinite(n) else []


Sides = Sequence[float]
Inside = Sequence[Sequence[float]]


def _dot(canvas: Canvas, x: float, sides: Sides, inside: Inside, labels: Sequence[str], empty: bool) -> float:
    """An array of one element."""
    canvas.polygon(_rectangle(x, 0, SHORTEST, SHORTEST), 0.5)
    return x + SHORTEST


def _bar(canvas: Canvas, x: float, sides: Sides, inside: Inside, labels: Sequence[str], empty: bool) -> float:
    (width,), height = sides, SHORTEST * 1.5
    canvas.polygon(_rectangle(x, 0, width, height), 0.0 if empty else 0.5, empty)
    for at in inside[0]:
        canvas.line((x + at, 0), (x + at, height))
    return _below(canvas, x, width, height, labels[0])


def _sheet(
    canvas: Canvas, x: float, sides: Sides, inside: Inside, labels: Sequence[str], empty: bool
) -> float:
    height, width = sides
    canvas.polygon(_rectangle(x, 0, width, height), 0.0 if empty else 0.5, empty)
    for at in inside[0]:
        canvas.line((x, at), (x + width, at))
    for at in inside[1]:
        canvas.line((x + at, 0), (x + at, height))
    _below(canvas, x, width, height, labels[1])
    return _beside(canvas, x + width, height / 2, labels[0])


def _block(
    canvas: Canvas, x: float, sides: Sides, inside: Inside, labels: Sequence[str], empty: bool
) -> float:
    """A box whose first axis goes back, to the upper left."""
    depth, height, width = sides
    x += max(0.0, text_width(labels[0]) - BACK[0] * depth / 2 + 8)

    def at(back: float, down: float, right: float) -> Point:
        """The pixel of a corner, `back` from the rear."""
        return x + right + BACK[0] * back, down + BACK[1] * back

    solid = 0.0 if empty else 1.0
    top = [at(0, 0, 0), at(0, 0, width), at(depth, 0, width), at(depth, 0, 0)]
    left = [at(0, 0, 0), at(0, height, 0), at(depth, height, 0), at(depth, 0, 0)]
    front = [at(depth, 0, 0), at(depth, 0, width), at(depth, height, width), at(depth, height, 0)]
    for face, opacity in ((top, 0.35), (left, 0.22), (front, 0.5)):
        canvas.polygon(face, opacity * solid, empty)
    for back in inside[0]:
        canvas.line(at(back, 0, 0), at(back, 0, width))
        canvas.line(at(back, 0, 0), at(back, height, 0))
    for down in inside[1]:
        canvas.line(at(0, down, 0), at(depth, down, 0))
        canvas.line(at(depth, down, 0), at(depth, down, width))
    for right in inside[2]:
        canvas.line(at(0, 0, right), at(depth, 0, right))
        canvas.line(at(depth, 0, right), at(depth, height, right))
    low, high = at(0, height, 0), at(depth, height, 0)
    canvas.text(((low[0] + high[0]) / 2 - 4, (low[1] + high[1]) / 2 + FONT), labels[0], "end")
    _below(canvas, high[0], width, high[1], labels[2])
    return _beside(canvas, high[0] + width, high[1] - height / 2, labels[1])


_DRAWN = {0: _dot, 1: _bar, 2: _sheet, 3: _block}


def _rectangle(x: float, y: float, width: float, height: float) -> list[Point]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _below(canvas: Canvas, x: float, width: float, bottom: float, label: str) -> float:
    """A label under a side; where the next drawing begins."""
    canvas.text((x + width / 2, bottom + FONT + 4), label)
    return x + max(width, text_width(label)) + 16


def _beside(canvas: Canvas, x: float, middle: float, label: str) -> float:
    """A label to the right of a side; where the next drawing begins."""
    canvas.text((x + 5, middle + FONT / 3), label, "start")
    return x + text_width(label) + 24
