# Written by tests/numpy_stub.py from the functions themselves.

import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np
from numpy import bool as bool
from numpy import bool_ as bool_
from numpy import bytes_ as bytes_
from numpy import c_ as c_
from numpy import complex64 as complex64
from numpy import complex128 as complex128
from numpy import complexfloating as complexfloating
from numpy import datetime64 as datetime64
from numpy import dtype as dtype
from numpy import e as e
from numpy import errstate as errstate
from numpy import euler_gamma as euler_gamma
from numpy import finfo as finfo
from numpy import float16 as float16
from numpy import float32 as float32
from numpy import float64 as float64
from numpy import floating as floating
from numpy import generic as generic
from numpy import iinfo as iinfo
from numpy import inexact as inexact
from numpy import inf as inf
from numpy import int8 as int8
from numpy import int16 as int16
from numpy import int32 as int32
from numpy import int64 as int64
from numpy import int_ as int_
from numpy import integer as integer
from numpy import intp as intp
from numpy import isdtype as isdtype
from numpy import isscalar as isscalar
from numpy import issubdtype as issubdtype
from numpy import longdouble as longdouble
from numpy import mgrid as mgrid
from numpy import nan as nan
from numpy import ndarray as ndarray
from numpy import ndenumerate as ndenumerate
from numpy import ndindex as ndindex
from numpy import newaxis as newaxis
from numpy import number as number
from numpy import object_ as object_
from numpy import ogrid as ogrid
from numpy import pi as pi
from numpy import promote_types as promote_types
from numpy import s_ as s_
from numpy import signedinteger as signedinteger
from numpy import str_ as str_
from numpy import timedelta64 as timedelta64
from numpy import uint as uint
from numpy import uint8 as uint8
from numpy import uint16 as uint16
from numpy import uint32 as uint32
from numpy import uint64 as uint64
from numpy import uintp as uintp
from numpy import unsignedinteger as unsignedinteger
from numpy import void as void
from numpy.typing import DTypeLike

from lazyzarr.creating import arange as arange
from lazyzarr.creating import asarray as asarray
from lazyzarr.creating import empty as empty
from lazyzarr.creating import eye as eye
from lazyzarr.creating import full as full
from lazyzarr.creating import linspace as linspace
from lazyzarr.creating import ones as ones
from lazyzarr.creating import rechunk as rechunk
from lazyzarr.creating import zeros as zeros
from lazyzarr.graph.functions.unique import Unique
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.ops.groups import How
from lazyzarr.graph.words import Axes, Axis, ChunksLike, Lengths
from lazyzarr.verbs import apply_gufunc as apply_gufunc
from lazyzarr.verbs import compute as compute
from lazyzarr.verbs import elementwise as elementwise
from lazyzarr.verbs import from_array as from_array
from lazyzarr.verbs import from_dask_array as from_dask_array
from lazyzarr.verbs import from_map as from_map
from lazyzarr.verbs import from_zarr as from_zarr
from lazyzarr.verbs import reduction as reduction
from lazyzarr.verbs import store as store

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "angle",
    "any",
    "append",
    "apply_along_axis",
    "apply_gufunc",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argsort",
    "argtopk",
    "around",
    "array",
    "array_equal",
    "array_split",
    "asanyarray",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "average",
    "bfill",
    "bincount",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "block",
    "broadcast_to",
    "can_cast",
    "cbrt",
    "ceil",
    "clip",
    "coarsen",
    "column_stack",
    "compute",
    "concat",
    "concatenate",
    "conj",
    "conjugate",
    "copy",
    "copysign",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "deg2rad",
    "degrees",
    "delete",
    "diff",
    "digitize",
    "divide",
    "divmod",
    "dot",
    "dstack",
    "elementwise",
    "empty",
    "empty_like",
    "equal",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "eye",
    "fabs",
    "ffill",
    "flip",
    "fliplr",
    "flipud",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "from_array",
    "from_dask_array",
    "from_map",
    "from_zarr",
    "full",
    "full_like",
    "gcd",
    "greater",
    "greater_equal",
    "groupby_reduce",
    "heaviside",
    "histogram",
    "hstack",
    "hypot",
    "imag",
    "interp",
    "invert",
    "isclose",
    "iscomplexobj",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isnat",
    "isrealobj",
    "lcm",
    "ldexp",
    "left_shift",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "map_blocks",
    "map_overlap",
    "matmul",
    "matvec",
    "max",
    "maximum",
    "mean",
    "median",
    "min",
    "minimum",
    "mod",
    "modf",
    "moveaxis",
    "multiply",
    "nan_to_num",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "ndim",
    "negative",
    "nextafter",
    "not_equal",
    "ones",
    "ones_like",
    "outer",
    "pad",
    "percentile",
    "permute_dims",
    "positive",
    "pow",
    "power",
    "prod",
    "ptp",
    "quantile",
    "rad2deg",
    "radians",
    "ravel",
    "real",
    "rechunk",
    "reciprocal",
    "reduction",
    "remainder",
    "repeat",
    "reshape",
    "result_type",
    "right_shift",
    "rint",
    "roll",
    "rot90",
    "round",
    "searchsorted",
    "select",
    "shape",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "size",
    "sliding_window_view",
    "sort",
    "spacing",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "store",
    "subtract",
    "sum",
    "swapaxes",
    "take",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "topk",
    "transpose",
    "tril",
    "triu",
    "true_divide",
    "trunc",
    "unique",
    "var",
    "vecdot",
    "vecmat",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

