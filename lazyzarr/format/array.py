"""The stored array: indexing it reads and writes NumPy at once, arithmetic on it is lazy."""

from __future__ import annotations

import hashlib
import os
import uuid
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Literal

from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import BoundsCheckError, MetadataValidationError, ReadOnlyStoreError
from . import commit
from .array_config import ArrayConfig, array_config, default_config
from .assign import checked_values
from .chunk import ChunkReader, ChunkWriter
from .consolidated import parse_node
from .indexing import IndexedArray
from .layout import chunk_lengths, shape_of
from .locks import ArrayLock, array_lock
from .lookup import find_array
from .member import LOOK_UP, placed
from .metadata import ArrayMetadata
from .new_nodes import new_node
from .options import DEFAULT
from .resolve import StoreLike, resolve
from .slots import make_async
from .stores.protocol import Store, StoreSpec, open_spec
from .stores.wrappers import ReadOnlyStore
from .views import cast_metadata, view_metadata

__all__ = ["Array", "ArrayHandle"]


class _Kept:
    """What an array keeps between calls, for one state of its metadata.

    Two threads may make the same thing at once; either one serves. So there is no lock, which a fork could
    leave held for ever.
    """

    __slots__ = ("lock", "metadata", "reader", "writer")

    def __init__(self, metadata: ArrayMetadata) -> None:
        self.metadata = metadata
        self.reader: ChunkReader | None = None
        self.writer: ChunkWriter | None = None
        self.lock: ArrayLock | None = None


