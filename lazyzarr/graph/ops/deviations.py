"""Deviations: the sums of values and of their squares, counted from a number near the mean; no rounding of them shows.

A value less that centre is cut in two: a multiple of a grid, and a rest of half a step of it at most. While the squares
add up to less than 2**53 squares of the step, float64 holds those of multiples and all their sums as they are, in
whatever order they are added; of the rests' part in the sums too little is left for its rounding to count. Steps are
powers of two (J. Demmel, H. D. Nguyen, "Fast reproducible floating-point summation", 2013, sum plain values like this).
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.graph.ops.double import Double, less, over, plus, root, times, two_sum
from lazyzarr.graph.ops.piecewise import PIECE, PLACES, pieces, scratch

__all__ = ["PARTS", "Sums", "folding_bytes", "join", "number_of", "squared", "take", "variance"]

Array = np.ndarray[Any, Any]

COPIES = 18  # arrays of so many elements that are made on the way, where little is folded into each sum
EXACT = 2.0**53
FINE, FINEST = (
    12,
    20,
)  # binary digits of a standard deviation in steps: at 12, 2**29 values have room, or fewer further apart
ALIKE = 64.0  # how many times the variance of one sum those of others may be, and distances of their means squared
SPREAD = 2.0**-4  # of others' variance: what one is taken for at least
COARSE, COARSE_OF_MANY = 12, 4  # digits of a deviation in steps that leave more to the rests than they should
MANY = 1024  # values, from which on the rounding of their rests evens out
LEAST, LONGEST = (
    2.0**-500,
    2.0**480,
)  # steps: the squares of shorter ones are none, and of longer ones infinite
SAMPLE = FEW = 8  # values that tell how far others are apart
ROW = 2048  # values whose product with others is one call of a library, which uses no threads of its own for so few


class Sums(NamedTuple):
    """What is known of values less `centre`, each place of the arrays for itself; sums are double-doubles."""

    centre: Array
    step: Array
    total: Array
    total_rest: Array
    squares: Array
    squares_rest: Array

    def doubles(self) -> tuple[Double, Double]:
        """The sum, and the sum of squares."""
        return two_sum(self.total, self.total_rest), two_sum(self.squares, self.squares_rest)

    def add(self, other: Sums) -> None:
        """Takes sums of other values, from the same centre by the same steps."""
        for own, more in zip(self[2:], other[2:], strict=True):
            np.add(own, more, out=own)

    def put(self, other: Sums, where: Any = True) -> None:
        """Takes another's numbers."""
        for own, new in zip(self, other, strict=True):
            np.copyto(own, new, where=where)


PARTS = len(Sums._fields)


def folding_bytes(elements: int, dtype: np.dtype[Any]) -> int:
    """What `take` makes on the way, of so many values."""
    wide = 16 if dtype.kind == "c" else 8
    cast = 0 if dtype in (np.float64, np.complex128) else elements * wide
    return cast + COPIES * min(elements * wide, PIECE * 8)


def take(
    sums: Sums, values: Array, axes: tuple[int, ...], before: int | Array, mask: Array | None = None
) -> None:
    """Takes values into sums over axes, which are kept with length 1; where there is a mask, those that it picks.

    `before` is how many each sum holds already: one number for all, or an array, which is kept up to date.
    """
    with np.errstate(all="ignore"):
        if values.size <= PIECE and sums.centre.size <= PLACES:
            _take(sums, values, axes, _counts(before, values, axes, mask))
            return
        seen: dict[str, int] = {}
        for kept, piece in pieces(values.shape, axes):
            key = str(kept)
            known = before[kept] if isinstance(before, np.ndarray) else before + seen.get(key, 0)
            counts = _counts(known, values[piece], axes, None if mask is None else mask[piece])
            _take(Sums(*[array[kept] for array in sums]), values[piece], axes, counts)
            seen[key] = seen.get(key, 0) + math.prod(values[piece].shape[axis] for axis in axes)


def number_of(shape: tuple[int, ...], axes: tuple[int, ...], mask: Array | None) -> Any:
    """How many values come into each sum."""
    if mask is None:
        return math.prod(shape[axis] for axis in axes)
    return np.add.reduce(mask, axis=axes, dtype=np.int64, keepdims=True)


