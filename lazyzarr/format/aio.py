"""AsyncArray and AsyncGroup: the calls of arrays and groups as coroutines; threads do the waiting.

A thin face over the sync core: nothing is done here that Array and Group do not do. Any event loop that knows
asyncio runs them, and gathered calls go on side by side.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .array import Array
from .attributes import Attributes
from .creation import create, create_group, from_array
from .group import Group
from .info import Info
from .lookup import ZarrFormat
from .metadata import ArrayMetadata, GroupMetadata
from .open import open_array, open_group
from .options import DEFAULT, ArrayOptions, spelled_out
from .resolve import StoreLike, StorePath
from .stores.protocol import Store
from .tree import Tree

__all__ = ["AsyncArray", "AsyncGroup", "async_face"]

Answer = TypeVar("Answer")
Default = TypeVar("Default")
Node = TypeVar("Node", Array, Group)

WAITING = 64  # threads that may wait for stores at once
_pool: ThreadPoolExecutor | None = None
_END = object()


async def _run(call: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
    """What a call gives, made in a thread while the event loop goes on."""
    import asyncio

    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(WAITING, "lazyzarr-async")
    return await asyncio.get_running_loop().run_in_executor(_pool, functools.partial(call, *args, **options))


def _after_fork() -> None:
    """In a child the pool has no threads."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_after_fork)


async def _stream(items: Iterator[Any]) -> AsyncIterator[Any]:
    """The items of an iterator, each made in a thread; nodes in their async form."""
    while (item := await _run(next, items, _END)) is not _END:
        yield async_face(item)


def async_face(value: Any) -> Any:
    """The async form of an Array or Group, also as the last of a tuple; anything else as it is."""
    if isinstance(value, Array):
        return AsyncArray(value)
    if isinstance(value, Group):
        return AsyncGroup(value)
    if type(value) is tuple and value and isinstance(value[-1], Array | Group):
        return (*value[:-1], async_face(value[-1]))
    return value


class _AsyncNode(Generic[Node]):
    """What is known without waiting."""

    def __init__(self, node: Node) -> None:
        self._node: Node = node

    @property
    def store(self) -> Store:
        """The store that the node lies in."""
        return self._node.store

    @property
    def store_path(self) -> StorePath:
        """The node's place: store and path."""
        return self._node.store_path

    @property
    def path(self) -> str:
        """The node's path in its store; "" is the root."""
        return self._node.path

    @property
    def name(self) -> str:
        """The path from the root of the store, with a slash at its head."""
        return self._node.name

    @property
    def basename(self) -> str:
        """The last part of the name."""
        return self._node.basename

    @property
    def read_only(self) -> bool:
        """Whether every write is refused."""
        return self._node.read_only

    @property
    def attrs(self) -> Attributes:
        """The user's attributes; they are stored, without waiting in turn, when they are changed."""
        return self._node.attrs

    async def update_attributes(self, attributes: dict[str, Any]) -> Self:
        """The node itself, after these attributes were stored beside the others."""
        await _run(self._node.update_attributes, attributes)
        return self

    async def info_complete(self) -> Info:
        """The summary with what is stored, too."""
        return await _run(self._node.info_complete)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.store_path == other.store_path

    def __hash__(self) -> int:
        return hash(self.store_path)

    def __repr__(self) -> str:
        return repr(self._node).replace("<", "<Async", 1)


