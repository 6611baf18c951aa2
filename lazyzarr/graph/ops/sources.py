"""Sources: the leaves of a graph, where values come from; stored arrays, arrays in memory, array-likes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from lazyzarr.format.array import Array, ArrayHandle
from lazyzarr.format.metadata import ArrayMetadata
from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.slicing import sliced
from lazyzarr.graph.region import Region

__all__ = [
    "FACTS",
    "ArrayLike",
    "DaskBlocks",
    "DaskSource",
    "ForeignSource",
    "MemorySource",
    "Source",
    "ZarrSource",
    "facts_of",
    "foreign",
    "from_dask",
    "memory",
    "stored",
]


# What of an array's metadata the plan and the readers of a run rely on.
FACTS = ("shape", "dtype", "chunk_shape", "codecs", "chunk lengths")


def facts_of(metadata: ArrayMetadata) -> tuple[Any, ...]:
    """What a run relies on, in the order of `FACTS`."""
    # As they lie in the array: one that grew and shrank again has more of them in its document.
    lengths = None if metadata.edges is None else metadata.grid.clipped_chunks()
    return metadata.shape, metadata.dtype, metadata.chunk_shape, metadata.codecs, lengths


class ArrayLike(Protocol):
    """What `from_array` takes besides NumPy arrays: a shape, a dtype, and slices that give NumPy."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, selection: Any, /) -> Any: ...


class Held:
    """A parameter known by what it holds rather than by its content: tokens are its own."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        return Held, (self.value,)


class Source(Node):
    """A leaf that is read, piece by piece."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "read"

    def pull(self, region: Region) -> list[Region]:
        """Nothing: a source has no inputs."""
        return []


class ZarrSource(Source):
    """A stored array, known by its handle; parameters: handle, nonce of the open array, shape, dtype, chunks, dims."""

    __slots__ = ("array",)

    @property
    def handle(self) -> ArrayHandle:
        """What a task opens."""
        return self.params[0]  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Shape and dtype are the array's."""
        handle, _, self.shape, self.dtype, self.chunks, self.dims = self.params
        # A store in memory lives as long as an array of it is held: expressions outlive `lz.array(...)`.
        self.array: Array = handle.open()


class MemorySource(Source):
    """A NumPy array; parameters: the array (held), chunks, dims."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "array"

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The values."""
        return self.params[0].value  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Shape and dtype are the array's."""
        held, self.chunks, self.dims = self.params
        self.shape, self.dtype = held.value.shape, held.value.dtype


class ForeignSource(Source):
    """Anything that gives NumPy when sliced; parameters: the object (held), chunks, dims."""

    __slots__ = ("sliced",)

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "array"

    @property
    def array(self) -> ArrayLike:
        """The object that is sliced."""
        return self.params[0].value  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Shape and dtype are the object's."""
        held, self.chunks, self.dims = self.params
        self.sliced = sliced(held.value)
        self.shape, self.dtype = tuple(map(int, held.value.shape)), np.dtype(held.value.dtype)


class DaskBlocks:
    """The chunks of an array as Dask knows them: by key, each with its task, or with the future that has its value."""

    __slots__ = ("__weakref__", "name", "tasks", "whole")

    def __init__(self, name: str, tasks: Mapping[Any, Any], whole: bool = False) -> None:
        self.name, self.tasks, self.whole = name, tasks, whole

    def __reduce__(self) -> tuple[type, tuple[str, Mapping[Any, Any], bool]]:
        return DaskBlocks, (self.name, self.tasks, self.whole)

    def key(self, coords: tuple[int, ...]) -> Any:
        """The key of the chunk at these coordinates; where there is one, the `whole` array, the name itself."""
        return self.name if self.whole else (self.name, *coords)


class DaskSource(Source):
    """An array whose chunks Dask computes, each once; parameters: its blocks (held), dtype, chunks, dims."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "array"

    @property
    def blocks(self) -> DaskBlocks:
        """Its keys and tasks."""
        return self.params[0].value  # type: ignore[no-any-return]

    @property
    def sent(self) -> tuple[Any, ...]:
        """Without the tasks: a worker is given the chunks."""
        return (Held(DaskBlocks(self.blocks.name, {}, self.blocks.whole)), *self.params[1:])

    def infer(self) -> None:
        """Shape and dtype are the array's."""
        _, self.dtype, self.chunks, self.dims = self.params
        self.shape = tuple(map(sum, self.chunks))


def from_dask(
    blocks: DaskBlocks, dtype: np.dtype[Any], chunks: Chunks, dims: tuple[str | None, ...]
) -> DaskSource:
    """The node of an array whose chunks Dask computes."""
    return make(DaskSource, (), (Held(blocks), dtype, chunks, dims))


def stored(
    handle: ArrayHandle,
    nonce: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: Chunks,
    dims: tuple[str | None, ...],
) -> ZarrSource:
    """The node of a stored array."""
    return make(ZarrSource, (), (handle, nonce, shape, dtype, chunks, dims))


def memory(array: np.ndarray[Any, Any], chunks: Chunks, dims: tuple[str | None, ...]) -> MemorySource:
    """The node of a NumPy array, which is read in place and must not change meanwhile."""
    return make(MemorySource, (), (Held(array), chunks, dims))


def foreign(array: ArrayLike, chunks: Chunks, dims: tuple[str | None, ...]) -> ForeignSource:
    """The node of an array-like that is sliced chunk by chunk."""
    return make(ForeignSource, (), (Held(array), chunks, dims))
