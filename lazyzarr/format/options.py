"""The words for a new array: today's, and those of zarr-python 2 in today's meaning."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..errors import BaseZarrError
from ..meant import meant
from .codecs.protocol import ArrayArrayCodec, ArrayBytesCodec
from .codecs.registry import codec_of
from .resolve import StoreLike

__all__ = ["DEFAULT", "ArrayOptions", "Default", "PlacedOptions", "modern", "spelled_out"]


class Default:
    """The type of `DEFAULT`, which stands where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "default"


DEFAULT = Default()


class ArrayOptions(TypedDict, total=False):
    """What a new array may be told; WORDS says what each means."""

    dtype: DTypeLike | None
    chunks: int | Sequence[int | Sequence[int]] | Mapping[Any, Any] | Literal["auto"] | bool | None
    shards: int | Sequence[int | Sequence[int]] | Mapping[Any, Any] | None
    filters: Any
    compressors: Any
    serializer: Any
    order: Literal["C", "F"] | None
    zarr_format: Literal[2, 3] | None
    attributes: Mapping[str, Any] | None
    chunk_key_encoding: Any
    dimension_names: Sequence[str | None] | None
    overwrite: bool
    config: Any
    read_only: bool | None
    compressor: Any
    chunk_shape: int | Sequence[int] | None
    codecs: Sequence[Any] | None
    dimension_separator: Literal[".", "/"] | None
    write_empty_chunks: bool | None
    zarr_version: Literal[2, 3] | None
    partial_decompress: bool | None
    synchronizer: Any
    cache_metadata: bool | None
    cache_attrs: bool | None
    cachesize: Any
    cache_type: Any
    chunk_store: Any
    object_codec: Any
    meta_array: Any


class PlacedOptions(ArrayOptions, total=False):
    """`ArrayOptions`, and where the new array is to lie."""

    store: StoreLike | None
    path: str | None
    storage_options: Mapping[str, Any] | None


# Default and meaning of each word. Shapes and chunks count elements along each axis.
WORDS: dict[str, tuple[Any, str]] = {
    "dtype": (
        None,
        "the data type (dtype; str, bytes: of any length); by default that of the data, or float64",
    ),
    "chunks": (
        "auto",
        'the chunk shape (of inner chunks, with shards); -1: the whole axis; "auto": near 4 MiB; {"time": 24}: by name',
    ),
    "shards": (None, "the shape of a shard, which holds many chunks in one stored object; v3 only"),
    "filters": ("auto", "codecs from array to array (v3), or numcodecs' filters (v2)"),
    "compressors": ("auto", '"auto" (zstd with a checksum), "zstd", "blosc-lz4", "gzip", "none", or codecs'),
    "serializer": ("auto", "the codec from array to bytes; v3 only"),
    "order": (None, 'the layout of the elements in a stored chunk, "C" or "F"'),
    "zarr_format": (None, "2 or 3; by default that of the group around it, else 3"),
    "attributes": (None, "the user's attributes"),
    "chunk_key_encoding": (None, 'how chunks are named, as ("default", "/") or ("v2", ".")'),
    "dimension_names": (None, "a name, or None, for each axis"),
    "overwrite": (False, "replace what is there as soon as the new array is complete, instead of refusing"),
    "config": (None, '{"write_empty_chunks": bool, "read_missing_chunks": bool} for this open array'),
    "read_only": (None, "give the array back read-only"),
    "compressor": ("auto", "zarr-python 2's word for compressors, where there is one"),
    "chunk_shape": (None, "zarr-python 3.0's word for chunks"),
    "codecs": (None, "zarr-python 3.0's word for filters, serializer and compressors in one list"),
    "dimension_separator": (None, "zarr-python 2's word for the separator of chunk_key_encoding"),
    "write_empty_chunks": (None, "zarr-python 2's word for the same in config"),
    "zarr_version": (None, "an older word for zarr_format"),
    "partial_decompress": (None, "accepted"),
    "synchronizer": (None, "accepted: writes are safe between threads and processes without one"),
    "cache_metadata": (None, "accepted"),
    "cache_attrs": (None, "accepted: attributes are read again before they are changed"),
    "cachesize": (None, "accepted"),
    "cache_type": (None, "accepted"),
    "chunk_store": (None, "the store of the chunks, if it is another one than that of the metadata"),
    "object_codec": (None, "how v2 stores Python objects (dtype=object): numcodecs' JSON(), VLenUTF8(), ..."),
    "meta_array": (None, "accepted where it is a NumPy array, as what is read is"),
    "store": (None, "a path, a store, a dict or an open group; None: in memory"),
    "path": (None, "the path in the store"),
    "storage_options": (None, "only for remote stores"),
}

