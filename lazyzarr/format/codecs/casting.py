"""Numbers of one data type as those of another: exactly where that is possible, else by the rules given.

Specification: the registry's `cast_value` codec. Rounding comes before the range; what is left without a
rule is an error, so nothing is ever cast to something undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .numbers import Floats, Integers

__all__ = ["OUT_OF_RANGE", "ROUNDINGS", "CastError", "OutOfRange", "Rounding", "cast"]

Rounding: TypeAlias = Literal[
    "nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away"
]
OutOfRange: TypeAlias = Literal["clamp", "wrap"]
ROUNDINGS = ("nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away")
OUT_OF_RANGE = ("clamp", "wrap")

_Array: TypeAlias = "NDArray[Any]"


class CastError(ValueError):
    """An element that no rule casts."""


def cast(
    array: _Array,
    source: Integers | Floats,
    target: Integers | Floats,
    rounding: Rounding,
    out_of_range: OutOfRange | None,
) -> _Array:
    """The numbers of `array` in the target's data type; CastError for one that has no place there.

    >>> from .numbers import numbers_of
    >>> i1, f8 = numbers_of(np.dtype("i1")), numbers_of(np.dtype("f8"))
    >>> cast(np.array([2.5, -300.0]), f8, i1, "nearest-even", "wrap")
    array([  2, -44], dtype=int8)
    """
    if source.dtype == target.dtype:
        return array
    if isinstance(source, Integers):
        numbers = array.astype(source.memory)
        if isinstance(target, Integers):
            return _integers(numbers, target, out_of_range)
    else:
        numbers = array.astype(np.float64)
        if isinstance(target, Integers):
            return _rounded_integers(numbers, target, rounding, out_of_range)
    return _floats(numbers, target, rounding, out_of_range)


def _integers(numbers: _Array, target: Integers, out_of_range: OutOfRange | None) -> _Array:
    """Integers as other integers."""
    if out_of_range != "wrap":
        info = np.iinfo(numbers.dtype)
        least, greatest = max(info.min, target.least), min(info.max, target.greatest)
        beyond = (numbers < least) | (numbers > greatest)
        if beyond.any():
            if out_of_range is None:
                raise _beyond(numbers[beyond][0], target)
            numbers = np.clip(numbers, least, greatest)
    return _stored(numbers.astype(target.memory), target)


def _stored(numbers: _Array, target: Integers) -> _Array:
    """NumPy's integers as the target's: some of those take less than a byte."""
    if target.dtype == numbers.dtype:
        return numbers
    return (numbers.view(np.uint8) & np.uint8((1 << target.bits) - 1)).view(target.dtype)


def _rounded_integers(
    numbers: _Array, target: Integers, rounding: Rounding, out_of_range: OutOfRange | None
) -> _Array:
    """Doubles as integers."""
    if not np.isfinite(numbers).all():
        wrong = numbers[~np.isfinite(numbers)][0]
        raise CastError(f"{wrong} is no {target.dtype} and scalar_map does not name it")
    whole = _WHOLE[rounding](numbers)
    beyond = (whole < float(target.least)) | (whole >= float(target.greatest + 1))
    if not beyond.any():
        return _stored(whole.astype(target.memory), target)
    if out_of_range is None:
        raise _beyond(whole[beyond][0], target)
    if out_of_range == "wrap":
        return _stored(_wrapped(whole).astype(target.memory), target)
    inside = np.where(beyond, 0.0, whole).astype(target.memory)
    ends = np.where(whole < 0, target.memory.type(target.least), target.memory.type(target.greatest))
    return _stored(np.where(beyond, ends, inside).astype(target.memory), target)


def _wrapped(whole: _Array) -> NDArray[np.uint64]:
    """Whole doubles modulo 2**64, exactly."""
    rest = np.fmod(whole, 2.0**64)
    size: NDArray[np.uint64] = np.abs(rest).astype(np.uint64)
    return np.where(rest < 0, ~size + np.uint64(1), size)


def _away(numbers: _Array) -> _Array:
    whole = np.trunc(numbers)
    rounded: _Array = whole + np.copysign(np.abs(numbers - whole) >= 0.5, numbers)
    return rounded


_WHOLE: dict[str, Callable[[_Array], _Array]] = {
    "nearest-even": np.rint,
    "towards-zero": np.trunc,
    "towards-positive": np.ceil,
    "towards-negative": np.floor,
    "nearest-away": _away,
}


def _floats(numbers: _Array, target: Floats, rounding: Rounding, out_of_range: OutOfRange | None) -> _Array:
    """Doubles, or integers, as floating-point numbers."""
    small = target.dtype.itemsize <= 2
    if not small and rounding == "nearest-even":  # what the processor does
        with np.errstate(all="ignore"):
            cast = numbers.astype(target.dtype)
        beyond = np.isinf(cast) & np.isfinite(numbers)
    else:
        cast, beyond = _between(numbers, target, rounding)
    if out_of_range is None and beyond.any():
        raise _beyond(numbers[beyond][0], target)
    return cast


def _between(numbers: _Array, target: Floats, rounding: Rounding) -> tuple[_Array, NDArray[np.bool_]]:
    """The neighbours of each number in the target, and that which the rounding chooses."""
    finite = np.isfinite(numbers)
    inside = numbers if finite.all() else np.where(finite, numbers, 0)
    lower, upper, greatest = _neighbours(inside, target)
    chosen = _chosen(inside, lower, upper, target, rounding)
    beyond = np.abs(chosen) > greatest
    with np.errstate(all="ignore"):
        # What is beyond is clamped: to an infinity, where there is one.
        ends = _ends(target, greatest)
        chosen = np.where(beyond, np.copysign(ends, chosen), chosen)
        chosen = np.where(chosen == 0, np.copysign(0.0, numbers), chosen)  # rounded from below, or -0.0
        if not finite.all():
            chosen = np.where(finite, chosen, numbers)
            _check_special(numbers, target)
        return chosen.astype(target.dtype), beyond


def _ends(target: Floats, greatest: float) -> float:
    infinite = np.array(np.inf).astype(target.dtype).astype(np.float64)
    return float(infinite) if np.isinf(infinite) else greatest


def _check_special(numbers: _Array, target: Floats) -> None:
    """Refuse NaN and infinities where the target has none."""
    with np.errstate(all="ignore"):
        for special in (np.nan, np.inf, -np.inf):
            there = np.isnan(numbers) if np.isnan(special) else numbers == special
            if there.any() and not _has(target, special):
                raise CastError(f"{special} is no {target.dtype} and scalar_map does not name it")


def _has(target: Floats, special: float) -> bool:
    back = np.array(special).astype(target.dtype).astype(np.float64)
    return bool(np.isnan(back) if np.isnan(special) else back == special)


def _neighbours(numbers: _Array, target: Floats) -> tuple[_Array, _Array, float]:
    """The target's numbers at or below, and at or above, as doubles; and its greatest.

    Beyond the greatest follows what would be next, if there were more exponents.
    """
    if target.dtype.itemsize <= 2:
        values = target.values
        ulp = values[-1] - values[-2]
        steps = np.concatenate([[-values[-1] - ulp], values, [values[-1] + ulp]])
        at = np.clip(np.searchsorted(steps, numbers.astype(np.float64), "right") - 1, 0, None)
        at -= (_compared(steps[at], numbers) > 0) & (at > 0)  # an integer was rounded up to a double
        lower = steps[at]
        between = _compared(lower, numbers) < 0
        upper = steps[np.minimum(at + between, len(steps) - 1)]
        return lower, upper, float(values[-1])
    with np.errstate(all="ignore"):
        near = numbers.astype(target.dtype)
        below, above = np.nextafter(near, -np.inf).astype(near.dtype), np.nextafter(near, np.inf)
        above = above.astype(near.dtype)
    side = _compared(near.astype(np.float64), numbers)
    lower = _doubles(np.where(side > 0, below, near))
    upper = _doubles(np.where(side < 0, above, near))
    if target.dtype == np.float32:
        lower = np.where(numbers >= 2.0**128, 2.0**128, lower)
        upper = np.where(numbers <= -(2.0**128), -(2.0**128), upper)
    return lower, upper, float(np.finfo(target.dtype).max)


def _doubles(floats: _Array) -> _Array:
    """As doubles; a float32's infinity as what would be next."""
    doubles = floats.astype(np.float64)
    return (
        np.where(np.isinf(doubles), np.copysign(2.0**128, doubles), doubles)
        if floats.dtype == "f4"
        else doubles
    )


