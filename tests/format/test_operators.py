"""Operators on a stored array: each one reaches the lazy half with the right operands, or is refused."""

from __future__ import annotations

import operator
import re

import numpy as np
import pytest

from lazyzarr.format import slots
from lazyzarr.format.operators import LazyOperators


class Stored(LazyOperators):
    """A stored array as far as operators know it."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __repr__(self):
        return "<Array memory://1/u>"


@pytest.fixture(autouse=True)
def lazy_is_numpy(monkeypatch):
    """In the lazy half's place: NumPy itself, so that results can be compared."""
    monkeypatch.setattr(slots, "lazy_factory", lambda array: array.values)


A, B = np.array([6, 7, 8]), np.array([1, 2, 3])
BINARY = "add sub mul truediv floordiv mod pow and_ or_ xor lshift rshift lt le gt ge eq ne matmul".split()


@pytest.mark.parametrize("function", [*(getattr(operator, name) for name in BINARY), divmod])
def test_binary(function):
    expected = function(A, B)
    np.testing.assert_array_equal(function(Stored(A), B), expected)
    np.testing.assert_array_equal(function(A, Stored(B)), expected)
    np.testing.assert_array_equal(function(Stored(A), Stored(B)), expected)


@pytest.mark.parametrize("function", [getattr(operator, name) for name in BINARY if name != "matmul"])
def test_reflected_with_a_number(function):
    np.testing.assert_array_equal(function(3, Stored(B)), function(3, B))
    np.testing.assert_array_equal(function(Stored(B), 3), function(B, 3))


@pytest.mark.parametrize("function", [operator.neg, operator.pos, abs, operator.invert])
def test_unary(function):
    np.testing.assert_array_equal(function(Stored(A)), function(A))


@pytest.mark.parametrize("sign", "+ - * / // % ** @ & | ^ << >>".split())
def test_in_place_is_refused(sign):
    z = kept = Stored(A)
    with pytest.raises(TypeError) as caught:
        exec(f"z {sign}= 1")
    assert f"z[...] = z[...] {sign} 1 " in str(caught.value)
    with pytest.raises(TypeError, match=re.escape(f"z[...] = z[...] {sign} other ")):
        exec(f"z {sign}= B")
    assert "memory://1/u" in str(caught.value)
    assert z is kept


def test_ufuncs():
    np.testing.assert_array_equal(np.hypot(Stored(A), Stored(B)), np.hypot(A, B))
    np.testing.assert_array_equal(np.add.reduce(Stored(A)), A.sum())
    np.testing.assert_array_equal(np.add.outer(Stored(A), B), np.add.outer(A, B))
    out = np.empty(3, int)
    assert np.add(Stored(A), 1, out=out, where=Stored([True, False, True])) is out
    with pytest.raises(TypeError, match=r"write  z\[...\] = np.add"):
        np.add(A, 1, out=Stored(A))


def test_functions_of_numpy():
    np.testing.assert_array_equal(np.concatenate([Stored(A), B, Stored(B)]), np.concatenate([A, B, B]))
    assert np.mean(Stored(A)) == 7
    np.testing.assert_array_equal(np.where(Stored([True, False, True]), Stored(A), Stored(B)), [6, 2, 8])


def test_accessor():
    z = Stored(A)
    np.testing.assert_array_equal(z.lazy(), A)
    np.testing.assert_array_equal(z.lazy[1:], A[1:])
    with pytest.raises(TypeError, match=r"z\[...\] = value +writes to the store now"):
        z.lazy[0] = 1
    np.testing.assert_array_equal(A, [6, 7, 8])


@pytest.mark.parametrize("name", ["mean", "sum", "std", "T", "rechunk", "compute"])
def test_methods_name_the_way(name):
    with pytest.raises(AttributeError, match=rf"z\.lazy\(\)\.{name}") as caught:
        getattr(Stored(A), name)
    assert (f"z[...].{name}" in str(caught.value)) == hasattr(np.ndarray, name)
    assert not hasattr(Stored(A), "no_such_name")


def test_equality_is_elementwise_and_hash_is_identity():
    z, other = Stored(A), Stored(A)
    np.testing.assert_array_equal(z == other, [True] * 3)
    assert {z: 1, other: 2}[z] == 1


def test_without_the_lazy_half(monkeypatch):
    monkeypatch.setattr(slots, "lazy_factory", None)
    with pytest.raises(RuntimeError, match="import lazyzarr first"):
        Stored(A) + 1