class _Counts(NamedTuple):
    """How many values are in each sum, and how many more come; and which of these count."""

    before: Any
    number: Any
    mask: Array | None


def _counts(before: Any, values: Array, axes: tuple[int, ...], mask: Array | None) -> _Counts:
    return _Counts(before, number_of(values.shape, axes, mask), mask)


def _take(own: Sums, values: Array, axes: tuple[int, ...], counts: _Counts) -> None:
    """Takes values that are few enough, and counts them where they are counted."""
    if np.min(counts.before) == 0:
        for mine, found in zip(own, _first(values, axes, counts.mask), strict=False):
            np.copyto(mine, found, where=np.equal(counts.before, 0))
    more = _cut(own.centre, own.step, values, axes, counts.mask)
    far = _far(own, own.squares + more.squares, counts)
    if far is None:
        own.add(more)
    else:
        kept = Sums(*[array[far][:, None] for array in own])
        own.add(more)  # what is more lies in arrays that are used again now
        again = _again(kept, *_rows(far, values, axes, counts))
        for mine, part in zip(own, again, strict=True):
            mine[far] = part[:, 0]
    if isinstance(counts.before, np.ndarray):
        np.add(counts.before, counts.number, out=counts.before)


def _far(own: Sums, squares: Array, counts: _Counts) -> Array | None:
    """Where steps do not fit what the squares come to; None where all do."""
    area = own.step * own.step
    far = np.logical_not(squares <= area * EXACT)
    if np.min(counts.before) <= FEW:
        # What was known of few values may have been wrong: much too long steps are no better than none.
        all_of_them = counts.before + counts.number
        few = np.less_equal(counts.before, FEW) & np.greater(all_of_them, 1)
        digits = np.where(np.less(all_of_them, MANY), COARSE, COARSE_OF_MANY)
        far |= (squares < area * np.ldexp(1.0, 2 * digits) * all_of_them) & few
    if far.any():
        far &= np.isfinite(own.squares)  # what is no number stays none
    return far if far.any() else None


