"""NumPy's functions on lazy arrays: `np.concatenate([x, y])`, `np.mean(x, axis=0)` and the like stay lazy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from lazyzarr.graph.functions import alike, grouping, lines, reductions, shapes, unique, values

__all__ = ["FUNCTIONS", "apply_function"]

Function = Callable[..., Any]

FUNCTIONS: dict[Function, Function] = {
    getattr(np, name): getattr(module, name)
    for module in (alike, grouping, lines, reductions, shapes, unique, values)
    for name in module.__all__
    if hasattr(np, name)
}
"""What is lazy, by NumPy's function; the names of parameters are NumPy's."""

FUNCTIONS |= {
    np.amin: reductions.min,
    np.amax: reductions.max,
    np.lib.stride_tricks.sliding_window_view: shapes.sliding_window_view,
}

_IGNORED = {"copy", "overwrite_input", "subok"}  # what makes no difference to an expression


_SAVE = 'lz.save("x.zarr", x) stores it chunk by chunk'
_CURES: dict[Function, str] = {np.save: _SAVE, np.savez: _SAVE, np.savez_compressed: _SAVE, np.savetxt: _SAVE}
"""What does the same of functions that give no array."""


def _name(function: Function) -> str:
    """A function as NumPy's users call it."""
    home = getattr(function, "__module__", None) or "numpy"
    return f"{home.replace('numpy', 'np', 1)}.{getattr(function, '__name__', function)}"


def apply_function(function: Function, args: Any, keywords: Any) -> Any:
    """What a NumPy function gives for lazy arrays: a node, several, or facts of a node.

    Raises TypeError, with the cure, for one that is not lazy, and for what it is asked for and is not lazy.
    """
    name = _name(function)
    lazy = FUNCTIONS.get(function)
    if lazy is None:
        cure = _CURES.get(
            function, f"{name}(x.compute(), ...) works in memory; x.map_blocks(...) chunk by chunk"
        )
        raise TypeError(f"{name} is not lazy here: {cure}")
    words = _words(function, args, keywords)
    positional = () if _signature(function) else args
    if words.pop("out", None) is not None:
        raise TypeError(f"{name} of a lazy array takes no out=; assign the computed result instead")
    unknown = [word for word in words if word not in inspect.signature(lazy).parameters]
    if unknown:
        raise TypeError(f"{name}({', '.join(f'{word}=' for word in unknown)}) of a lazy array is not lazy")
    return lazy(*positional, **words)


def _words(function: Function, args: Any, keywords: Any) -> dict[str, Any]:
    """The arguments by name that say something, those without a name where NumPy's signature tells them."""
    signature = _signature(function)
    if signature is None:
        return dict(keywords)
    given = signature.bind(*args, **keywords).arguments
    return {
        word: value
        for word, value in given.items()
        if word not in _IGNORED
        and value is not signature.parameters[word].default
        and value is not getattr(np, "_NoValue", None)
    }


@functools.cache
def _signature(function: Function) -> inspect.Signature | None:
    """NumPy's signature, where it can be asked for one that has no arguments without a name."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    kinds = {parameter.kind for parameter in found.parameters.values()}
    plain = kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return found if plain else None
