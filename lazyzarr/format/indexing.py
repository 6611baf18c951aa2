"""A stored array's elements, read and written by every kind of selection; the names are zarr-python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import BoundsCheckError, DataTypeMismatchError, SelectionError, ShapeMismatchError
from .array_facts import DescribedArray
from .assign import checked_values, fitted
from .chunk import ChunkReader, ChunkWriter
from .chunk_loops import read_selection, write_selection
from .fancy import (
    Index,
    Many,
    PointSelection,
    Selection,
    parse_any,
    parse_blocks,
    parse_mask,
    parse_outer,
    parse_points,
    parse_vindex,
)
from .grid import Grid
from .locks import ArrayLock
from .operators import LazyOperators
from .selection import parse_basic
from .slots import Lazy, make_lazy

__all__ = ["BlockIndex", "IndexedArray", "OuterIndex", "PointIndex"]

Fields = str | list[str] | tuple[str, ...] | None
Bulk: TypeAlias = "Many | Lazy | LazyOperators"
"""What picks arrays; lazy and stored ones are masks or positions, which are computed."""


class _Parser(Protocol):
    """What reads a selection from an array that is cut by a grid."""

    def __call__(self, selection: Any, grid: Grid, /) -> Selection: ...


def _of_shape(parse: Callable[[Any, tuple[int, ...]], Selection]) -> _Parser:
    """A parser that needs no more of the grid than the array's shape."""
    return lambda selection, grid: parse(selection, grid.shape)


_any, _basic, _outer = _of_shape(parse_any), _of_shape(parse_basic), _of_shape(parse_outer)
_points, _mask, _vindex = _of_shape(parse_points), _of_shape(parse_mask), _of_shape(parse_vindex)


