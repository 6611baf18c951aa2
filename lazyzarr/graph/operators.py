"""The operators of a lazy array, each of which gives another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import numpy as np

from lazyzarr.graph.functions.alike import full_like
from lazyzarr.graph.functions.lines import matmul
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant, compared, power
from lazyzarr.graph.whole import Whole
from lazyzarr.graph.wrapping import called

__all__ = ["Operators"]


W = TypeVar("W", bound=Whole)


def _unary(function: np.ufunc) -> Callable[[W], W]:
    def method(self: W) -> W:
        return self._of(called(function, self.__lazyzarr_node__))

    return method


def _binary(function: np.ufunc, swapped: bool = False) -> Callable[[W, Any], W]:
    def apply(one: Node, two: Node | Constant) -> Node:
        return called(function, two, one) if swapped else called(function, one, two)

    def method(self: W, other: Any) -> W:
        return self._of(apply(self.__lazyzarr_node__, lift(other))) if _liftable(other) else NotImplemented

    return method


def _power(self: W, other: Any) -> W:
    return self._of(power(self.__lazyzarr_node__, lift(other))) if _liftable(other) else NotImplemented


def _reflected_power(self: W, other: Any) -> W:
    return self._of(power(lift(other), self.__lazyzarr_node__)) if _liftable(other) else NotImplemented


def _comparison(function: np.ufunc) -> Callable[[W, Any], W]:
    def apply(node: Node, other: Any) -> Node:
        if other is None:  # no element is
            return full_like(node, function is np.not_equal, bool)
        return compared(function, node, lift(other))

    def method(self: W, other: Any) -> W:
        return self._of(apply(self.__lazyzarr_node__, other)) if _liftable(other) else NotImplemented

    return method


def _liftable(other: Any) -> bool:
    """Whether an operand is ours to compute with: what asks for priority (xarray, pandas) goes first."""
    return getattr(other, "__array_ufunc__", True) is not None


_equal, _not_equal = _comparison(np.equal), _comparison(np.not_equal)


class Operators(Whole):
    """NumPy's operators, by the ufuncs that NumPy itself calls for them."""

    __slots__ = ()

    __add__, __radd__ = _binary(np.add), _binary(np.add, True)
    __sub__, __rsub__ = _binary(np.subtract), _binary(np.subtract, True)
    __mul__, __rmul__ = _binary(np.multiply), _binary(np.multiply, True)
    __truediv__, __rtruediv__ = _binary(np.true_divide), _binary(np.true_divide, True)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _binary(np.floor_divide, True)
    __mod__, __rmod__ = _binary(np.remainder), _binary(np.remainder, True)
    __pow__, __rpow__ = _power, _reflected_power
    __and__, __rand__ = _binary(np.bitwise_and), _binary(np.bitwise_and, True)
    __or__, __ror__ = _binary(np.bitwise_or), _binary(np.bitwise_or, True)
    __xor__, __rxor__ = _binary(np.bitwise_xor), _binary(np.bitwise_xor, True)
    __lshift__, __rlshift__ = _binary(np.left_shift), _binary(np.left_shift, True)
    __rshift__, __rrshift__ = _binary(np.right_shift), _binary(np.right_shift, True)
    __lt__, __le__ = _binary(np.less), _binary(np.less_equal)
    __gt__, __ge__ = _binary(np.greater), _binary(np.greater_equal)
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)

    # Written out: what is assigned would have the type of object's own, bool.
    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return _equal(self, other)

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]
        return _not_equal(self, other)

    # `==` is elementwise; sets and dictionaries go by identity.
    __hash__ = object.__hash__

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __matmul__(self, other: Any) -> Self:
        return self._of(matmul(self.__lazyzarr_node__, other)) if _liftable(other) else NotImplemented

    def __rmatmul__(self, other: Any) -> Self:
        return self._of(matmul(other, self.__lazyzarr_node__)) if _liftable(other) else NotImplemented

    def __iter__(self) -> Iterator[Self]:
        whole: Any = self
        if not whole.shape:
            raise TypeError("iteration over a 0-d array")
        return (whole[i] for i in range(whole.shape[0]))

    def __copy__(self) -> Self:
        return self._of(self.__lazyzarr_node__)  # what is assigned to one is not to the other