def _first(values: Array, axes: tuple[int, ...], mask: Array | None) -> tuple[Array, Array]:
    """A centre and steps for the sums of these values, the first of theirs."""
    number = math.prod(values.shape[axis] for axis in axes)
    each = max(2, round(SAMPLE ** (1 / max(len(axes), 1))))
    index = tuple(
        slice(None, None, max(1, n // each)) if axis in axes else slice(None)
        for axis, n in enumerate(values.shape)
    )
    mean, variance = _moments(values[index], axes, None if mask is None else mask[index])
    if number >= FEW:
        return _placed(*_alike(mean, variance), number)
    if values.size > 1:
        # Of one value, or of a few, little is known: others' may be spread alike.
        if variance.size == values.size:
            variance = (mean - _mean_of_finite(mean)) ** 2
        known = _mean_of_finite(variance)
        variance = np.fmax(variance, known * SPREAD)
    return _placed(mean, variance, number)


def _mean_of_finite(values: Array) -> Any:
    """The mean of the values that are finite; NaN where none is, of which NumPy's own warns."""
    finite = np.isfinite(values)
    return np.mean(values, where=finite) if finite.any() else math.nan


def _alike(mean: Array, variance: Array) -> tuple[Any, Any]:
    """One mean and variance for all sums, which is faster, where that is as good for each of them."""
    middle = np.mean(mean)
    each = variance + (mean - middle) ** 2
    together = np.mean(each)
    return (middle, together) if np.max(each) < ALIKE * np.min(variance) else (mean, variance)


def _moments(values: Array, axes: tuple[int, ...], mask: Array | None) -> tuple[Array, Array]:
    number: Any = number_of(values.shape, axes, mask)
    if mask is not None:
        number = np.maximum(number, 1)
        values = np.where(mask, values, 0)
    mean = np.add.reduce(values, axis=axes, keepdims=True) / number
    apart = values - mean if mask is None else np.where(mask, values - mean, 0)
    return mean, np.add.reduce(apart * apart, axis=axes, keepdims=True) / number


def _placed(near: Array, variance: Array, number: Any) -> tuple[Array, Array]:
    """A centre near the mean, and steps as they fit the standard deviation of so many values, or of some more."""
    digits = np.clip((44 - np.frexp(np.float64(number))[1]) // 2, FINE, FINEST)
    wanted = np.ldexp(np.sqrt(variance), -digits)
    # A centre of 50 digits before the step: values less it are cut exactly. NaN gives the shortest steps.
    wanted = np.fmin(np.fmax(np.fmax(wanted, np.abs(near) * 2.0**-50), LEAST), LONGEST)
    step = np.ldexp(1.0, np.frexp(wanted)[1])
    return np.where(np.isfinite(near), np.rint(near / step) * step, 0), step


def _cut(centre: Array, step: Array, values: Array, axes: tuple[int, ...], mask: Array | None) -> Sums:
    """The sums of values less the centre, cut in two."""
    high, steps, filled = scratch.like(values)
    if mask is not None:
        np.copyto(filled, centre)
        np.copyto(filled, values, where=mask)
        values = filled
    # What is added to so large a number is rounded to the step.
    large: Any = step * (1.5 * 2.0**52)
    lift: Any = large - centre
    if FEW * lift.size <= values.size and (lift == lift.flat[0]).all() and (large == large.flat[0]).all():
        large, lift = large.item(0), lift.item(0)
    np.add(values, lift, out=high)
    np.subtract(high, large, out=steps)
    rest = np.subtract(values, np.subtract(high, lift, out=high), out=high)
    if values.size == centre.size:
        return Sums(centre, step, steps, rest, steps * steps, (steps + steps + rest) * rest)
    total, total_rest = (np.add.reduce(part, axis=axes, keepdims=True) for part in (steps, rest))
    squares_rest = 2 * _dot(steps, rest, axes) + _dot(rest, rest, axes)
    return Sums(centre, step, total, total_rest, _dot(steps, steps, axes), squares_rest)


def _dot(a: Array, b: Array, axes: tuple[int, ...]) -> Array:
    """The sum of products over axes."""
    if len(axes) == a.ndim and a.size % ROW == 0:
        # Both lie in one piece, and in the same order.
        rows, others = (array.ravel("K").reshape(-1, ROW) for array in (a, b))
        found: Array = np.add.reduce(np.vecdot(rows, others))
        return found.reshape((1,) * a.ndim)
    if axes == (a.ndim - 1,) and a.shape[-1] <= ROW:
        return np.vecdot(a, b)[..., None]  # type: ignore[no-any-return]
    letters = "abcdefghijklmnopqrstuvwxyz"[: a.ndim]
    left = "".join(letter for axis, letter in enumerate(letters) if axis not in axes)
    found = np.einsum(f"{letters},{letters}->{left}", a, b)
    return np.reshape(found, [1 if axis in axes else n for axis, n in enumerate(a.shape)])


def _rows(where: Array, values: Array, axes: tuple[int, ...], counts: _Counts) -> tuple[Array, _Counts]:
    """The values of some sums, a row for each, and their counts."""
    kept = where.reshape([n for axis, n in enumerate(values.shape) if axis not in axes])

    def rows(array: Array) -> Array:
        found: Array = np.moveaxis(array, axes, range(-len(axes), 0))[kept]
        return found.reshape(len(found), -1)

    before, number = (
        np.broadcast_to(n, where.shape)[where][:, None] if isinstance(n, np.ndarray) else n
        for n in (counts.before, counts.number)
    )
    mask = None if counts.mask is None else rows(np.broadcast_to(counts.mask, values.shape))
    return rows(values), _Counts(before, number, mask)


def _again(own: Sums, rows: Array, counts: _Counts) -> Sums:
    """Sums with rows of further values, from a better centre by fitting steps; plainly where no step fits."""
    own = _exactly(own, counts.before)
    number, all_of_them = counts.number, np.maximum(counts.before + counts.number, 1)
    mean, variance = _moments(rows, (1,), counts.mask)
    apart = mean - own.centre
    plain = own._replace(
        total=own.total + number * apart, squares=own.squares + number * (variance + apart * apart)
    )
    near = own.centre + plain.total / all_of_them
    shift = mean - near
    _, before = _counted_from(own.doubles(), counts.before, two_sum(near, -own.centre))
    spread = (before[0] + number * (variance + shift * shift)) / all_of_them
    centre, step = _placed(near, spread, all_of_them)
    moved = _counted_from(own.doubles(), counts.before, two_sum(centre, -own.centre))
    more = _cut(centre, step, rows, (1,), counts.mask)
    known = [_on_steps(both, length) for both, length in zip(moved, (step, step * step), strict=True)]
    sums = [one + other for one, other in zip(itertools.chain(*known), more[2:], strict=True)]
    found = Sums(centre, step, *sums)
    plain.put(found, found.squares <= EXACT * step * step)
    return plain


def _on_steps(number: Double, step: Array) -> Double:
    """The same number, its first part a multiple of the step."""
    large = step * (1.5 * 2.0**52)
    high = (number[0] + large) - large
    return high, (number[0] - high) + number[1]


def _counted_from(sums: tuple[Double, Double], number: Any, distance: Double) -> tuple[Double, Double]:
    """The sums of so many values, counted from so far away."""
    total, squares = sums
    moved = less(total, times(distance, (number, 0.0)))
    return moved, less(squares, times(distance, plus(total, moved)))


def join(sums: Sums, other: Sums, before: Any, count: Any) -> None:
    """Takes the sums of `count` other values into those of `before`: numbers, or arrays of them.

    They are no multiples of a step then: no more values are taken into them as exactly.
    """
    with np.errstate(all="ignore"):
        for _, piece in pieces(sums.centre.shape, ()):
            known, more = (n[piece] if isinstance(n, np.ndarray) else n for n in (before, count))
            own, theirs = (Sums(*[array[piece] for array in each]) for each in (sums, other))
            fresh = np.broadcast_to(np.equal(known, 0), own.centre.shape)
            joined = _joined(_exactly(own, known), _exactly(theirs, more), more)
            own.put(joined, ~fresh & np.greater(more, 0))
            own.put(theirs, fresh)


def _exactly(sums: Sums, number: Any) -> Sums:
    """The same sums, those of one value counted from it."""
    one = np.broadcast_to(np.equal(number, 1), sums.centre.shape) & np.isfinite(sums.squares)
    if not one.any():
        return sums
    value = (sums.centre + sums.total) + sums.total_rest
    return Sums(np.where(one, value, sums.centre), sums.step, *[np.where(one, 0, part) for part in sums[2:]])


def _joined(own: Sums, other: Sums, count: Any) -> Sums:
    moved = _counted_from(other.doubles(), count, two_sum(own.centre, -other.centre))
    both = zip(own.doubles(), moved, (own.total + other.total, own.squares + other.squares), strict=True)
    sums = []
    for mine, theirs, plain in both:
        high, low = plus(mine, theirs)
        # Squares beyond what float64 holds leave NaN in their double: they are infinite, or what was NaN before.
        high = np.where(np.isfinite(high), high, np.where(np.isnan(plain), plain, np.inf))
        sums += [high, np.where(np.isfinite(low), low, 0)]
    return Sums(own.centre, np.maximum(own.step, other.step), *sums)


def squared(sums: Sums, number: Any) -> Double:
    """The sum of squared deviations from the mean; NaN where there are values that are no finite numbers."""
    with np.errstate(all="ignore"):
        total, squares = sums.doubles()
        high, low = less(squares, over(times(total, total), np.maximum(number, 1)))
        beyond = np.isinf(sums.squares) & np.isfinite(sums.total)
        # What equal values leave is the rounding of their rests.
        none = high <= 2.0**-50 * (abs(sums.squares_rest) + 2.0**-50 * sums.squares)
        high = np.where(beyond, np.inf, np.where(none, 0, high))
        return high, np.where(np.isfinite(low) & (high > 0), low, 0)


def variance(squares: Double, free: Any, rooted: bool) -> Array:
    """Squared deviations over the degrees of freedom, or the root of that, rounded once."""
    found: Array = np.true_divide(squares[0], free)
    with np.errstate(all="ignore"):
        fine = over(squares, free)
        near = root(fine) if rooted else fine[0]
    return np.where(np.isfinite(near), near, np.sqrt(found) if rooted else found)
