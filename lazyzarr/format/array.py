"""The stored array: indexing it reads and writes NumPy at once, arithmetic on it is lazy."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import commit
from .array_config import ArrayConfig
from .array_forms import ArrayForms
from .assign import checked_values
from .consolidated import parse_node
from .layout import shape_of
from .lookup import find_array, still_says
from .member import placed
from .metadata import ArrayMetadata
from .stores.protocol import Store, StoreSpec, open_spec
from .stores.zarr_python import adapted
from .watch import same_chunks

__all__ = ["Array", "ArrayHandle", "foreign_place"]


class Array(ArrayForms):
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

    # Reading.

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(
                f"{self!r} is stored: it becomes a NumPy array only by a copy; leave copy=False out"
            )
        values: NDArray[Any] = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth of {self!r} is ambiguous: it has {self.size} elements. Use (z == x).any() or "
                ".all(); for the same node compare z.store_path"
            )
        return bool(self[...])

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

    # What the compute half takes hold of.

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

    def __reduce__(self) -> tuple[Callable[[ArrayHandle], Array], tuple[ArrayHandle]]:
        return _open, (self.handle,)


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
    def of(
        cls, store: Store, path: str, metadata: ArrayMetadata, config: ArrayConfig | None = None
    ) -> ArrayHandle:
        """The handle of an array whose metadata is known; nothing is read."""
        return Array(store, path, metadata, config, place=None).handle

    def open(self) -> Array:
        """The array; the same object as long as one is in use in this process, and no I/O."""
        array = _opened.get(self)
        return _opened.setdefault(self, _open(self)) if array is None else array

    def is_current(self) -> bool:
        """Whether the array is surely what it was: its document is stored as it was read, byte for byte."""
        return still_says(open_spec(self.store), self.path, self.viewed or self.documents)

    def current(self) -> ArrayMetadata:
        """The array's metadata as it is stored now. Raises ArrayNotFoundError where it is gone.

        Of a view its own, as long as the array that it shows is what it was.
        """
        now = find_array(open_spec(self.store), self.path)
        if self.viewed is None:
            return now
        known = self.open().metadata
        shown = known.viewed
        # Of which the attributes may have been edited.
        same = shown is not None and now.shape == shown.shape and same_chunks(shown, now)
        return known if same else now

    @property
    def url(self) -> str:
        """Where the array is, as messages say it."""
        return open_spec(self.store).url(self.path)

    @property
    def place(self) -> str:
        """Where the array is, by one name however it was reached: its folder, where it has one."""
        return _place_of(open_spec(self.store), self.path)

    @property
    def in_flight(self) -> int:
        """Requests that are worth having under way at once; 0 where answers come at once."""
        return open_spec(self.store).in_flight

    @property
    def reach(self) -> Literal["thread", "host", "anywhere"]:
        """From where the store can be seen: this process, this machine, anywhere."""
        return open_spec(self.store).reach

    @property
    def read_reach(self) -> Literal["thread", "host", "anywhere"]:
        """From where the array can be read as it is now."""
        return open_spec(self.store).read_reach

    @property
    def token(self) -> str:
        """A name for the array as it is described here: the same in each process and at each time."""
        described = repr((self.place, self.documents, self.config, self.viewed))
        return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def foreign_place(target: object) -> str | None:
    """Where an array of zarr-python lies, as `ArrayHandle.place` says it; None for any other object."""
    found = adapted(target)
    return None if found is None else _place_of(*found)


def _place_of(store: Store, path: str) -> str:
    folder = store.real_folder(path)
    return store.url(path) if folder is None else os.path.realpath(folder)


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
