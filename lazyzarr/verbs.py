"""The verbs of the compute half: open a stored array lazily, compute several at once, store several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike

from lazyzarr.format.array import Array
from lazyzarr.format.creation import from_array as stored_from_array
from lazyzarr.format.open import open_array
from lazyzarr.format.options import ArrayOptions
from lazyzarr.format.resolve import StoreLike
from lazyzarr.graph.functions.values import where
from lazyzarr.graph.lazy import LazyArray, compute_outputs
from lazyzarr.graph.lazy import elementwise_call as elementwise
from lazyzarr.graph.lift import array_node, stored_node
from lazyzarr.graph.ops.elementwise import astype
from lazyzarr.graph.run import Job

__all__ = ["compute", "elementwise", "from_array", "from_zarr"]


def from_zarr(
    store: StoreLike | Array,
    component: str | None = None,
    *,
    path: str | None = None,
    chunks: Any = None,
    dtype: Any = None,
    mask_and_scale: bool = False,
    storage_options: Mapping[str, Any] | None = None,
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
        Whether values are decoded by the CF attributes of the array, to float64: NaN where they equal
        `_FillValue` or `missing_value`, else times `scale_factor` plus `add_offset`.
    storage_options : mapping, optional
        Of remote stores.

    Raises ArrayNotFoundError, and what reading its metadata raises.

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
    lazy = LazyArray(stored_node(array, chunks))
    if mask_and_scale:
        lazy = _decoded(lazy, array.attrs)
    return lazy if dtype is None else LazyArray(astype(lazy.__lazyzarr_node__, np.dtype(dtype)))


def _decoded(lazy: LazyArray, attributes: Mapping[str, Any]) -> LazyArray:
    """The values that CF attributes say are meant (CF conventions, section 8.1, "Packed data")."""
    missing = [attributes[name] for name in ("_FillValue", "missing_value") if name in attributes]
    values = lazy.astype("f8")
    if "scale_factor" in attributes:
        values = values * float(attributes["scale_factor"])
    if "add_offset" in attributes:
        values = values + float(attributes["add_offset"])
    for value in missing:
        values = LazyArray(where(lazy != np.asarray(value).astype(lazy.dtype)[()], values, np.nan))
    return values


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
def from_array(x: ArrayLike, chunks: Any = ..., *, dims: Sequence[str | None] | None = ...) -> LazyArray: ...


def from_array(
    x: Any, chunks: Any = "auto", *, dims: Sequence[str | None] | None = None, **options: Any
) -> Array | LazyArray:
    """A LazyArray over an array in memory; with `data=`, a new stored array that holds the data.

    Parameters
    ----------
    x : array_like, or a path or Store with `data=`
        The array to compute with: NumPy's, or anything with a shape, a dtype and slices that give NumPy. It is
        read when the expression is computed, and not copied before: it must not change meanwhile. With `data=`:
        where the new array is to lie.
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
    if isinstance(x, str):
        raise TypeError(f"from_array takes arrays; to open a stored one: from_zarr({x!r})")
    return LazyArray(array_node(x, chunks, None if dims is None else tuple(dims)))


def compute(
    *values: Any,
    scheduler: Any = None,
    num_workers: int | None = None,
    memory: str | float | None = None,
    progress: bool | None = None,
) -> tuple[Any, ...]:
    """The values of several lazy arrays, in as few passes over their sources as they allow.

    Lists, tuples and dicts are descended into; what is not lazy is handed back as it is. Arrays over the same
    shape share a pass: each chunk is decoded once. Options as `LazyArray.compute` takes them: `memory` in bytes or
    as "1GB". Raises MemoryBudgetError where a step cannot fit it.

    >>> x = lz.from_array(np.arange(4.0))
    >>> compute(x.sum(), {"most": x.max()})
    (np.float64(6.0), {'most': np.float64(3.0)})
    """
    found: dict[LazyArray, None] = {}
    _find(values, found)
    arrays = list(found)
    answers = compute_outputs(arrays, Job(scheduler, num_workers, memory, progress)) if arrays else []
    by_array = dict(zip(arrays, answers, strict=True))
    return tuple(_put(value, by_array) for value in values)


def _find(value: Any, found: dict[LazyArray, None]) -> None:
    if isinstance(value, LazyArray):
        found[value] = None
    elif type(value) in (list, tuple) or hasattr(value, "_fields"):
        for item in value:
            _find(item, found)
    elif type(value) is dict:
        for item in value.values():
            _find(item, found)


def _put(value: Any, answers: Mapping[LazyArray, Any]) -> Any:
    if isinstance(value, LazyArray):
        return answers[value]
    if type(value) in (list, tuple):
        return type(value)(_put(item, answers) for item in value)
    if hasattr(value, "_fields"):
        return type(value)(*(_put(item, answers) for item in value))
    if type(value) is dict:
        return {key: _put(item, answers) for key, item in value.items()}
    return value
