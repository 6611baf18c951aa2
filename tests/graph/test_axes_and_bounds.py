"""Axes from the end, several of them, in every function that takes them; bounds of every kind of number."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import lazyzarr as lz
from tests.graph.laws.values import quiet

BOX = np.arange(24.0).reshape(2, 3, 4)
THIN = BOX[:1, :, None, :1]
KEPT = {"keepdims": True}

OF_TWO: dict[str, tuple[Callable[..., Any], np.ndarray[Any, Any]]] = {
    "sliding_window_view": (lambda x, axes: sliding_window_view(x, (2, 1), axes), BOX),
    "sliding_window_view of a list": (lambda x, axes: sliding_window_view(x, [1, 2], list(axes)), BOX),
    "sliding_window_view of arrays": (
        lambda x, axes: sliding_window_view(x, np.array([1, 2]), np.array(axes)),
        BOX,
    ),
    "flip": (np.flip, BOX),
    "roll": (lambda x, axes: np.roll(x, (1, 2), axes), BOX),
    "roll by an array": (lambda x, axes: np.roll(x, np.array([1, -2]), axes), BOX),
    "roll by one": (lambda x, axes: np.roll(x, [3], axes), BOX),
    "rot90": (lambda x, axes: np.rot90(x, 1, axes), BOX),
    "rot90 back": (lambda x, axes: np.rot90(x, -1, axes), BOX),
    "swapaxes": (lambda x, axes: np.swapaxes(x, *axes), BOX),
    "moveaxis": (lambda x, axes: np.moveaxis(x, axes, (0, -1)), BOX),
    "moveaxis to": (lambda x, axes: np.moveaxis(x, np.array([-1, 0]), np.array(axes)), BOX),
    "expand_dims": (np.expand_dims, BOX),
    "squeeze": (np.squeeze, THIN),
    "tensordot": (lambda x, axes: np.tensordot(x, x, (axes, axes)), BOX),
    "tensordot turned": (lambda x, axes: np.tensordot(x, np.moveaxis(x, axes, (-1, 0)), (axes, (2, 0))), BOX),
    "quantile": (lambda x, axes: np.quantile(x, 0.3, axes), BOX),
    "quantiles": (lambda x, axes: np.quantile(x, [[0.1, 0.2], [0.3, 0.4]], axes, **KEPT), BOX),
    "nanpercentile": (lambda x, axes: np.nanpercentile(x, [10, 40], axes, **KEPT), BOX),
    "average": (lambda x, axes: np.average(x, axes, x + 1, **KEPT), BOX),
    "maximum.reduce": (lambda x, axes: np.maximum.reduce(x, axes, **KEPT), BOX),
}


def _kept(function: Callable[..., Any], x: Any, axes: Any) -> Any:
    return function(x, axis=axes, keepdims=True)


REDUCTIONS = [
    *(np.sum, np.prod, np.min, np.max, np.ptp, np.any, np.all, np.mean, np.var, np.std, np.median),
    *(np.count_nonzero, np.nansum, np.nanprod, np.nanmin, np.nanmax, np.nanmean, np.nanvar, np.nanmedian),
]
for _function in REDUCTIONS:
    OF_TWO[_function.__name__] = (functools.partial(_kept, _function), BOX)


REFUSALS: list[tuple[type[Exception], ...]] = [(ValueError, IndexError), (TypeError,), (OverflowError,)]
PAIRS = [(1, -1), (-1, 0), (-3, -1), (-2, -3), (2, -2), (0, -4), (3, -1), (-5, 0)]


@pytest.mark.parametrize("name", OF_TWO)
def test_two_axes_are_counted_from_either_end(name: str) -> None:
    function, held = OF_TWO[name]
    lazy = lz.from_array(held, chunks=2)
    for axes in [*PAIRS, (held.ndim - 1, -1)]:
        agree(lambda x, axes=axes: function(x, axes), (held,), (lazy,), str(axes))


def agree(function: Callable[..., Any], held: Any, lazies: Any, said: str) -> None:
    """Both forms give the same values in one dtype, zeros of the same sign, or refuse by errors of one kind."""
    with quiet():
        try:
            expected = np.asarray(function(*held))
        except (ValueError, TypeError, IndexError, OverflowError) as refused:
            kinds = next(pair for pair in REFUSALS if isinstance(refused, pair))
            with pytest.raises(kinds):
                function(*lazies).compute()
            return
        lazy = function(*lazies)
        found = np.asarray(lazy.compute(scheduler="sync"))
    assert (lazy.dtype, lazy.shape) == (expected.dtype, expected.shape), said
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), said
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, expected, said)
        return
    np.testing.assert_allclose(found, expected, 1e-12, err_msg=said)
    np.testing.assert_array_equal(np.signbit(found.real), np.signbit(expected.real), said)


BOUNDS = [None, False, True, -1, 0, 300, -1000, 0.5, -0.0, np.nan, 1j]
BOUNDS += [np.uint8(1), np.int64(3), np.float16(-1), np.float32(1), np.bool_(False)]


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "i8", "u8", "f2", "f4", "f8", "g", "c8"])
def test_clip_between_bounds_of_any_kinds(dtype: str) -> None:
    """NumPy finds one dtype for the values and both bounds, which two steps, one a bound, do not."""
    held = np.array([-0.0, 1, 0, 3, 120]).astype(dtype)
    lazy = lz.from_array(held, chunks=3)
    rng = np.random.default_rng(ord(dtype[0]))
    for number in rng.permutation(len(BOUNDS) ** 2)[:60]:
        low, high = BOUNDS[number // len(BOUNDS)], BOUNDS[number % len(BOUNDS)]
        agree(lambda x, low=low, high=high: np.clip(x, low, high), (held,), (lazy,), f"{low!r} to {high!r}")


@pytest.mark.parametrize("dtype", ["i1", "u2", "f4", "f8", "c16"])
@pytest.mark.parametrize("other", ["?", "u1", "i4", "f2", "f8"])
def test_clip_between_lazy_bounds(dtype: str, other: str) -> None:
    held = np.arange(-3, 3).astype(dtype), np.array([0, 1] * 3, other), np.array(2.5, "f2")
    lazies = [lz.from_array(x, chunks=2 if x.ndim else "auto") for x in held]
    agree(np.clip, held, lazies, "arrays")
    agree(lambda x, low, high: np.clip(x, high, low), held, lazies, "turned")
    agree(lambda x, low, high: x.clip(low, 3), held, lazies, "one array")


def test_clip_of_times() -> None:
    held = (
        np.array(["2000-01-01", "1999-05-05", "NaT", "2001-01-01"], "M8[D]"),
        np.datetime64("2000-01-01T06", "h"),
    )
    lazy = lz.from_array(held[0], chunks=3)
    agree(lambda x: np.clip(x, held[1], held[0][-1]), held[:1], [lazy], "times")


@pytest.mark.parametrize("axes", [{1: 3, -2: 2}, {"y": 3, 1: 3}])
def test_what_is_said_twice_of_one_axis_is_refused(axes: Any) -> None:
    """The last one counted, the others were not heard."""
    x = lz.from_array(BOX, dims=["t", "y", "x"])
    for function in (
        x.rechunk,
        lambda given: x.coarsen(np.mean, given),
        lambda given: x.map_overlap(abs, given),
    ):
        with pytest.raises(ValueError, match="names one axis twice"):
            function(axes)

    z = lz.array(BOX)
    with pytest.raises(ValueError, match="names one axis twice"):
        lz.store(x, z, regions={1: slice(0, 1), -2: slice(1, 2)})
    with pytest.raises(ValueError, match="names one axis twice"):
        x.to_zarr("memory://", chunks={**axes})
