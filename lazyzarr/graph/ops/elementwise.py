"""Elementwise operations: one value out for each value in, after broadcasting, by NumPy's casting rules."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.region import Region, Span, ascending

__all__ = [
    "Cast",
    "Constant",
    "Elementwise",
    "Operand",
    "Where",
    "astype",
    "call",
    "common_chunks",
    "compared",
    "field",
    "power",
    "refine",
    "ufunc",
    "where",
]

ONE = Span(0, 1, 1)
# Inputs that are so many times as large decide on the chunks alone.
MUCH_LARGER = 8

# NumPy (2.4.6 and 2.5.5, x86-64) leaves elements unwritten when one of these has an `out=` whose inner
# stride is not one element: np.isnan(a[:, 0], out=o[:, 0]). Without `out=` they are right.
_WRONG_INTO_STRIDED = {np.isnan, np.isinf, np.isfinite, np.signbit}


class Constant(NamedTuple):
    """An operand that is one number: a Python number keeps NumPy's weak casting."""

    value: Any


Operand = int | Constant
"""An operand of an operation: the position of an input, or a constant."""


class Elementwise(Node):
    """A function applied value by value; parameters: function, operands, keywords, dtype or None."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", "elementwise").strip("<>")

    @property
    def function(self) -> Callable[..., Any]:
        """What is applied."""
        return self.params[0]  # type: ignore[no-any-return]

    @property
    def operands(self) -> tuple[Operand, ...]:
        """What it is applied to, in order."""
        return self.params[1]  # type: ignore[no-any-return]

    @property
    def in_place(self) -> bool:
        """Whether the function takes `out=`, which may be one of its operands."""
        return isinstance(self.function, np.ufunc) and self.function not in _WRONG_INTO_STRIDED

    def infer(self) -> None:
        """NumPy's broadcast shape and result dtype, asked of NumPy with empty arrays."""
        self.shape = _broadcast_shape(self.label, self.inputs)
        self.dims = _common_dims(self.shape, self.inputs)
        self.chunks = common_chunks(self.shape, self.inputs)
        self.dtype = self._result_dtype()

    def _result_dtype(self) -> np.dtype[Any]:
        function, _, keywords, dtype = self.params
        if dtype is not None:
            given: np.dtype[Any] = np.dtype(dtype)
            return given
        with np.errstate(all="ignore"):
            result = function(
                *self._arguments([np.empty((0,), node.dtype) for node in self.inputs]), **dict(keywords)
            )
        if not isinstance(result, np.ndarray):
            raise TypeError(
                f"{self.label} gives {type(result).__name__}, not one array; it is not elementwise"
            )
        found: np.dtype[Any] = result.dtype
        return found

    def _arguments(self, pieces: Sequence[Any]) -> list[Any]:
        return [
            operand.value if isinstance(operand, Constant) else pieces[operand] for operand in self.operands
        ]

    def pull(self, region: Region) -> list[Region]:
        """The same region of each input, less the axes that are broadcast."""
        return [_broadcast_region(region, node.shape) for node in self.inputs]

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The function's values, in `out` where it takes one."""
        arguments, keywords = self._arguments(pieces), dict(self.params[2])
        if out is not None and self.in_place:
            return self.function(*arguments, out=out, **keywords)
        return self.function(*arguments, **keywords)


class Cast(Elementwise):
    """Another dtype, by NumPy's rules; parameters as Elementwise."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "astype"

    @property
    def in_place(self) -> bool:
        """A cast writes to another array than it reads."""
        return False

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """The piece in the other dtype."""
        if out is None:
            return pieces[0].astype(self.dtype)
        np.copyto(out, pieces[0], casting="unsafe")
        return out


class Where(Elementwise):
    """One of two values; parameters as Elementwise."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "where"

    def apply(self, pieces: Sequence[Any], out: np.ndarray[Any, Any] | None) -> Any:
        """`yes` where the condition holds, else `no`."""
        condition, yes, no = self._arguments(pieces)
        if out is None:
            return np.where(condition, yes, no)
        if _blend(condition, yes, no, out):
            return out
        np.copyto(out, no, casting="unsafe")
        np.copyto(out, yes, casting="unsafe", where=np.asarray(condition, bool))
        return out

    @property
    def in_place(self) -> bool:
        """The condition is read after the first value is written."""
        return False


