"""The verbs of the compute half: open a stored array lazily, compute several at once, store several at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Required, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lazyzarr.format.array import Array
from lazyzarr.format.creation import from_array as stored_from_array
from lazyzarr.format.open import open_array
from lazyzarr.format.options import ArrayOptions
from lazyzarr.format.resolve import StoreLike
from lazyzarr.graph.explain import Plan
from lazyzarr.graph.functions import blockwise, gufunc
from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.functions.unique import Unique
from lazyzarr.graph.lazy import LazyArray, compute_outputs
from lazyzarr.graph.lazy import elementwise_call as elementwise
from lazyzarr.graph.lift import array_node, stored_node
from lazyzarr.graph.masked import Masked
from lazyzarr.graph.ops.elementwise import astype
from lazyzarr.graph.packing import decoded
from lazyzarr.graph.run import Job
from lazyzarr.graph.storing import Wanted, known_mode, plan_store, store_nodes
from lazyzarr.graph.targets import TargetOptions
from lazyzarr.graph.tasks import dask_source
from lazyzarr.graph.words import Axes, Axis, ChunksLike, Mode, RegionLike, WriteOptions

__all__ = [
    "apply_gufunc",
    "compute",
    "elementwise",
    "from_array",
    "from_dask_array",
    "from_map",
    "from_zarr",
    "reduction",
    "store",
]


Place = TypeVar("Place")
Regions = RegionLike | list[Any]


def from_zarr(
    store: StoreLike | Array,
    component: str | None = None,
    *,
    path: str | None = None,
    chunks: ChunksLike = None,
    dtype: DTypeLike | None = None,
    mask_and_scale: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    inline_array: bool = False,
) -> LazyArray:
    """The LazyArray over a stored array; nothing but its metadata is read.

    Parameters
    ----------
    store : path, Store or Array
        Where the array is: "data.zarr/u" is the array u in the hierarchy data.zarr.
    component, path : str, optional
        The array's path within the store, in dask's word and in zarr's.
    chunks : optional
        The chunks that `map_blocks` sees and `to_zarr(chunks="keep")` writes: by default those that can be
        read alone (inner chunks, where there are shards); "shards", "auto", "64MB", lengths, or a mapping.
    dtype : dtype, optional
        Values are cast to it.
    mask_and_scale : bool
        Whether numbers are decoded by the CF attributes of the array, to float64: NaN where they equal
        `_FillValue` (in v2 that is the array's fill value) or `missing_value`, else times `scale_factor` plus
        `add_offset`; integers are meant as `_Unsigned` says. An array whose attributes say nothing of this stays as
        it is. Times are not decoded: `units` such as "days since 1970-01-01" are left to xarray.
    storage_options : mapping, optional
        Of remote stores.
    inline_array : bool
        Taken for dask's sake; nothing needs it.

    Raises ArrayNotFoundError, and what reading its metadata raises; MetadataValidationError for CF attributes that
    are no numbers.

    >>> path = lz.save("data.zarr/u", np.arange(6.0))
    >>> lz.from_zarr("data.zarr/u").mean().compute()
    np.float64(2.5)
    """
    if isinstance(store, np.ndarray):
        raise TypeError("from_zarr opens a stored array; for one in memory: from_array(x)")
    array = (
        store
        if isinstance(store, Array)
        else open_array(store, path=component or path, mode="r", storage_options=storage_options)
    )
    node = stored_node(array, chunks)
    if mask_and_scale:
        node = decoded(node, array)
    return LazyArray(node if dtype is None else astype(node, np.dtype(dtype)))


class FromArrayOptions(ArrayOptions, total=False):
    """What `from_array(store, data=...)` takes besides."""

    data: Required[Any]
    name: str | None
    fill_value: Any
    write_data: bool
    storage_options: Mapping[str, Any] | None


@overload
def from_array(x: StoreLike | None, **options: Unpack[FromArrayOptions]) -> Array: ...


@overload
def from_array(
    x: ArrayLike,
    chunks: ChunksLike = ...,
    *,
    dims: Sequence[str | None] | None = ...,
) -> LazyArray: ...


def from_array(
    x: Any, chunks: Any = "auto", *, dims: Sequence[str | None] | None = None, **options: Any
) -> Array | LazyArray:
    """A LazyArray over an array in memory; with `data=`, a new stored array that holds the data.

    Parameters
    ----------
    x : array_like, or a path or Store with `data=`
        The array to compute with: NumPy's, or anything with a shape, a dtype and slices that give NumPy. It is
        read when the expression is computed, and not copied before: it must not change meanwhile. Slices in memory
        that is not theirs alone are copied, and asked for by one thread at a time. With `data=`: where the new array
        is to lie.
    chunks : optional
        Lengths, "auto", a size in bytes, or a mapping from axis number or dimension name.
    dims : sequence of str or None, optional
        The name of each axis.
    **options
        With `data=`: what `create_array` takes, and `name`, `write_data`, `storage_options`; the layout of a stored
        array given as data is kept where nothing else is said.

    Raises TypeError for a path without `data=` and for what is no array of numbers, dates or strings; with
    `data=` what `create_array` raises.

    Raises TypeError for a path without `data=` (to open what is stored there: `from_zarr`) and for options that
    an array in memory does not take.

    >>> lz.from_array(np.eye(3), chunks=2).sum().compute()
    np.float64(3.0)
    >>> lz.from_array("copy.zarr", data=np.eye(3))
    <Array file://copy.zarr shape=(3, 3) dtype=float64>
    """
    if "data" in options:
        if not (isinstance(chunks, str) and chunks == "auto"):
            options["chunks"] = chunks
        return stored_from_array(x, **options)
    if options:
        raise TypeError(
            f"from_array() of an array in memory takes chunks= and dims=, not {', '.join(options)}; "
            "data= makes a stored array"
        )
    return _lazy_over(x, chunks, dims=dims)


def _lazy_over(x: ArrayLike, chunks: Any, *, dims: Sequence[str | None] | None) -> LazyArray:
    """The LazyArray over an array; see `from_array`."""
    if isinstance(x, Array):
        return LazyArray(stored_node(x, None if chunks == "auto" else chunks))
    if isinstance(x, LazyArray):
        return x if chunks == "auto" else x.rechunk(chunks)
    if hasattr(x, "__dask_graph__"):
        given = from_dask_array(x, dims=dims)
        return given if chunks == "auto" else given.rechunk(chunks)
    if isinstance(x, str):
        raise TypeError(f"from_array takes arrays; to open a stored one: from_zarr({x!r})")
    return LazyArray(array_node(x, chunks, None if dims is None else tuple(dims)))


def from_map(
    function: Callable[..., Any],
    shape: int | Sequence[int],
    dtype: DTypeLike,
    chunks: ChunksLike = "auto",
    *,
    dims: Sequence[str | None] | None = None,
    keywords: Mapping[str, Any] | None = None,
) -> LazyArray:
    """The LazyArray of blocks that a function makes of where they lie: a stack of files, a simulation, a service.

    Parameters
    ----------
    function : callable
        Takes a tuple of slices, where a chunk lies; gives that chunk as a NumPy array. Called once a chunk when
        values are wanted. It may take `block_id`, the chunk's index, and `block_info`, as in `map_blocks`.
    shape : int or sequence of int
        The lengths of the axes.
    dtype : dtype
        Of the values.
    chunks : optional
        Lengths, "auto", a size in bytes, or a mapping from axis number or dimension name.
    dims : sequence of str or None, optional
        The name of each axis.
    keywords : mapping, optional
        Further keyword arguments of the function.

    Computing raises ShapeMismatchError where the function gives another shape than its chunk's.

    >>> def squares(where):
    ...     return np.arange(where[0].start, where[0].stop) ** 2
    >>> lz.from_map(squares, 6, "i8", chunks=4, dims=["n"]).compute()
    array([ 0,  1,  4,  9, 16, 25])
    """
    return LazyArray(blockwise.from_map(function, shape, dtype, chunks, dims, keywords))


# Any: one array or a tuple of them, as the text of the signature says.
def apply_gufunc(
    function: Callable[..., Any],
    signature: str,
    *args: Any,
    axes: Sequence[Axis | tuple[Axis, ...]] | None = None,
    axis: Axis | None = None,
    keepdims: bool = False,
    output_dtypes: Any = None,
    output_sizes: Mapping[str, int] | None = None,
    vectorize: bool = False,
    allow_rechunk: bool = True,
    **keywords: Any,
) -> Any:
    """The results of a function of whole vectors or matrices, as LazyArray, or a tuple of them.

    Parameters
    ----------
    function : callable
        Takes blocks whose last axes are the core ones, whole; gives arrays with the loop axes and its own core axes.
    signature : str
        The core axes of each array and each output: "(i,j),(j)->(i)", "(i)->(),()".
    *args : array
        Their other axes, the loop, broadcast together; chunks are cut along these.
    axes : list of tuple, optional
        Where the core axes of each array and output stand, by number or dimension name; default: last.
    axis : int or str, optional
        Where the one core axis stands that all share.
    keepdims : bool
        Whether core axes stay with length 1, where outputs have none.
    output_dtypes : dtype or list, optional
        The dtype of each output; without it the function is called once with ones.
    output_sizes : mapping, optional
        The lengths of core axes that only outputs have.
    vectorize : bool
        Whether the function takes the core axes of one place of the loop alone.
    allow_rechunk : bool
        Whether a core axis of several chunks is given whole, in blocks of less along the others, or refused.
    **keywords : optional
        Further keyword arguments of the function.

    Several outputs without core axes come of one call a block, others of one call each. Raises ShapeMismatchError
    for lengths that do not fit, ValueError for what the signature does not allow.

    >>> x = lz.from_array(np.arange(6.0).reshape(2, 3), chunks=1)
    >>> mean, spread = lz.apply_gufunc(lambda b: (b.mean(-1), np.ptp(b, -1)), "(i)->(),()", x)
    >>> mean.compute(), spread.compute()
    (array([1., 4.]), array([2., 2.]))
    """
    found = gufunc.apply_gufunc(
        function,
        signature,
        *args,
        axes=axes,
        axis=axis,
        keepdims=keepdims,
        output_dtypes=output_dtypes,
        output_sizes=output_sizes,
        vectorize=vectorize,
        allow_rechunk=allow_rechunk,
        **keywords,
    )
    return tuple(map(LazyArray, found)) if isinstance(found, tuple) else LazyArray(found)


def reduction(
    x: Any,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    axis: Axes = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
    combine: Callable[..., Any] | None = None,
    concatenate: bool = True,
    **keywords: Any,
) -> LazyArray:
    """The reduction that three functions make, read once and in little memory, as dask.array's.

    Parameters
    ----------
    x : array
    chunk : callable
        Called as `chunk(part, axis=..., keepdims=True)` with parts of the array, of whatever size the plan chooses.
    aggregate : callable
        Called so with what all parts gave, one behind the other along the first reduced axis: gives the result.
    axis : int, str or tuple, optional
        The axes that are reduced, by number or dimension name; default: all. Functions are given a tuple.
    keepdims : bool
        Whether reduced axes stay with length 1.
    dtype : dtype, optional
        Of the result; without it the functions are called once with ones.
    combine : callable, optional
        Called so with what some parts gave, as often as it takes; default: `aggregate`.
    concatenate : bool
        False: `combine` and `aggregate` are given a list of what parts gave, which may be anything.
    **keywords : optional
        Further keyword arguments of all three.

    Computing raises ShapeMismatchError where `aggregate` gives other axes.

    >>> x = lz.from_array(np.arange(-3.0, 3.0), chunks=2)
    >>> lz.reduction(x, lambda b, axis, keepdims: np.sum(b * b, axis, keepdims=keepdims), np.sum).compute()
    np.float64(19.0)
    """
    options = (axis, keepdims, dtype, combine, concatenate)
    return LazyArray(blockwise.reduction(x, chunk, aggregate, *options, **keywords))


def from_dask_array(x: Any, *, dims: Sequence[str | None] | None = None) -> LazyArray:
    """The LazyArray over a dask.array, each of whose chunks Dask computes once, on the scheduler of the run.

    Parameters
    ----------
    x : dask.array.Array
        Its chunks are those of the result. What its own tasks take of memory is not counted in `memory=`.
    dims : sequence of str or None, optional
        The name of each axis.

    Raises ValueError for unknown chunk sizes.

    >>> import dask.array as da
    >>> from_dask_array(da.ones((4, 6), chunks=(2, 3))).sum(axis=0).compute()
    array([4., 4., 4., 4., 4., 4.])
    """
    return LazyArray(dask_source(x, None if dims is None else tuple(dims)))


def compute(
    *values: Any,
    scheduler: Any = None,
    num_workers: int | None = None,
    memory: str | float | None = None,
    progress: bool | None = None,
    temp: str | os.PathLike[str] | None = None,
) -> tuple[Any, ...]:
    """The values of several lazy arrays, in as few passes over their sources as they allow.

    Lists, tuples and dicts are descended into; what is not lazy is handed back as it is. Arrays over the same
    shape share a pass: each chunk is decoded once. What a mask picks (`x[x > 2]`) and the different values of an
    array (`np.unique(x)`) are computed after them, one by one. Options as `LazyArray.compute` takes them: `memory`
    in bytes or as "1GB", more than 32 MB. Raises MemoryBudgetError where a step cannot fit it.

    >>> x = lz.from_array(np.arange(4.0))
    >>> compute(x.sum(), {"most": x.max()})
    (np.float64(6.0), {'most': np.float64(3.0)})
    """
    found: list[Computable] = []
    _find(values, found)
    job = Job(scheduler, num_workers, memory, progress, temp)
    arrays = [each for each in found if isinstance(each, LazyArray)]
    answers = iter(compute_outputs(arrays, job) if arrays else ())
    words = {
        "scheduler": scheduler,
        "num_workers": num_workers,
        "memory": memory,
        "progress": progress,
        "temp": temp,
    }
    given = iter([next(answers) if isinstance(each, LazyArray) else each.compute(**words) for each in found])
    return tuple(_put(value, given) for value in values)


Computable = LazyArray | Masked[LazyArray] | Unique
COMPUTABLE = (LazyArray, Masked, Unique)


def _find(value: Any, found: list[Computable]) -> None:
    """Adds what is lazy within a value, in the order in which `_put` comes by it."""
    if isinstance(value, COMPUTABLE):
        found.append(value)
    elif type(value) in (list, tuple) or hasattr(value, "_fields"):
        for item in value:
            _find(item, found)
    elif type(value) is dict:
        for item in value.values():
            _find(item, found)


def _put(value: Any, answers: Iterator[Any]) -> Any:
    """A value with answers in the place of what is lazy in it."""
    if isinstance(value, COMPUTABLE):
        return next(answers)
    if type(value) in (list, tuple):
        return type(value)(_put(item, answers) for item in value)
    if hasattr(value, "_fields"):
        return type(value)(*(_put(item, answers) for item in value))
    if type(value) is dict:
        return {key: _put(item, answers) for key, item in value.items()}
    return value


@overload
def store(
    sources: Mapping[Place, Any],
    targets: None = ...,
    *,
    regions: Regions = ...,
    lock: Any = ...,
    compute: Literal[True] = ...,
    **options: Unpack[WriteOptions],
) -> dict[Place, Array]: ...


@overload
def store(
    sources: list[Any] | tuple[Any, ...],
    targets: StoreLike | Array | Sequence[StoreLike | Array],
    *,
    regions: Regions = ...,
    lock: Any = ...,
    compute: Literal[True] = ...,
    **options: Unpack[WriteOptions],
) -> list[Array]: ...


@overload
def store(
    sources: LazyArray | Array | NDArray[Any],
    targets: StoreLike | Array,
    *,
    regions: Regions = ...,
    lock: Any = ...,
    compute: Literal[True] = ...,
    **options: Unpack[WriteOptions],
) -> Array: ...


@overload
def store(
    sources: Any,
    targets: Any = ...,
    *,
    regions: Regions = ...,
    lock: Any = ...,
    compute: Literal[False],
    **options: Unpack[WriteOptions],
) -> Plan: ...


def store(
    sources: Any,
    targets: Any = None,
    *,
    regions: Regions = None,
    lock: Any = None,
    mode: Mode = "w-",
    chunks: ChunksLike = "keep",
    shards: ChunksLike = None,
    compressors: Any = "auto",
    filters: Any = "auto",
    serializer: Any = "auto",
    fill_value: Any = None,
    pack: DTypeLike | None = None,
    scale_factor: float | None = None,
    add_offset: float | None = None,
    dimension_names: Sequence[str | None] | None = None,
    attributes: Mapping[str, Any] | None = None,
    zarr_format: Literal[2, 3] | None = None,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    compute: bool = True,
    scheduler: Any = None,
    num_workers: int | None = None,
    memory: str | float | None = None,
    progress: bool | None = None,
    temp: str | os.PathLike[str] | None = None,
) -> Array | list[Array] | dict[Any, Array] | Plan:
    """Writes several lazy arrays at once and gives the opened arrays: a dict for a dict, a list for a list.

    Those of one shape share a pass over their sources. One that another is made of, as a level of a pyramid, is
    read back where it was written, if that is exact: its sources are decoded once for all. New arrays appear when
    all are complete, or none does.

    Parameters
    ----------
    sources : array, sequence or mapping
        What is written; a mapping has the targets as keys.
    targets : path, Store or Array, or a sequence of them
        A place for a new array, or an Array that is written into.
    regions : optional
        For each source the part of an array that is there: a tuple of slices, or a mapping by axis number or
        dimension name; None: all of it.
    lock : optional
        Taken for dask's sake; nothing needs it.
    mode, chunks, shards, compressors, filters, serializer, fill_value : optional
        As `to_zarr` takes them, for all new arrays.
    pack, scale_factor, add_offset, dimension_names, attributes, zarr_format : optional
        As `to_zarr` takes them, for all new arrays.
    overwrite, storage_options, compute, scheduler, num_workers, memory, progress, temp : optional
        As `to_zarr` takes them.

    Raises WriteConflictError, where two arrays meet in one chunk, and what `to_zarr` raises, before anything is
    written.

    >>> x = lz.from_array(np.arange(8.0), chunks=4)
    >>> lz.store({"a.zarr/0": x, "a.zarr/1": x.coarsen(np.mean, {0: 2})})["a.zarr/1"][...]
    array([0.5, 2.5, 4.5, 6.5])
    """
    places, arrays = _pairs(sources, targets)
    parts = regions if isinstance(regions, list) else [regions] * len(arrays)
    if len(parts) != len(arrays):
        raise ValueError(f"store(): {len(parts)} regions for {len(arrays)} arrays")
    wanted = [
        Wanted(as_node(array), place, None, part)
        for array, place, part in zip(arrays, places, parts, strict=True)
    ]
    options = TargetOptions(
        chunks,
        shards,
        compressors,
        filters,
        serializer,
        fill_value,
        dimension_names,
        attributes,
        zarr_format,
        known_mode("w" if overwrite else mode),
        pack,
        scale_factor,
        add_offset,
    )
    job = Job(scheduler, num_workers, memory, progress, temp)

    def write() -> Any:
        stored = store_nodes(wanted, options, storage_options, job)
        if isinstance(sources, Mapping):
            return dict(zip(places, stored, strict=True))
        return stored if isinstance(sources, (list, tuple)) else stored[0]

    return write() if compute else plan_store(wanted, options, storage_options, job, write)


def _pairs(sources: Any, targets: Any) -> tuple[list[Any], list[Any]]:
    """Targets and sources, in pairs. Raises ValueError where there are not as many of both, or no targets."""
    if isinstance(sources, Mapping):
        if targets is not None:
            raise ValueError("store({path: array, ...}) has its targets already")
        return list(sources), list(sources.values())
    if targets is None:
        raise ValueError(
            'store() is not told where to: lz.store(x, "x.zarr"), lz.store([x, y], ["x.zarr", "y.zarr"]) or '
            'lz.store({"x.zarr": x, "y.zarr": y})'
        )
    several = isinstance(sources, (list, tuple))
    arrays = list(sources) if several else [sources]
    places = list(targets) if several and isinstance(targets, (list, tuple)) else [targets]
    if len(places) != len(arrays):
        raise ValueError(f"store(): {len(places)} targets for {len(arrays)} arrays")
    return places, arrays