class AsyncArray(_AsyncNode[Array]):
    """A stored array whose reads and writes are awaited.

    >>> import asyncio
    >>> async def main():
    ...     z = await lz.AsyncArray.create(None, shape=(4,), dtype="i4")
    ...     await z.setitem(slice(1, 3), 7)
    ...     return await z.getitem(slice(None))
    >>> asyncio.run(main())
    array([0, 7, 7, 0], dtype=int32)
    """

    @classmethod
    async def open(
        cls, store: StoreLike, zarr_format: ZarrFormat | None = None, *, config: Any = None
    ) -> AsyncArray:
        """The array at a place; raises ArrayNotFoundError, NodeTypeValidationError."""
        return cls(await _run(open_array, store, "r+", zarr_format=zarr_format, config=config))

    @classmethod
    async def create(cls, store: StoreLike | None, *, shape: Any = None, **options: Any) -> AsyncArray:
        """A new array of a shape at a place (None: in memory); chunks, dtype and so on as `create` takes them."""
        return cls(await _run(create, shape, store=store, **options))

    @classmethod
    async def from_array(cls, store: StoreLike | None, *, data: Any, **options: Any) -> AsyncArray:
        """A new array at a place that holds the data; options as `from_array` takes them."""
        return cls(await _run(from_array, store, data=data, **options))

    @property
    def array(self) -> Array:
        """The array itself, whose calls block."""
        return self._node

    @property
    def metadata(self) -> ArrayMetadata:
        """The array's metadata, as it was when it was opened or last changed here."""
        return self._node.metadata

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return self._node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type of the elements."""
        return self._node.dtype

    def __getattr__(self, name: str) -> Any:
        """What else is known of an array without waiting: chunks, codecs, and so on."""
        if name in _FACTS:
            return getattr(self._node, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_FACTS]

    async def getitem(self, selection: Any, *, prototype: Any = None) -> Any:
        """What `z[selection]` gives; `prototype` is accepted."""
        return await _run(self._node.__getitem__, selection)

    async def setitem(self, selection: Any, value: Any, prototype: Any = None) -> None:
        """Store values in the selected elements; `prototype` is accepted."""
        await _run(self._node.__setitem__, selection, value)

    async def get_orthogonal_selection(self, selection: Any, **options: Any) -> Any:
        """As `Array.get_orthogonal_selection`."""
        return await _run(self._node.get_orthogonal_selection, selection, **options)

    async def get_mask_selection(self, mask: Any, **options: Any) -> NDArray[Any]:
        """As `Array.get_mask_selection`."""
        return await _run(self._node.get_mask_selection, mask, **options)

    async def get_coordinate_selection(self, selection: Any, **options: Any) -> NDArray[Any]:
        """As `Array.get_coordinate_selection`."""
        return await _run(self._node.get_coordinate_selection, selection, **options)

    @property
    def oindex(self) -> AsyncIndex:
        """Orthogonal selections: `await z.oindex.getitem(([0, 3], slice(None)))`."""
        return AsyncIndex(self._node.oindex)

    @property
    def vindex(self) -> AsyncIndex:
        """Points and masks: `await z.vindex.getitem((rows, columns))`."""
        return AsyncIndex(self._node.vindex)

    async def resize(self, new_shape: int | Sequence[int]) -> None:
        """Change the shape; as `Array.resize`."""
        await _run(self._node.resize, new_shape)

    async def append(self, data: ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """Store data behind the end of an axis, and give the new shape; as `Array.append`."""
        return await _run(self._node.append, data, axis)

    async def nchunks_initialized(self) -> int:
        """The number of chunks that are stored."""
        return await _run(lambda: self._node.nchunks_initialized)

    async def nbytes_stored(self) -> int:
        """The bytes that the array takes in its store, metadata included."""
        return await _run(lambda: int(self._node.nbytes_stored))

    def with_config(self, config: Any) -> AsyncArray:
        """The same array with another config."""
        return AsyncArray(self._node.with_config(config))


_FACTS = frozenset(
    "ndim size itemsize nbytes chunks shards cdata_shape nchunks fill_value order dimension_names filters serializer "
    "compressors compressor info zarr_format read_chunk_sizes write_chunk_sizes config".split()
)


class AsyncIndex:
    """A way of selecting whose reads and writes are awaited."""

    def __init__(self, index: Any) -> None:
        self._index = index

    async def getitem(self, selection: Any) -> Any:
        """What is selected."""
        return await _run(self._index.__getitem__, selection)

    async def setitem(self, selection: Any, value: Any) -> None:
        """Store values in what is selected."""
        await _run(self._index.__setitem__, selection, value)


class AsyncGroup(_AsyncNode[Group]):
    """A group whose members are awaited.

    >>> import asyncio
    >>> async def main():
    ...     root = await lz.AsyncGroup.from_store(None)
    ...     await root.create_array("wind/u", shape=(4,), dtype="f4")
    ...     return [name async for name, member in root.members(None)]
    >>> asyncio.run(main())
    ['wind', 'wind/u']
    """

    @classmethod
    async def open(
        cls, store: StoreLike, zarr_format: ZarrFormat | None = None, use_consolidated: bool | None = None
    ) -> AsyncGroup:
        """The group at a place; raises GroupNotFoundError, NodeTypeValidationError."""
        options = {"zarr_format": zarr_format, "use_consolidated": use_consolidated}
        return cls(await _run(open_group, store, "r+", **options))

    @classmethod
    async def from_store(
        cls,
        store: StoreLike | None,
        *,
        attributes: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        zarr_format: ZarrFormat = 3,
    ) -> AsyncGroup:
        """A new group at a place; raises as `create_group`."""
        options = {"attributes": attributes, "overwrite": overwrite, "zarr_format": zarr_format}
        return cls(await _run(create_group, store, **options))

    @property
    def group(self) -> Group:
        """The group itself, whose calls block."""
        return self._node

    @property
    def metadata(self) -> GroupMetadata:
        """The group's metadata, as it was when it was opened or last changed here."""
        return self._node.metadata

    @property
    def info(self) -> Info:
        """A summary; the members are counted without waiting in turn."""
        return self._node.info

    @property
    def synchronizer(self) -> None:
        """None: writes are safe between threads and processes without one."""
        return None

    async def getitem(self, key: str) -> AsyncArray | AsyncGroup:
        """The array or group of that name; raises NodeNotFoundError, which is a KeyError."""
        found: AsyncArray | AsyncGroup = async_face(await _run(self._node.__getitem__, key))
        return found

    async def setitem(self, key: str, value: ArrayLike) -> None:
        """Store an array under that name, in the place of what is there."""
        await _run(self._node.__setitem__, key, value)

    async def delitem(self, key: str) -> None:
        """Delete an array or group with all that it holds."""
        await _run(self._node.__delitem__, key)

    async def contains(self, member: str) -> bool:
        """Whether there is an array or group of that name."""
        return await _run(self._node.__contains__, member)

    async def get(self, key: str, default: Default | None = None) -> AsyncArray | AsyncGroup | Default | None:
        """The array or group of that name, or the default."""
        found: AsyncArray | AsyncGroup | Default | None = async_face(await _run(self._node.get, key, default))
        return found

    async def get_array(self, path: str) -> AsyncArray:
        """The array of that name; raises ArrayNotFoundError, NodeTypeValidationError for a group."""
        return AsyncArray(await _run(self._node.get_array, path))

    async def get_group(self, path: str) -> AsyncGroup:
        """The group of that name; raises GroupNotFoundError, NodeTypeValidationError for an array."""
        return AsyncGroup(await _run(self._node.get_group, path))

    def keys(self) -> AsyncIterator[str]:
        """The names of the arrays and groups right in this group."""
        return _stream(iter(self._node))

    def members(self, max_depth: int | None = 0, **options: Any) -> AsyncIterator[tuple[str, Any]]:
        """(path below this group, array or group) of what it holds, `max_depth` groups deep; None: all."""
        return _stream(item for _ in (0,) for item in self._node.members(max_depth, **options))

    async def nmembers(self, max_depth: int | None = 0) -> int:
        """The number of arrays and groups, `max_depth` groups deep; None: all."""
        return await _run(self._node.nmembers, max_depth)

    def arrays(self) -> AsyncIterator[tuple[str, AsyncArray]]:
        """(name, array) of each array right in this group."""
        return _stream(self._node.arrays())

    def array_keys(self) -> AsyncIterator[str]:
        """The names of the arrays right in this group."""
        return _stream(self._node.array_keys())

    def array_values(self) -> AsyncIterator[AsyncArray]:
        """The arrays right in this group."""
        return _stream(self._node.array_values())

    def groups(self) -> AsyncIterator[tuple[str, AsyncGroup]]:
        """(name, group) of each group right in this group."""
        return _stream(self._node.groups())

    def group_keys(self) -> AsyncIterator[str]:
        """The names of the groups right in this group."""
        return _stream(self._node.group_keys())

    def group_values(self) -> AsyncIterator[AsyncGroup]:
        """The groups right in this group."""
        return _stream(self._node.group_values())

    async def tree(
        self, expand: bool | None = None, level: int | None = None, *, max_nodes: int = 500
    ) -> Tree:
        """What the group holds, drawn as a tree; as `Group.tree`."""
        return await _run(self._node.tree, expand, level, max_nodes=max_nodes)

    async def move(self, source: str, dest: str) -> None:
        """Move an array or group to another name; as `Group.move`."""
        await _run(self._node.move, source, dest)

    async def create_group(self, name: str, **options: Any) -> AsyncGroup:
        """A new group; options as `Group.create_group` takes them."""
        return AsyncGroup(await _run(self._node.create_group, name, **options))

    async def require_group(self, name: str, **options: Any) -> AsyncGroup:
        """The group of that name, made if there is none; as `Group.require_group`."""
        return AsyncGroup(await _run(self._node.require_group, name, **options))

    async def require_groups(self, *names: str) -> tuple[AsyncGroup, ...]:
        """The groups of those names, each made if there is none."""
        return tuple(map(AsyncGroup, await _run(self._node.require_groups, *names)))

    async def create_hierarchy(
        self, nodes: Mapping[str, Any], *, overwrite: bool = False
    ) -> AsyncIterator[tuple[str, AsyncArray | AsyncGroup]]:
        """(path, array or group) of many new nodes; as `Group.create_hierarchy`."""
        made = await _run(self._node.create_hierarchy, nodes, overwrite=overwrite)
        async for item in _stream(made):
            yield item

    @spelled_out
    async def create_array(
        self,
        name: str,
        *,
        shape: Any = None,
        data: Any = None,
        like: Any = None,
        fill_value: Any = DEFAULT,
        write_data: bool = True,
        **options: Unpack[ArrayOptions],
    ) -> AsyncArray:
        """A new array of a shape, of `data`, or like another; chunks and so on as `Group.create_array` takes them."""
        words: dict[str, Any] = {"data": data, "like": like, "fill_value": fill_value, **options}
        made = await _run(self._node.create_array, name, shape=shape, write_data=write_data, **words)
        return AsyncArray(made)

    async def create_dataset(self, name: str, *, shape: Any = None, **options: Any) -> AsyncArray:
        """As `create_array`, with zarr-python 2's name and, behind the shape, its words for chunks and so on."""
        return AsyncArray(await _run(self._node.create_dataset, name, shape, **options))

    async def require_dataset(self, name: str, *, shape: Any, **options: Any) -> AsyncArray:
        """As `require_array`: the array of that name and shape, made if there is none."""
        return AsyncArray(await _run(self._node.require_dataset, name, shape, **options))

    async def require_array(self, name: str, *, shape: Any, **options: Any) -> AsyncArray:
        """The array of that name and shape, made if there is none; as `Group.require_array`."""
        return AsyncArray(await _run(self._node.require_array, name, shape=shape, **options))

    async def empty(self, name: str, shape: Any, **options: Any) -> AsyncArray:
        """A new array of a shape, nothing written to it."""
        return AsyncArray(await _run(self._node.empty, name, shape, **options))

    async def zeros(self, name: str, shape: Any, **options: Any) -> AsyncArray:
        """A new array of a shape that reads as zeros."""
        return AsyncArray(await _run(self._node.zeros, name, shape, **options))

    async def ones(self, name: str, shape: Any, **options: Any) -> AsyncArray:
        """A new array of a shape that reads as ones."""
        return AsyncArray(await _run(self._node.ones, name, shape, **options))

    async def full(self, name: str, shape: Any, fill_value: Any, **options: Any) -> AsyncArray:
        """A new array of a shape that reads as the fill value."""
        return AsyncArray(await _run(self._node.full, name, shape, fill_value, **options))

    async def empty_like(self, name: str, data: Any, **options: Any) -> AsyncArray:
        """A new array like another one, nothing written to it."""
        return AsyncArray(await _run(self._node.empty_like, name, data, **options))

    async def zeros_like(self, name: str, data: Any, **options: Any) -> AsyncArray:
        """A new array like another one, that reads as zeros."""
        return AsyncArray(await _run(self._node.zeros_like, name, data, **options))

    async def ones_like(self, name: str, data: Any, **options: Any) -> AsyncArray:
        """A new array like another one, that reads as ones."""
        return AsyncArray(await _run(self._node.ones_like, name, data, **options))

    async def full_like(self, name: str, data: Any, fill_value: Any, **options: Any) -> AsyncArray:
        """A new array like another one, that reads as the fill value."""
        return AsyncArray(await _run(self._node.full_like, name, data, fill_value, **options))
