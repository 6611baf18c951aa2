"""How a group makes arrays in itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..errors import DataTypeMismatchError, NodeTypeValidationError, ShapeMismatchError
from .array import Array
from .dtypes import data_type_of
from .keys import join_path, normalize_path
from .layout import shape_of
from .likeness import likeness, words_like
from .lookup import NodeMetadata, read_node
from .making import make_array
from .member import Member, placed
from .metadata import ArrayMetadata, GroupMetadata
from .options import DEFAULT, ArrayOptions, spelled_out

__all__ = ["ArrayMaker"]


class ArrayMaker(Member[GroupMetadata]):
    """A group as far as making arrays goes.

    Names may be paths, as "a/b"; the groups above are made where they are missing. A name that begins with
    "/" counts from the root of the store.
    """

    def _path_of(self, name: str) -> str:
        below = normalize_path(name)
        return below if name.startswith("/") else join_path(self._path, below)

    def _make(self, caller: str, name: str, options: Mapping[str, Any], **more: Any) -> Array:
        options = {"zarr_format": self.zarr_format, **options}
        array = make_array(self._store, self._path_of(name), f"Group.{caller}", options, **more)
        self._note(array.path, array.metadata)
        return array

    def _note(self, path: str, node: NodeMetadata | None = None) -> None:
        """Called after each change below the group."""

    @spelled_out
    def create_array(
        self,
        name: str,
        *,
        shape: Any = None,
        data: Any = None,
        like: Any = None,
        fill_value: Any = DEFAULT,
        write_data: bool = True,
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """A new array of a shape, or of the data, or like another one; raises ContainsNodeError where a node is.

        With `write_data=False` only the shape and dtype of the data are taken; of `like`, an array of any kind, what
        `lz.create_array` takes. What else can be chosen, chunks among it, stands below.

        >>> lz.group().create_array("u", data=[[1, 2], [3, 4]], chunks=(1, 2))[1]
        array([3, 4])
        """
        words: Mapping[str, Any] = options
        if like is not None:
            given = {"zarr_format": self.zarr_format, **options}
            with placed(self._store.url(self._path_of(name)), "nothing was made"):
                words, shape, fill_value = words_like(
                    like, given, "Group.create_array", shape, data, fill_value
                )
        return self._make(
            "create_array",
            name,
            words,
            shape=shape,
            data=data,
            fill_value=fill_value,
            write_data=write_data,
        )

    @spelled_out
    def create(
        self,
        name: str,
        *,
        shape: Any = None,
        data: Any = None,
        fill_value: Any = DEFAULT,
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """As `create_array`: a new array of a shape, or of the data, with chunks, dtype and so on."""
        return self._make("create", name, options, shape=shape, data=data, fill_value=fill_value)

    @spelled_out
    def array(self, name: str, data: ArrayLike, **options: Unpack[ArrayOptions]) -> Array:
        """A new array that holds the data; its shape, dtype and chunks follow from them if not given."""
        return self._make("array", name, options, data=data)

    @spelled_out
    def require_array(
        self,
        name: str,
        *,
        shape: Any,
        data: Any = None,
        fill_value: Any = DEFAULT,
        exact: bool = False,
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """The array of that name, made if there is none.

        Raises ShapeMismatchError if the one there has another shape, DataTypeMismatchError if its dtype
        cannot hold the one given (with `exact`: is another), NodeTypeValidationError for a group. Its chunks
        stay.
        """
        path = self._path_of(name)
        found = read_node(self._store, path)
        if found is None:
            return self._make("require_array", name, options, shape=shape, data=data, fill_value=fill_value)
        metadata = _required(self._store.url(path), found, shape_of(shape), options.get("dtype"), exact)
        return Array(self._store, path, metadata)

    # As zarr-python 2 and h5py have it.

    @spelled_out
    def create_dataset(  # type: ignore[misc]
        self,
        name: str,
        shape: Any = None,
        dtype: DTypeLike | None = None,
        data: Any = None,
        *,
        fill_value: Any = DEFAULT,
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """As `create_array`, the name zarr-python 2 and h5py have for it: a new array of a shape, or of data.

        Its dtype is that of the data, or the one given; what else can be chosen, chunks among it, stands below.

        >>> lz.group().create_dataset("u", (4, 6), "f4", chunks=(2, 3))[0, :2]
        array([0., 0.], dtype=float32)
        """
        words = options if dtype is None else {**options, "dtype": dtype}
        return self._make("create_dataset", name, words, shape=shape, data=data, fill_value=fill_value)

    @spelled_out
    def require_dataset(  # type: ignore[misc]
        self,
        name: str,
        shape: Any,
        dtype: DTypeLike | None = None,
        exact: bool = False,
        *,
        data: Any = None,
        fill_value: Any = DEFAULT,
        **options: Unpack[ArrayOptions],
    ) -> Array:
        """As `require_array`: the array of that name, shape and dtype, made if there is none, chunks as below."""
        words: Any = options if dtype is None else {**options, "dtype": dtype}
        return self.require_array(name, shape=shape, data=data, fill_value=fill_value, exact=exact, **words)

    @spelled_out
    def empty(self, name: str, shape: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array of a shape, nothing written to it: it reads as zeros; dtype and chunks as below."""
        return self._make("empty", name, options, shape=shape)

    @spelled_out
    def zeros(self, name: str, shape: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array of a shape that reads as zeros; nothing is written. See below for dtype, chunks."""
        return self._make("zeros", name, options, shape=shape, fill_value=0)

    @spelled_out
    def ones(self, name: str, shape: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array of a shape that reads as ones; nothing is written. See below for dtype, chunks."""
        return self._make("ones", name, options, shape=shape, fill_value=1)

    @spelled_out
    def full(self, name: str, shape: Any, fill_value: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array of a shape that reads as the fill value; nothing is written. Below: dtype, chunks."""
        return self._make("full", name, options, shape=shape, fill_value=fill_value)

    @spelled_out
    def empty_like(self, name: str, data: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array with the shape, dtype and chunks of another one, nothing written to it."""
        return self._like("empty_like", name, data, options, DEFAULT)

    @spelled_out
    def zeros_like(self, name: str, data: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array with the shape, dtype and chunks of another one, that reads as zeros."""
        return self._like("zeros_like", name, data, options, 0)

    @spelled_out
    def ones_like(self, name: str, data: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array with the shape, dtype and chunks of another one, that reads as ones."""
        return self._like("ones_like", name, data, options, 1)

    @spelled_out
    def full_like(self, name: str, data: Any, fill_value: Any, **options: Unpack[ArrayOptions]) -> Array:
        """A new array with the shape, dtype and chunks of another one, that reads as the fill value."""
        return self._like("full_like", name, data, options, fill_value)

    def _like(self, caller: str, name: str, data: Any, options: Mapping[str, Any], fill_value: Any) -> Array:
        like = likeness(data, {"zarr_format": self.zarr_format, **options}, f"Group.{caller}")
        return self._make(caller, name, like.words, shape=like.shape, fill_value=fill_value)


def _required(
    url: str, found: NodeMetadata, shape: tuple[int, ...], dtype: DTypeLike | None, exact: bool
) -> ArrayMetadata:
    """The metadata of the array that is there, if it is what was required."""
    if not isinstance(found, ArrayMetadata):
        raise NodeTypeValidationError(f"{url} is a group, not an array; choose another name")
    if found.shape != shape:
        raise ShapeMismatchError(
            f"{url} is there with the shape {found.shape}, required was {shape}; resize it, or choose "
            "another name"
        )
    wanted = found.dtype if dtype is None else data_type_of(dtype, found.data_type.object_codec).dtype
    if wanted != found.dtype if exact else not np.can_cast(wanted, found.dtype):
        raise DataTypeMismatchError(
            f"{url} is there with the data type {found.dtype}, required was {wanted}; choose another name"
        )
    return found