class Array(IndexedArray):
    """A stored array.

    Indexing it gives NumPy arrays and scalars at once, and assignment stores at once; any threads and
    processes may do so side by side, and no write is lost. Arithmetic, comparisons and NumPy's functions give
    a LazyArray.

    >>> z = lz.zeros((4, 6), chunks=(2, 3), dtype="i4")
    >>> z[1:3, ::2] = 7
    >>> z[2]
    array([7, 0, 7, 0, 7, 0], dtype=int32)
    >>> z[2, -2], z[::-1, None, 0].shape
    (np.int32(7), (4, 1))
    """

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        config: ArrayConfig | None = None,
        place: Hashable | None = LOOK_UP,
    ) -> None:
        self.config = default_config() if config is None else config
        super().__init__(store, path, self._trusted(metadata), place)
        self._nonce = uuid.uuid4().hex
        self._kept = _Kept(self._metadata)

    # Reading.

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(
                f"{self!r} is stored: it becomes a NumPy array only by a copy; leave copy=False out"
            )
        values: NDArray[Any] = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d array has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        """What lies along the first axis, one after the other; a chunk's length is read at a time."""
        return self.islice()

    def islice(self, start: int | None = None, end: int | None = None) -> Iterator[Any]:
        """What lies along the first axis from `start` to `end`, one after the other, as when it is iterated.

        Raises BoundsCheckError for numbers below 0.

        >>> [int(n) for n in lz.array(np.arange(9), chunks=4).islice(3, 6)]
        [3, 4, 5]
        """
        length, first = len(self), start or 0
        if first < 0 or (end is not None and end < 0):
            raise BoundsCheckError(
                f"islice({start}, {end}): give numbers from 0 on, counted from the beginning"
            )
        last = length if end is None else min(end, length)
        return self._rows(first, last)

    def _rows(self, first: int, last: int) -> Iterator[Any]:
        for edges in accumulate(self.read_chunk_sizes[0], initial=0):
            if edges > first:
                yield from self[first : min(edges, last)]
                first = edges
            if edges >= last:
                return

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth of {self!r} is ambiguous: it has {self.size} elements. Use (z == x).any() or "
                ".all(); for the same node compare z.store_path"
            )
        return bool(self[...])

    # The same, seen in another way.

    def astype(self, dtype: DTypeLike) -> Array:
        """A read-only view of the array that gives its values cast to a dtype; nothing is read yet.

        >>> lz.array([1, 2, 3]).astype("f4")[1:]
        array([2., 3.], dtype=float32)
        """
        store = self._store if self._store.read_only else ReadOnlyStore(self._store)
        return self._viewed(store, cast_metadata(self._metadata, dtype))

    def view(
        self,
        shape: int | Sequence[int] | None = None,
        chunks: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
        fill_value: Any = DEFAULT,
        filters: Sequence[Mapping[str, Any]] | None = None,
        read_only: bool | None = None,
        synchronizer: Any = None,
    ) -> Array:
        """A view of what is stored as an array of another shape, chunk shape, dtype, fill value or filters (v2).

        The chunks stay what they are: what each decodes to is taken for elements of the view. Writing to the
        view changes the array; its shape is not to be changed. `synchronizer` is accepted.

        >>> z = lz.array(np.array([1, 0, 1], "u1"), compressors=None)
        >>> z.view(dtype=bool)[:]
        array([ True, False,  True])
        """
        lengths = None if shape is None else shape_of(shape)
        sizes = None if chunks is None else chunk_lengths(chunks, lengths or self.shape, self.itemsize)
        with placed(self._url(), "nothing is viewed"):
            metadata = view_metadata(self._metadata, lengths, sizes, dtype, fill_value, filters)
        guarded = bool(read_only) and not self._store.read_only
        return self._viewed(ReadOnlyStore(self._store) if guarded else self._store, metadata)

    @classmethod
    def open(cls, store: StoreLike, *, config: Any = None) -> Array:
        """The array at a place; raises ArrayNotFoundError, NodeTypeValidationError.

        >>> lz.save("u.zarr", np.arange(3))
        >>> lz.Array.open("u.zarr")[1:]
        array([1, 2])
        """
        place, path = resolve(store)
        return Array(place, path, find_array(place, path), array_config(config))

    @classmethod
    def from_dict(cls, store_path: StoreLike, data: Mapping[str, Any]) -> Array:
        """The array that the JSON of a document describes, at a place; nothing is read or stored.

        Raises MetadataValidationError.
        """
        place, path = resolve(store_path)
        metadata = new_node(data, place.url(path))
        if not isinstance(metadata, ArrayMetadata):
            raise MetadataValidationError(f"{place.url(path)}: the document describes a group, not an array")
        return Array(place, path, metadata)

    @property
    def async_array(self) -> Any:
        """The AsyncArray over this array."""
        return make_async(self)

    def with_config(self, config: Any) -> Array:
        """The same array with another config: a mapping of some of its settings, or an ArrayConfig."""
        return Array(self._store, self._path, self._metadata, array_config(config, self.config), self._place)

    def _viewed(self, store: Store, metadata: ArrayMetadata) -> Array:
        return Array(store, self._path, metadata, self.config, self._place)

    # Writing.

    def resize(self, *shape: int | Sequence[int]) -> None:
        """Change the shape: `z.resize((10, 20))` or `z.resize(10, 20)`; chunks that lie outside are deleted.

        What a growth adds reads as fill. Raises ShapeMismatchError for another number of axes,
        ReadOnlyStoreError, StoreError.

        >>> z = lz.array(np.ones((2, 3)))
        >>> z.resize(3, 2)
        >>> z[...]
        array([[1., 1.], [1., 1.], [0., 0.]])
        """
        self._check_own_shape()
        with placed(self._url(), "nothing was changed"):
            lengths = shape_of(shape[0] if len(shape) == 1 else shape)
            self._become(commit.resize(self._store, self._path, lengths, self._opened()))

    def append(self, data: ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """Store data behind the end of an axis, and give the new shape.

        Appends of several threads and processes all arrive. Raises ShapeMismatchError where the other axes
        differ, DataTypeMismatchError, ReadOnlyStoreError, StoreError.

        >>> z = lz.array([[1, 2], [3, 4]])
        >>> z.append([[5, 6]])
        (3, 2)
        """
        self._check_own_shape()
        values = checked_values(data, self.dtype, self._url(), self._metadata.data_type, self.ndim)
        with placed(self._url(), "nothing was changed"):
            self._become(commit.append(self._store, self._path, values, axis, self._opened()))
        return self.shape

    # What the compute half takes hold of, and what is kept between calls.

    def reader(self) -> ChunkReader:
        """What reads the chunks; kept, and safe to use from any thread."""
        kept = self._kept
        if kept.reader is None:
            missing: Literal["fill", "raise"] = "fill" if self.config.read_missing_chunks else "raise"
            with placed(self._url()):
                kept.reader = ChunkReader(self._store, self._path, kept.metadata, missing)
        return kept.reader

    def writer(self) -> ChunkWriter:
        """What writes the chunks, under the lock; kept, and safe to use from any thread."""
        kept = self._kept
        if kept.writer is None:
            with placed(self._url()):
                kept.writer = ChunkWriter(
                    self._store, self._path, kept.metadata, self.config.write_empty_chunks
                )
        return kept.writer

    def lock(self) -> ArrayLock:
        """The array's write lock."""
        kept = self._kept
        if kept.lock is None:
            kept.lock = array_lock(self._store, self._path)
        return kept.lock

    @property
    def handle(self) -> ArrayHandle:
        """What opens the array again without looking: small, and it pickles."""
        viewed = self._metadata.viewed
        return ArrayHandle(
            self._store.spec(),
            self._path,
            tuple(self._metadata.keys().items()),
            self.config,
            self._nonce,
            None if viewed is None else tuple(viewed.keys().items()),
        )

    def close(self) -> None:
        """Finish what is unfinished in the store, give back what is held open; the next use opens it again."""
        self._kept = _Kept(self._metadata)
        super().close()

    def __reduce__(self) -> tuple[Callable[[ArrayHandle], Array], tuple[ArrayHandle]]:
        return _open, (self.handle,)

    def _opened(self) -> commit.Opened:
        return commit.Opened(self._metadata.viewed or self._metadata, self._place)

    def _check_own_shape(self) -> None:
        """Raise if the shape cannot be changed: of what is read-only, and of a view."""
        self._store.check_writable(self._path)
        if self.is_view:
            raise ReadOnlyStoreError(
                f"{self!r} is a view, whose shape is that of another array: change the array itself"
            )

    def _become(self, metadata: ArrayMetadata) -> None:
        """Go on with other metadata of the same array."""
        self._metadata = self._trusted(metadata)
        self._kept = _Kept(self._metadata)

    def _trusted(self, metadata: ArrayMetadata) -> ArrayMetadata:
        return metadata.trusting_pickle() if self.config.allow_pickle else metadata


@dataclass(frozen=True, slots=True)
class ArrayHandle:
    """What tasks carry instead of an open array: store, path and metadata documents.

    >>> z = lz.array([1, 2, 3])
    >>> z.handle.open()[1:]
    array([2, 3])
    """

    store: StoreSpec
    path: str
    documents: tuple[tuple[str, bytes], ...]
    """The metadata documents by their key below the array."""
    config: ArrayConfig
    nonce: str
    """Which opening of the array this is: another one has another."""
    viewed: tuple[tuple[str, bytes], ...] | None = None
    """The documents of the array that is stored, where this is a view on it."""

    @classmethod
    def of(cls, store: Store, path: str, metadata: ArrayMetadata) -> ArrayHandle:
        """The handle of an array whose metadata is known; nothing is read."""
        return Array(store, path, metadata, place=None).handle

    def open(self) -> Array:
        """The array; the same object as long as one is in use in this process, and no I/O."""
        array = _opened.get(self)
        return _opened.setdefault(self, _open(self)) if array is None else array

    def current(self) -> ArrayMetadata:
        """The array's metadata as it is stored now. Raises ArrayNotFoundError where it is gone.

        Of a view its own, as long as the array that it shows is what it was.
        """
        now = find_array(open_spec(self.store), self.path)
        if self.viewed is None or tuple(now.keys().items()) != self.viewed:
            return now
        return self.open().metadata

    @property
    def url(self) -> str:
        """Where the array is, as messages say it."""
        return open_spec(self.store).url(self.path)

    @property
    def place(self) -> str:
        """Where the array is, by one name however it was reached: its folder, where it has one."""
        store = open_spec(self.store)
        folder = store.directory(self.path)
        return store.url(self.path) if folder is None else os.path.realpath(folder)

    @property
    def reach(self) -> Literal["thread", "host", "anywhere"]:
        """From where the store can be seen: this process, this machine, anywhere."""
        return open_spec(self.store).reach

    @property
    def token(self) -> str:
        """A name for the array as it is described here: the same in each process and at each time."""
        described = repr((self.place, self.documents, self.config, self.viewed))
        return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def _open(handle: ArrayHandle) -> Array:
    store = open_spec(handle.store)
    metadata = parse_node(dict(handle.documents), store.url(handle.path))
    assert isinstance(metadata, ArrayMetadata)
    if handle.viewed is not None:
        viewed = parse_node(dict(handle.viewed), store.url(handle.path))
        assert isinstance(viewed, ArrayMetadata)
        metadata = replace(metadata, viewed=viewed)
    return Array(store, handle.path, metadata, handle.config, place=None)


# Whoever computes holds what it opened: a store in memory and a folder's handle are let go with the last one.
_opened: weakref.WeakValueDictionary[ArrayHandle, Array] = weakref.WeakValueDictionary()
