"""Masked: what a lazy mask picks of an array, whose number is not known before it is computed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lazyzarr.errors import SelectionError
from lazyzarr.graph.display import facts_html
from lazyzarr.graph.explain import Plan
from lazyzarr.graph.functions import grouping, reductions, shapes
from lazyzarr.graph.functions.values import where
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import elementwise
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.ops.elementwise import call as elementwise_node
from lazyzarr.graph.ops.user import UserElementwise
from lazyzarr.graph.outline import expression
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec, where_it_runs
from lazyzarr.graph.wrapping import called

__all__ = ["Masked"]

# Of finite numbers these give numbers; what others give for elements that are not picked could make NumPy warn.
_DEFINED = {
    *(np.add, np.subtract, np.multiply, np.negative, np.positive, np.absolute),
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
}
_REDUCING: dict[np.ufunc, str] = {
    np.add: "sum",
    np.multiply: "prod",
    np.minimum: "min",
    np.maximum: "max",
    np.logical_and: "all",
    np.logical_or: "any",
}
_REDUCTIONS = {"sum", "prod", "mean", "var", "std", "any", "all", "min", "max"}
_COUNTED = (
    "how many elements it picks is not known: x.compute_chunk_sizes() counts them, for x.size and len(x)"
)
_COMPUTED = "what it picks is put together by x.compute() alone"
_CURES = {
    "size": _COUNTED,
    "to_zarr": f"{_COMPUTED}: lz.save('picked.zarr', x.compute()); x.compute_chunk_sizes() counts before",
    "nbytes": f"{_COUNTED}; x.size * x.dtype.itemsize are the bytes",
    "chunks": f"{_COMPUTED}, in one piece",
    "rechunk": f"{_COMPUTED}: lz.from_array(x.compute(), chunks=1000)",
    "tolist": f"{_COMPUTED}: x.compute().tolist()",
}
Compute = Callable[..., Any]
A = TypeVar("A")


def _binary(function: np.ufunc, swapped: bool = False) -> Callable[[Masked[A], Any], Masked[A]]:
    def method(self: Masked[A], other: Any) -> Masked[A]:
        return self._apply(function, other, self) if swapped else self._apply(function, self, other)

    return method


def _unary(function: np.ufunc) -> Callable[[Masked[A]], Masked[A]]:
    def method(self: Masked[A]) -> Masked[A]:
        return self._apply(function, self)

    return method


class Masked(Generic[A]):
    """The elements of an array where a mask holds, in C order: `x[x > 2]`.

    Operators and ufuncs give further ones, with numbers or with what the same mask picks; reductions over all of
    them read the array once and put nothing together. Only `compute` does; `compute_chunk_sizes` and `len` count.
    """

    __slots__ = ("_compute", "_length", "_make", "_mask", "_values")

    def __init__(self, values: Node, mask: Node, make: Callable[[Node], A], compute: Compute) -> None:
        self._values, self._mask, self._make, self._compute = values, mask, make, compute
        self._length: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the values."""
        return self._values.dtype

    @property
    def ndim(self) -> int:
        """One axis."""
        return 1

    @property
    def shape(self) -> tuple[float]:
        """The number of elements, NaN until `compute_chunk_sizes()` or `len` has counted them."""
        return (math.nan if self._length is None else self._length,)

    def compute_chunk_sizes(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> Masked[A]:
        """This array, of which the elements are counted now: `shape` is known then.

        Options as `LazyArray.compute` takes them.
        """
        (count,) = self._compute(
            [self.count()],
            scheduler=scheduler,
            num_workers=num_workers,
            memory=memory,
            progress=progress,
            temp=temp,
        )
        self._length = int(count)
        return self

    @property
    def size(self) -> int:
        """The number of elements, once it is counted. Raises AttributeError before."""
        if self._length is None:
            raise AttributeError(name="size", obj=self)  # __getattr__ says how it is counted
        return self._length

    def __getattr__(self, name: str) -> NoReturn:
        said = f"what a mask picks has no {name!r}"
        raise AttributeError(f"{said}; {_CURES[name]}" if name in _CURES else said, name=name, obj=self)

    def __len__(self) -> int:
        if self._length is None:
            self.compute_chunk_sizes()
        return self._length or 0

    def __repr__(self) -> str:
        known = "" if self._length is not None else "; compute_chunk_sizes() counts"
        (shape,) = self.shape
        return f"<Masked ({shape},) of {self._values.shape} {self.dtype}{known}; compute() picks>"

    def _repr_html_(self) -> str:
        """What is known of it, as a table."""
        (shape,) = self.shape
        counts = "" if self._length is not None else "compute_chunk_sizes() counts them; "
        return facts_html(
            [
                ("Picked of", expression(self._values)[0]),
                ("Where", expression(self._mask)[0]),
                ("Shape", f"({shape},) {self.dtype}, of {self._values.shape}"),
                ("Elements", f"{counts}compute() picks them"),
            ]
        )

    def explain(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> Plan:
        """The plan of `compute`, which holds the array and its mask; options as `LazyArray.compute` takes them."""
        job = Job(scheduler, num_workers, memory, progress, temp)
        spec, chosen = make_spec([Output(self._values), Output(self._mask)], job)
        return Plan(
            spec.stages, chosen.reach, partial(self.compute, **vars(job)), where_it_runs(spec, chosen)
        )

    def compute(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> NDArray[Any]:
        """The elements as a NumPy array; options as `LazyArray.compute` takes them.

        The array and its mask are held in memory meanwhile. Raises MemoryBudgetError where they do not fit.
        """
        values, mask = self._compute(
            [self._make(self._values), self._make(self._mask)],
            scheduler=scheduler,
            num_workers=num_workers,
            memory=memory,
            progress=progress,
            temp=temp,
        )
        # Without axes a text is a str, which has forgotten its dtype.
        found: np.ndarray[Any, Any] = np.asarray(values, self.dtype)[mask]
        return found

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError(
                "what a lazy mask picks is not in memory: np.asarray(x) computes it, without copy=False"
            )
        return np.asarray(self.compute(), dtype=dtype)

    def values_of(self, mask: Any) -> Node:
        """The values before any were picked, for `x[mask] = x[mask] * 2`. Raises SelectionError for another mask."""
        if getattr(mask, "__lazyzarr_node__", None) is not self._mask:
            raise SelectionError(
                "what one mask picks goes where the same mask holds: m = x > 2; x[m] = x[m] * 2"
            )
        return self._values

    # --- element by element

    def _apply(self, function: np.ufunc, *operands: Any, **keywords: Any) -> Masked[A]:
        """A ufunc of what one mask picks, and numbers."""
        nodes = [self._operand(operand) for operand in operands]
        if function not in _DEFINED:
            nodes = [self._defined(node) for node in nodes]
        return Masked(called(function, *nodes, **keywords), self._mask, self._make, self._compute)

    def _defined(self, node: Node | Constant) -> Node | Constant:
        """An operand with ones where nothing is picked: NumPy is not to warn of what nobody asked for."""
        if isinstance(node, Constant) or not node.ndim or node.dtype.kind not in "fciu":
            return node
        return where(self._mask, node, Constant(node.dtype.type(1)))

    def _operand(self, operand: Any) -> Node | Constant:
        if isinstance(operand, Masked):
            if operand._mask is not self._mask:
                raise SelectionError(
                    "elements that two masks pick do not belong together; apply one mask to both"
                )
            return operand._values
        lifted = lift(operand)
        if isinstance(lifted, Constant) or not lifted.ndim:
            return lifted
        raise SelectionError(
            f"an array of shape {lifted.shape} and what a lazy mask picks do not fit: compute before picking, "
            "(x * y)[mask]"
        )

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        named = _REDUCING.get(function)
        if (
            method == "reduce"
            and named
            and set(keywords) <= {"axis"}
            and keywords.get("axis", 0) in (0, None)
        ):
            return getattr(self, named)()
        if method != "__call__" or "out" in keywords:
            raise TypeError(
                f"np.{function.__name__} of what a lazy mask picks is called plainly; compute() first"
            )
        return self._apply(function, *inputs, **keywords)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
        if function is np.histogram:
            return self._histogram(*args[1:], **keywords)
        name = {"amin": "min", "amax": "max"}.get(function.__name__, function.__name__)
        words = {word: value for word, value in keywords.items() if value is not None}
        if name not in _REDUCTIONS or len(args) != 1 or set(words) - {"dtype", "ddof"}:
            raise TypeError(
                f"np.{name} of what a lazy mask picks is not lazy; np.{name}(x.compute()) works in memory"
            )
        return getattr(self, name)(**words)

    __add__, __radd__ = _binary(np.add), _binary(np.add, True)
    __sub__, __rsub__ = _binary(np.subtract), _binary(np.subtract, True)
    __mul__, __rmul__ = _binary(np.multiply), _binary(np.multiply, True)
    __truediv__, __rtruediv__ = _binary(np.true_divide), _binary(np.true_divide, True)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _binary(np.floor_divide, True)
    __mod__, __rmod__ = _binary(np.remainder), _binary(np.remainder, True)
    __pow__, __rpow__ = _binary(np.power), _binary(np.power, True)
    __and__, __or__, __xor__ = _binary(np.bitwise_and), _binary(np.bitwise_or), _binary(np.bitwise_xor)
    __lt__, __le__, __gt__, __ge__ = (
        _binary(np.less),
        _binary(np.less_equal),
        _binary(np.greater),
        _binary(np.greater_equal),
    )
    __neg__, __pos__, __abs__, __invert__ = (
        _unary(np.negative),
        _unary(np.positive),
        _unary(np.absolute),
        _unary(np.invert),
    )
    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Masked[A]:  # type: ignore[override]
        return self._apply(np.equal, self, other)

    def __ne__(self, other: Any) -> Masked[A]:  # type: ignore[override]
        return self._apply(np.not_equal, self, other)

    def astype(self, dtype: DTypeLike) -> Masked[A]:
        """The elements in another dtype."""
        return Masked(
            elementwise.astype(self._values, np.dtype(dtype)), self._mask, self._make, self._compute
        )

    # --- reductions over all

    def count(self) -> A:
        """How many elements there are, lazily."""
        return self._make(reductions.count_nonzero(self._mask))

    def sum(self, dtype: DTypeLike | None = None) -> A:
        """The sum, in NumPy's dtype for it."""
        return self._make(reductions.sum(self._values, None, dtype, where=self._mask))

    def prod(self, dtype: DTypeLike | None = None) -> A:
        """The product, in NumPy's dtype for it."""
        return self._make(reductions.prod(self._values, None, dtype, where=self._mask))

    def mean(self, dtype: DTypeLike | None = None) -> A:
        """The arithmetic mean; NaN of no elements."""
        return self._make(reductions.mean(self._values, None, dtype, where=self._mask))

    def var(self, ddof: float = 0) -> A:
        """The variance."""
        return self._make(reductions.var(self._values, ddof=ddof, where=self._mask))

    def std(self, ddof: float = 0) -> A:
        """The standard deviation."""
        return self._make(reductions.std(self._values, ddof=ddof, where=self._mask))

    def any(self) -> A:
        """Whether any element is true."""
        return self._make(reductions.any(self._values, where=self._mask))

    def all(self) -> A:
        """Whether all elements are true."""
        return self._make(reductions.all(self._values, where=self._mask))

    def min(self) -> A:
        """The minimum. Computing raises ValueError where there are no elements."""
        return self._extremum(reductions.min, 1)

    def max(self) -> A:
        """The maximum. Computing raises ValueError where there are no elements."""
        return self._extremum(reductions.max, -1)

    def _histogram(self, bins: Any = 10, range: Any = None, density: Any = None) -> tuple[A, A]:
        """The counts of the elements in bins, and the bins' edges, as NumPy's histogram."""
        values, mask = shapes.atleast_1d(self._values), shapes.atleast_1d(self._mask)
        picked = elementwise.astype(mask, np.dtype(np.intp))
        low = high = None
        if range is None and isinstance(bins, (int, np.integer)):
            low, high = (
                reduction(values, initial=_worst(self.dtype, sign), where=mask)
                for reduction, sign in ((reductions.min, 1), (reductions.max, -1))
            )
        counts, edges = grouping.counted(values, bins, range, density, picked, low, high)
        return self._make(counts), self._make(edges)

    def _extremum(self, reduction: Callable[..., Node], sign: int) -> A:
        worst = _worst(self.dtype, sign)
        found = reduction(self._values, initial=worst, where=self._mask)
        count = reductions.count_nonzero(self._mask)
        return self._make(elementwise_node(UserElementwise, _of_some, [found, count], (), found.dtype))


def _worst(dtype: np.dtype[Any], sign: int) -> Any:
    """The value that any other is better than: the greatest (sign 1) or the least."""
    if dtype.kind == "f":
        return dtype.type(sign * np.inf)
    if dtype.kind == "b":
        return sign > 0
    if dtype.kind in "iu":
        return np.iinfo(dtype).max if sign > 0 else np.iinfo(dtype).min
    raise TypeError(f"extrema of masked {dtype} values are not computed lazily; compute() first")


def _of_some(found: Any, count: Any) -> Any:
    """The extremum, where there was anything to compare."""
    if np.size(count) and not np.all(count):
        raise ValueError(
            "the mask picks no elements: zero-size array to reduction operation which has no identity"
        )
    return found
