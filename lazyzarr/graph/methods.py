"""The methods of a lazy array that NumPy's arrays have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, SupportsIndex

from numpy.typing import ArrayLike, DTypeLike

from lazyzarr.graph.functions import alike, lines, reductions, shapes, values
from lazyzarr.graph.whole import Whole
from lazyzarr.graph.words import Axes, Axis

__all__ = ["Methods"]


class Methods(Whole):
    """NumPy's methods; an axis is a number or a dimension name, several a tuple, None all."""

    __slots__ = ()

    # --- reductions

    def sum(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Self:
        """The sum over axes, in NumPy's dtype for it; floats are summed in float64 at least."""
        return self._of(reductions.sum(self.__lazyzarr_node__, axis, dtype, keepdims, initial, where))

    def prod(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Self:
        """The product over axes, in NumPy's dtype for it."""
        return self._of(reductions.prod(self.__lazyzarr_node__, axis, dtype, keepdims, initial, where))

    def mean(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        where: Any = True,
    ) -> Self:
        """The arithmetic mean over axes: float64 of integers and bools, else in the values' own dtype."""
        return self._of(reductions.mean(self.__lazyzarr_node__, axis, dtype, keepdims, where))

    def std(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        where: Any = True,
        correction: float | None = None,
    ) -> Self:
        """The standard deviation over axes, with `ddof` taken from the count, in the dtype of `mean`, made real."""
        return self._of(
            reductions.std(self.__lazyzarr_node__, axis, dtype, ddof, keepdims, where, correction)
        )

    def var(
        self,
        axis: Axes = None,
        dtype: DTypeLike | None = None,
        ddof: float = 0,
        keepdims: bool = False,
        where: Any = True,
        correction: float | None = None,
    ) -> Self:
        """The variance over axes, with `ddof` taken from the count, in the dtype of `mean`, made real."""
        return self._of(
            reductions.var(self.__lazyzarr_node__, axis, dtype, ddof, keepdims, where, correction)
        )

    def min(self, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Self:
        """The minimum over axes; NaN where there is one. Raises ValueError where there is nothing to compare."""
        return self._of(reductions.min(self.__lazyzarr_node__, axis, keepdims, initial, where))

    def max(self, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Self:
        """The maximum over axes; NaN where there is one. Raises ValueError where there is nothing to compare."""
        return self._of(reductions.max(self.__lazyzarr_node__, axis, keepdims, initial, where))

    def any(self, axis: Axes = None, keepdims: bool = False, where: Any = True) -> Self:
        """Whether any value is true, over axes."""
        return self._of(reductions.any(self.__lazyzarr_node__, axis, keepdims, where))

    def all(self, axis: Axes = None, keepdims: bool = False, where: Any = True) -> Self:
        """Whether all values are true, over axes."""
        return self._of(reductions.all(self.__lazyzarr_node__, axis, keepdims, where))

    def argmin(self, axis: Axis | None = None, keepdims: bool = False) -> Self:
        """Where the first minimum stands along an axis; None: in the raveled array."""
        return self._of(reductions.argmin(self.__lazyzarr_node__, axis, keepdims))

    def argmax(self, axis: Axis | None = None, keepdims: bool = False) -> Self:
        """Where the first maximum stands along an axis; None: in the raveled array."""
        return self._of(reductions.argmax(self.__lazyzarr_node__, axis, keepdims))

    def cumsum(self, axis: Axis | None = None, dtype: DTypeLike | None = None) -> Self:
        """The running sum along an axis, in the dtype of `sum`; None: of the raveled array."""
        return self._of(lines.cumsum(self.__lazyzarr_node__, axis, dtype))

    def cumprod(self, axis: Axis | None = None, dtype: DTypeLike | None = None) -> Self:
        """The running product along an axis, in the dtype of `prod`; None: of the raveled array."""
        return self._of(lines.cumprod(self.__lazyzarr_node__, axis, dtype))

    def argsort(self, axis: Axis | None = -1, kind: str | None = None) -> Self:
        """The positions that sort the values along an axis; None: of the raveled array."""
        return self._of(lines.argsort(self.__lazyzarr_node__, axis, kind))

    def topk(self, k: int, axis: Axis = -1) -> Self:
        """The k largest values along an axis, largest first; with k < 0 the smallest, smallest first."""
        return self._of(lines.topk(self.__lazyzarr_node__, k, axis))

    def argtopk(self, k: int, axis: Axis = -1) -> Self:
        """The positions of what topk gives along an axis; of equal values the first ones."""
        return self._of(lines.argtopk(self.__lazyzarr_node__, k, axis))

    def ffill(self, axis: Axis = -1, limit: int | None = None) -> Self:
        """The values with each NaN (NaT) replaced by the last value before it along an axis.

        `limit`: at most so many in a row are filled. Raises ValueError for one below 1.
        """
        return self._of(lines.ffill(self.__lazyzarr_node__, axis, limit))

    def bfill(self, axis: Axis = -1, limit: int | None = None) -> Self:
        """The values with each NaN (NaT) replaced by the next value after it along an axis, as `ffill`."""
        return self._of(lines.bfill(self.__lazyzarr_node__, axis, limit))

    # --- values

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """The values no less than one bound and no greater than the other."""
        return self._of(values.clip(self.__lazyzarr_node__, min, max))

    def round(self, decimals: int = 0) -> Self:
        """The values rounded to so many decimals, halves to even."""
        return self._of(values.round(self.__lazyzarr_node__, decimals))

    def conj(self) -> Self:
        """The complex conjugate; what is not complex, in its own dtype."""
        return self._of(values.conj(self.__lazyzarr_node__))

    conjugate = conj

    @property
    def real(self) -> Self:
        """The real part."""
        return self._of(values.real(self.__lazyzarr_node__))

    @property
    def imag(self) -> Self:
        """The imaginary part."""
        return self._of(values.imag(self.__lazyzarr_node__))

    # --- arrangements

    def transpose(self, *axes: Axis | Sequence[Axis] | None) -> Self:
        """The array with its axes in another order: by number or dimension name; reversed where none is given.

        Raises ValueError where an axis is missing or named twice.
        """
        given: Any = (
            axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes
        )
        return self._of(shapes.transpose(self.__lazyzarr_node__, given or None if not axes else given))

    def swapaxes(self, axis1: Axis, axis2: Axis) -> Self:
        """The array with two axes in each other's place."""
        return self._of(shapes.swapaxes(self.__lazyzarr_node__, axis1, axis2))

    def squeeze(self, axis: Axes = None) -> Self:
        """The array without its axes of length 1, or without those given."""
        return self._of(shapes.squeeze(self.__lazyzarr_node__, axis))

    def reshape(self, *shape: SupportsIndex | Sequence[SupportsIndex], order: str = "C") -> Self:
        """The elements in C order under another shape, of which one length may be -1."""
        wanted: Any = shape[0] if len(shape) == 1 else shape
        return self._of(shapes.reshape(self.__lazyzarr_node__, wanted, order))

    def ravel(self, order: str = "C") -> Self:
        """The elements in C order along one axis."""
        return self._of(shapes.ravel(self.__lazyzarr_node__, order))

    def flatten(self, order: str = "C") -> Self:
        """The elements in C order along one axis."""
        return self._of(shapes.ravel(self.__lazyzarr_node__, order))

    def copy(self, order: str = "C") -> Self:
        """The same elements by another name: what is assigned to `y = x.copy()` is not to `x`."""
        return self._of(alike.copy(self.__lazyzarr_node__))

    def repeat(self, repeats: ArrayLike, axis: Axis | None = None) -> Self:
        """Each element several times, along an axis; None: of the raveled array."""
        return self._of(shapes.repeat(self.__lazyzarr_node__, repeats, axis))

    def take(self, indices: ArrayLike, axis: Axis | None = None) -> Self:
        """The elements at these positions along an axis; None: of the raveled array."""
        return self._of(shapes.take(self.__lazyzarr_node__, indices, axis))

    def dot(self, b: Any) -> Self:
        """NumPy's dot: sums of products over the last axis of this and the last but one of `b`."""
        return self._of(lines.dot(self.__lazyzarr_node__, b))
