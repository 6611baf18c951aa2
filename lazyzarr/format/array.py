"""The stored array: indexing it reads and writes NumPy at once, arithmetic on it is lazy."""

from __future__ import annotations

import hashlib
import os
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import BoundsCheckError, SelectionError
from ..settings import setting
from . import commit
from .array_facts import DescribedArray
from .assign import checked_values, fitted
from .chunk import ChunkReader, ChunkWriter
from .chunk_loops import read_selection, write_selection
from .consolidated import parse_node
from .layout import shape_of
from .locks import ArrayLock, array_lock
from .lookup import find_array
from .member import placed
from .metadata import ArrayMetadata
from .operators import LazyOperators
from .selection import BasicSelection, parse_basic
from .slots import make_lazy
from .stores.protocol import Store, StoreSpec, open_spec

__all__ = ["Array", "ArrayConfig", "ArrayHandle"]


@dataclass(frozen=True, slots=True)
class ArrayConfig:
    """What holds for one open array and is not stored with it."""

    write_empty_chunks: bool = False
    """Store chunks of nothing but fill, too; else they are deleted."""
    read_missing_chunks: bool = True
    """Read missing chunks as fill; else they raise ChunkNotFoundError."""


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


class Array(DescribedArray):
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
        self, store: Store, path: str, metadata: ArrayMetadata, config: ArrayConfig | None = None
    ) -> None:
        super().__init__(store, path, metadata)
        self.config = default_config() if config is None else config
        self._nonce = uuid.uuid4().hex
        self._kept = _Kept(metadata)

    # Reading.

    def __getitem__(self, selection: Any) -> Any:
        """The selected elements as a NumPy array; a NumPy scalar where integers select one element.

        `selection` is made of integers, slices with any steps, Ellipsis and None, as NumPy's basic indexing.
        Raises BoundsCheckError, SelectionError, ChunkDecodeError, StoreError.
        """
        reader = self.reader()
        parsed = self._parsed(selection, reader.grid.shape)
        out = np.empty(parsed.out_shape, reader.dtype, order=self._metadata.order)
        read_selection(reader, parsed, out)
        return out if out.ndim or _holds_ellipsis(selection) else out[()]

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
        length, step = len(self), self.chunks[0]
        return (row for start in range(0, length, step) for row in self[start : start + step])

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth of {self!r} is ambiguous: it has {self.size} elements. Use (z == x).any() or "
                ".all(); for the same node compare z.store_path"
            )
        return bool(self[...])

    # Writing.

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Store values in the selected elements; they broadcast as in NumPy.

        A lazy array is computed and stored piece by piece. Raises ShapeMismatchError, DataTypeMismatchError
        for what the array's dtype cannot hold, BoundsCheckError, SelectionError, ReadOnlyStoreError,
        StoreError; what has the wrong shape or dtype changes nothing.
        """
        self._store.check_writable(self._path)
        if isinstance(value, LazyOperators):
            value = make_lazy(value)
        if (stream := getattr(type(value), "__lazyzarr_store__", None)) is not None:
            stream(value, self, selection)
            return
        writer = self.writer()
        parsed = self._parsed(selection, writer.grid.shape)
        values = fitted(checked_values(value, self.dtype, self._url()), parsed.out_shape, self._url())
        write_selection(writer, self.lock(), parsed, values)

    def resize(self, *shape: int | Sequence[int]) -> None:
        """Change the shape: `z.resize((10, 20))` or `z.resize(10, 20)`; chunks that lie outside are deleted.

        What a growth adds reads as fill. Raises ShapeMismatchError for another number of axes,
        ReadOnlyStoreError, StoreError.

        >>> z = lz.array(np.ones((2, 3)))
        >>> z.resize(3, 2)
        >>> z[...]
        array([[1., 1.], [1., 1.], [0., 0.]])
        """
        self._store.check_writable(self._path)
        with placed(self._url(), "nothing was changed"):
            lengths = shape_of(shape[0] if len(shape) == 1 else shape)
            self._become(commit.resize(self._store, self._path, lengths))

    def append(self, data: ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """Store data behind the end of an axis, and give the new shape.

        Appends of several threads and processes all arrive. Raises ShapeMismatchError where the other axes
        differ, DataTypeMismatchError, ReadOnlyStoreError, StoreError.

        >>> z = lz.array([[1, 2], [3, 4]])
        >>> z.append([[5, 6]])
        (3, 2)
        """
        self._store.check_writable(self._path)
        values = checked_values(data, self.dtype, self._url())
        with placed(self._url(), "nothing was changed"):
            self._become(commit.append(self._store, self._path, values, axis))
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
        documents = tuple(self._metadata.keys().items())
        return ArrayHandle(self._store.spec(), self._path, documents, self.config, self._nonce)

    def close(self) -> None:
        """Give back the folder that is held open; the next use opens it again."""
        self._kept = _Kept(self._metadata)

    def __reduce__(self) -> tuple[Callable[[ArrayHandle], Array], tuple[ArrayHandle]]:
        return _open, (self.handle,)

    def _become(self, metadata: ArrayMetadata) -> None:
        """Go on with other metadata of the same array."""
        self._metadata = metadata
        self.close()

    def _parsed(self, selection: Any, shape: tuple[int, ...]) -> BasicSelection:
        try:
            return parse_basic(selection, shape)
        except (BoundsCheckError, SelectionError) as error:
            raise type(error)(f"{self._url()}, shape {shape}: {error}") from error


def _holds_ellipsis(selection: Any) -> bool:
    items = selection if type(selection) is tuple else (selection,)
    return any(item is Ellipsis for item in items)


def default_config() -> ArrayConfig:
    """What the settings say for arrays opened from now on."""
    return ArrayConfig(setting("array.write_empty_chunks"), setting("array.read_missing_chunks"))


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

    @classmethod
    def of(cls, store: Store, path: str, metadata: ArrayMetadata) -> ArrayHandle:
        """The handle of an array whose metadata is known; nothing is read."""
        return Array(store, path, metadata).handle

    def open(self) -> Array:
        """The array; the same object as long as one is in use in this process, and no I/O."""
        array = _opened.get(self)
        return _opened.setdefault(self, _open(self)) if array is None else array

    def current(self) -> ArrayMetadata:
        """The array's metadata as it is stored now. Raises ArrayNotFoundError where it is gone."""
        return find_array(open_spec(self.store), self.path)

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
        described = repr((self.place, self.documents, self.config))
        return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def _open(handle: ArrayHandle) -> Array:
    store = open_spec(handle.store)
    metadata = parse_node(dict(handle.documents), store.url(handle.path))
    assert isinstance(metadata, ArrayMetadata)
    return Array(store, handle.path, metadata, handle.config)


# Whoever computes holds what it opened: a store in memory and a folder's handle are let go with the last one.
_opened: weakref.WeakValueDictionary[ArrayHandle, Array] = weakref.WeakValueDictionary()
