"""Telling: warnings that are shown at a line of the user's program, once a line where Python's filters say so."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["tell"]

# What Python keeps in each module, so that a line warns once; for lines of modules that we do not know.
_told: dict[str, dict[Any, Any]] = {}


def tell(text: str, category: type[Warning], file: str, line: int, same: str | None = None) -> None:
    """Warns at a line; texts that `same` names alike differ by numbers alone.

    Of those but the first is shown, other than by a filter that shows each warning.
    """
    registry = _told.setdefault(file, {})
    key, name = (text, category, line), (same or text, category, line)
    before, like = registry.get(key), registry.get(name)
    if like is not None:
        registry[key] = like  # gone, as all that Python keeps there, where filters have changed
    warnings.warn_explicit(text, category, file or "<sys>", line, registry=registry)
    shown = registry.get(key)
    if shown is not None:
        registry[name] = shown
        if before is None and key != name:
            registry.pop(key, None)  # numbers are many