Function = TypeVar("Function", bound=Callable[..., Any])


def spelled_out(function: Function) -> Function:
    """The function, with the words of its `**options` in its signature and its docstring.

    Completion and `help` show them; the checker knows them from the TypedDict.
    """
    signature = inspect.signature(function)
    *own, options = signature.parameters.values()
    typed = PlacedOptions if "PlacedOptions" in str(options.annotation) else ArrayOptions
    words = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=WORDS[name][0],
            annotation=annotation.__forward_arg__,
        )
        for name, annotation in typed.__annotations__.items()
        if name not in signature.parameters
    ]
    function.__signature__ = signature.replace(parameters=[*own, *words])  # type: ignore[attr-defined]
    listed = "\n".join(f"    {word.name}: {WORDS[word.name][1]}" for word in words)
    function.__doc__ = (
        f"{inspect.cleandoc(function.__doc__ or '')}\n\nOther parameters\n----------------\n{listed}\n"
    )
    return function


def modern(options: Mapping[str, Any], caller: str) -> dict[str, Any]:
    """The options in today's words alone.

    Raises TypeError for an unknown word, BaseZarrError for two words that contradict each other and for what
    this version does not do.

    >>> modern({"compressor": None, "write_empty_chunks": True, "synchronizer": None}, "zeros")
    {'compressors': (), 'config': {'write_empty_chunks': True}}
    """
    words = dict(options)
    for name in [name for name in words if name not in WORDS]:
        close = meant(name, WORDS)
        hint = f"; did you mean {close}=?" if close else ""
        raise TypeError(f"{caller}() got an unexpected keyword argument {name!r}{hint}")
    for name in _IGNORED:
        words.pop(name, None)
    for name in _REFUSED:
        value = words.pop(name, None)
        if value is not None and not (name == "meta_array" and isinstance(value, np.ndarray)):
            raise BaseZarrError(f"{caller}({name}=...): {_REFUSED[name]}")
    for name in [name for name in _OLD if name in words]:
        value = words.pop(name)
        if value is not None or name == "compressor":
            _take(words, _OLD[name](value), name, caller)
    return words


_IGNORED = frozenset(
    "synchronizer cache_metadata cache_attrs cachesize cache_type partial_decompress".split()
)

_REFUSED = {
    "chunk_store": "where chunks lie is said when the store is opened: open_group(store, chunk_store=...)",
    "meta_array": "arrays are NumPy's; leave it out",
}


def _compressor(value: Any) -> dict[str, Any]:
    if value in ("auto", "default"):
        return {}
    return {"compressors": () if value is None else value if isinstance(value, str) else (value,)}


def _codecs(value: Any) -> dict[str, Any]:
    """A v3 chain by the place of each codec in it."""
    chain = [(codec_of(codec), codec) for codec in value]
    filters = [given for codec, given in chain if isinstance(codec, ArrayArrayCodec)]
    serializers = [given for codec, given in chain if isinstance(codec, ArrayBytesCodec)]
    if len(serializers) != 1 or isinstance(chain[len(filters)][0], ArrayArrayCodec):
        names = [codec.name for codec, _ in chain]
        raise BaseZarrError(
            f"codecs={names}: first come those from array to array, then one from array to bytes, then those "
            "from bytes to bytes"
        )
    return {
        "filters": filters,
        "serializer": serializers[0],
        "compressors": [given for _, given in chain[len(filters) + 1 :]],
    }


_OLD: dict[str, Callable[[Any], dict[str, Any]]] = {
    "compressor": _compressor,
    "chunk_shape": lambda value: {"chunks": value},
    "codecs": _codecs,
    "dimension_separator": lambda value: {"chunk_key_encoding": {"separator": value}},
    "zarr_version": lambda value: {"zarr_format": value},
    "write_empty_chunks": lambda value: {"config": {"write_empty_chunks": bool(value)}},
}


def _take(words: dict[str, Any], news: Mapping[str, Any], old: str, caller: str) -> None:
    """Put the meaning of an old word among today's; one that is there already may only say more."""
    for name, value in news.items():
        there = words.get(name, WORDS[name][0])
        if name == "config" and isinstance(there, Mapping):
            value = {**there, **value}
        elif there is not None and not (isinstance(there, str) and there == "auto"):
            raise BaseZarrError(f"{caller}({old}=..., {name}=...) says one thing twice: leave {old}= out")
        words[name] = value
