"""Double-double: numbers as the sum of two float64s, for twice the digits, on whole arrays.

T. J. Dekker, "A floating-point technique for extending the available precision", 1971; where a product or a sum goes
beyond what float64 holds, the second part is NaN, and callers say what becomes of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Double", "less", "over", "parted", "plus", "root", "times", "two_product", "two_sum"]

Array = np.ndarray[Any, Any]
Double = tuple[Any, Any]
"""A number as float64 holds it, and what that is short of."""

_HALVES = 2.0**27 + 1  # cuts float64's 53 digits in two, whose products float64 holds


def parted(array: Array) -> Array:
    """Complex numbers as their real and imaginary parts along a further axis; others as they are. A view."""
    return array[..., None].view(np.float64) if array.dtype.kind == "c" else array


def two_sum(a: Any, b: Any) -> Double:
    """The sum as it is rounded, and what rounding took from it.

    >>> two_sum(1.0, 2.0**-60) == (1.0, 2.0**-60)
    True
    """
    new = a + b
    shadow = new - a
    return new, (a - (new - shadow)) + (b - shadow)


def two_product(a: Any, b: Any) -> Double:
    """The product as it is rounded, and what rounding took from it.

    >>> two_product(1 + 2.0**-30, 1 + 2.0**-30) == (1 + 2.0**-29, 2.0**-60)
    True
    """
    new = a * b
    (a, a_rest), (b, b_rest) = _halves(a), _halves(b)
    return new, ((a * b - new) + a * b_rest + a_rest * b) + a_rest * b_rest


def _halves(a: Any) -> tuple[Any, Any]:
    far = a * _HALVES
    high = far - (far - a)
    return high, a - high


def _settled(high: Any, low: Any) -> Double:
    """The same number, its first part as near to it as float64 can be; the second is the smaller one."""
    new = high + low
    return new, low - (new - high)


def plus(a: Double, b: Double) -> Double:
    """The sum."""
    high, low = two_sum(a[0], b[0])
    rest, least = two_sum(a[1], b[1])
    high, low = _settled(high, low + rest)
    return _settled(high, low + least)


def less(a: Double, b: Double) -> Double:
    """The difference."""
    return plus(a, (-b[0], -b[1]))


def times(a: Double, b: Double) -> Double:
    """The product."""
    high, low = two_product(a[0], b[0])
    return _settled(high, low + (a[0] * b[1] + a[1] * b[0]))


def over(a: Double, number: Any) -> Double:
    """The quotient by a number."""
    high = a[0] / number
    back, lost = two_product(high, number)
    return _settled(high, ((a[0] - back) - lost + a[1]) / number)


def root(a: Double) -> Any:
    """The square root, rounded."""
    near = np.sqrt(a[0])
    back, lost = two_product(near, near)
    return near + ((a[0] - back) - lost + a[1]) / np.where(near > 0, 2 * near, 1)
