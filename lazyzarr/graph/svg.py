"""Drawings: shapes and words collected on a canvas, and the SVG that shows them all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

__all__ = ["FONT", "Canvas", "Point", "text_width"]

Point = tuple[float, float]

FONT = 11
# One colour that shows on light and on dark pages; lines and words take the page's own.
FILL = "#d9822b"


def text_width(text: str) -> float:
    """About how wide a text is, in pixels.

    >>> text_width("time 240") > text_width("t")
    True
    """
    return len(text) * FONT * 0.6


class Canvas:
    """What is drawn, in pixels; it grows with what is put on it.

    >>> canvas = Canvas()
    >>> canvas.polygon([(0, 0), (10, 0), (10, 5)], 0.5)
    >>> canvas.svg()[:36]
    '<svg xmlns="http://www.w3.org/2000/s'
    """

    def __init__(self) -> None:
        self._items: list[str] = []
        self._x = [0.0, 0.0]
        self._y = [0.0, 0.0]

    def _reach(self, *points: Point) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self._x = [min(self._x[0], *xs), max(self._x[1], *xs)]
        self._y = [min(self._y[0], *ys), max(self._y[1], *ys)]

    def polygon(self, points: Sequence[Point], opacity: float, dashed: bool = False) -> None:
        """A filled outline."""
        self._reach(*points)
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        dash = ' stroke-dasharray="3 3"' if dashed else ""
        self._items.append(
            f'<polygon points="{corners}" fill="{FILL}" fill-opacity="{_n(opacity)}" stroke="currentColor"{dash}/>'
        )

    def box(self, x: float, y: float, width: float, height: float, opacity: float) -> None:
        """A rectangle with round corners."""
        self._reach((x, y), (x + width, y + height))
        self._items.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="5" fill="{FILL}" '
            f'fill-opacity="{_n(opacity)}" stroke="currentColor"/>'
        )

    def line(self, a: Point, b: Point, faint: bool = True) -> None:
        """A line, faint ones between chunks."""
        self._reach(a, b)
        opacity = ' stroke-opacity="0.45"' if faint else ""
        self._items.append(
            f'<line x1="{_n(a[0])}" y1="{_n(a[1])}" x2="{_n(b[0])}" y2="{_n(b[1])}" stroke="currentColor"{opacity}/>'
        )

    def arrow(self, points: Sequence[Point]) -> None:
        """A curve that goes down through points, with a head at the last."""
        self._reach(*points)
        (x, y), *_ = points
        *_, end = points
        path = f"M{_n(x)},{_n(y)}"
        for (x, y), (to_x, to_y) in itertools.pairwise(points):
            bend = (to_y - y) / 2
            path += f" C{_n(x)},{_n(y + bend)} {_n(to_x)},{_n(to_y - bend)} {_n(to_x)},{_n(to_y)}"
        head = f"M{_n(end[0] - 4)},{_n(end[1] - 7)} L{_n(end[0])},{_n(end[1])} L{_n(end[0] + 4)},{_n(end[1] - 7)} Z"
        self._items.append(
            f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity="0.7"/>'
            f'<path d="{head}" fill="currentColor" stroke="none"/>'
        )

    def text(self, at: Point, words: str, anchor: str = "middle", bold: bool = False) -> None:
        """Words, with their middle, start or end at a point."""
        width = text_width(words) * (1.1 if bold else 1)
        left = at[0] - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        self._reach((left, at[1] - FONT), (left + width, at[1] + 3))
        weight = ' font-weight="bold"' if bold else ""
        self._items.append(
            f'<text x="{_n(at[0])}" y="{_n(at[1])}" text-anchor="{anchor}"{weight} fill="currentColor" '
            f'stroke="none">{escape(words)}</text>'
        )

    def svg(self, background: str = "", colour: str = "") -> str:
        """The drawing, with a margin; on the page's background and in its colour, or in others."""
        left, top = self._x[0] - 4, self._y[0] - 4
        width, height = self._x[1] - left + 4, self._y[1] - top + 4
        view = f"{_n(left)} {_n(top)} {_n(width)} {_n(height)}"
        behind = (
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}" fill="{background}"/>'
            if background
            else ""
        )
        own = f' color="{colour}"' if colour else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg"{own} width="{_n(width)}" height="{_n(height)}" viewBox="{view}" '
            f'font-family="sans-serif" font-size="{FONT}" stroke-width="1">{behind}{"".join(self._items)}</svg>'
        )


def _n(value: float) -> str:
    """A number in few characters."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