_BITS: dict[int, Any] = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def _blend(condition: Any, yes: Any, no: Any, out: np.ndarray[Any, Any]) -> bool:
    """Puts one of two values by integer arithmetic on their bits, ten times as fast as a masked copy; whether it could.

    It can where both choices have the dtype that is wanted, and an integer's length.
    """
    kind = _BITS.get(out.dtype.itemsize)
    if kind is None or out.dtype.kind not in "biufc" or getattr(condition, "dtype", None) != np.dtype(bool):
        return False
    pair = [
        each if isinstance(each, np.ndarray) else np.asarray(each).astype(out.dtype) for each in (yes, no)
    ]
    if any(each.dtype != out.dtype for each in pair):
        return False
    bits, one, other = out.view(kind), pair[0].view(kind), pair[1].view(kind)
    if other.ndim == 0 and not other.item():
        np.multiply(one, condition, out=bits)
        return True
    np.bitwise_xor(one, other, out=bits)
    np.multiply(bits, condition, out=bits)
    np.bitwise_xor(bits, other, out=bits)
    return True


def ufunc(function: np.ufunc, *operands: Node | Constant, **keywords: Any) -> Elementwise:
    """The node of a NumPy ufunc with one output; keywords are the ufunc's own (`dtype`, `casting`)."""
    if function.nout != 1 or function.signature is not None:
        raise TypeError(
            f"np.{function.__name__} is not elementwise with one output; call it block by block with map_blocks"
        )
    return call(Elementwise, function, operands, tuple(keywords.items()), None)


def compared(function: np.ufunc, one: Node, two: Node | Constant) -> Elementwise:
    """The node of `==` or `!=`, which NumPy also knows of records, and of values of unlike kinds: none are equal."""
    try:
        return ufunc(function, one, two)
    except TypeError:  # the ufunc knows neither
        operator_of = operator.eq if function is np.equal else operator.ne
        return call(Elementwise, operator_of, [one, two], (), None)


def call(
    kind: type[Elementwise],
    function: Callable[..., Any],
    operands: Sequence[Node | Constant],
    keywords: tuple[tuple[str, Any], ...],
    dtype: np.dtype[Any] | None,
) -> Elementwise:
    """The node of an elementwise function of nodes and constants."""
    nodes: list[Node] = []
    places: list[Operand] = []
    for operand in operands:
        if isinstance(operand, Constant):
            places.append(operand)
            continue
        if operand not in nodes:
            nodes.append(operand)
        places.append(nodes.index(operand))
    return make(kind, tuple(nodes), (function, tuple(places), keywords, dtype))


def astype(node: Node, dtype: np.dtype[Any]) -> Node:
    """The node with values of another dtype; itself where it has that dtype.

    NumPy finds what the dtype leaves open: the length of strings, the unit of times.
    """
    dtype = np.empty(0, node.dtype).astype(dtype).dtype
    if node.dtype == dtype:
        return node
    return call(Cast, np.asarray, [node], (), dtype)