class _Ufunc(Protocol):
    def reduce(
        self,
        array: Any,
        axis: Axes = 0,
        dtype: DTypeLike | None = None,
        keepdims: builtins.bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> LazyArray: ...
    def accumulate(self, array: Any, axis: Axis = 0, dtype: DTypeLike | None = None) -> LazyArray: ...

class _Unary(_Ufunc, Protocol):
    def __call__(self, x: Any, /, *, dtype: DTypeLike | None = None, casting: str = ...) -> LazyArray: ...

class _Binary(_Ufunc, Protocol):
    def __call__(
        self, x1: Any, x2: Any, /, *, dtype: DTypeLike | None = None, casting: str = ...
    ) -> LazyArray: ...
    def outer(self, a: Any, b: Any, /) -> LazyArray: ...

class _UnaryPair(Protocol):
    def __call__(self, x: Any, /) -> tuple[LazyArray, LazyArray]: ...

class _BinaryPair(Protocol):
    def __call__(self, x1: Any, x2: Any, /) -> tuple[LazyArray, LazyArray]: ...

abs: _Unary
absolute: _Unary
acos: _Unary
acosh: _Unary
add: _Binary

def all(a: Any, axis: Axes = None, keepdims: builtins.bool = False, where: Any = True) -> LazyArray: ...
def allclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: builtins.bool = False
) -> LazyArray: ...
def amax(
    a: Any, axis: Axes = None, keepdims: builtins.bool = False, initial: Any = None, where: Any = True
) -> LazyArray: ...
def amin(
    a: Any, axis: Axes = None, keepdims: builtins.bool = False, initial: Any = None, where: Any = True
) -> LazyArray: ...
def angle(z: Any, deg: builtins.bool = False) -> LazyArray: ...
def any(a: Any, axis: Axes = None, keepdims: builtins.bool = False, where: Any = True) -> LazyArray: ...
def append(arr: Any, values: Any, axis: Axis | None = None) -> LazyArray: ...
def apply_along_axis(
    function: Callable[..., Any],
    axis: Axis,
    arr: Any,
    *,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
) -> LazyArray: ...

arccos: _Unary
arccosh: _Unary
arcsin: _Unary
arcsinh: _Unary
arctan: _Unary
arctan2: _Binary
arctanh: _Unary

