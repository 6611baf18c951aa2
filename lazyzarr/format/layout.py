"""From the words for a new array to its metadata: chunks, shards, codecs, fill value, names of chunks."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from ..errors import BaseZarrError, MetadataValidationError
from ..settings import setting
from . import metadata_v2, metadata_v3
from .axes import by_axis
from .chunk_grids import AxisEdges, longest, merged
from .codecs.parse import codec_document, parse_codecs
from .dtypes import DataType, data_type_of
from .grid import guess_chunks
from .keys import ChunkKeyEncoding
from .lookup import ZarrFormat
from .metadata import ArrayMetadata, shown
from .options import DEFAULT

__all__ = [
    "by_dimension",
    "checked_format",
    "chunk_lengths",
    "lengths",
    "new_metadata",
    "shape_of",
    "wanted_type",
]


def new_metadata(
    shape: tuple[int, ...], dtype: DTypeLike, zarr_format: int, words: Mapping[str, Any]
) -> ArrayMetadata:
    """The metadata of a new array of that shape and dtype, as today's words (options.py) describe it.

    Raises MetadataValidationError, UnknownDataTypeError, UnknownCodecError, BaseZarrError.

    >>> new_metadata((100, 100), np.dtype("f8"), 3, {"chunks": 10}).chunk_shape
    (10, 10)
    """
    version = checked_format(zarr_format)
    data_type = wanted_type(dtype, words)
    if version == 3:
        _ = data_type.v3_name  # refused before its codecs are looked at
    shards = words.get("shards")
    outer = None if shards is None else edge_lengths(shards, "shards", shape)
    chunks = words.get("chunks")
    if outer is None and _lists_edges(chunks):
        edges = edge_lengths(chunks, "chunks", shape)
        chunks = longest(edges)
    else:
        chunks = chunk_lengths(
            chunks,
            shape if outer is None else common_lengths(outer),
            data_type.dtype.itemsize,
            divide=outer is not None,
        )
        edges = outer or chunks
    shards = None if outer is None else longest(outer)
    if version == 2 and any(isinstance(axis, tuple) for axis in edges):
        raise MetadataValidationError(
            "v2 has no chunks of several lengths; use zarr_format=3, or one length an axis"
        )
    fill_value = words.get("fill_value", DEFAULT)
    codecs = parse_codecs(
        dtype=data_type.dtype,
        chunk_shape=chunks,
        shard_shape=shards,
        zarr_format=version,
        filters=words.get("filters", "auto"),
        serializer=words.get("serializer", "auto"),
        compressors=words.get("compressors", "auto"),
        order=_order(words.get("order")),
        elements=data_type.serializer,
        object_codec=data_type.object_codec,
        fill=None if fill_value is DEFAULT else data_type.fill_of(fill_value),
    )
    build = metadata_v3.build_array if zarr_format == 3 else metadata_v2.build_array
    return build(
        shape,
        data_type,
        edges,  # type: ignore[arg-type]
        codecs,
        chunk_key_encoding=_key_encoding(words.get("chunk_key_encoding"), zarr_format),
        fill_value=data_type.default_fill if fill_value is DEFAULT else fill_value,
        attributes=words.get("attributes"),
        dimension_names=words.get("dimension_names"),
    )


def wanted_type(dtype: Any, words: Mapping[str, Any]) -> DataType:
    """The data type; how objects are stored `object_codec` says, or the first of v2's filters."""
    given = words.get("object_codec")
    filters = words.get("filters", "auto")
    first = filters[0] if isinstance(filters, list | tuple) and filters else None
    codec = codec_document(given if given is not None else first)
    if given is not None and codec is None:
        raise MetadataValidationError(f'object_codec={given!r} is no codec, such as {{"id": "vlen-utf8"}}')
    if given is not None and (dtype is str or dtype is bytes):
        dtype = object
    data_type = data_type_of(dtype, codec)
    if given is not None and data_type.object_codec is None:
        raise MetadataValidationError(
            f"object_codec={codec} stores Python objects, not {data_type}; leave it out, or give dtype=object"
        )
    return data_type


def checked_format(zarr_format: Any) -> ZarrFormat:
    """The version of the format, if it is one."""
    if zarr_format not in (2, 3):
        raise BaseZarrError(f"zarr_format={zarr_format!r} is not known; 2 and 3 are")
    return 2 if zarr_format == 2 else 3


def _order(order: Any) -> Literal["C", "F"]:
    order = setting("array.order") if order is None else order
    if order not in ("C", "F"):
        raise BaseZarrError(f'order={order!r} is neither "C" nor "F"')
    return "C" if order == "C" else "F"


def shape_of(value: Any) -> tuple[int, ...]:
    """A shape from an integer or several.

    >>> shape_of(10), shape_of([np.int64(2), 0])
    ((10,), (2, 0))
    """
    shape = tuple(_integer(n, "shape", value) for n in _listed(value, 1))
    if any(n < 0 for n in shape):
        raise BaseZarrError(f"shape={value!r} holds a length below 0; give 0 or more for each axis")
    return shape


