"""Telling: warnings that are shown at a line of the user's program, once a line where Python's filters say so."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["tell"]

# What Python keeps in each module, so that a line warns once; for lines of modules that we do not know.
_told: dict[str, dict[Any, Any]] = {}


def tell(
    texts: str | list[str], category: type[Warning], file: str, line: int, same: str | None = None
) -> None:
    """Warns at a line, of several things that `same` names where their texts differ by numbers alone.

    What was told of a line by the same name before, in other numbers, is told again only if filters say "always".
    """
    texts = [texts] if isinstance(texts, str) else texts
    registry = _told.setdefault(file, {})
    name = (same or texts[0], category, line)
    known = registry.get(name)
    for text in texts:
        key = (text, category, line)
        new = key not in registry
        if known and new:
            registry[key] = known  # Python forgets it, as all that is there, when filters change
        try:
            warnings.warn_explicit(text, category, file, line, registry=registry)
        finally:
            if registry.get(key) and same is not None:
                registry[name] = registry[key]
            if known and new and key != name:
                registry.pop(key, None)
