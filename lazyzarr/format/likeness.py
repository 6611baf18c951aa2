"""What a new array takes over of another one: its shape, and words for `create_array`, of which what is given wins."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import BaseZarrError
from .array import Array
from .attributes import STORED_BY
from .codecs.blosc import BloscCodec
from .codecs.crc32c import Crc32cCodec
from .codecs.parse import takes_bytes
from .codecs.reshape import Reshape
from .codecs.transpose import TransposeCodec
from .layout import by_dimension, shape_of, wanted_type
from .making import is_stored_elsewhere, kept_words, own_type
from .metadata import DIMENSIONS_ATTRIBUTE
from .options import DEFAULT, modern

__all__ = ["Likeness", "likeness", "regular_chunks", "translated", "words_like"]

MOST_CHUNK_BYTES = 256_000_000
"""A larger chunk was made for computing (`rechunk(-1)`), not for storing."""


class Likeness(NamedTuple):
    """An array that is to be made like another one."""

    shape: tuple[int, ...]
    words: dict[str, Any]
    """Today's words for it: those that were given, and what is kept where nothing was."""
    fill_value: Any
    attributes: dict[str, Any]


def likeness(
    a: Any, options: Mapping[str, Any], caller: str, shape: Any = None, fill_value: Any = DEFAULT
) -> Likeness:
    """An array like a stored one, a lazy one, NumPy's or anything with shape and dtype.

    Of a stored array all of its layout is kept, of others the names of dimensions and chunks, where they are regular.
    Raises BaseZarrError for a path or a group, of which NumPy would make an array of text.
    """
    source = _source(a)
    lengths = _lengths(source) if shape is None else shape_of(shape)
    given = modern({word: value for word, value in options.items() if word != "chunk_store"}, caller)
    given = {
        word: given[word] for word in given if given[word] is not None or word not in ("dtype", "zarr_format")
    }
    kept = _kept(source, given, len(lengths))
    words = {**kept, **given, **{word: options[word] for word in ("chunk_store",) if word in options}}
    names = words.get("dimension_names")
    for what, others in (
        ("chunks", kept.get("chunks")),
        ("shards", kept.get("shards") or words.get("chunks")),
    ):
        if isinstance(words.get(what), Mapping):
            words[what] = by_dimension(words[what], what, names, len(lengths), others)
    fill = _fill(source, given) if fill_value is DEFAULT else fill_value
    return Likeness(lengths, words, fill, _attributes(source, given))


def _source(a: Any) -> Any:
    """What has a shape and a dtype. NumPy would make an array of text of a path, and of the names in a group."""
    if hasattr(a, "shape") and hasattr(a, "dtype"):
        return a
    if isinstance(a, str | os.PathLike):
        raise BaseZarrError(f"{os.fspath(a)!r} is no array but names one; open it: lz.open({os.fspath(a)!r})")
    if hasattr(a, "keys"):
        raise BaseZarrError(f'a {type(a).__name__} is no array but may hold some; name one: g["u"]')
    return np.asarray(a)


def _lengths(source: Any) -> tuple[int, ...]:
    """The shape, where it is known: what a mask picks of a lazy array is not counted before it is computed."""
    if any(n != n for n in source.shape):
        raise BaseZarrError(
            f"the array that this is to be like has the shape {source.shape}: how long it is is not known before "
            "it is computed. Say it: shape=(100,)"
        )
    return tuple(map(int, source.shape))


def words_like(
    a: Any, options: Mapping[str, Any], caller: str, shape: Any, data: Any, fill_value: Any
) -> tuple[dict[str, Any], Any, Any]:
    """The words, the shape and the fill value for an array like another one, attributes included."""
    if shape is None and data is not None:
        shape = data.shape if hasattr(data, "shape") else np.shape(data)
    like = likeness(a, options, caller, shape, fill_value)
    given = like.words.get("attributes")
    words = {**like.words, "attributes": like.attributes if given is None else given}
    return words, like.shape, like.fill_value


def _kept(source: Any, given: Mapping[str, Any], ndim: int) -> dict[str, Any]:
    """The layout, but for what hangs on the format, the data type or the axes, where these are others."""
    kept = {"dtype": own_type(source), **(kept_words(source) or _cut(source))}
    if given.get("zarr_format", kept.get("zarr_format")) != kept.get("zarr_format") and isinstance(
        source, Array
    ):
        kept = translated(kept, source, given["zarr_format"])
    if ndim != len(source.shape):
        kept = _without(kept, "chunks", "shards", "dimension_names")
        kept = _filtered(kept, lambda codec: not isinstance(codec, TransposeCodec | Reshape))
    return kept if _same_type(source, given) else _of_other_type(kept)


def _cut(source: Any) -> dict[str, Any]:
    """The chunks and the names of dimensions of what is no stored array of ours."""
    chunks, names = getattr(source, "chunks", None), getattr(source, "dims", None)
    kept = {
        "chunks": chunks if is_stored_elsewhere(source) else regular_chunks(chunks, source.dtype.itemsize)
    }
    if isinstance(names, tuple) and any(names) and all(isinstance(name, str | None) for name in names):
        kept["dimension_names"] = names
    return {word: value for word, value in kept.items() if value is not None}


