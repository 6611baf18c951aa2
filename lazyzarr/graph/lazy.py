"""LazyArray: an expression over arrays, with NumPy's face; nothing is read until it is computed or written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.errors import BoundsCheckError, SelectionError, ShapeMismatchError
from lazyzarr.format.array import Array
from lazyzarr.format.resolve import StoreLike
from lazyzarr.format.selection import parse_basic
from lazyzarr.graph import numpy_dispatch, reducing
from lazyzarr.graph.chunking import axis_of, normalize_chunks
from lazyzarr.graph.explain import Plan
from lazyzarr.graph.lift import array_node, lift
from lazyzarr.graph.node import Chunks, Node, flatten, unflatten
from lazyzarr.graph.operators import Operators
from lazyzarr.graph.ops import blocks, elementwise, user, views
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec, run
from lazyzarr.graph.schedule import threads
from lazyzarr.graph.targets import TargetOptions, new_target
from lazyzarr.graph.tasks import PlanExpr
from lazyzarr.graph.writing import plan_new, write_new, write_region
from lazyzarr.settings import format_bytes

__all__ = ["LazyArray", "compute_outputs", "elementwise_call", "lazy", "where"]


class LazyArray(Operators):
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
    def _of(cls, node: Node) -> LazyArray:
        return cls(node)

    @property
    def __lazyzarr_node__(self) -> Node:
        return self._node

    # --- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the values."""
        return self._node.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._node.ndim

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one value."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all values, once computed."""
        return self._node.nbytes

    @property
    def dims(self) -> tuple[str | None, ...]:
        """The name of each axis, None where it has none."""
        return self._node.dims

    @property
    def chunks(self) -> Chunks:
        """The chunk sizes along each axis, as dask.array writes them: what `map_blocks` works on."""
        return self._node.chunks

    @property
    def chunksize(self) -> tuple[int, ...]:
        """The largest chunk size along each axis."""
        return tuple(max(sizes, default=0) for sizes in self.chunks)

    @property
    def numblocks(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        return tuple(map(len, self.chunks))

    @property
    def npartitions(self) -> int:
        """The number of chunks."""
        return math.prod(self.numblocks)

    @property
    def T(self) -> LazyArray:
        """The array with its axes reversed."""
        return self.transpose()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __repr__(self) -> str:
        named = ", ".join(
            f"{name}: {n}" if name else str(n) for name, n in zip(self.dims, self.shape, strict=True)
        )
        extent = f"({named})" if any(self.dims) else str(self.shape)
        facts = f"{extent} {self.dtype} {format_bytes(self.nbytes)} chunks={self.chunksize}"
        return f"<LazyArray {self._node.label} {facts}>"

    # --- other arrays of it

    def __getitem__(self, selection: Any) -> LazyArray:
        """A part of the array, by integers, slices with any step, Ellipsis and None; only that part is read.

        Of records `x["name"]` is one field. Raises BoundsCheckError, and SelectionError for lists and masks:
        x.compute()[...] takes those.
        """
        if isinstance(selection, str) and selection in (self.dtype.names or ()):
            return self._of(elementwise.field(self._node, selection))
        try:
            parsed = parse_basic(selection, self.shape)
        except BoundsCheckError:
            raise
        except SelectionError as error:
            raise SelectionError(
                "a lazy array is indexed by integers, slices, Ellipsis and None; for lists and masks "
                "x.compute()[...] works in memory"
            ) from error
        return self._of(views.index(self._node, parsed))

    def transpose(self, *axes: Any) -> LazyArray:
        """The array with its axes in another order: by number or dimension name; reversed where none is given.

        Raises ValueError where an axis is missing or named twice.
        """
        given = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        backwards = not axes or axes == (None,)
        order = list(range(self.ndim))[::-1] if backwards else [axis_of(axis, self.dims) for axis in given]
        if sorted(order) != list(range(self.ndim)):
            raise ValueError(f"transpose takes each of the {self.ndim} axes once, not {tuple(given)}")
        return self._of(views.transpose(self._node, order))

    def astype(self, dtype: DTypeLike, casting: str = "unsafe") -> LazyArray:
        """The values in another dtype, by NumPy's rules; TypeError where `casting` forbids it."""
        result = np.dtype(dtype)
        if not np.can_cast(self.dtype, result, casting):  # type: ignore[arg-type]
            raise TypeError(f"cannot cast {self.dtype} to {result} by the rule {casting!r}")
        return self._of(elementwise.astype(self._node, result))

    def rechunk(self, chunks: Any = "auto") -> LazyArray:
        """The same values in other chunks: lengths, -1, "auto", "64MB", or a mapping by axis or dimension name.

        It costs nothing by itself: chunks are what `map_blocks` sees and what `to_zarr(chunks="keep")` writes.

        >>> lz.from_array(np.zeros((6, 4)), chunks=2, dims=("t", "x")).rechunk({"t": -1}).chunks
        ((6,), (2, 2))
        """
        wanted = normalize_chunks(chunks, self.shape, self.itemsize, self.dims, self.chunks)
        return self._of(views.rechunk(self._node, wanted))

    def map_blocks(
        self,
        function: Callable[..., Any],
        *arrays: Any,
        dtype: DTypeLike | None = None,
        chunks: Any = None,
        keywords: Mapping[str, Any] | None = None,
    ) -> LazyArray:
        """The results of a function called with each chunk, exactly as `.chunks` says, once each.

        Parameters
        ----------
        function : callable
            Takes a chunk of this array, and the chunks at the same place of `arrays`; gives a NumPy array of
            the same shape, or of the shape that `chunks` says. It may take `block_id` (the chunk's index) and
            `block_info` (as dask.array's). Chunks are borrowed: copy one before changing it in place.
        arrays : array, optional
            Further arrays with the same chunks, or with axes of length 1; numbers are handed on as they are.
        dtype : dtype, optional
            Of the results. Without it the function is called once with chunks of one element to learn it.
        chunks : optional
            The chunk sizes of the result, where the function changes shapes: one tuple of sizes an axis, or
            one length an axis.
        keywords : mapping, optional
            Further keyword arguments of the function.

        >>> x = lz.from_array(np.arange(6), chunks=3)
        >>> x.map_blocks(lambda block: block - block.min(), dtype=x.dtype).compute()
        array([0, 1, 2, 0, 1, 2])
        """
        arguments = [self._node, *(self._aligned(lift(array)) for array in arrays)]
        grid = None if chunks is None else _block_chunks(chunks, self.numblocks)
        result = None if dtype is None else np.dtype(dtype)
        return self._of(blocks.map_blocks(function, arguments, dict(keywords or {}), result, grid))

    def _aligned(self, other: Node | Constant) -> Node | Constant:
        """A further argument of map_blocks, in this one's chunks; a number as it is."""
        if isinstance(other, Constant):
            return other
        own = self.chunks[self.ndim - other.ndim :] if other.ndim <= self.ndim else None
        if own is None or any(n not in (1, sum(sizes)) for n, sizes in zip(other.shape, own, strict=True)):
            raise ShapeMismatchError(
                f"map_blocks: an array of shape {other.shape} has no chunks at the places of one of shape {self.shape}"
            )
        grid = tuple((1,) if n == 1 else sizes for n, sizes in zip(other.shape, own, strict=True))
        return views.rechunk(other, grid)

    # --- reductions

    def sum(self, axis: Any = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> LazyArray:
        """The sum over axes (numbers or dimension names; None: all), in NumPy's dtype for it."""
        return self._of(reducing.total(self._node, axis, dtype, keepdims))

    def mean(self, axis: Any = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> LazyArray:
        """The arithmetic mean over axes (numbers or dimension names; None: all), in NumPy's dtype for it."""
        return self._of(reducing.mean(self._node, axis, dtype, keepdims))

    def std(
        self, axis: Any = None, dtype: DTypeLike | None = None, ddof: float = 0, keepdims: bool = False
    ) -> LazyArray:
        """The standard deviation over axes, with `ddof` taken from the count; one pass; NumPy's dtype for it."""
        return self._of(reducing.variance(self._node, axis, dtype, ddof, keepdims, True))

    def var(
        self, axis: Any = None, dtype: DTypeLike | None = None, ddof: float = 0, keepdims: bool = False
    ) -> LazyArray:
        """The variance over axes, with `ddof` taken from the count; one pass; in NumPy's dtype for it."""
        return self._of(reducing.variance(self._node, axis, dtype, ddof, keepdims, False))

    def min(self, axis: Any = None, keepdims: bool = False) -> LazyArray:
        """The minimum over axes; NaN where there is one. Raises ValueError where there is nothing to compare."""
        return self._of(reducing.extremum(self._node, axis, keepdims, np.minimum))

    def max(self, axis: Any = None, keepdims: bool = False) -> LazyArray:
        """The maximum over axes; NaN where there is one. Raises ValueError where there is nothing to compare."""
        return self._of(reducing.extremum(self._node, axis, keepdims, np.maximum))

    def any(self, axis: Any = None, keepdims: bool = False) -> LazyArray:
        """Whether any value is true, over axes."""
        return self._of(reducing.logical(self._node, axis, keepdims, np.logical_or))

    def all(self, axis: Any = None, keepdims: bool = False) -> LazyArray:
        """Whether all values are true, over axes."""
        return self._of(reducing.logical(self._node, axis, keepdims, np.logical_and))

    # --- answers

    def compute(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
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
            a worker's, on a cluster. Default: half of what is available.
        progress : bool, optional
            Whether to show a progress bar; default: `lz.config`'s, off.

        Raises MemoryBudgetError where a step cannot fit `memory`, before anything is read.
        """
        return compute_outputs([self], Job(scheduler, num_workers, memory, progress))[0]

    result = compute

    def explain(
        self, *, scheduler: Any = None, num_workers: int | None = None, memory: str | float | None = None
    ) -> Plan:
        """The plan of `compute`: stages, tasks, bytes, memory; known before anything is read.

        >>> x = lz.from_array(np.zeros((1000, 1000), "f4"), chunks=(100, 1000))
        >>> x.mean(axis=0).explain(memory="100MB").peak_memory < 100e6
        True
        """
        job = Job(scheduler, num_workers, memory, False)
        spec, chosen = make_spec([Output(self._node)], job)
        return Plan(spec.stages, chosen.reach, lambda: compute_outputs([self], job)[0])

    def to_zarr(
        self,
        store: StoreLike,
        path: str | None = None,
        *,
        mode: Literal["w-", "w"] = "w-",
        chunks: Any = "keep",
        shards: Any = None,
        compressors: Any = "auto",
        filters: Any = "auto",
        serializer: Any = "auto",
        fill_value: Any = None,
        dimension_names: Sequence[str | None] | None = None,
        attributes: Mapping[str, Any] | None = None,
        zarr_format: Literal[2, 3] | None = None,
        overwrite: bool = False,
        compute: bool = True,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
    ) -> Any:
        """Writes the values to a new Zarr array, each chunk by one task, and gives the opened array.

        The array appears when it is complete; a run that fails or is killed leaves what was there before.

        Parameters
        ----------
        store : path, Store or mapping
            Where; "data.zarr/u" is the array u in the hierarchy data.zarr.
        path : str, optional
            The array's path within the store.
        mode : {"w-", "w"}
            "w-": a new array, refused where there is one; "w" (or `overwrite=True`): replaces it at the end.
        chunks : optional
            Lengths of the chunks; "keep" (default): those of `self.chunks`.
        shards : optional
            Lengths of the shards, multiples of the chunks'.
        compressors, filters, serializer, fill_value, dimension_names, attributes, zarr_format : optional
            As `lz.create_array` takes them; dimension names default to this array's.
        compute : bool
            False: gives the Plan, whose `run()` writes.
        scheduler, num_workers, memory, progress : optional
            As `compute` takes them.

        Raises ContainsArrayError, MemoryBudgetError, WriteConflictError, StoreReachError before anything is
        written.
        """
        mode = "w" if overwrite else mode
        if mode not in ("w-", "w"):
            raise ValueError(
                f'mode={mode!r}: "w-" writes a new array, "w" replaces one; z[...] = x writes into one that is there'
            )
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
            mode,
        )
        target = new_target(self._node, store, path, options)
        job = Job(scheduler, num_workers, memory, progress)

        def write() -> Array:
            return write_new([target], job)[0]

        return write() if compute else plan_new(target, job, write)

    def __lazyzarr_store__(self, array: Array, selection: Any) -> None:
        """What `z[selection] = x` does on a stored array z: streams, block by block."""
        write_region(array, selection, self._node, Job())

    # --- numbers

    def item(self) -> Any:
        """The value of an array of one element, as a Python number; computes."""
        return self.compute().item()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all(). "
                "Same array? compare z.store_path"
            )
        return bool(self.compute())

    def __float__(self) -> float:
        return float(self._one("float"))

    def __int__(self) -> int:
        return int(self._one("int"))

    def __complex__(self) -> complex:
        return complex(self._one("complex"))

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
        return format(self.compute() if not self.shape and spec else self, spec) if spec else str(self)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError(
                "a lazy array has no values in memory: np.asarray(x) computes them, without copy=False"
            )
        return np.asarray(self.compute(), dtype=dtype)

    # --- NumPy and Dask

    def __array_ufunc__(
        self, function: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any
    ) -> Any:
        if out is not None:
            raise TypeError(
                f"np.{function.__name__} of a lazy array takes no out=; assign the result instead"
            )
        if method != "__call__":
            raise TypeError(
                f"np.{function.__name__}.{method} is not lazy; x.compute() gives NumPy, or use x.sum(), "
                "x.max() and the like"
            )
        if "where" in keywords:
            raise TypeError(
                f"np.{function.__name__} of a lazy array takes no where=; use np.where(condition, a, b)"
            )
        return self._of(elementwise.ufunc(function, *map(lift, inputs), **keywords))

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
        if function is np.where:
            return where(*args, **keywords)
        return numpy_dispatch.apply_function(function, types, args, keywords)

    @property
    def expr(self) -> PlanExpr:
        """This array as a Dask expression of one key, so that `dask.compute(x)` works among other collections.

        `memory=` does not reach it there: `lz.config.set(memory="2GB")` does.
        """
        spec, _ = make_spec([Output(self._node)], Job(scheduler="threads"))
        return PlanExpr(f"{self._node.label}-{spec.token}", spec)  # type: ignore[no-untyped-call]

    def __dask_graph__(self) -> dict[Any, Any]:
        return dict(self.expr.__dask_graph__())  # type: ignore[no-untyped-call]

    def __dask_keys__(self) -> list[Any]:
        return list(self.expr.__dask_keys__())

    def __dask_tokenize__(self) -> Any:
        return self._node.token

    def __dask_postcompute__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return _first, ()

    def __dask_postpersist__(self) -> tuple[Callable[..., LazyArray], tuple[LazyArray]]:
        return _persisted, (self,)

    @staticmethod
    def __dask_scheduler__(graph: Any, keys: Any, **keywords: Any) -> Any:
        return threads(graph, keys, **keywords)

    def __reduce__(self) -> tuple[Callable[..., LazyArray], tuple[Any, ...]]:
        flat, roots = flatten([self._node])
        return _unpickled, (flat, roots)

    def __getattr__(self, name: str) -> NoReturn:
        hint = f"; x.compute().{name} works in memory" if hasattr(np.ndarray, name) else ""
        raise AttributeError(f"a LazyArray has no {name!r}{hint}", name=name, obj=self)


def _unpickled(flat: Any, roots: list[int]) -> LazyArray:
    return LazyArray(unflatten(flat, roots)[0])


def _persisted(graph: Mapping[Any, Any], lazy: LazyArray, *, rename: Any = None) -> LazyArray:
    """The LazyArray over what Dask computed and holds in memory; the expression itself where it only optimized."""
    values = [value.result() if hasattr(value, "result") else value for value in graph.values()]
    held = [
        value for value in values if isinstance(value, (np.ndarray, np.generic)) and value.shape == lazy.shape
    ]
    return LazyArray(array_node(held[0], lazy.chunks, lazy.dims)) if held else lazy


def _first(results: Sequence[Any]) -> Any:
    return results[0]


def _block_chunks(chunks: Any, numblocks: tuple[int, ...]) -> Chunks:
    """The chunks of a map_blocks result: sizes an axis, or one length an axis repeated for each block.

    Raises ShapeMismatchError where they are not one chunk for each block of the input.
    """
    given = chunks if isinstance(chunks, (tuple, list)) else (chunks,) * len(numblocks)
    grid = [
        tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,) * count
        for sizes, count in zip(given, numblocks, strict=False)
    ]
    fits = len(given) == len(numblocks) and tuple(map(len, grid)) == numblocks
    if not fits or not all(
        isinstance(size, (int, np.integer)) and size >= 0 for axis in grid for size in axis
    ):
        raise ShapeMismatchError(
            f"map_blocks(chunks={chunks!r}): the function is called for {numblocks} blocks, and chunks= gives the size "
            "of what it makes of each: one length an axis, or a tuple of lengths with one for each block along it"
        )
    return tuple(tuple(int(size) for size in sizes) for sizes in grid)


def lazy(array: Any) -> LazyArray:
    """The LazyArray over a stored array; fills the slot of the format half."""
    node = lift(array)
    assert isinstance(node, Node)
    return LazyArray(node)


def where(condition: Any, *choices: Any) -> LazyArray:
    """`np.where(condition, x, y)`: x where the condition holds, y elsewhere, in NumPy's common dtype."""
    if len(choices) != 2:
        raise TypeError(
            "np.where of a lazy array takes a condition and two choices; the positions of true values are not lazy"
        )
    return LazyArray(elementwise.where(lift(condition), *map(lift, choices)))


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
        of the broadcast shape. It must not matter which part of the arrays it sees.
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
    return [_scalar(answer) for answer in answers]


def _scalar(answer: Any) -> Any:
    return answer[()] if answer.ndim == 0 else answer
