"""Floating point errors of NumPy: told where the user's program made what brings them, once an operation.

NumPy tells of them where it computes, which is a line of ours, in another thread, for each tile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.origins import line_of_code, users_line
from lazyzarr.graph.telling import tell

__all__ = ["Found", "added", "elsewhere", "encountered", "floating_errors", "how_set", "now"]

Errors = dict[str, Any]
"""What is to be done about each kind of error, as np.errstate takes it."""

# At once: what a process warns of itself, for nobody else can be called for it there.
_OURS, _LEFT_TO_OTHERS, _AT_ONCE = {"warn", "raise", "at once"}, {"call", "log"}, "at once"
_KINDS = {"divide by zero": "divide", "overflow": "over", "underflow": "under", "invalid value": "invalid"}


class Found(dict[tuple[Node | None, str], tuple[int | None, int]]):
    """Errors by node and kind: how many values they spoiled, None where nobody can say; and of how many."""

    def add(self, node: Node | None, kind: str, count: int | None, of: int) -> None:
        """Counts more values, or what cannot be counted."""
        self[node, kind] = added(self.get((node, kind), (0, 0)), count, of)


def added(before: tuple[int | None, int], count: int | None, of: int) -> tuple[int | None, int]:
    """Two counts of the same values as one."""
    both = None if before[0] is None or count is None else before[0] + count
    return both, max(before[1], of)


class Now(threading.local):
    """What this thread is at work on."""

    node: Node | None = None
    errors: Errors = {}  # noqa: RUF012  it is never changed in place
    found: Found | None = None
    """Where errors go that are told of when all is over; None: they are told of at once."""
    flags: list[tuple[Node | None, str]] | None = None
    """Errors that nobody has counted yet: the node and the kind."""


now = Now()


def how_set() -> Errors:
    """What the caller wants done about floating point errors."""
    errors: Errors = dict(np.geterr())
    return errors if _LEFT_TO_OTHERS.isdisjoint(errors.values()) else {**errors, "call": np.geterrcall()}


def elsewhere(errors: Errors) -> Errors:
    """The same for another process, where nobody can be called."""
    modes = {kind: mode for kind, mode in errors.items() if kind != "call"}
    return {kind: _AT_ONCE if mode in _LEFT_TO_OTHERS else mode for kind, mode in modes.items()}


@contextmanager
def floating_errors(errors: Errors, found: Found | None = None) -> Iterator[None]:
    """Within: floating point errors are dealt with as said, and told of the node that this thread is at work on.

    Warnings are put into `found` instead, where it is given.
    """
    before = now.errors, now.node, now.found, now.flags
    now.errors, now.node, now.found, now.flags = errors, None, found, None if found is None else []
    told: Errors = {kind: "call" if mode in _OURS else mode for kind, mode in errors.items()}
    told["call"] = _TELLER
    try:
        with np.errstate(**told):
            yield
    finally:
        if found is not None:
            for node, kind in now.flags or ():
                found.add(node, kind, None, 0)
        now.errors, now.node, now.found, now.flags = before


class _Teller:
    """What NumPy calls, or writes to, where it finds an error."""

    def __call__(self, kind: str, flag: int) -> None:
        """Warns or raises, or leaves it to whom the user named."""
        mode, node = now.errors.get(_KINDS.get(kind, ""), "warn"), now.node
        if mode not in _OURS:
            now.errors["call"](kind, flag)
            return
        text = encountered(kind, "" if node is None else node.label)
        if mode == "raise":
            raise FloatingPointError(text + (f", {node.place}" if node is not None and node.place else ""))
        users = users_line(2)
        if now.flags is not None and users is None and mode != _AT_ONCE:
            now.flags.append((node, kind))
        else:
            tell(text, RuntimeWarning, *(users or line_of_code(None if node is None else node.origin)))

    def write(self, text: str) -> None:
        """Writes to what the user named."""
        now.errors["call"].write(text)


def encountered(kind: str, label: str) -> str:
    """An error in NumPy's words, with the operation in ours."""
    return f"{kind} encountered" + (f" in {label}" if label else "")


_TELLER = _Teller()
