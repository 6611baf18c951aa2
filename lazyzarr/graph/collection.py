"""A lazy array as one of Dask's collections: its expression and keys, and what comes of what Dask computed of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import numpy as np

from lazyzarr.graph.identity import identity
from lazyzarr.graph.lift import array_node
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import views
from lazyzarr.graph.ops.sources import DaskBlocks, from_dask
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec
from lazyzarr.graph.schedule import threads
from lazyzarr.graph.tasks import PlanExpr, dask_array, given_tasks
from lazyzarr.graph.whole import Whole

__all__ = ["DaskCollection"]


W = TypeVar("W", bound=Whole)


class Threads:
    """Dask's threads, where all collections of a call are lazy arrays; others are refused unless a scheduler is named.

    Dask hands results over in another order where collections of one kind are parted, and asks whether all have one
    scheduler before it computes.
    """

    def __call__(self, graph: Any, keys: Any, **keywords: Any) -> Any:
        return threads(graph, keys, **keywords)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Threads):
            return True
        raise ValueError(
            "lazy arrays and Dask's own collections in one call: name the scheduler, and one kind after the other, "
            'as dask.compute(x, y, d, scheduler="threads"); or compute the lazy ones apart: lz.compute(x, y)'
        )

    __hash__ = object.__hash__


class DaskCollection(Whole):
    """Dask's protocol of collections, and the way to its own arrays."""

    __slots__ = ()

    def to_dask_array(self) -> Any:
        """A dask.array of the same values and chunks; its tasks are those of the plan, and chunks are cut from them.

        What dask.array's own functions want: `da.store`, `da.to_zarr` and `da.from_array` take no lazy arrays.

        >>> x = lz.from_array(np.arange(6.0), chunks=3)
        >>> (x - x.mean()).to_dask_array()
        dask.array<subtract-chunks, shape=(6,), dtype=float64, chunksize=(3,), chunktype=numpy.ndarray>
        """
        spec, _ = make_spec([Output(self.__lazyzarr_node__)], Job(scheduler="threads"), guarded=False)
        return dask_array(spec, self.__lazyzarr_node__.chunks)

    def to_xarray(self, name: str | None = None) -> Any:
        """An xarray.DataArray over this array, lazy as it is; axes without a name have xarray's, dim_0 and so on.

        `xr.DataArray(x, dims=[...], coords=...)` takes a lazy array, too; where its axes have no names, dims= must be
        given there. Raises ImportError where xarray is not installed.

        >>> lz.from_array(np.ones((2, 3)), dims=("time", None)).to_xarray("u").dims  # doctest: +SKIP
        ('time', 'dim_1')
        """
        try:
            import xarray  # loaded on first use: a plain import of lazyzarr needs no xarray
        except ImportError as error:
            raise ImportError(
                "to_xarray() needs the package xarray: pip install 'lazyzarr[xarray]'", name="xarray"
            ) from error
        node = self.__lazyzarr_node__
        dims = [named or f"dim_{axis}" for axis, named in enumerate(node.dims)]
        return xarray.DataArray(self, dims=dims, name=name)

    @property
    def expr(self) -> PlanExpr:
        """This array as a Dask expression of one key, so that `dask.compute(x)` works among other collections.

        `memory=` does not reach it there: `lz.config.set(memory="2GB")` does. Name collections of one kind side by
        side: Dask 2026.8 hands results over in another order where a dask.array stands between two of them.
        """
        return _leaf(self.__lazyzarr_node__)

    # A graph is asked for here and its keys there, where what holds the array is the collection, as xarray's arrays.

    def __dask_graph__(self) -> dict[Any, Any]:
        node = self.__lazyzarr_node__
        return dict(_leaf(node, _key(node)).__dask_graph__())  # type: ignore[no-untyped-call]

    def __dask_keys__(self) -> list[Any]:
        return [_key(self.__lazyzarr_node__)]

    def __dask_tokenize__(self) -> Any:
        return identity(self.__lazyzarr_node__)

    def __dask_postcompute__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return _first, ()

    def __dask_postpersist__(self) -> tuple[Callable[..., Self], tuple[Self]]:
        return _persisted, (self,)

    __dask_scheduler__ = Threads()


def _leaf(node: Node, key: str | None = None) -> PlanExpr:
    """A node as a Dask expression of one key: this one, or one that no other run has."""
    spec, _ = make_spec([Output(node)], Job(scheduler="threads"), guarded=False)
    return PlanExpr(f"{node.label}-{spec.token}", spec, given_tasks([node]), key)  # type: ignore[no-untyped-call]


# Other processes may share a cluster with this one, and may see another state of what is read.
_OURS = uuid.uuid4().hex


def _key(node: Node) -> str:
    """The key of a node's values in all graphs that this process makes of it."""
    return f"value-{node.label}-{node.token}-{_OURS}"


def _persisted(graph: Mapping[Any, Any], lazy: W, *, rename: Any = None) -> W:
    """The LazyArray over what Dask computed and holds, here or on a cluster; the expression itself where it only
    optimized.
    """
    node = lazy.__lazyzarr_node__
    for key, value in graph.items():
        if hasattr(value, "add_done_callback") and len(graph) == 1:
            whole = tuple((n,) for n in node.shape)
            held = from_dask(DaskBlocks(key, {key: value}, True), node.dtype, whole, node.dims)
            return lazy._of(views.rechunk(held, node.chunks))
        if isinstance(value, (np.ndarray, np.generic)) and value.shape == node.shape:
            return lazy._of(array_node(value, node.chunks, node.dims))
    return lazy


def _first(results: Sequence[Any]) -> Any:
    return results[0]
