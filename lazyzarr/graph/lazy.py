"""LazyArray: an expression over arrays, with NumPy's face; nothing is read until it is computed or written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, Unpack, overload

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.errors import LazyzarrError, SelectionError
from lazyzarr.format.array import Array
from lazyzarr.format.fancy import Index
from lazyzarr.format.resolve import StoreLike
from lazyzarr.graph import missing, numpy_dispatch
from lazyzarr.graph.access import labelled
from lazyzarr.graph.block_methods import BlockMethods
from lazyzarr.graph.brackets import Blocks, Picker
from lazyzarr.graph.chunking import normalize_chunks
from lazyzarr.graph.collection import DaskCollection
from lazyzarr.graph.display import array_html
from lazyzarr.graph.drawing import Drawing
from lazyzarr.graph.explain import Plan
from lazyzarr.graph.facts import Described
from lazyzarr.graph.functions import picking, setting, shapes
from lazyzarr.graph.functions.ufuncs import apply_ufunc
from lazyzarr.graph.lift import array_node, lift
from lazyzarr.graph.masked import Masked
from lazyzarr.graph.methods import Methods
from lazyzarr.graph.mixed import named_as_one
from lazyzarr.graph.node import Node, flatten, unflatten
from lazyzarr.graph.operators import Operators
from lazyzarr.graph.ops import elementwise, user, views
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec, persist, run, where_it_runs
from lazyzarr.graph.storing import Wanted, known_mode, plan_store, store_nodes
from lazyzarr.graph.targets import TargetOptions, stored_type
from lazyzarr.graph.words import ChunksLike, Mode, RegionLike, RunOptions, WriteOptions
from lazyzarr.graph.writing import write_region
from lazyzarr.graph.xarray_words import told_by_methods
from lazyzarr.settings import format_bytes

Casting = Literal["no", "equiv", "safe", "same_kind", "unsafe"]

__all__ = ["LazyArray", "compute_outputs", "elementwise_call", "lazy"]


@told_by_methods
@named_as_one
class LazyArray(Methods, BlockMethods, Operators, Described, DaskCollection):
    """An array that is described, not held: what NumPy's operators and functions make of stored arrays.

    Made by `lz.from_zarr`, `lz.from_array`, `z.lazy()` and by computing with those. `compute` gives NumPy,
    `to_zarr` a stored array, `explain` the plan of either.

    >>> x = lz.from_array(np.arange(6.0).reshape(2, 3), chunks=(1, 3), dims=("time", "x"))
    >>> y = (x - x.mean("time")) * 2
    >>> y
    <LazyArray multiply (time: 2, x: 3) float64 48 B chunks=(1, 3)>
    >>> y.compute()
    array([[-3., -3., -3.],
           [ 3.,  3.,  3.]])
    """

    __slots__ = ("__weakref__", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node

    @classmethod
    def _of(cls, node: Node) -> Self:
        return cls(node)

    @property
    def __lazyzarr_node__(self) -> Node:
        return self._node

    @property
    def T(self) -> Self:
        """The array with its axes reversed."""
        return self._of(views.transpose(self._node, range(self.ndim)[::-1]))

    @property
    def mT(self) -> Self:
        """The array with its last two axes swapped. Raises ValueError where there are fewer."""
        if self.ndim < 2:
            raise ValueError(f"matrix transpose of {self.ndim} axes: it swaps the last two")
        return self._of(shapes.swapaxes(self._node, -1, -2))

    def __repr__(self) -> str:
        named = ", ".join(
            f"{name}: {n}" if name else str(n) for name, n in zip(self.dims, self.shape, strict=True)
        )
        extent = f"({named})" if any(self.dims) else str(self.shape)
        facts = f"{extent} {self.dtype} {format_bytes(self.nbytes)} chunks={self.chunksize}"
        return f"<LazyArray {labelled(self._node)} {facts}>"

    def _repr_html_(self) -> str:
        """The facts beside a picture of the chunks, and the plan of `compute` folded below."""
        try:
            return self.explain().html()
        except (LazyzarrError, ValueError, MemoryError):
            return array_html(self._node)

    # --- other arrays of it

    @overload
    def __getitem__(self, selection: LazyArray) -> Self | Masked[Self]: ...

    @overload
    def __getitem__(self, selection: Index) -> Self: ...

    def __getitem__(self, selection: LazyArray | Index) -> Self | Masked[Self]:
        """A part of the array, by integers, slices with any step, Ellipsis and None, and by NumPy's rules by
        lists, integer arrays and masks; only the chunks that hold it are read.

        Of records `x["name"]` is one field. A lazy mask picks a number of elements that is not known yet: `x[x > 2]`
        is a Masked, whose reductions read `x` once.

        Raises BoundsCheckError, and SelectionError for what picks no known number of elements.

        >>> x = lz.from_array(np.arange(12).reshape(3, 4))
        >>> x[[2, 0], 1:3].compute()
        array([[ 9, 10],
               [ 1,  2]])
        """
        if isinstance(selection, str):
            return self._of(picking.field(self._node, selection))
        if isinstance(selection, LazyArray) and selection.dtype == np.dtype(bool):
            if selection.shape != self.shape:
                raise SelectionError(
                    f"a lazy mask of shape {selection.shape} does not fit an array of shape {self.shape}: it is to be "
                    "equal; x[mask.compute()] picks along leading axes"
                )
            return Masked(self._node, selection._node, self._of, _computed)
        if picking.has_arrays(selection):
            return self._of(picking.getitem(self._node, selection))
        return self._of(picking.basic(self._node, selection))

    def __setitem__(self, selection: LazyArray | Index, value: Any) -> None:
        """Changes this expression: its selected elements have other values from now on; nothing is stored.

        All of NumPy's selections, and lazy masks: with one value for all that they pick, or with what they picked.
        Raises BoundsCheckError, SelectionError, and ValueError for values that do not fit.

        >>> x = lz.from_array(np.arange(4))
        >>> x[x > 1] = 0
        >>> x.compute()
        array([0, 1, 0, 0])
        """
        given = value.values_of(selection) if isinstance(value, Masked) else value
        self._node = setting.setitem(self._node, selection, given, picked=isinstance(value, Masked))

    @property
    def blocks(self) -> Blocks[Self]:
        """`x.blocks[...]`: whole chunks by their numbers along each axis, as dask.array's.

        >>> lz.from_array(np.arange(10), chunks=4).blocks[1:].compute()
        array([4, 5, 6, 7, 8, 9])
        """
        return Blocks(self, picking.blocks)

    @property
    def oindex(self) -> Picker[Self]:
        """`x.oindex[...]`: arrays that each pick along their own axis, as zarr's."""
        return Picker(self, picking.oindex)

    @property
    def vindex(self) -> Picker[Self]:
        """`x.vindex[...]`: arrays that pick points together, in axes in front."""
        return Picker(self, picking.vindex)

    def astype(self, dtype: DTypeLike, casting: Casting = "unsafe", copy: bool = True) -> Self:
        """The values in another dtype, by NumPy's rules; TypeError where `casting` forbids it.

        `copy` makes no difference to an expression.
        """
        result = np.dtype(dtype)
        if not np.can_cast(self.dtype, result, casting):
            raise TypeError(f"cannot cast {self.dtype} to {result} by the rule {casting!r}")
        return self._of(elementwise.astype(self._node, result))

    def rechunk(self, chunks: ChunksLike = "auto") -> Self:
        """The same values in other chunks: lengths, -1, "auto", "64MB", or a mapping by axis or dimension name.

        It costs nothing by itself: chunks are what `map_blocks` sees and what `to_zarr(chunks="keep")` writes.

        >>> lz.from_array(np.zeros((6, 4)), chunks=2, dims=("t", "x")).rechunk({"t": -1}).chunks
        ((6,), (2, 2))
        """
        wanted = normalize_chunks(chunks, self.shape, self.itemsize, self.dims, self.chunks)
        return self._of(views.rechunk(self._node, wanted))

    # --- answers

    # Any: an array, or a scalar where there are no axes; a union of both would have each caller ask which.
    def compute(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> Any:
        """The values as a NumPy array (a NumPy scalar where there are no axes).

        Parameters
        ----------
        scheduler : {"threads", "sync", "processes", "distributed"} or Client, optional
            Default: `lz.config`'s, else a live distributed Client, else Dask's setting, else threads.
        num_workers : int, optional
            Tasks at once; default: the cores.
        memory : str or float, optional
            What the process may use above what is in use at the start, the result included: "1GB" or bytes;
            a worker's, on a cluster. 32 MB of it are for what no plan counts, so less is refused. Default: half
            of what is available.
        progress : bool, optional
            Whether to show a progress bar; default: `lz.config`'s, off.
        temp : path, optional
            The directory for temporary arrays, where a step goes through one; default: `lz.config`'s
            `temporary_directory`, else the system's.

        Raises MemoryBudgetError where a step cannot fit `memory`, TemporarySpaceError where the disk has no room for
        temporary arrays, before anything is read.
        """
        return compute_outputs([self], Job(scheduler, num_workers, memory, progress, temp))[0]

    result = compute

    def persist(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> Self:
        """The array over its computed values, which are held in memory; options as `compute` takes them.

        On a cluster they are held by its workers, which begin to compute them. Raises MemoryBudgetError where they
        do not fit.
        """
        job = Job(scheduler, num_workers, memory, progress, temp)
        node = persist(self._node, job)
        if node is not None:
            return self._of(node)
        values = np.asarray(compute_outputs([self], job)[0])
        return self._of(array_node(values, self.chunks, self.dims))

    def explain(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> Plan:
        """The plan of `compute`: stages, tasks, bytes, memory; known before anything is read.

        Options as `compute` takes them; `progress` is for the plan's `run()`.

        >>> x = lz.from_array(np.zeros((1000, 1000), "f4"), chunks=(100, 1000))
        >>> x.mean(axis=0).explain(memory="100MB").peak_memory < 100e6
        True
        """
        job = Job(scheduler, num_workers, memory, progress, temp)
        spec, chosen = make_spec([Output(self._node)], job)
        return Plan(
            spec.stages, chosen.reach, lambda: compute_outputs([self], job)[0], where_it_runs(spec, chosen)
        )

    def visualize(
        self, filename: str | os.PathLike[str] | None = None, *, memory: str | float | None = None
    ) -> Drawing:
        """A drawing of the plan of `compute` within `memory` (bytes, or "1GB"): its stages, what they read and give.

        Notebooks show it; it is saved as SVG where a file is named. Raises ValueError for files of other formats.

        >>> lz.from_array(np.ones(3)).sum().visualize("plan.svg").svg.count("sum-array")
        1
        """
        return self.explain(memory=memory).visualize(filename)

    @overload
    def to_zarr(
        self,
        store: StoreLike | Array,
        path: str | None = ...,
        *,
        component: str | None = ...,
        region: RegionLike = ...,
        compute: Literal[True] = ...,
        **options: Unpack[WriteOptions],
    ) -> Array: ...

    @overload
    def to_zarr(
        self,
        store: StoreLike | Array,
        path: str | None = ...,
        *,
        component: str | None = ...,
        region: RegionLike = ...,
        compute: Literal[False],
        **options: Unpack[WriteOptions],
    ) -> Plan: ...

    @overload
    def to_zarr(
        self,
        store: StoreLike | Array,
        path: str | None = ...,
        *,
        component: str | None = ...,
        region: RegionLike = ...,
        compute: bool,
        **options: Unpack[WriteOptions],
    ) -> Array | Plan: ...

    def to_zarr(
        self,
        store: StoreLike | Array,
        path: str | None = None,
        *,
        component: str | None = None,
        mode: Mode = "w-",
        region: RegionLike = None,
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
    ) -> Array | Plan:
        """Writes the values to a new Zarr array, or into one that is there, and gives the opened array.

        Each chunk is written by one task. A new array appears when it is complete; a run that fails or is killed
        leaves what was there before.

        Parameters
        ----------
        store : path, Store, mapping or Array
            Where; "data.zarr/u" is the array u in the hierarchy data.zarr. An Array is written into.
        path, component : str, optional
            The array's path within the store, in zarr's word and in dask's.
        mode : {"w-", "w", "r+", "a"}
            "w-" and "a": a new array, refused where there is one; "w" (or `overwrite=True`): replaces it at the end;
            "r+": writes into the one that is there, of the same shape.
        region : tuple of slices or mapping, optional
            The part of an array that is there which the values are written to; a mapping by axis number or
            dimension name.
        chunks : optional
            Lengths of the chunks; "keep" (default): those of `self.chunks`.
        shards : optional
            Lengths of the shards, multiples of the chunks': one for each axis, one for all, or a mapping by axis number
            or dimension name.
        compressors, filters, serializer, fill_value, dimension_names, attributes, zarr_format : optional
            As `lz.create_array` takes them; dimension names and attributes default to this array's `dims` and `attrs`.
        pack, scale_factor, add_offset : dtype and float, optional
            What a new array is to hold instead of the values: `(value - add_offset) / scale_factor`, in float64 and
            rounded to integers, halves to even, or as floats of a dtype like "f4". NaN is stored as `fill_value`. The
            attributes say so, by which `from_zarr(mask_and_scale=True)` and xarray read the values back. Into an array
            that is there (`mode="r+"`, `region`) go the numbers that it stores, packed or not.
        storage_options : mapping, optional
            Of a remote store.
        compute : bool
            False: gives the Plan, whose `run()` writes.
        scheduler, num_workers, memory, progress, temp : optional
            As `compute` takes them.

        Raises ContainsArrayError, ArrayNotFoundError, ShapeMismatchError, MemoryBudgetError, WriteConflictError,
        StoreReachError before anything is written; DataTypeMismatchError for values that `pack` has no number for,
        and then there is no new array.

        >>> x = lz.from_array(np.array([0.1234, np.nan, -0.5]))
        >>> z = x.to_zarr("packed.zarr", pack="i2", scale_factor=1e-4, fill_value=-32768)
        >>> z[...], lz.from_zarr(z, mask_and_scale=True).compute()
        (array([  1234, -32768,  -5000], dtype=int16), array([ 0.1234,     nan, -0.5   ]))
        """
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
        wanted = [Wanted(self._node, store, component or path, region)]
        job = Job(scheduler, num_workers, memory, progress, temp)

        def write() -> Array:
            return store_nodes(wanted, options, storage_options, job)[0]

        return write() if compute else plan_store(wanted, options, storage_options, job, write)

    def __lazyzarr_store__(self, array: Array, selection: Any, url: str | None = None) -> None:
        """What `z[selection] = x` does on a stored array z: streams, block by block.

        `url` is where z will be found, if it is built elsewhere.
        """
        write_region(array, selection, self._node, Job(), url)

    @property
    def __lazyzarr_data_type__(self) -> Any:
        """What a new array of these values is to hold."""
        return stored_type(self._node)

    # --- numbers

    def item(self) -> Any:
        """The value of an array of one element, as a Python number; computes."""
        return self.compute().item()

    def __bool__(self) -> bool:
        if self.size != 1:
            what = "an array with more than one element" if self.size else "an empty array"
            raise ValueError(
                f"The truth value of {what} is ambiguous. Use x.any() or x.all(), which compute, or x.size > 0; "
                "whether there is an array at all: x is not None; whether two stored ones are one: "
                "a.store_path == b.store_path"
            )
        return bool(self.compute())

    def __contains__(self, value: Any) -> bool:
        # Python would ask for each element by itself.
        return bool((self == value).any())

    def __float__(self) -> float:
        return float(self._one("float"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def __complex__(self) -> complex:
        return complex(self._one("complex"))

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._one("number"), ndigits)

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.shape:
            raise TypeError("only an integer array without axes can be an index")
        return int(self.compute())

    def _one(self, kind: str) -> Any:
        if self.size != 1:
            raise TypeError(
                f"only an array of one element can become a Python {kind}; this one has shape {self.shape}"
            )
        return self.compute().reshape(())[()]

    def __format__(self, spec: str) -> str:
        if self.shape and spec:
            raise TypeError(f"an array of shape {self.shape} is not formatted by {spec!r}; one of no axes is")
        return format(self.compute(), spec) if spec else str(self)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError(
                "a lazy array has no values in memory: np.asarray(x) computes them, without copy=False"
            )
        return np.asarray(self.compute(), dtype=dtype)

    # --- NumPy

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return self._wrapped(apply_ufunc(function, method, inputs, keywords))

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
        return self._wrapped(numpy_dispatch.apply_function(function, args, keywords))

    @classmethod
    def _wrapped(cls, found: Any) -> Any:
        """What a function gives, with lazy arrays for nodes."""
        if isinstance(found, (list, tuple)) and found and isinstance(found[0], Node):
            return type(found)(cls._of(node) for node in found)
        return cls._of(found) if isinstance(found, Node) else found

    def __reduce__(self) -> tuple[Callable[..., LazyArray], tuple[Any, ...]]:
        flat, roots = flatten([self._node])
        return _unpickled, (flat, roots)

    if not TYPE_CHECKING:  # a checker would take every name for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            said = f"a LazyArray has no {name!r}"
            cure = missing.cure(name) or missing.near(name, dir(type(self)))
            raise AttributeError(f"{said}; {cure}" if cure else said, name=name, obj=self)


def _unpickled(flat: Any, roots: list[int]) -> LazyArray:
    return LazyArray(unflatten(flat, roots)[0])


def lazy(array: Any) -> LazyArray:
    """The LazyArray over a stored array; fills the slot of the format half."""
    node = lift(array)
    assert isinstance(node, Node)
    return LazyArray(node)


def elementwise_call(
    function: Callable[..., Any],
    *arrays: Any,
    dtype: DTypeLike | None = None,
    keywords: Mapping[str, Any] | None = None,
) -> LazyArray:
    """The results of a function that works value by value, called on whatever parts the plan chooses.

    Parameters
    ----------
    function : callable
        Takes as many arrays as are given, of equal or broadcasting shapes, and gives the results as an array
        of the broadcast shape. It must not matter which part of the arrays it sees; these are read-only.
    arrays : array or number
        What it is applied to.
    dtype : dtype, optional
        Of the results; without it the function is called once with empty arrays.
    keywords : mapping, optional
        Further keyword arguments of the function.

    >>> x = lz.from_array(np.arange(4.0))
    >>> lz.elementwise(np.hypot, x, 3.0).compute()
    array([3.        , 3.16227766, 3.60555128, 4.24264069])
    """
    result = None if dtype is None else np.dtype(dtype)
    kind = user.UserElementwise
    return LazyArray(
        elementwise.call(
            kind, function, [lift(array) for array in arrays], tuple((keywords or {}).items()), result
        )
    )


def compute_outputs(arrays: Sequence[LazyArray], job: Job) -> list[Any]:
    """The values of several arrays in as few passes as they allow."""
    answers = run([Output(array.__lazyzarr_node__) for array in arrays], job)
    # Equal expressions are computed once; what is done to the one answer must not show in the other.
    again = [any(answer is earlier for earlier in answers[:i]) for i, answer in enumerate(answers)]
    owned = [answer.copy() if twin else answer for answer, twin in zip(answers, again, strict=True)]  # type: ignore[union-attr]
    return [_scalar(answer) for answer in owned]


def _computed(arrays: Sequence[LazyArray], **options: Unpack[RunOptions]) -> list[Any]:
    """The values of several arrays, with the options of `compute`."""
    return compute_outputs(arrays, Job(**options))


def _scalar(answer: Any) -> Any:
    return answer[()] if answer.ndim == 0 else answer