def _compared(left: _Array, numbers: _Array) -> _Array:
    """The sign of left - numbers, exactly: doubles, and doubles or integers."""
    if numbers.dtype.kind == "f":
        sign: _Array = np.sign(left - numbers)  # a difference of doubles is never rounded to zero
        return sign
    info = np.iinfo(numbers.dtype)
    above, below = left >= float(info.max + 1), left < float(info.min)
    whole = np.floor(np.where(above | below, 0.0, left))
    same = whole.astype(numbers.dtype)
    sign = np.where(same > numbers, 1, np.where(same < numbers, -1, np.where(left > whole, 1, 0)))
    return np.where(above, 1, np.where(below, -1, sign))


def _chosen(numbers: _Array, lower: _Array, upper: _Array, target: Floats, rounding: Rounding) -> _Array:
    if rounding == "towards-negative":
        return lower
    if rounding == "towards-positive":
        return upper
    if rounding == "towards-zero":
        return np.where(numbers > 0, lower, upper)
    half = _middle(numbers, lower, upper)
    if rounding == "nearest-away":
        tie = np.where(numbers > 0, upper, lower)
    else:
        tie = np.where(_even(lower, target), lower, upper)
    return np.where(half > 0, lower, np.where(half < 0, upper, tie))


def _middle(numbers: _Array, lower: _Array, upper: _Array) -> _Array:
    """Where the middle of two neighbours lies: above (1), at (0) or below (-1) the number between them."""
    if numbers.dtype.kind == "f":
        return np.sign(lower / 2 + upper / 2 - numbers)
    # The middle of two doubles may be none; of integers the differences are small.
    behind = (upper - lower) / 2
    sign: _Array = np.sign(behind - (numbers - lower.astype(numbers.dtype)).astype(np.float64))
    return sign


def _even(values: _Array, target: Floats) -> NDArray[np.bool_]:
    """Whether the last bit of the mantissa is 0; so it is of what follows the greatest of all."""
    with np.errstate(all="ignore"):
        there = values.astype(target.dtype)
    odd = there.view(target.bits) & target.bits.type(1)
    even: NDArray[np.bool_] = (odd == 0) | (there.astype(np.float64) != values)
    return even


def _beyond(number: Any, target: Integers | Floats) -> CastError:
    return CastError(
        f'{number} is beyond {target.dtype}; out_of_range "clamp" or "wrap" would say what to do'
    )
