"""How arrays and groups are made at a path of a store, whichever function was called for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import BaseZarrError, ContainsGroupError, ShapeMismatchError
from ..settings import setting
from . import commit, metadata_v2, metadata_v3
from .array import Array
from .array_codecs import codecs_of, v2_documents
from .array_config import ArrayConfig, array_config
from .assign import as_array
from .elements import elements_type, holds_objects
from .grid import RegularGrid
from .layout import by_dimension, checked_format, new_metadata, shape_of
from .lookup import ZarrFormat, find_group, read_node
from .member import placed
from .metadata import ArrayMetadata, GroupMetadata
from .options import DEFAULT, modern
from .stores.protocol import Store
from .stores.wrappers import ReadOnlyStore

__all__ = [
    "NewArray",
    "format_around",
    "group_format",
    "is_stored_elsewhere",
    "kept_words",
    "make_array",
    "make_group",
    "new_array",
    "new_group",
    "own_type",
    "require_group",
]

BLOCK = 64_000_000  # bytes of a stored array that are held while it is copied


@dataclass(frozen=True, slots=True, eq=False)
class NewArray:
    """An array that is to be made: everything about it is checked, and nothing of it stored."""

    metadata: ArrayMetadata
    config: ArrayConfig
    source: Any
    """Its data, stored, lazy or NumPy's; None for none."""
    url: str
    """Where it will be found."""
    overwrite: bool
    read_only: bool

    def write(self, store: Store, path: str) -> None:
        """Write the data to where the array is built."""
        array = Array(store, path, self.metadata, self.config)
        stream = getattr(type(self.source), "__lazyzarr_store__", None)
        if stream is not None:
            stream(self.source, array, ..., self.url)
        else:
            _copy(self.source, array)


def make_array(
    store: Store,
    path: str,
    caller: str,
    options: Mapping[str, Any],
    *,
    shape: Any = None,
    data: Any = None,
    fill_value: Any = DEFAULT,
    write_data: bool = True,
) -> Array:
    """A new array, as the options (options.py) describe it; with `data`, complete when it appears.

    Raises what `commit.create_array` raises, and for the options BaseZarrError and its kinds, which name the
    place; nothing is made then.
    """
    new = new_array(store, path, caller, options, shape=shape, data=data, fill_value=fill_value)
    stored = commit.create_array(
        store,
        path,
        new.metadata,
        overwrite=new.overwrite,
        write_data=new.write if new.source is not None and write_data else None,
    )
    return Array(ReadOnlyStore(store) if new.read_only else store, path, stored, new.config)


def new_array(
    store: Store,
    path: str,
    caller: str,
    options: Mapping[str, Any],
    *,
    shape: Any = None,
    data: Any = None,
    fill_value: Any = DEFAULT,
) -> NewArray:
    """What the options (options.py) describe, for a path of a store; raises as `make_array` for them."""
    words = modern(options, caller)
    with placed(store.url(path), "nothing was made"):
        source = _source(data, store.url(path), words.get("dtype"))
        shape = _shape(shape, source)
        _take_by_dimension(words, len(shape))
        dtype = words.get("dtype")
        dtype = dtype if dtype is not None else np.float64 if source is None else own_type(source)
        config, words["order"] = _config_and_order(words)
        zarr_format = words.get("zarr_format") or format_around(store, path)
        if store.dimension_separator is not None and words.get("chunk_key_encoding") is None:
            words["chunk_key_encoding"] = {"separator": store.dimension_separator}
        metadata = new_metadata(shape, dtype, zarr_format, words | {"fill_value": fill_value})
        pickled = (metadata.data_type.object_codec or {}).get("id") == "pickle"
        config = replace(config, allow_pickle=config.allow_pickle or pickled)  # asked for by object_codec=
    overwrite, read_only = bool(words.get("overwrite")), bool(words.get("read_only"))
    return NewArray(metadata, config, source, store.url(path), overwrite, read_only)


def _take_by_dimension(words: dict[str, Any], ndim: int) -> None:
    """Chunks and shards that are given by the names of dimensions, as one length an axis."""
    for what, others in (("chunks", None), ("shards", "chunks")):
        if isinstance(words.get(what), Mapping):
            own = words.get(others) if others else None
            words[what] = by_dimension(words[what], what, words.get("dimension_names"), ndim, own)


