"""Steps of the law machine that work value by value."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tests.graph.laws.pool import Pool
from tests.graph.laws.values import Value, both, quiet

__all__ = ["STEPS"]

UNARY = [
    np.negative, np.absolute, np.positive, np.sign, np.invert, np.logical_not, np.square, np.floor, np.ceil,
    np.trunc, np.rint, np.isnan, np.isfinite, np.isinf, np.signbit, np.conjugate, np.sqrt, np.isnat,
    np.bitwise_count, np.fabs, np.spacing,
]  # fmt: skip
ROUNDED = [np.exp, np.sin, np.log1p, np.arctan, np.cbrt, np.tanh]
BINARY = [
    np.add, np.subtract, np.multiply, np.true_divide, np.floor_divide, np.remainder, np.maximum, np.minimum, np.fmax,
    np.fmin, np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.logical_and,
    np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.copysign, np.gcd, np.lcm, np.fmod,
    np.heaviside, np.nextafter,
]  # fmt: skip
SCALARS: list[Any] = [
    0, 1, 2, -3, 300, 3.5, -0.5, True, 2j, np.float32(2.5), np.int64(3), np.uint8(7), np.float16(0.5), np.bool_(True),
    np.complex64(1 + 2j), np.timedelta64(90, "s"), np.datetime64("2020-02-02"), float("nan"), np.int8(-1), "bc",
]  # fmt: skip
OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.floordiv,
    operator.mod,
    operator.and_,
    operator.or_,
]


def unary(pool: Pool) -> Value | None:
    """A ufunc of one operand."""
    function = pool.pick(UNARY)
    return both(function, pool.any(near=False) or pool.values[0])


def rounded(pool: Pool) -> Value | None:
    """A ufunc whose last place depends on how its operand lies in memory."""
    value = pool.any("f", near=False)
    return value and both(pool.pick(ROUNDED), value, near=True)


def binary(pool: Pool) -> Value | None:
    """A ufunc of two operands."""
    value = pool.any(near=False)
    if value is None:
        return None
    other, function = pool.fitting(value), pool.pick(BINARY)
    pair = (value, other) if pool.coin() else (other, value)
    complex_division = function is np.true_divide and "c" in (value.held.dtype.kind, other.held.dtype.kind)
    return both(function, *pair, near=complex_division)


def scalar(pool: Pool) -> Value | None:
    """A ufunc of an array and a number, in either order."""
    value = pool.any(near=False)
    if value is None:
        return None
    function, number = pool.pick(BINARY), pool.pick(SCALARS)
    near = function is np.true_divide and ("c" in (value.held.dtype.kind, np.asarray(number).dtype.kind))
    if pool.coin():
        return both(lambda v: function(v, number), value, near=near)
    return both(lambda v: function(number, v), value, near=near)


def operators(pool: Pool) -> Value | None:
    """Python's operators, with numbers at either side."""
    value = pool.any("biufmM", near=False)
    if value is None:
        return None
    function, number = pool.pick(OPERATORS), pool.pick([1, 3, -2, 2.0, True])
    if pool.coin():
        return both(lambda v: function(v, number), value)
    return both(lambda v: function(number, v), value)


def power(pool: Pool) -> Value | None:
    """Powers, for some of which NumPy calls other functions."""
    value, exponent = (
        pool.any("biuf", near=False),
        pool.pick([0, 1, 2, 3, 0.5, 2.0, -1, np.int8(2), np.float32(2)]),
    )
    return value and both(
        lambda v: v**exponent,
        value,
        near=value.held.dtype.kind in "f" or isinstance(exponent, (float, np.floating)),
    )


def shift(pool: Pool) -> Value | None:
    """Shifts by few bits."""
    value, by = pool.any("iu", near=False), pool.integer(0, 5)
    function = pool.pick([np.left_shift, np.right_shift])
    return value and both(lambda v: function(v, by), value)


def shared(pool: Pool) -> Value | None:
    """One value used several times."""
    value = pool.any("iuf", near=False)
    return value and both(
        pool.pick([lambda v: v + v, lambda v: v * 2 + v, lambda v: v - v[..., ::-1] if v.ndim else v]), value
    )


def neighbours(pool: Pool) -> Value | None:
    """Differences along an axis."""
    value = pool.any("iufcmM", near=False)
    if value is None or not value.held.ndim:
        return None
    k = pool.integer(1, 3)
    return both(lambda v: v[k:] - v[:-k], value)


def where(pool: Pool) -> Value | None:
    """One of two values."""
    value = pool.any(near=False)
    if value is None:
        return None
    condition, other = pool.fitting(value, "b"), pool.fitting(value)
    if pool.coin():
        number = pool.pick(SCALARS)
        return both(lambda c, v: np.where(c, v, number), condition, value)
    return both(np.where, condition, value, other)


def select(pool: Pool) -> Value | None:
    """The first choice whose condition holds."""
    value = pool.any("iuf", near=False)
    if value is None:
        return None
    default = pool.pick([0, 5, 2.5])
    return both(lambda v: np.select([v > 50, v > 20], [v, v * 2], default), value)


def clip(pool: Pool) -> Value | None:
    """Bounds of values."""
    value, bounds = (
        pool.any("iufmM", near=False),
        pool.pick([(5, 20), (None, 7), (3, None), (9, 4), (2.5, 60), (None, None), (-5, 300)]),
    )
    return value and both(lambda v: np.clip(v, *bounds), value)


def cast(pool: Pool) -> Value | None:
    """Another dtype; of what fits it, as NumPy leaves open what becomes of the rest."""
    value = pool.any("biufcM", near=False)
    if value is None:
        return None
    dtypes = ["f4", "f8", "c8", "c16", "?", "i8", "i2", "u1", ">i4", "M8[s]"]
    dtype = np.dtype(pool.pick(dtypes))
    a = value.held
    fits = a.dtype.kind not in "fc" or dtype.kind in "fcb"
    with quiet():
        fits = fits or bool(np.isfinite(a).all() and (abs(a) < 100).all() and (a.real >= 0).all())
    return both(lambda v: v.astype(dtype), value) if fits else None


def rounding(pool: Pool) -> Value | None:
    """Rounded to decimals."""
    value, decimals = pool.any("biufc", near=False), pool.pick([0, 1, 2, -1])
    return value and both(lambda v: np.round(v, decimals), value)


def tests(pool: Pool) -> Value | None:
    """Membership, closeness, replaced NaN, parts of complex values."""
    value = pool.any("biufc", near=False)
    functions = [
        lambda v: np.isin(v, [1, 5, 7]), lambda v: np.isin(v, [3, 4], invert=True), lambda v: np.isclose(v, 5),
        np.nan_to_num, np.real, np.imag, lambda v: v.real, lambda v: v.imag, lambda v: v.conj(),
    ]  # fmt: skip
    return value and both(pool.pick(functions), value)


def triangle(pool: Pool) -> Value | None:
    """The part beside a diagonal."""
    value, k, function = pool.any("biufc"), pool.integer(-2, 2), pool.pick([np.tril, np.triu])
    return (value and value.held.ndim > 1 and both(lambda v: function(v, k), value)) or None


STEPS = [
    unary, unary, rounded, binary, binary, scalar, scalar, operators, power, shift, shared, neighbours, where, select,
    clip, cast, rounding, tests, triangle,
]  # fmt: skip
