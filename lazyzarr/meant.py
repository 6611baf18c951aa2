"""What was meant: the known name that is nearest to one that nobody knows, for the texts of errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["meant"]


def meant(name: str, names: Iterable[str]) -> str | None:
    """The name that is nearest to this one, or None where none is near.

    >>> meant("memroy", ["progress", "memory"])
    'memory'
    """
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)
