"""Variances of longdouble: as near to the exact ones as NumPy's, whatever the blocks and however large the values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.lift import array_node
from tests.graph.laws.values import quiet

LONG = np.longdouble
DIGITS = np.finfo(LONG).nmant + 1
pytestmark = pytest.mark.skipif(DIGITS == 53, reason="longdouble is float64 here")

ONES = np.random.default_rng(5).normal(size=(120, 3)).astype(LONG)
TEN = LONG(10)
HARD = {
    "spread": ONES,
    "far": ONES + 1e9,
    "in the last digits": 1 + np.rint(ONES) * np.finfo(LONG).eps,
    "beyond float64": ONES * TEN**2400,
    "squares that float64 has not": ONES * TEN**-400,
    "one far off": np.concatenate([np.zeros((1, 3), LONG), 1 + ONES * TEN**-9]),
    "large and alike": TEN**2400 * (1 + ONES * TEN**-9),
}


def fraction(value):
    """A longdouble, exactly."""
    part, exponent = np.frexp(value)
    return Fraction(int(np.ldexp(part, DIGITS))) * Fraction(2) ** (int(exponent) - DIGITS)


def exact(values):
    """The exact variances of columns."""
    columns = [[fraction(value) for value in column] for column in values.T]
    means = [sum(column) / len(column) for column in columns]
    return [
        sum((value - mean) ** 2 for value in column) / len(column)
        for column, mean in zip(columns, means, strict=True)
    ]


def off(found, expected):
    """How many units in the last place each is off by."""
    assert found.dtype == LONG
    return [
        float(abs(fraction(a) - b) / fraction(np.spacing(max(a, np.finfo(LONG).tiny))))
        for a, b in zip(found, expected, strict=True)
    ]


def lazy(values, *sizes):
    """An array in memory, in chunks along its first axis."""
    return LazyArray(array_node(values, (sizes, *((n,) for n in values.shape[1:])), None))


@pytest.mark.parametrize("name", HARD)
def test_variances_are_as_near_as_numpys(name):
    values = HARD[name]
    n = len(values)
    # Every second one counts: what lies between is far away, or NaN.
    twice = np.repeat(values, 2, axis=0)
    mask = np.arange(2 * n) % 2 == 0
    twice[~mask] = -7
    with_nan = np.where(mask[:, None], twice, np.nan)
    expected = exact(values)
    most = np.array(off(values.var(axis=0), expected)) + 4
    for sizes in ((n,), (1,) * n, (1, n - 1), (7, 2, n - 9)):
        double = [2 * size for size in sizes]
        x, y, z = lazy(values, *sizes), lazy(twice, *double), lazy(with_nan, *double)
        counts = lazy(np.broadcast_to(mask[:, None], twice.shape), *double)
        found = [
            *(x.var(axis=0).compute(num_workers=workers) for workers in (1, 3)),
            x.T.var(axis=1).compute(),
            np.var(y, axis=0, where=counts).compute(),
            np.nanvar(z, axis=0).compute(),
            y.groupby_reduce(mask.astype(int), "var", 0)[1].compute(),
            np.asarray((x * (1 + 1j)).var(axis=0).compute()) / 2,
        ]
        for each in found:
            assert (np.array(off(each, expected)) <= most).all()
        for roots in (x.std(axis=0), np.nanstd(z, axis=0), np.std(y, axis=0, where=counts)):
            np.testing.assert_allclose(roots.compute(), np.sqrt(found[0]), 4 * np.finfo(LONG).eps)


@pytest.mark.parametrize(
    "values",
    [
        [1, np.inf],
        [np.nan, 2],
        [TEN**4000, -(TEN**4000), 1],
        [0.1] * 9,
        [7],
        [-0.0],
        [np.inf, 1, 2],
        [np.nan] * 2,
    ],
)
@pytest.mark.parametrize("of", [np.var, np.nanvar, np.std])
def test_what_is_no_number_is_numpys(values, of):
    values = np.array(values, LONG)
    with quiet():
        expected = of(values)
        for sizes in ((len(values),), (1,) * len(values)):
            np.testing.assert_array_equal(of(lazy(values, *sizes)).compute(), expected)
            every = np.var(lazy(values, *sizes), where=lz.from_array(np.ones(len(values), bool))).compute()
            np.testing.assert_array_equal(every, np.var(values))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_a_longdouble_result_of_lesser_values_is_counted_in_longdouble(dtype):
    values = np.arange(1, 100, dtype=dtype) ** 3
    expected = exact(values.astype(LONG)[:, None])
    x = lz.from_array(values, chunks=7)
    for found in (x.var(dtype=LONG), np.var(x, dtype=LONG, where=x > 0), np.nanvar(x, dtype=LONG)):
        assert off(np.atleast_1d(found.compute()), expected)[0] <= 4
