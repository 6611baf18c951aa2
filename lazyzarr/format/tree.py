"""A hierarchy drawn as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TypeAlias

__all__ = ["Branch", "Tree"]

Branch: TypeAlias = tuple[str, Sequence["Branch"]]
"""(label, branches below it)"""


class Tree:
    """A drawn hierarchy: its text when printed, preformatted in a notebook.

    >>> Tree("/", [("foo", [("bar (2,) int32", [])]), ("spam", [])])
    /
    ├── foo
    │   └── bar (2,) int32
    └── spam
    """

    __slots__ = ("text",)

    def __init__(self, label: str, branches: Sequence[Branch]) -> None:
        self.text = "\n".join([label, *_lines(branches)])

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def _lines(branches: Sequence[Branch]) -> list[str]:
    lines = []
    for position, (label, below) in enumerate(branches, start=1):
        last = position == len(branches)
        lines.append(("└── " if last else "├── ") + label)
        lines += [("    " if last else "│   ") + line for line in _lines(below)]
    return lines
