"""Floating point errors of NumPy: told where the user's program made what brings them, once an operation.

NumPy tells of them where it computes, which is a line of ours, in another thread, for each tile.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.origins import line_of_code, users_line

__all__ = ["elsewhere", "floating_errors", "how_set", "now"]

Errors = dict[str, Any]
"""What is to be done about each kind of error, as np.errstate takes it."""

_OURS, _LEFT_TO_OTHERS = {"warn", "raise"}, {"call", "log"}
_KINDS = {"divide by zero": "divide", "overflow": "over", "underflow": "under", "invalid value": "invalid"}
# What Python keeps in each module, so that a line warns once; for lines of modules that we do not know.
_warned: dict[str, dict[Any, Any]] = {}


class Now(threading.local):
    """What this thread is at work on."""

    node: Node | None = None
    errors: Errors = {}  # noqa: RUF012  it is never changed in place


now = Now()


def how_set() -> Errors:
    """What the caller wants done about floating point errors."""
    errors: Errors = dict(np.geterr())
    return errors if _LEFT_TO_OTHERS.isdisjoint(errors.values()) else {**errors, "call": np.geterrcall()}


def elsewhere(errors: Errors) -> Errors:
    """The same for another process, where nobody can be called."""
    modes = {kind: mode for kind, mode in errors.items() if kind != "call"}
    return {kind: "warn" if mode in _LEFT_TO_OTHERS else mode for kind, mode in modes.items()}


@contextmanager
def floating_errors(errors: Errors) -> Iterator[None]:
    """Within: floating point errors are dealt with as said, and told of the node that this thread is at work on."""
    before = now.errors, now.node
    now.errors, now.node = errors, None
    told: Errors = {kind: "call" if mode in _OURS else mode for kind, mode in errors.items()}
    told["call"] = _TELLER
    try:
        with np.errstate(**told):
            yield
    finally:
        now.errors, now.node = before


class _Teller:
    """What NumPy calls, or writes to, where it finds an error."""

    def __call__(self, kind: str, flag: int) -> None:
        """Warns or raises, or leaves it to whom the user named."""
        mode = now.errors.get(_KINDS.get(kind, ""), "warn")
        if mode not in _OURS:
            now.errors["call"](kind, flag)
            return
        node = now.node
        text = f"{kind} encountered" + (f" in {node.label}" if node is not None else "")
        if mode == "raise":
            raise FloatingPointError(text + (f", {node.place}" if node is not None and node.place else ""))
        file, line = users_line(2) or line_of_code(None if node is None else node.origin)
        if file:
            warnings.warn_explicit(text, RuntimeWarning, file, line, registry=_warned.setdefault(file, {}))
        else:
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def write(self, text: str) -> None:
        """Writes to what the user named."""
        now.errors["call"].write(text)


_TELLER = _Teller()