def argmax(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def argmin(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def argsort(
    a: Any, axis: Axis | None = -1, kind: str | None = None, *, stable: builtins.bool | None = None
) -> LazyArray: ...
def argtopk(a: Any, k: int, axis: Axis = -1) -> LazyArray: ...
def around(a: Any, decimals: int = 0) -> LazyArray: ...

array = asarray

def array_equal(a1: Any, a2: Any, equal_nan: builtins.bool = False) -> LazyArray: ...
def array_split(ary: Any, indices_or_sections: Any, axis: Axis = 0) -> list[LazyArray]: ...

asanyarray = asarray
asin: _Unary
asinh: _Unary

def astype(x: Any, dtype: Any, /, *, copy: builtins.bool = True, device: Any = None) -> LazyArray: ...

atan: _Unary
atan2: _Binary
atanh: _Unary

def atleast_1d(a: Any) -> LazyArray: ...
def atleast_2d(a: Any) -> LazyArray: ...
def atleast_3d(a: Any) -> LazyArray: ...
def average(a: Any, axis: Axes = None, weights: Any = None, keepdims: builtins.bool = False) -> LazyArray: ...
def bfill(a: Any, axis: Axis = -1, limit: int | None = None) -> LazyArray: ...
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> LazyArray: ...

bitwise_and: _Binary
bitwise_count: _Unary
bitwise_invert: _Unary
bitwise_left_shift: _Binary
bitwise_not: _Unary
bitwise_or: _Binary
bitwise_right_shift: _Binary
bitwise_xor: _Binary

def block(arrays: Any) -> LazyArray: ...
def broadcast_to(array: Any, shape: Lengths) -> LazyArray: ...
def can_cast(from_: Any, to: Any, casting: str = "safe") -> builtins.bool: ...

cbrt: _Unary
ceil: _Unary

def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> LazyArray: ...
def coarsen(
    reduction: Callable[..., Any] | str,
    x: Any,
    axes: Mapping[Any, int],
    trim_excess: builtins.bool = False,
    dtype: DTypeLike | None = None,
    **keywords: Any,
) -> LazyArray: ...
def column_stack(tup: Any) -> LazyArray: ...
def concat(arrays: Any, axis: Axis | None = 0) -> LazyArray: ...
def concatenate(arrays: Any, axis: Axis | None = 0) -> LazyArray: ...

conj: _Unary
conjugate: _Unary

def copy(a: Any, order: str = "K") -> LazyArray: ...

copysign: _Binary
cos: _Unary
cosh: _Unary

def count_nonzero(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def cumprod(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> LazyArray: ...
def cumsum(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> LazyArray: ...

deg2rad: _Unary
degrees: _Unary

def delete(arr: Any, obj: Any, axis: Axis | None = None) -> LazyArray: ...
def diff(a: Any, n: int = 1, axis: Axis = -1, prepend: Any = None, append: Any = None) -> LazyArray: ...
def digitize(x: Any, bins: Any, right: builtins.bool = False) -> LazyArray: ...

divide: _Binary
divmod: _BinaryPair

def dot(a: Any, b: Any) -> LazyArray: ...
def dstack(tup: Any) -> LazyArray: ...
def empty_like(a: Any, dtype: DTypeLike | None = None) -> LazyArray: ...

equal: _Binary
exp: _Unary
exp2: _Unary

def expand_dims(a: Any, axis: int | Sequence[int]) -> LazyArray: ...

expm1: _Unary
fabs: _Unary

def ffill(a: Any, axis: Axis = -1, limit: int | None = None) -> LazyArray: ...
def flip(m: Any, axis: Axes = None) -> LazyArray: ...
def fliplr(m: Any) -> LazyArray: ...
def flipud(m: Any) -> LazyArray: ...

float_power: _Binary
floor: _Unary
floor_divide: _Binary
fmax: _Binary
fmin: _Binary
fmod: _Binary
frexp: _UnaryPair

def full_like(a: Any, fill_value: Any, dtype: DTypeLike | None = None) -> LazyArray: ...

gcd: _Binary
greater: _Binary
greater_equal: _Binary

def groupby_reduce(
    a: Any, labels: Any, how: How = "mean", axis: Axis = 0, num_groups: int | None = None, ddof: float = 0
) -> LazyArray: ...

heaviside: _Binary

def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[LazyArray, LazyArray]: ...
def hstack(tup: Any) -> LazyArray: ...

hypot: _Binary

def imag(val: Any) -> LazyArray: ...
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> LazyArray: ...

invert: _Unary

def isclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: builtins.bool = False
) -> LazyArray: ...
def iscomplexobj(x: Any) -> builtins.bool: ...

isfinite: _Unary

def isin(
    element: Any,
    test_elements: Any,
    assume_unique: builtins.bool = False,
    invert: builtins.bool = False,
    *,
    kind: Any = None,
) -> LazyArray: ...

isinf: _Unary
isnan: _Unary
isnat: _Unary

def isrealobj(x: Any) -> builtins.bool: ...

lcm: _Binary
ldexp: _Binary
left_shift: _Binary
less: _Binary
less_equal: _Binary
log: _Unary
log10: _Unary
log1p: _Unary
log2: _Unary
logaddexp: _Binary
logaddexp2: _Binary
logical_and: _Binary
logical_not: _Unary
logical_or: _Binary
logical_xor: _Binary

def map_blocks(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike | None = None,
    chunks: ChunksLike = None,
    drop_axis: Axes = None,
    new_axis: int | Sequence[int] | None = None,
    meta: Any = None,
    keywords: Mapping[str, Any] | None = None,
    **words: Any,
) -> LazyArray: ...
def map_overlap(
    function: Callable[..., Any],
    *arrays: Any,
    depth: Any,
    boundary: Any = "none",
    trim: builtins.bool = True,
    dtype: DTypeLike | None = None,
    meta: Any = None,
    keywords: Mapping[str, Any] | None = None,
    **words: Any,
) -> LazyArray: ...
def matmul(x1: Any, x2: Any) -> LazyArray: ...

matvec: _Binary

def max(
    a: Any, axis: Axes = None, keepdims: builtins.bool = False, initial: Any = None, where: Any = True
) -> LazyArray: ...

maximum: _Binary

def mean(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: builtins.bool = False,
    where: Any = True,
) -> LazyArray: ...
def median(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def min(
    a: Any, axis: Axes = None, keepdims: builtins.bool = False, initial: Any = None, where: Any = True
) -> LazyArray: ...

minimum: _Binary
mod: _Binary
modf: _UnaryPair

def moveaxis(a: Any, source: Any, destination: Any) -> LazyArray: ...

multiply: _Binary

def nan_to_num(
    x: Any, copy: builtins.bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> LazyArray: ...
def nanargmax(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def nanargmin(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def nancumprod(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> LazyArray: ...
def nancumsum(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> LazyArray: ...
def nanmax(
    a: Any, axis: Axes = None, keepdims: builtins.bool = False, initial: Any = None, where: Any = True
) -> LazyArray: ...
def nanmean(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: builtins.bool = False,
    where: Any = True,
) -> LazyArray: ...
def nanmedian(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def nanmin(
    a: Any, axis: Axes = None, keepdims: builtins.bool = False, initial: Any = None, where: Any = True
) -> LazyArray: ...
def nanpercentile(
    a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: builtins.bool = False
) -> LazyArray: ...
def nanprod(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: builtins.bool = False,
    initial: Any = None,
    where: Any = True,
) -> LazyArray: ...
def nanquantile(
    a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: builtins.bool = False
) -> LazyArray: ...
def nanstd(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    where: Any = True,
    correction: Any = None,
) -> LazyArray: ...
def nansum(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: builtins.bool = False,
    initial: Any = None,
    where: Any = True,
) -> LazyArray: ...
def nanvar(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    where: Any = True,
    correction: Any = None,
) -> LazyArray: ...
def ndim(a: Any) -> int: ...

negative: _Unary
nextafter: _Binary
not_equal: _Binary

def ones_like(a: Any, dtype: DTypeLike | None = None) -> LazyArray: ...
def outer(a: Any, b: Any) -> LazyArray: ...
def pad(array: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> LazyArray: ...
def percentile(
    a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: builtins.bool = False
) -> LazyArray: ...
def permute_dims(a: Any, axes: Sequence[Axis] | None = None) -> LazyArray: ...

positive: _Unary
pow: _Binary
power: _Binary

def prod(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: builtins.bool = False,
    initial: Any = None,
    where: Any = True,
) -> LazyArray: ...
def ptp(a: Any, axis: Axes = None, keepdims: builtins.bool = False) -> LazyArray: ...
def quantile(
    a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: builtins.bool = False
) -> LazyArray: ...

rad2deg: _Unary
radians: _Unary

def ravel(a: Any, order: str = "C") -> LazyArray: ...
def real(val: Any) -> LazyArray: ...

reciprocal: _Unary
remainder: _Binary

def repeat(a: Any, repeats: Any, axis: Axis | None = None) -> LazyArray: ...
def reshape(a: Any, shape: Lengths, order: str = "C") -> LazyArray: ...
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]: ...

right_shift: _Binary
rint: _Unary

def roll(a: Any, shift: Any, axis: Axes = None) -> LazyArray: ...
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> LazyArray: ...
def round(a: Any, decimals: int = 0) -> LazyArray: ...
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> LazyArray: ...
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> LazyArray: ...
def shape(a: Any) -> tuple[int, ...]: ...

sign: _Unary
signbit: _Unary
sin: _Unary
sinh: _Unary

def size(a: Any, axis: int | None = None) -> int: ...
def sliding_window_view(x: Any, window_shape: Lengths, axis: Axes = None) -> LazyArray: ...
def sort(
    a: Any, axis: Axis | None = -1, kind: str | None = None, *, stable: builtins.bool | None = None
) -> LazyArray: ...

spacing: _Unary

def split(ary: Any, indices_or_sections: Any, axis: Axis = 0) -> list[LazyArray]: ...

sqrt: _Unary
square: _Unary

def squeeze(a: Any, axis: Axes = None) -> LazyArray: ...
def stack(arrays: Any, axis: int = 0) -> LazyArray: ...
def std(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    where: Any = True,
    correction: Any = None,
) -> LazyArray: ...

subtract: _Binary

def sum(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: builtins.bool = False,
    initial: Any = None,
    where: Any = True,
) -> LazyArray: ...
def swapaxes(a: Any, axis1: Axis, axis2: Axis) -> LazyArray: ...
def take(a: Any, indices: Any, axis: Axis | None = None) -> LazyArray: ...

tan: _Unary
tanh: _Unary

def tensordot(a: Any, b: Any, axes: Any = 2) -> LazyArray: ...
def tile(A: Any, reps: Any) -> LazyArray: ...
def topk(a: Any, k: int, axis: Axis = -1) -> LazyArray: ...
def transpose(a: Any, axes: Sequence[Axis] | None = None) -> LazyArray: ...
def tril(m: Any, k: int = 0) -> LazyArray: ...
def triu(m: Any, k: int = 0) -> LazyArray: ...

true_divide: _Binary
trunc: _Unary

@overload
def unique(
    ar: Any,
    return_index: Literal[False] = ...,
    return_inverse: Literal[False] = ...,
    return_counts: Literal[False] = ...,
    axis: Axis | None = ...,
    *,
    equal_nan: builtins.bool = ...,
) -> Unique: ...
@overload
def unique(
    ar: Any,
    return_index: builtins.bool = ...,
    return_inverse: builtins.bool = ...,
    return_counts: builtins.bool = ...,
    axis: Axis | None = ...,
    *,
    equal_nan: builtins.bool = ...,
) -> tuple[Unique, ...]: ...
def var(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    where: Any = True,
    correction: Any = None,
) -> LazyArray: ...

vecdot: _Binary
vecmat: _Binary

def vstack(tup: Any) -> LazyArray: ...
def where(condition: Any, *choices: Any) -> LazyArray: ...
def zeros_like(a: Any, dtype: DTypeLike | None = None) -> LazyArray: ...
