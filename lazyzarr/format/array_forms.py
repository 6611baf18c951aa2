"""A stored array in other forms: row by row, cast, viewed with another shape, opened by its class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Self

from numpy.typing import DTypeLike

from ..errors import BoundsCheckError, MetadataValidationError
from .array_config import array_config
from .array_open import OpenArray
from .layout import chunk_lengths, shape_of
from .lookup import find_array
from .member import placed
from .metadata import ArrayMetadata
from .new_nodes import new_node
from .options import DEFAULT
from .resolve import StoreLike, resolve
from .slots import AsyncArray, make_async
from .stores.protocol import Store
from .stores.wrappers import ReadOnlyStore
from .views import cast_metadata, view_metadata

__all__ = ["ArrayForms"]


class ArrayForms(OpenArray):
    """A stored array as far as it is shown in other forms."""

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

    # The same, seen in another way.

    def astype(self, dtype: DTypeLike) -> Self:
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
    ) -> Self:
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
    def open(cls, store: StoreLike, *, config: Any = None) -> Self:
        """The array at a place; raises ArrayNotFoundError, NodeTypeValidationError.

        >>> lz.save("u.zarr", np.arange(3))
        >>> lz.Array.open("u.zarr")[1:]
        array([1, 2])
        """
        place, path = resolve(store)
        return cls(place, path, find_array(place, path), array_config(config))

    @classmethod
    def from_dict(cls, store_path: StoreLike, data: Mapping[str, Any]) -> Self:
        """The array that the JSON of a document describes, at a place; nothing is read or stored.

        Raises MetadataValidationError.
        """
        place, path = resolve(store_path)
        metadata = new_node(data, place.url(path))
        if not isinstance(metadata, ArrayMetadata):
            raise MetadataValidationError(f"{place.url(path)}: the document describes a group, not an array")
        return cls(place, path, metadata)

    @property
    def async_array(self) -> AsyncArray:
        """The AsyncArray over this array."""
        return make_async(self)

    def with_config(self, config: Any) -> Self:
        """The same array with another config: a mapping of some of its settings, or an ArrayConfig."""
        return type(self)(
            self._store, self._path, self._metadata, array_config(config, self.config), self._place
        )

    def _viewed(self, store: Store, metadata: ArrayMetadata) -> Self:
        return type(self)(store, self._path, metadata, self.config, self._place)