def make_group(
    store: Store,
    path: str,
    *,
    attributes: Mapping[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
) -> GroupMetadata:
    """The metadata of a new group; raises what `commit.create_group` raises."""
    metadata = new_group(store, path, attributes, zarr_format)
    commit.create_group(store, path, metadata, overwrite=overwrite)
    return metadata


def new_group(
    store: Store, path: str, attributes: Mapping[str, Any] | None, zarr_format: ZarrFormat | None
) -> GroupMetadata:
    """The metadata of a group that is to be made at a path of a store; nothing is stored."""
    with placed(store.url(path), "nothing was made"):
        version = checked_format(zarr_format or format_around(store, path))
        build = metadata_v3.build_group if version == 3 else metadata_v2.build_group
        return build(attributes)


def require_group(
    store: Store,
    path: str,
    *,
    attributes: Mapping[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
) -> GroupMetadata:
    """The metadata of the group at a path, made if there is none (with `overwrite`: always).

    Raises NodeTypeValidationError where an array is, and what `commit.create_group` raises.
    """
    if not overwrite and read_node(store, path) is not None:
        return find_group(store, path, zarr_format)
    try:
        return make_group(store, path, attributes=attributes, zarr_format=zarr_format, overwrite=overwrite)
    except ContainsGroupError:  # someone else was faster
        return find_group(store, path, zarr_format)


def _source(data: Any, where: str, dtype: Any) -> Any:
    """The data as something with shape and dtype: stored and lazy arrays stay what they are."""
    if data is None or isinstance(data, Array) or hasattr(type(data), "__lazyzarr_store__"):
        return data
    if is_stored_elsewhere(data):
        return data
    if holds_objects(dtype) and not hasattr(data, "dtype"):
        return np.array(data, object)  # NumPy would cut strings and bytes to one length
    return as_array(data, where)


def is_stored_elsewhere(data: Any) -> bool:
    """Whether this is an array that another library stores in chunks, as h5py and zarr-python do.

    It is read block by block; all of it need not fit into memory.
    """
    chunks, dtype = getattr(data, "chunks", None), getattr(data, "dtype", None)
    in_chunks = isinstance(chunks, tuple) and bool(chunks) and all(isinstance(n, int) for n in chunks)
    return in_chunks and isinstance(dtype, np.dtype) and dtype.kind != "O" and hasattr(data, "__getitem__")


def own_type(source: Any) -> Any:
    """The data type of data; of Python objects that are all text or all bytes, that."""
    if isinstance(source, Array):
        return source.metadata.data_type
    if isinstance(source, np.ndarray):
        return (elements_type(source) or source.dtype) if source.dtype == object else source.dtype
    # a lazy array knows where its objects come from
    return getattr(source, "__lazyzarr_data_type__", source.dtype)


def _shape(shape: Any, source: Any) -> tuple[int, ...]:
    if shape is None and source is None:
        raise BaseZarrError(
            "neither data= nor shape= was given; a new array needs one: data=[1, 2, 3], or shape=(3,)"
        )
    if shape is None:
        return tuple(source.shape)
    wanted = shape_of(shape)
    if source is not None and wanted != source.shape:
        raise ShapeMismatchError(f"shape={wanted} is not that of data=, {source.shape}; leave shape= out")
    return wanted


def _config_and_order(words: Mapping[str, Any]) -> tuple[ArrayConfig, Any]:
    """The config, and the order that was asked for, by itself or in the config as zarr-python has it."""
    config, order = words.get("config"), words.get("order")
    if order is None and isinstance(config, Mapping):
        order = config.get("order")
    return array_config(config), order


def group_format(store: Store, path: str) -> ZarrFormat | None:
    """The format of the nearest group above a path; None where there is none."""
    names = path.split("/") if path else []
    for depth in range(len(names) - 1, -1, -1):
        found = read_node(store, "/".join(names[:depth]))
        if found is not None:
            return found.zarr_format
    return None


def format_around(store: Store, path: str) -> ZarrFormat:
    """The format of the nearest group above a path; the default one where there is none."""
    return group_format(store, path) or checked_format(setting("default_zarr_format"))


def _copy(source: Any, target: Array) -> None:
    """Write all of the source into an array; a stored one block by block."""
    if not isinstance(source, Array) and not is_stored_elsewhere(source):
        target[...] = source
        return
    grid = RegularGrid(target.shape, _block(target))
    for coords in itertools.product(*map(range, grid.grid_shape)):
        region = tuple(slice(*extent) for extent in grid.extent(coords))
        target[region] = source[region]


def _block(target: Array) -> tuple[int, ...]:
    """As many write units as make a block, rows of them first."""
    block = list(target.metadata.chunk_shape)
    for axis in reversed(range(target.ndim)):
        room = max(1, BLOCK // (math.prod(block) * target.itemsize))
        block[axis] *= min(room, target.metadata.grid.grid_shape[axis] or 1)
    return tuple(block)


def kept_words(array: Any) -> dict[str, Any]:
    """The layout of another array in words: all of it for a stored one, chunks for a view, nothing for others.

    >>> kept_words(lz.zeros((4, 6), chunks=(2, 3)))["chunks"]
    (2, 3)
    """
    if not isinstance(array, Array):
        return {}
    words = {
        "dtype": array.metadata.data_type,
        "chunks": array.chunks,
        "shards": array.shards,
        "zarr_format": array.zarr_format,
        "dimension_names": array.dimension_names,
        "chunk_key_encoding": array.metadata.chunk_key_encoding,
    }
    if array.is_view:
        return words  # its codecs turn what is stored for another array into it
    if array.zarr_format == 2:
        # the documents themselves: numcodecs' objects fill in what they leave out
        filters, compressor = v2_documents(array.metadata.codecs)
        if array.metadata.data_type.object_codec is not None:  # that comes with the data type
            filters = filters[1:]
        return words | {"filters": filters, "compressors": compressor, "order": array.order}
    filters, serializer, compressors = codecs_of(array.metadata)
    return words | {
        "filters": filters,
        "serializer": serializer,
        "compressors": compressors,
        "order": "C",  # the filters say it
    }