def regular_chunks(chunks: Any, itemsize: int) -> tuple[int, ...] | None:
    """Chunks as dask writes them as one length an axis, where they are regular and no larger than what is stored well.

    >>> regular_chunks(((4, 4, 2), (5,)), 8), regular_chunks(((2, 4),), 8)
    ((4, 5), None)
    """
    listed = isinstance(chunks, tuple) and all(isinstance(axis, tuple) for axis in chunks)
    if not listed or not all(isinstance(n, int) for axis in chunks for n in axis):
        return None
    regular = all(len(set(axis[:-1])) <= 1 and axis[-1] <= axis[0] for axis in chunks if axis)
    sizes = tuple(max(axis, default=1) or 1 for axis in chunks)
    return sizes if regular and math.prod(sizes) * itemsize <= MOST_CHUNK_BYTES else None


def translated(kept: Mapping[str, Any], source: Array, version: Any) -> dict[str, Any]:
    """The layout in the other version of the format: chunk keys and the codec to bytes are its own.

    v2 has no shards, says the order of elements by a word, and has no codec for a checksum.
    """
    words = _without(kept, "serializer", "chunk_key_encoding", "zarr_format")
    if version != 2:
        return _with_bytes_last(words)
    words = _filtered(_without(words, "shards"), lambda codec: not isinstance(codec, TransposeCodec))
    if isinstance(codecs := words.get("compressors"), tuple):
        words["compressors"] = tuple(codec for codec in codecs if not isinstance(codec, Crc32cCodec))
    return {**words, "order": source.order}


def _with_bytes_last(words: dict[str, Any]) -> dict[str, Any]:
    """v2's layout with the filters that take bytes, as shuffle does, before the compressor: no filters of v3 do."""
    filters, compressor = words.get("filters") or (), words.get("compressors")
    moved = tuple(filter(takes_bytes, filters))
    if not moved:
        return words
    kept = tuple(codec for codec in filters if codec not in moved)
    return {**words, "filters": kept, "compressors": (*moved, *([] if compressor is None else [compressor]))}


def _same_type(source: Any, given: Mapping[str, Any]) -> bool:
    if "dtype" not in given:
        return True
    own, wanted = own_type(source), wanted_type(given["dtype"], given).dtype
    dtype: np.dtype[Any] = getattr(own, "dtype", own)
    if "T" in (dtype.kind, wanted.kind):  # text of any length has no order of bytes
        return dtype == wanted
    return dtype.newbyteorder("=") == wanted.newbyteorder("=")


def _of_other_type(kept: dict[str, Any]) -> dict[str, Any]:
    """The layout of elements of another data type: only the order of axes is left of what encodes elements."""
    kept = _filtered(_without(kept, "serializer"), lambda codec: isinstance(codec, TransposeCodec))
    codecs = kept.get("compressors")
    if isinstance(codecs, tuple):
        kept["compressors"] = tuple(
            replace(codec, typesize=None) if isinstance(codec, BloscCodec) else codec for codec in codecs
        )
    return kept


def _filtered(kept: Mapping[str, Any], wanted: Callable[[Any], bool]) -> dict[str, Any]:
    filters = kept.get("filters")
    return dict(kept) if filters is None else {**kept, "filters": tuple(filter(wanted, filters))}


def _without(kept: Mapping[str, Any], *words: str) -> dict[str, Any]:
    return {word: value for word, value in kept.items() if word not in words}


def _fill(source: Any, given: Mapping[str, Any]) -> Any:
    """The fill value of a stored array, where it is the same value in the new data type, and of the same kind."""
    if not isinstance(source, Array):
        return DEFAULT
    if _same_type(source, given):
        changed = given.get("zarr_format", source.zarr_format) != source.zarr_format
        return DEFAULT if changed and source.fill_value is None else source.fill_value
    dtype = wanted_type(given["dtype"], given).dtype
    if source.fill_value is None or source.dtype.kind != dtype.kind or dtype.kind not in "iufc":
        return DEFAULT
    with np.errstate(all="ignore"):
        cast = np.asarray(source.fill_value).astype(dtype)[()]
    return cast if np.array_equal(cast, source.fill_value, equal_nan=True) else DEFAULT


def _attributes(source: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a stored or a lazy array that are true of the new one."""
    lazy = hasattr(source, "__lazyzarr_node__")
    if not lazy and not isinstance(source, Array):
        return {}
    gone = set() if _same_type(source, given) else set(STORED_BY)
    if not lazy and source.zarr_format == 2:
        gone.add(DIMENSIONS_ATTRIBUTE)  # the names of dimensions are a word
    found = source.attrs if lazy else source.metadata.attributes
    return {name: value for name, value in found.items() if name not in gone}
