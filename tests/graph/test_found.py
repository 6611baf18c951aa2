"""Wrong elements and crashes that were found once, each kept from coming back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import lazyzarr as lz


def same(got: Any, expected: Any) -> None:
    """Equal bit by bit, with shape and dtype."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("function", [np.isnan, np.isinf, np.isfinite, np.signbit])
def test_predicates_into_strided_results(function: np.ufunc) -> None:
    """NumPy leaves elements unwritten when these get a strided `out=`."""
    a = np.random.default_rng(0).standard_normal((100, 100))
    same(function(lz.from_array(a, chunks=(100, 1))).compute(), function(a))


def test_a_leading_part_of_map_blocks() -> None:
    """A part that begins at the origin is not the whole array."""
    a = np.arange(120.0).reshape(12, 10)
    m = lz.from_array(a, chunks=((5, 5, 2), (7, 3))).map_blocks(lambda b: b * 2, dtype="f8")
    for n in range(1, 13):
        same(m[:n].compute(), (a * 2)[:n])
        same((m[:n, :5] + 1).sum(axis=0).compute(), ((a * 2)[:n, :5] + 1).sum(axis=0))


def test_map_blocks_that_hands_its_block_on() -> None:
    """A result that is the argument lies in memory that the next step uses."""
    a = np.arange(6).reshape(2, 3)
    x = (lz.from_array(a, chunks=1) * 2 + 1).map_blocks(lambda block: block, dtype=a.dtype)
    same(np.where(x != 3, x, 7).compute(), np.where(a * 2 + 1 != 3, a * 2 + 1, 7))


@pytest.mark.parametrize("name", ["var", "std", "sum", "mean", "min", "max", "any", "all"])
def test_reductions_without_axes(name: str) -> None:
    same(getattr(lz.from_array(np.float64(2.5)), name)().compute(), getattr(np.float64(2.5), name)())


@pytest.mark.parametrize("dtype", ["?", "i2", "u1", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("exponent", [0.5, 2, 2.0, 1, 1.0, 3, 0, -1.0, -0.5])
def test_powers_are_the_operators(dtype: str, exponent: float) -> None:
    """NumPy's `**` calls another function than np.power for some exponents and dtypes."""
    a = np.array([0, 1, 2.7, 3.1, 250.5]).astype(dtype)
    if a.dtype.kind in "fc":
        a = np.concatenate([a, np.array([np.inf, -np.inf, np.nan, -0.0, -2.5]).astype(dtype)])
    if a.dtype.kind == "c":
        a = np.concatenate(
            [a, np.array([complex(np.inf, 1), complex(3, 4), complex(-0.0, np.nan)]).astype(dtype)]
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        same((lz.from_array(a, chunks=2) ** exponent).compute(), a**exponent)