class IndexedArray(DescribedArray):
    """A stored array as far as its elements are read and written at once."""

    def reader(self) -> ChunkReader:
        """What reads the chunks."""
        raise NotImplementedError

    def writer(self) -> ChunkWriter:
        """What writes the chunks."""
        raise NotImplementedError

    def lock(self) -> ArrayLock:
        """The array's write lock."""
        raise NotImplementedError

    @overload
    def __getitem__(self, selection: tuple[()]) -> Any: ...

    @overload
    def __getitem__(self, selection: Bulk | tuple[Bulk, ...]) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, selection: Index) -> Any: ...

    def __getitem__(self, selection: Bulk | Index) -> Any:
        """The selected elements as a NumPy array; a NumPy scalar where integers select one element.

        Integers, slices with any steps, Ellipsis and None select as in NumPy. So do one list or mask among
        slices, a list for each axis (points), and a mask of the array's shape; for anything between those,
        `oindex` and `vindex` say which is meant. An integer beside a list drops its axis where it stands, as in
        zarr-python. Names select fields: `z["f"]`, `z["f", 0:2]`. Raises BoundsCheckError, SelectionError,
        ChunkDecodeError, StoreError.
        """
        fields, selection = _split_fields(selection)
        found = self._get(_any, selection, None, fields)
        return found if found.ndim or _holds_ellipsis(selection) else found[()]

    def __setitem__(self, selection: Bulk | Index, value: Any) -> None:
        """Store values in the selected elements; they broadcast as in NumPy.

        A lazy array is computed and stored piece by piece. Raises ShapeMismatchError, DataTypeMismatchError
        for what the array's dtype cannot hold, BoundsCheckError, SelectionError, ReadOnlyStoreError,
        StoreError; what has the wrong shape or dtype changes nothing.
        """
        fields, selection = _split_fields(selection)
        if isinstance(value, LazyOperators) or hasattr(type(value), "__lazyzarr_store__"):
            self._store.check_writable(self._path)
            lazy = make_lazy(value) if isinstance(value, LazyOperators) else value
            if (stream := getattr(type(lazy), "__lazyzarr_store__", None)) is not None and fields is None:
                stream(lazy, self, selection)
                return
        self._set(_any, selection, value, fields)

    @property
    def oindex(self) -> OuterIndex:
        """Orthogonal selections, axis by axis: `z.oindex[[0, 3], :, mask]`, to read and to write."""
        return OuterIndex(self)

    @property
    def vindex(self) -> PointIndex:
        """Points and masks: `z.vindex[rows, columns]`, `z.vindex[mask]`, to read and to write."""
        return PointIndex(self)

    @property
    def blocks(self) -> BlockIndex:
        """Chunks by number (shards, where the array is sharded): `z.blocks[0, 1:3]`, to read and to write."""
        return BlockIndex(self)

    def get_basic_selection(
        self,
        selection: Any = ...,
        *,
        out: NDArray[Any] | None = None,
        fields: Fields = None,
        prototype: Any = None,
    ) -> Any:
        """What integers, slices, Ellipsis and None select.

        Parameters
        ----------
        selection
            As between brackets.
        out : ndarray, optional
            An array of the result's shape and dtype that is filled and returned.
        fields : str or list of str, optional
            The fields of structured elements that are read.
        prototype : optional
            Taken for zarr-python's sake, without effect: results are NumPy arrays.

        Raises BoundsCheckError, SelectionError, ChunkDecodeError, StoreError.

        >>> lz.array([[1, 2], [3, 4]]).get_basic_selection((slice(None), 1))
        array([2, 4])
        """
        found = self._get(_basic, selection, out, fields)
        return found if found.ndim or out is not None or _holds_ellipsis(selection) else found[()]

    def set_basic_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: Any = None
    ) -> None:
        """Store values, which broadcast, in what integers, slices and Ellipsis select."""
        self._set(_basic, selection, value, fields)

    def get_orthogonal_selection(
        self, selection: Any, *, out: NDArray[Any] | None = None, fields: Fields = None, prototype: Any = None
    ) -> Any:
        """What integers, slices, lists and masks select, each along its own axis; arguments as the basic one's.

        >>> lz.array([[1, 2, 3], [4, 5, 6]]).get_orthogonal_selection(([1, 0], [0, 2]))
        array([[4, 6],
               [1, 3]])
        """
        found = self._get(_outer, selection, out, fields)
        return found if found.ndim or out is not None else found[()]

    def set_orthogonal_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: Any = None
    ) -> None:
        """Store values, which broadcast, in an orthogonal selection."""
        self._set(_outer, selection, value, fields)

    def get_coordinate_selection(
        self, selection: Any, *, out: NDArray[Any] | None = None, fields: Fields = None, prototype: Any = None
    ) -> NDArray[Any]:
        """The elements at points, an array of indices an axis; it takes as long as there are points and chunks of them.

        >>> lz.array([[1, 2, 3], [4, 5, 6]]).get_coordinate_selection(([0, 1], [2, 0]))
        array([3, 4])
        """
        return self._get(_points, selection, out, fields)

    def set_coordinate_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: Any = None
    ) -> None:
        """Store values, which broadcast, at points; of a point that is named twice the last value stays."""
        self._set(_points, selection, value, fields)

    def get_mask_selection(
        self, mask: Any, *, out: NDArray[Any] | None = None, fields: Fields = None, prototype: Any = None
    ) -> NDArray[Any]:
        """The elements at which a mask of the array's shape is true, in C order, as one axis.

        >>> lz.array([[1, 2], [3, 4]]).get_mask_selection(np.eye(2, dtype=bool))
        array([1, 4])
        """
        return self._get(_mask, mask, out, fields)

    def set_mask_selection(
        self, mask: Any, value: Any, *, fields: Fields = None, prototype: Any = None
    ) -> None:
        """Store values, which broadcast, where a mask of the array's shape is true."""
        self._set(_mask, mask, value, fields)

    def get_block_selection(
        self, selection: Any, *, out: NDArray[Any] | None = None, fields: Fields = None, prototype: Any = None
    ) -> NDArray[Any]:
        """Whole chunks (shards, where the array is sharded) by integers and slices that count them.

        >>> lz.array(np.arange(10), chunks=4).get_block_selection(slice(1, 3))
        array([4, 5, 6, 7, 8, 9])
        """
        return self._get(parse_blocks, selection, out, fields)

    def set_block_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: Any = None
    ) -> None:
        """Store values, which broadcast, in whole chunks (shards, where the array is sharded)."""
        self._set(parse_blocks, selection, value, fields)

    def _get(self, parse: _Parser, selection: Any, out: Any, fields: Fields) -> NDArray[Any]:
        reader = self.reader()
        parsed = self._parsed(parse, selection, reader.units)
        if fields:
            return self._get_fields(reader, parsed, out, fields)
        if out is not None:
            self._check_out(out, parsed.out_shape, reader.dtype)
        points = isinstance(parsed, PointSelection)
        if out is None or (points and not out.flags.c_contiguous):
            found = np.empty(parsed.out_shape, reader.dtype, order="C" if points else self._metadata.order)
        else:
            found = out
        read_selection(reader, parsed, found)
        if out is None or found is out:
            return found
        out[...] = found
        return out  # type: ignore[no-any-return]

    def _get_fields(self, reader: ChunkReader, parsed: Selection, out: Any, fields: Fields) -> NDArray[Any]:
        """Fields of the selected elements: of one its values, of several a structured array of them."""
        wanted = self._dtype_of(fields)
        elements = np.empty(parsed.out_shape, reader.dtype)
        read_selection(reader, parsed, elements)
        shape = (*parsed.out_shape, *wanted.shape)  # a field may itself be an array
        if out is not None:
            self._check_out(out, shape, wanted.base)
        found = np.empty(shape, wanted.base) if out is None else out
        if isinstance(fields, str):
            found[...] = elements[fields]
        else:
            for name in fields or ():
                found[name] = elements[name]
        return found

    def _set(self, parse: _Parser, selection: Any, value: Any, fields: Fields) -> None:
        self._store.check_writable(self._path)
        field = self._one_field(fields)
        writer = self.writer()
        parsed = self._parsed(parse, selection, writer.grid)
        dtype = self.dtype if field is None else self.dtype[field]
        data_type = self._metadata.data_type if field is None else None
        values = checked_values(value, dtype.base, self._url(), data_type, len(parsed.out_shape))
        # A field may itself be an array: its axes come behind those of the selection.
        values = fitted(values, (*parsed.out_shape, *dtype.shape), self._url())
        write_selection(writer, self.lock(), parsed, values, field)

    def _parsed(self, parse: _Parser, selection: Any, grid: Grid) -> Selection:
        try:
            return parse(selection, grid)
        except (BoundsCheckError, SelectionError) as error:
            raise type(error)(f"{self._url()}, shape {grid.shape}: {error}") from error

    def _check_out(self, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Refuse an array to be filled that cannot be, or not without a change of what is stored."""
        if not isinstance(out, np.ndarray):
            raise DataTypeMismatchError(
                f"{self._url()}: out is a {type(out).__name__}; it has to be a NumPy array of shape {shape} and "
                f"dtype {dtype}"
            )
        if out.shape != shape:
            raise ShapeMismatchError(
                f"{self._url()}: out has shape {out.shape}, the selection {shape}; nothing was read"
            )
        if out.dtype != dtype:
            raise DataTypeMismatchError(
                f"{self._url()} holds {dtype}, out {out.dtype}; nothing was read. Give out=np.empty({shape}, "
                f"z.dtype)"
            )

    def _dtype_of(self, fields: Fields) -> np.dtype[Any]:
        """The dtype of a field, or of a structure of some; SelectionError where there is none of that name."""
        names = [fields] if isinstance(fields, str) else list(fields or ())
        have = self.dtype.names or ()
        for name in names:
            if name not in have:
                said = f"it has {', '.join(map(repr, have))}" if have else "its elements have none"
                raise SelectionError(f"{self._url()} has no field {name!r}: {said}")
        if isinstance(fields, str):
            return self.dtype[fields]
        return np.dtype([(name, self.dtype[name]) for name in names])

    def _one_field(self, fields: Fields) -> str | None:
        """The field that is set, None where none is named."""
        names = [fields] if isinstance(fields, str) else list(fields or ())
        if len(names) > 1:
            raise SelectionError(
                f"{self._url()}: one field is set at a time, not {names}; assign them one after the other"
            )
        if names:
            self._dtype_of(names)
        return names[0] if names else None


def _holds_ellipsis(selection: Any) -> bool:
    items = selection if type(selection) is tuple else (selection,)
    return any(item is Ellipsis for item in items)


def _split_fields(selection: Any) -> tuple[Fields, Any]:
    """The names of fields in a selection, None where it holds none, and what else it holds."""
    if type(selection) is not tuple:
        if isinstance(selection, str):
            return selection, ()
        if isinstance(selection, list) and selection and all(isinstance(name, str) for name in selection):
            return selection, ()
        return None, selection
    names = [item for item in selection if isinstance(item, str)]
    if not names:
        return None, selection
    rest = tuple(item for item in selection if not isinstance(item, str))
    return names[0] if len(names) == 1 else names, rest


class _Index:
    """One way of indexing an array, as a property of it."""

    __slots__ = ("array",)

    _parse: _Parser

    def __init__(self, array: IndexedArray) -> None:
        self.array = array

    @overload
    def __getitem__(self, selection: tuple[()]) -> Any: ...

    @overload
    def __getitem__(self, selection: Bulk | tuple[Bulk, ...]) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, selection: Index) -> Any: ...

    def __getitem__(self, selection: Bulk | Index) -> Any:
        """The selected elements as a NumPy array. Raises BoundsCheckError, SelectionError."""
        fields, selection = _split_fields(selection)
        found = self.array._get(type(self)._parse, selection, None, fields)
        return found if found.ndim else found[()]

    def __setitem__(self, selection: Bulk | Index, value: Any) -> None:
        """Store values, which broadcast. Raises BoundsCheckError, SelectionError, ShapeMismatchError."""
        fields, selection = _split_fields(selection)
        self.array._set(type(self)._parse, selection, value, fields)


class OuterIndex(_Index):
    """Orthogonal selections: integers, slices, lists and masks, each along its own axis."""

    __slots__ = ()
    _parse = staticmethod(_outer)


class PointIndex(_Index):
    """Points, by an array of indices for each axis, or a mask of the array's shape."""

    __slots__ = ()
    _parse = staticmethod(_vindex)


class BlockIndex(_Index):
    """Whole chunks (shards, where the array is sharded), counted by integers and slices."""

    __slots__ = ()
    _parse = staticmethod(parse_blocks)
