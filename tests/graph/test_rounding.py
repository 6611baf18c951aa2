"""Variances and scans of float64 are rounded once: whatever the blocks, they are the same and as near as can be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.lift import array_node
from lazyzarr.graph.ops import deviations, fine_sums, piecewise, running
from tests.graph.laws.values import quiet

RNG = np.random.default_rng(3)
ONES = RNG.normal(size=(60, 4))
HARD = {
    "spread": ONES,
    "far": ONES + 1e6,
    "in the last digits": 1 + np.rint(ONES) * 2.0**-52,
    "two values": np.where(ONES > 0, 0.1, 0.7),
    "one far off": np.concatenate([np.zeros((1, 4)), 1 + ONES * 1e-6]),
    "zeros, mostly": np.where(ONES > 1.5, ONES, 0),
    "ascending": np.sort(ONES, axis=0),
    "of all sizes": ONES * 10.0 ** RNG.integers(-100, 100, ONES.shape),
    "tiny": ONES * 1e-140,
    "columns of their own size": ONES * 10.0 ** np.array([-30, -3, 0, 40]) + np.array([1, 0, 1e9, 0]),
}


def lazy(values, *sizes):
    """An array in memory, in chunks along its first axis."""
    return LazyArray(array_node(values, (sizes, *((n,) for n in values.shape[1:])), None))


def variances(values):
    """The exact variances of columns, rounded once."""
    columns = [[Fraction(value) for value in column] for column in values.T.tolist()]
    means = [sum(column) / len(column) for column in columns]
    return [
        float(sum((value - mean) ** 2 for value in column) / len(column))
        for column, mean in zip(columns, means, strict=True)
    ]


@pytest.fixture(params=[None, 7], ids=["whole", "in pieces"])
def _pieces(request, monkeypatch):
    if request.param:
        for module in (deviations, fine_sums, piecewise):
            monkeypatch.setattr(module, "PIECE", request.param)
            monkeypatch.setattr(module, "PLACES", 2)
        monkeypatch.setattr(running, "PIECE", request.param)
        monkeypatch.setattr(running, "STEPS", 3)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("name", HARD)
def test_variances_are_rounded_once(name):
    values = HARD[name]
    n = len(values)
    exact = variances(values)
    for sizes in ((n,), (1,) * n, (1, n - 1), (7, 2, n - 9)):
        x = lazy(values, *sizes)
        with quiet():
            got = [x.var(axis=0).compute(num_workers=workers) for workers in (1, 3)]
            shares = x.groupby_reduce(np.zeros(n, int), "var", 0)[0].compute()
            counted = np.nanvar(x, axis=0).compute()
            both = np.asarray((x * (1 + 1j)).var(axis=0).compute()) / 2
            roots = x.std(axis=0).compute()
        for found in (*got, shares, counted, both):
            np.testing.assert_array_max_ulp(found, np.array(exact), 1)
        np.testing.assert_array_max_ulp(roots, np.sqrt(exact), 1)


def assert_rounded_once(found, exact):
    """But for what is half a unit of the last place off, short of what more digits would say."""
    for got, number in zip(np.ravel(found).tolist(), exact, strict=True):
        assert abs(Fraction(got) - number) <= Fraction(0.5001 * float(np.spacing(abs(float(number)))))


@pytest.mark.parametrize("n", [2, 7, 60])
def test_variances_of_few_values_are_rounded_once(n):
    values = np.random.default_rng(0).normal(size=(8000 // n, n)) + 1000
    exact = [
        sum((Fraction(value) - sum(map(Fraction, row)) / n) ** 2 for value in row) / n
        for row in values.tolist()
    ]
    for size in (n, n // 2):
        x = lz.from_array(values, chunks=(len(values), size))
        assert_rounded_once(x.var(axis=1).compute(), exact)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("name", HARD)
def test_sums_and_means_of_few_tiles_are_rounded_once(name):
    values = HARD[name]
    n = len(values)
    columns = [[Fraction(value) for value in column] for column in values.T.tolist()]
    totals, rows = list(map(sum, columns)), list(map(sum, zip(*columns, strict=True)))
    for sizes in ((n,), (1, n - 1), (20, 20, n - 40)):
        x = lazy(values, *sizes)
        for wide, part in ((x, np.real), (x * 1j, np.imag)):
            assert_rounded_once(part(wide.sum(axis=0).compute()), totals)
            assert_rounded_once(part(wide.mean(axis=0).compute()), [total / n for total in totals])
            assert_rounded_once(part(wide.sum(axis=1).compute()), rows)
    assert_rounded_once(lazy(values, 20, 20, n - 40).sum().compute(num_workers=3), [sum(totals)])


@pytest.mark.usefixtures("_pieces")
def test_sums_of_what_is_not_finite_or_huge_are_numpys():
    huge = 2.0**1023
    values = np.array(
        [[np.inf, 1, np.nan, huge, -0.0], [1, -np.inf, 2, huge / 2**20, -0.0], [-np.inf, 3, 4, -huge, 0]]
    )
    for columns in ([0], [1], [2], [3], [4], [0, 1, 2, 3, 4], [3, 4]):
        held = values[:, columns]
        x = lazy(held, 1, 2)
        with quiet():
            for name in ("sum", "mean"):
                for axis in (None, 0, 1):
                    got = getattr(x, name)(axis=axis).compute()
                    np.testing.assert_array_equal(
                        got, getattr(held, name)(axis=axis), err_msg=f"{name} {axis}"
                    )


@settings(max_examples=60, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4))
def test_sums_of_deviations_join_in_any_way(seed, sizes, groups):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sum(sizes), 3)) * 10.0 ** rng.integers(-9, 9, 3)
    states: list[tuple[deviations.Sums, int]] = []
    for i, part in enumerate(np.split(values, np.cumsum(sizes)[:-1])):
        if i < groups:
            states.append((deviations.Sums(*np.zeros((deviations.PARTS, 1, 3))), 0))
        sums, count = states[i % groups]
        deviations.take(sums, part, (0,), count)
        states[i % groups] = sums, count + len(part)
    (first, count), *others = states
    for sums, more in others:
        deviations.join(first, sums, count, more)
        count += more
    found = deviations.variance(deviations.squared(first, count), count, False)
    np.testing.assert_array_max_ulp(found[0], np.array(variances(values)), 1)


@pytest.mark.parametrize("values", [[1.0, np.inf], [np.nan, 2], [1e200, -1e200, 1], [0.1] * 9, [7.0], [-0.0]])
def test_variances_of_what_is_no_number_and_of_equal_values(values):
    values = np.array(values)
    with quiet():
        expected = np.var(values)
        for sizes in ((len(values),), (1,) * len(values)):
            found = lazy(values, *sizes).var().compute()
            np.testing.assert_array_equal(found, 0.0 if values[0] == 0.1 else expected)


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_scans_are_rounded_once(name):
    values = ONES.copy() if name == "cumsum" else np.exp(ONES)
    expected = np.array([
        [float(each) for each in _running(name, column)] for column in values.T.tolist()
    ]).T  # fmt: skip
    for sizes in ((60,), (1,) * 60, (7, 50, 3)):
        x = lazy(values, *sizes)
        np.testing.assert_array_max_ulp(getattr(np, name)(x, axis=0).compute(), expected, 1)
        turned = getattr(np, name)(x.T, axis=1).compute()
        np.testing.assert_array_max_ulp(turned, expected.T, 1)
    with_parts = np.cumsum(lazy(ONES * (1 + 2j), 7, 50, 3), axis=0).compute()
    np.testing.assert_array_equal(with_parts.imag, np.cumsum(lazy(ONES * 2, 60), axis=0).compute())


def test_sums_along_leading_axes_are_as_near_as_those_along_the_last():
    values = np.random.default_rng(0).normal(size=(4000, 30)) + 1000
    exact = np.array([float(sum(map(Fraction, column))) for column in values.T.tolist()])
    for sizes in ((4000,), (1, 3000, 999), (50,) * 80):
        x = lazy(values, *sizes)
        np.testing.assert_array_max_ulp(x.sum(axis=0).compute(), exact, 2)
        turned = (x * (1 + 1j))[None].sum(axis=(0, 1)).compute()
        np.testing.assert_array_max_ulp(turned.imag, exact, 2)


def _running(name, values):
    total = Fraction(0 if name == "cumsum" else 1)
    for value in values:
        total = total + Fraction(value) if name == "cumsum" else total * Fraction(value)
        yield total


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_scans_beyond_numbers_and_of_zeros_are_numpys(name):
    values = np.array([-0.0, -0.0, 3, 1e308, 1e308, 2, np.inf, -np.inf, 5])
    for start in (0, 2):
        with quiet():
            expected = getattr(np, name)(values[start:])
            for sizes in ((9 - start,), (1,) * (9 - start)):
                found = getattr(np, name)(lazy(values[start:], *sizes)).compute()
                np.testing.assert_array_equal(found, expected)
                np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("shape", [(40, 30), (3, 4), (1, 1)])
def test_values_of_which_none_is_finite_vary_by_nan_without_a_word(shape):
    x = lz.from_array(np.full(shape, np.nan), chunks=(3, 3))
    for axis in (None, 0, 1):
        assert np.isnan(x.std(axis=axis).compute(scheduler="sync")).all()