def field_of(elements: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """One field of records, in memory of its own."""
    return elements[name].copy()


def field(node: Node, name: str) -> Elementwise:
    """The node of one field of records; TypeError for a field that is an array itself."""
    if node.dtype[name].shape:
        raise TypeError(
            f"the field {name!r} holds arrays of shape {node.dtype[name].shape}, which is not computed lazily; "
            f"z[{name!r}] reads it"
        )
    return call(Elementwise, field_of, [node], (("name", name),), None)


def where(condition: Node | Constant, yes: Node | Constant, no: Node | Constant) -> Elementwise:
    """The node of `yes` where the condition holds and of `no` elsewhere, in NumPy's common dtype."""
    return call(Where, np.where, [condition, yes, no], (), None)


# What ndarray ** number computes instead of np.power, in some NumPy releases and for some dtypes.
_SHORTCUTS: dict[float, np.ufunc] = {0.5: np.sqrt, 2: np.square, 1: np.positive, -1: np.reciprocal}
_AWKWARD = [0.1, -2.7, 3.3, 1e-30, 1e10, -0.0, np.inf, -np.inf, np.nan]


def power(base: Node | Constant, exponent: Node | Constant) -> Elementwise:
    """The node of `base ** exponent`, by the same function as NumPy's operator calls."""
    if isinstance(base, Node) and isinstance(exponent, Constant) and type(exponent.value) in (int, float):
        function = _operator_of(base.dtype, isinstance(exponent.value, int), exponent.value)
        if function is not None:
            return ufunc(function, base)
    return ufunc(np.power, base, exponent)


@functools.cache
def _operator_of(dtype: np.dtype[Any], whole: bool, exponent: float) -> np.ufunc | None:
    """The shortcut that NumPy takes for `** exponent`, found out on awkward values; None where it takes none."""
    shortcut = _SHORTCUTS.get(exponent)
    if shortcut is None or dtype.kind not in "biufc":
        return None
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = np.array([*_AWKWARD, *(complex(a, b) for a in _AWKWARD for b in _AWKWARD)])
        values = sample.astype(dtype) if dtype.kind == "c" else sample.real.astype(dtype)
        try:
            expected, found = values ** (int(exponent) if whole else float(exponent)), shortcut(values)
        except (TypeError, ValueError):
            return None
    return shortcut if found.dtype == expected.dtype and found.tobytes() == expected.tobytes() else None


def common_chunks(shape: tuple[int, ...], nodes: Sequence[Node]) -> Chunks:
    """The chunks of an elementwise result: where the inputs' differ, cut at every boundary of any.

    Axes that are broadcast do not count, nor do inputs beside much larger ones: a mean over time, cut finely because it
    took much to make, would cut what it is subtracted from into as small pieces. So would means of months, picked for
    each day.
    """
    if len(nodes) == 1 and nodes[0].shape == shape:
        return nodes[0].chunks
    result = []
    for axis, n in enumerate(shape):
        candidates = []
        for node in nodes:
            own = axis - len(shape) + node.ndim
            if own >= 0 and node.shape[own] == n:
                candidates.append((node.different, node.chunks[own]))
        most = max((size for size, _ in candidates), default=0)
        large = [chunks for size, chunks in candidates if size * MUCH_LARGER > most or not most]
        result.append(refine(large) if large else (n,))
    return tuple(result)


def refine(candidates: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Chunk sizes cut at the boundaries of all candidates."""
    first = candidates[0]
    if all(other is first or other == first for other in candidates):
        return first
    cuts = ascending(*(np.cumsum(sizes, dtype=np.int64) for sizes in candidates))
    return tuple(np.diff(cuts, prepend=0).tolist())


def _broadcast_shape(label: str, nodes: Sequence[Node]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(node.shape for node in nodes))
    except ValueError:
        shapes = " and ".join(_describe(node) for node in nodes)
        raise ShapeMismatchError(
            f"{label}: shapes {shapes} do not broadcast together; lengths must be equal or 1, counted from the last "
            "axis. Add axes with x[:, None], or check which axis is which"
        ) from None


def _describe(node: Node) -> str:
    if not any(node.dims):
        return str(node.shape)
    return "(" + ", ".join(f"{name or '?'}: {n}" for name, n in zip(node.dims, node.shape, strict=True)) + ")"


def _common_dims(shape: tuple[int, ...], nodes: Sequence[Node]) -> tuple[str | None, ...]:
    """Dimension names: the ones the inputs agree on, counted from the last axis."""
    names: list[str | None] = []
    for axis in range(len(shape)):
        found: set[str] = set()
        for node in nodes:
            own = axis - len(shape) + node.ndim
            name = node.dims[own] if own >= 0 else None
            if name is not None:
                found.add(name)
        names.append(found.pop() if len(found) == 1 else None)
    return tuple(names)


def _broadcast_region(region: Region, shape: tuple[int, ...]) -> Region:
    if not shape:
        return ()
    spans = region[len(region) - len(shape) :]
    return tuple(ONE if n == 1 else span for span, n in zip(spans, shape, strict=True))
