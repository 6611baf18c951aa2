"""Origins: the line of the user's program that made a node, the text of the call, and the name its result got.

A node keeps a code object and a position in it, which costs next to nothing; the rest is worked out when it is shown.
"""

from __future__ import annotations

import ast
import dis
import itertools
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import NamedTuple

import numpy as np

__all__ = ["Origin", "Place", "caller", "line_of_code", "on_behalf", "place_of", "users_line"]


class Place(NamedTuple):
    """A line of a program."""

    file: str
    """The file's name, without its folder."""
    line: int
    text: str
    """The expression that was called there; empty where its source is not at hand."""
    name: str
    """The variable that its value was given to; empty where it was given to none."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


Origin = tuple[CodeType, int] | Place
"""Where in a program a call stands, or what was found out about it before it travelled."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What calls on behalf of the user; the demo is a user, too.
_NUMPY = os.path.dirname(os.path.abspath(np.__file__))
_BETWEEN = (
    *(
        os.path.join(_PACKAGE, part)
        for part in (
            "__init__.py",
            "graph",
            "format",
            "verbs.py",
            "creating.py",
            "numpy.py",
            "numpy_names.py",
        )
    ),
    _NUMPY,
)
# Longer expressions would fill the line.
_MOST_TEXT = 48


_spoken_for: ContextVar[Origin | None] = ContextVar("spoken_for", default=None)


@contextmanager
def on_behalf(origin: Origin | None) -> Iterator[None]:
    """Within: what is made has that origin, rather than the line that is running."""
    token = _spoken_for.set(origin)
    try:
        yield
    finally:
        _spoken_for.reset(token)


def caller() -> Origin | None:
    """The first call below which all is lazyzarr's own: the user's line."""
    spoken_for = _spoken_for.get()
    if spoken_for is not None:
        return spoken_for
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def users_line(depth: int) -> tuple[str, int] | None:
    """The file and line of a user's function that is being called, by way of NumPy or not; None in ours.

    `depth` is how many frames further up NumPy was called.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and frame.f_code.co_filename.startswith(_NUMPY):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(_BETWEEN):
        return None
    return frame.f_code.co_filename, frame.f_lineno


def place_of(origin: Origin | None) -> Place | None:
    """What can be said of an origin; None where nothing is known."""
    if origin is None or isinstance(origin, Place):
        return origin if origin and origin.file else None
    code, at = origin
    start, stop, left, right = _position(code, at)
    if start is None:
        return None
    text = "" if stop is None or left is None or right is None else _text(code, start, stop, left, right)
    return Place(os.path.basename(code.co_filename), start, text, _assigned(code, at))


def line_of_code(origin: Origin | None) -> tuple[str, int]:
    """The file and the line of an origin, for whoever shows the line; an empty name where nothing is known."""
    if origin is None or isinstance(origin, Place):
        return (origin.file, origin.line) if origin else ("", 0)
    code, at = origin
    line = _position(code, at)[0]
    return ("", 0) if line is None else (code.co_filename, line)


def _position(code: CodeType, at: int) -> tuple[int | None, int | None, int | None, int | None]:
    """Where an instruction stands in its source: the first and the last line, and columns of them."""
    return next(itertools.islice(code.co_positions(), at // 2, None), (None, None, None, None))


def _text(code: CodeType, start: int, stop: int, left: int, right: int) -> str:
    """The source of an expression in one line, where it is at hand and still what was compiled."""
    if _line(code, start)[:left].strip() == b".":  # a chain of calls, of which Python tells the last one
        start, left = _chain(code.co_filename, stop, right) or (start, left)
    lines = [_line(code, line) for line in range(start, stop + 1)]
    lines[-1] = lines[-1][:right]
    lines[0] = lines[0][left:]
    text = b"".join(lines).decode(errors="replace")
    try:
        tree = ast.parse(f"({text}\n)", mode="eval")
    except (SyntaxError, ValueError):
        return ""
    text = text if start == stop else ast.unparse(tree)  # without line ends and comments
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."


def _line(code: CodeType, line: int) -> bytes:
    """A line of the source, in whose bytes columns are counted."""
    return linecache.getline(code.co_filename, line).encode()


def _chain(file: str, stop: int, right: int) -> tuple[int, int] | None:
    """The line and the column where a call begins that ends at this place; None where the source is not at hand."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (node.end_lineno, node.end_col_offset) == (stop, right):
            return node.lineno, node.col_offset
    return None


def _assigned(code: CodeType, at: int) -> str:
    """The variable that takes what the instruction at a position gives."""
    after = (step for step in dis.get_instructions(code) if step.offset > at)
    step = next((step for step in after if step.opname not in ("CACHE", "NOP")), None)
    if step is None or not step.opname.startswith("STORE_") or step.opname.startswith("STORE_SUBSCR"):
        return ""
    name = step.argval[0] if isinstance(step.argval, tuple) else step.argval
    return name if isinstance(name, str) else ""
