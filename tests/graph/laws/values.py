"""A value of the law machine: a lazy array beside what NumPy makes of the same operations."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.errors import LazyzarrError
from lazyzarr.graph.lazy import LazyArray

__all__ = ["MOST", "Value", "assert_same", "both", "quiet", "refused_alike", "whole_numbers"]

# Larger arrays show nothing more, and take longer.
MOST = 3000


class Value(NamedTuple):
    """Both forms of one array."""

    lazy: LazyArray
    held: np.ndarray
    near: bool = False
    """Whether values need only be near NumPy's: what made them rounds by an order of its own."""
    story: str = ""
    """How it was made."""


class quiet(warnings.catch_warnings):
    """Within: neither form warns of what it computes."""

    def __enter__(self) -> Any:
        result = super().__enter__()
        warnings.simplefilter("ignore")
        self._errors = np.errstate(all="ignore")
        self._errors.__enter__()
        return result

    def __exit__(self, *error: Any) -> None:
        self._errors.__exit__(*error)
        super().__exit__(*error)


def both(function: Callable[..., Any], *values: Value, near: bool = False) -> Value | None:
    """What a function gives of both forms; None where NumPy refuses, and then so does the lazy form."""
    with quiet():
        try:
            held = function(*[value.held for value in values])
        except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError) as refused:
            refused_alike(function, values, refused)
            return None
        lazy = function(*[value.lazy for value in values])
    assert isinstance(lazy, LazyArray), f"{type(lazy)} is not lazy"
    held = np.array(held)
    held.flags.writeable = False
    same_face(lazy, held)
    near = near or any(value.near for value in values)
    return Value(lazy, held, near, f"{_told(function)} of {', '.join(value.story for value in values)}")


def _told(function: Callable[..., Any]) -> str:
    """A function and what it has captured, for who reads of a failure."""
    code = getattr(function, "__code__", None)
    if code is None:
        return getattr(function, "__name__", repr(function))
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    with np.printoptions(threshold=30):
        words = ", ".join(f"{name}={value!r}" for name, value in zip(code.co_freevars, cells, strict=True))
    return f"<{code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno} {words}>"


def refused_alike(function: Callable[..., Any], values: tuple[Value, ...], refused: Exception) -> None:
    """The lazy form refuses as well, at once or when it is computed, as NumPy does or by an error of ours."""
    try:
        found = function(*[value.lazy for value in values])
        found = found.compute(scheduler="sync") if isinstance(found, LazyArray) else found
    except (LazyzarrError, *_bases(refused)):
        return
    raise AssertionError(
        f"NumPy refuses ({type(refused).__name__}: {refused}), and the lazy form gives {found!r}"
    )


def _bases(error: Exception) -> tuple[type[Exception], ...]:
    """Python's own classes of an error."""
    return tuple(
        base
        for base in type(error).__mro__
        if base.__module__ == "builtins" and base is not Exception and issubclass(base, Exception)
    )


def same_face(lazy: LazyArray, held: np.ndarray) -> None:
    """Shape, dtype and chunks are as advertised before anything is computed."""
    assert lazy.shape == held.shape
    if held.ndim or held.dtype.kind not in "US":
        assert lazy.dtype.newbyteorder("=") == held.dtype.newbyteorder("="), (lazy.dtype, held.dtype)
    else:  # NumPy's scalars of text have its own length
        assert lazy.dtype.kind == held.dtype.kind
        assert lazy.dtype.itemsize >= held.dtype.itemsize
    assert tuple(map(sum, lazy.chunks)) == held.shape
    assert all(sizes == (0,) or (sizes and min(sizes) > 0) for sizes in lazy.chunks)
    assert len(lazy.dims) == held.ndim


def assert_same(got: Any, value: Value) -> None:
    """Equal values, shape and dtype; near ones within a few units of the last place."""
    expected = value.held
    found = np.asarray(got)
    assert found.shape == expected.shape
    # A scalar has the order of bytes of the machine, and text its own length.
    if found.ndim:
        assert found.dtype == value.lazy.dtype
    elif found.dtype.kind not in "US":
        assert found.dtype == value.lazy.dtype.newbyteorder("=")
    if not value.near:
        np.testing.assert_array_equal(found, expected)
        return
    kind = expected.dtype.kind
    eps = float(np.finfo(expected.dtype).eps) if kind in "fc" else 0.0
    finite = np.abs(expected[np.isfinite(expected)]) if kind in "fc" else np.abs(expected)
    scale = float(finite.max(initial=0)) if finite.size else 0.0
    with quiet():
        np.testing.assert_allclose(found, expected, rtol=16 * eps, atol=4 * eps * scale)


def whole_numbers(value: Value) -> bool:
    """Whether all sums of the values are exact, whatever the order: small whole numbers."""
    a = value.held
    if value.near or a.dtype.kind not in "biufc":
        return False
    if a.dtype.kind in "biu":
        return True
    with quiet():
        if not np.isfinite(a).all() or (np.rint(a.real) != a.real).any() or (np.rint(a.imag) != a.imag).any():
            return False
        total = float(np.abs(a.astype(np.complex128)).sum())
    return total < 2.0 ** (np.finfo(a.dtype).nmant + 1)
