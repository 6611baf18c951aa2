"""What arithmetic on a stored array means: it is lazy, and in place it is refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np

from lazyzarr.format.fancy import Index
from lazyzarr.format.slots import Lazy, Masked, make_lazy

__all__ = ["LazyAccessor", "LazyOperators"]

Operator = Callable[..., Any]

# What people look for on an array, and find on the lazy one.
LAZY_METHODS = frozenset(
    "sum mean min max std var any all prod argmin argmax cumsum cumprod ptp round clip transpose T reshape "
    "rechunk map_blocks compute persist to_zarr explain dot squeeze flatten ravel conj real imag".split()
)


class LazyAccessor:
    """`z.lazy()` and `z.lazy[2:5]`: the stored array as the leaf of an expression.

    >>> z = lz.array([1, 2, 3, 4])
    >>> z.lazy[1:3].compute()
    array([2, 3])
    """

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __call__(self) -> Lazy:
        """The LazyArray over the whole array."""
        return make_lazy(self._array)

    @overload
    def __getitem__(self, selection: Lazy) -> Lazy | Masked[Lazy]: ...

    @overload
    def __getitem__(self, selection: Index) -> Lazy: ...

    def __getitem__(self, selection: Lazy | Index) -> Lazy | Masked[Lazy]:
        """The LazyArray over a part of the array; nothing is read."""
        return make_lazy(self._array)[selection]

    if not TYPE_CHECKING:  # a checker is to refuse it, too

        def __setitem__(self, selection: Any, value: Any) -> NoReturn:
            """Refused: an expression is not a place to write to."""
            raise TypeError(
                f"{self._array!r}.lazy[...] = value would not write anything.\n"
                "  z[...] = value                          writes to the store now\n"
                "  x = z.lazy(); x[x > 5] = 0              edits the expression"
            )

    def __repr__(self) -> str:
        return f"<lazy accessor of {self._array!r}: call it, or index it>"


def _unary(function: Operator) -> Callable[[LazyOperators], Lazy]:
    def method(self: LazyOperators) -> Lazy:
        found: Lazy = function(make_lazy(self))
        return found

    return method


def _binary(function: Operator) -> Callable[[LazyOperators, Any], Lazy]:
    def method(self: LazyOperators, other: Any) -> Lazy:
        found: Lazy = function(make_lazy(self), lifted(other))
        return found

    return method


def _reflected(function: Operator) -> Callable[[LazyOperators, Any], Lazy]:
    def method(self: LazyOperators, other: Any) -> Lazy:
        found: Lazy = function(lifted(other), make_lazy(self))
        return found

    return method


def _in_place(sign: str) -> Callable[[LazyOperators, Any], NoReturn]:
    def method(self: LazyOperators, other: Any) -> NoReturn:
        value = _spelled(other)
        held, streamed = (
            f"z[...] = z[...] {sign} {value}",
            f'z = (z {sign} {value}).to_zarr(z.store_path, mode="w")',
        )
        width = max(len(held), len(streamed))
        raise TypeError(
            f"z {sign}= {value} on the stored {self!r} would rebind z to a lazy array and write nothing. Write\n"
            f"  {held:{width}}  in memory, or\n"
            f"  {streamed:{width}}  piece by piece, swapped in at the end"
        )

    return method


def _spelled(other: Any) -> str:
    """A number as it is typed, and a name for anything else."""
    return str(other) if isinstance(other, (bool, int, float, complex, np.number)) else "other"


def lifted(value: Any) -> Any:
    """`value` with every stored array in it (in lists, tuples and dicts too) made lazy."""
    if isinstance(value, LazyOperators):
        return make_lazy(value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(lifted(item) for item in value)
    if type(value) is dict:
        return {key: lifted(item) for key, item in value.items()}
    return value


_equal, _not_equal = _binary(operator.eq), _binary(operator.ne)


class LazyOperators:
    """The operators of a stored array, each of which gives a lazy array.

    >>> z = lz.array([1, 2, 3])
    >>> (z * 2 + z).compute()
    array([3, 6, 9])
    >>> np.sqrt(z).dtype
    dtype('float64')
    """

    __slots__ = ()

    __add__, __radd__ = _binary(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _binary(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _binary(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _binary(operator.truediv), _reflected(operator.truediv)
    __floordiv__, __rfloordiv__ = _binary(operator.floordiv), _reflected(operator.floordiv)
    __mod__, __rmod__ = _binary(operator.mod), _reflected(operator.mod)
    __pow__, __rpow__ = _binary(operator.pow), _reflected(operator.pow)
    __matmul__, __rmatmul__ = _binary(operator.matmul), _reflected(operator.matmul)
    __and__, __rand__ = _binary(operator.and_), _reflected(operator.and_)
    __or__, __ror__ = _binary(operator.or_), _reflected(operator.or_)
    __xor__, __rxor__ = _binary(operator.xor), _reflected(operator.xor)
    __lshift__, __rlshift__ = _binary(operator.lshift), _reflected(operator.lshift)
    __rshift__, __rrshift__ = _binary(operator.rshift), _reflected(operator.rshift)
    __neg__, __pos__ = _unary(operator.neg), _unary(operator.pos)
    __abs__, __invert__ = _unary(abs), _unary(operator.invert)
    __lt__, __le__ = _binary(operator.lt), _binary(operator.le)
    __gt__, __ge__ = _binary(operator.gt), _binary(operator.ge)
    if not TYPE_CHECKING:  # a checker refuses what would make another class of z
        __iadd__, __isub__, __imul__ = _in_place("+"), _in_place("-"), _in_place("*")
        __itruediv__, __ifloordiv__, __imod__ = _in_place("/"), _in_place("//"), _in_place("%")
        __ipow__, __imatmul__ = _in_place("**"), _in_place("@")
        __iand__, __ior__, __ixor__ = _in_place("&"), _in_place("|"), _in_place("^")
        __ilshift__, __irshift__ = _in_place("<<"), _in_place(">>")

    # Written out: what is assigned would have the type of object's own, bool.
    def __eq__(self, other: Any) -> Lazy:  # type: ignore[override]
        return _equal(self, other)

    def __ne__(self, other: Any) -> Lazy:  # type: ignore[override]
        return _not_equal(self, other)

    # `==` is elementwise, so equality cannot serve dictionaries; identity does (targets of `lz.store`).
    __hash__ = object.__hash__

    def __divmod__(self, other: Any) -> tuple[Lazy, Lazy]:
        found: tuple[Lazy, Lazy] = divmod(make_lazy(self), lifted(other))
        return found

    def __rdivmod__(self, other: Any) -> tuple[Lazy, Lazy]:
        found: tuple[Lazy, Lazy] = divmod(lifted(other), make_lazy(self))
        return found

    def __contains__(self, value: Any) -> bool:
        # Python would ask for each row by itself.
        return value in make_lazy(self)

    @property
    def lazy(self) -> LazyAccessor:
        """The stored array as the leaf of an expression: `z.lazy()`, `z.lazy[2:5]`."""
        return LazyAccessor(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(out, LazyOperators) for out in options.get("out") or ()):
            raise TypeError(
                f"np.{ufunc.__name__} has a stored array as out=: write  z[...] = np.{ufunc.__name__}(...)"
            )
        return getattr(ufunc, method)(*lifted(inputs), **lifted(options))

    def __array_function__(self, function: Operator, types: Any, args: Any, options: Any) -> Any:
        return function(*lifted(args), **lifted(options))

    if not TYPE_CHECKING:  # a checker would take every name for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name in LAZY_METHODS:
                call = "" if name in ("T", "real", "imag") else "(...)"
                message += f": a stored array only reads and writes. z.lazy().{name}{call} computes lazily"
                message += f", z[...].{name}{call} in memory" if hasattr(np.ndarray, name) else ""
            elif hasattr(np.ndarray, name):
                message += f": a stored array only reads and writes; z[...].{name} works in memory"
            raise AttributeError(message, name=name, obj=self)