def lengths(value: Any, what: str, shape: Sequence[int]) -> tuple[int, ...]:
    """A length of 1 or more for each axis, from an integer or several; -1 (or None) is the whole axis.

    >>> lengths(10, "chunks", (100, 50)), lengths((-1, np.int64(5)), "chunks", (100, 50))
    ((10, 10), (100, 5))
    """
    if isinstance(value, str):
        auto = ', or "auto"' if what == "chunks" else ""
        raise BaseZarrError(
            f"{what}={value!r} is no length; give one for all axes ({what}=100), one for each ({what}=(100, -1), of "
            f"which -1 is the whole axis){auto}"
        )
    given = _listed(value, len(shape))
    if len(given) != len(shape):
        raise BaseZarrError(
            f"{what}={value!r} has {len(given)} lengths, the shape {tuple(shape)} has {len(shape)}"
        )
    found = tuple(-1 if n is None else _integer(n, what, value) for n in given)
    if any(n == 0 or n < -1 for n in found):
        raise BaseZarrError(
            f"{what}={value!r} holds a length below 1; give 1 or more for each axis, or -1 for the whole axis"
        )
    return tuple(max(1, whole) if n == -1 else n for n, whole in zip(found, shape, strict=True))


def _lists_edges(value: Any) -> bool:
    """Whether lengths are given chunk by chunk along some axis."""
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and any(isinstance(axis, Sequence | np.ndarray) for axis in value)


def by_dimension(
    given: Mapping[Any, Any], what: str, names: Sequence[str | None] | None, ndim: int, others: Any = None
) -> tuple[Any, ...]:
    """Lengths by axis number or dimension name as one an axis; one that is not named has others', or is whole.

    >>> by_dimension({"time": 4, -1: 2}, "chunks", ("time", "y", "x"), 3)
    (4, -1, 2)
    """
    try:
        found = by_axis(given, names or (None,) * ndim)
    except (TypeError, ValueError) as error:
        cure = "" if names else "; dimension_names= names them"
        raise BaseZarrError(f"{what}={shown(dict(given))}: {error}{cure}") from error
    own = others if isinstance(others, tuple) and len(others) == ndim else (-1,) * ndim
    return tuple(found.get(axis, own[axis]) for axis in range(ndim))


def edge_lengths(value: Any, what: str, shape: Sequence[int]) -> tuple[AxisEdges, ...]:
    """The length of all chunks along each axis, or of each of them where they differ.

    >>> edge_lengths(((3, 4, 3), 5), "chunks", (10, 10)), edge_lengths([[5, 5], [4, 4, 2]], "chunks", (10, 10))
    (((3, 4, 3), 5), (5, 4))
    """
    if not _lists_edges(value):
        return lengths(value, what, shape)
    if len(value) != len(shape):
        raise BaseZarrError(
            f"{what}={value!r} has {len(value)} axes, the shape {tuple(shape)} has {len(shape)}"
        )
    return merged([_edges_of(axis, what, n) for axis, n in zip(value, shape, strict=True)])


def _edges_of(axis: Any, what: str, n: int) -> AxisEdges:
    if not isinstance(axis, Sequence | np.ndarray):
        return lengths(axis, what, (n,))[0]
    edges = tuple(_integer(edge, what, axis) for edge in axis)
    if not edges or min(edges) < 1 or sum(edges) < n:
        raise BaseZarrError(
            f"{what}: {shown(axis)} are no lengths of 1 or more that reach the end of an axis of {n}"
        )
    return edges


def common_lengths(edges: Sequence[AxisEdges]) -> tuple[int, ...]:
    """Along each axis the longest length of which all are multiples.

    >>> common_lengths(((4, 6), 5))
    (2, 5)
    """
    return tuple(axis if isinstance(axis, int) else math.gcd(*axis) for axis in edges)


def _listed(value: Any, ndim: int) -> Sequence[Any]:
    if isinstance(value, Sequence | np.ndarray) and not (isinstance(value, np.ndarray) and value.ndim == 0):
        return list(value)
    return [value] * ndim


def _integer(value: Any, what: str, given: Any) -> int:
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError("True and False are no lengths")
        return operator.index(value)
    except TypeError as error:
        raise BaseZarrError(f"{what}={given!r} is no integer or sequence of integers: {error}") from error


def chunk_lengths(chunks: Any, shape: Sequence[int], itemsize: int, divide: bool = False) -> tuple[int, ...]:
    """The chunk shape that `chunks` asks for: "auto" (None, True), the whole array (False), or lengths.

    With `divide`, automatic chunks divide the shape, as inner chunks have to divide a shard.

    >>> chunk_lengths("auto", (4096, 4096), 4), chunk_lengths((-1, 5), (100, 50), 4)
    ((1024, 1024), (100, 5))
    """
    if chunks is False:
        return tuple(max(1, n) for n in shape)
    if chunks is not None and chunks is not True and not (isinstance(chunks, str) and chunks == "auto"):
        return lengths(chunks, "chunks", shape)
    guessed = guess_chunks(shape, itemsize)
    return tuple(map(_divisor, shape, guessed)) if divide else guessed


def _divisor(n: int, near: int) -> int:
    """The largest divisor of n that is not above `near`."""
    near = min(near, n)
    return next(d for d in range(near, 0, -1) if n % d == 0)


def _key_encoding(value: Any, zarr_format: int) -> ChunkKeyEncoding | None:
    """The chunk key encoding in any of the forms that zarr-python takes; None is the format's own."""
    if value is None or isinstance(value, ChunkKeyEncoding):
        return value
    own = "v2" if zarr_format == 2 else "default"
    name, separator = own, None
    if isinstance(value, str):
        name = value
    elif isinstance(value, Mapping):
        members = {**value, **(value.get("configuration") or {})}
        name, separator = members.get("name", own), members.get("separator")
    elif isinstance(value, Sequence) and len(value) == 2:
        name, separator = value
    else:
        raise MetadataValidationError(f'chunk_key_encoding={value!r} is not known; write it ("default", "/")')
    return ChunkKeyEncoding(name, separator or ("." if name == "v2" else "/"))
