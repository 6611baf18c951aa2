"""The public functions that open arrays and groups; nothing is made unless the call asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, Unpack

import numpy as np

from ..errors import BaseZarrError, ContainsArrayError, MetadataValidationError
from . import commit
from .array import Array
from .array_config import array_config
from .consolidated import Consolidated, read_consolidated
from .group import Group
from .lookup import NodeMetadata, ZarrFormat, expect_array, expect_group, not_found, read_node
from .making import kept_words, make_array, make_group, require_group
from .metadata import ArrayMetadata, GroupMetadata
from .options import DEFAULT, ArrayOptions, modern, spelled_out
from .resolve import StoreLike, resolve
from .stores.protocol import Store

__all__ = ["Mode", "open", "open_array", "open_consolidated", "open_group", "open_like"]

Mode: TypeAlias = Literal["r", "r+", "a", "w", "w-"]


@spelled_out
def open(
    store: StoreLike | None = None,
    mode: Mode | None = None,
    *,
    path: str | None = None,
    shape: Any = None,
    data: Any = None,
    fill_value: Any = DEFAULT,
    use_consolidated: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> Array | Group:
    """The array or group at a path of a store; a path alone names both.

    Without `mode`, what is there is opened for reading and writing, and nothing is made. "r" reads, "r+"
    reads and writes, "a" makes what is missing, "w" replaces what is there, "w-" refuses where something is.
    What is made is an array if a shape (or data) is given, with its dtype, chunks and so on as below, else a
    group.

    Raises NodeNotFoundError, which says what there is instead, ContainsArrayError or ContainsGroupError for
    "w-", MetadataValidationError for damaged metadata, StoreError.

    >>> z = lz.open("data.zarr/u", mode="w", shape=(100, 100), chunks=(10, 10), dtype="f4")
    >>> lz.open("data.zarr")
    <Group file://data.zarr>
    >>> lz.open("data.zarr/v")
    Traceback (most recent call last):
    lazyzarr.errors.NodeNotFoundError: no array or group at file://data.zarr/v. The v3 group holds u.
    """
    chunk_store = options.pop("chunk_store", None)
    words = modern(options, "open")
    new = shape is not None or data is not None
    place = _place(store, path, mode, storage_options, words, new, chunk_store)
    found = place.look("array or group")
    if new or isinstance(found, ArrayMetadata):
        return _array(place, found, words, shape=shape, data=data, fill_value=fill_value)
    return _group(place, found, words.get("attributes"), use_consolidated)


@spelled_out
def open_array(
    store: StoreLike | None = None,
    mode: Mode | None = None,
    *,
    path: str | None = None,
    shape: Any = None,
    data: Any = None,
    fill_value: Any = DEFAULT,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """The array at a path of a store; modes as `open` has them, "a" if a shape (or data) is given.

    The shape, and what else describes a new array (dtype, chunks and so on, as below), does not change one
    that is there. Raises ArrayNotFoundError, which says what there is instead, NodeTypeValidationError for a
    group, ContainsArrayError or ContainsGroupError for "w-", MetadataValidationError, StoreError.

    >>> lz.open_array("u.zarr", mode="w", shape=(4,), dtype="i4")[:] = 7
    >>> lz.open_array("u.zarr", mode="r")[1:3]
    array([7, 7], dtype=int32)
    """
    chunk_store = options.pop("chunk_store", None)
    words = modern(options, "open_array")
    new = shape is not None or data is not None
    place = _place(store, path, mode, storage_options, words, new, chunk_store)
    if not new and mode in ("a", "w", "w-"):
        place = place.without_making()
    return _array(place, place.look("array"), words, shape=shape, data=data, fill_value=fill_value)


def open_group(
    store: StoreLike | None = None,
    mode: Mode = "a",
    *,
    cache_attrs: bool | None = None,
    synchronizer: Any = None,
    path: str | None = None,
    chunk_store: StoreLike | None = None,
    storage_options: Mapping[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    zarr_version: ZarrFormat | None = None,
    meta_array: Any = None,
    attributes: Mapping[str, Any] | None = None,
    use_consolidated: bool | None = None,
) -> Group:
    """The group at a path of a store, by default made if it is missing; modes as `open` has them.

    `attributes` are those of a group that is made. With `use_consolidated`, what the group's consolidated
    metadata says is believed and the store is not asked; by default it is asked, so that nothing stale is
    seen. Chunks lie in `chunk_store`, if one is given. `cache_attrs` and `synchronizer` are accepted;
    `zarr_version` is an older word for `zarr_format`.

    Raises GroupNotFoundError, which says what there is instead, NodeTypeValidationError for an array,
    ContainsArrayError or ContainsGroupError for "w-", MetadataValidationError, StoreError.

    >>> root = lz.open_group("data.zarr", mode="w")
    >>> lz.open_group("data.zarr", mode="r").read_only
    True
    """
    given = {"meta_array": meta_array, "zarr_format": zarr_format, "zarr_version": zarr_version}
    words = modern(given, "open_group")
    place = _place(store, path, mode, storage_options, words, new=True, chunk_store=chunk_store)
    return _group(place, place.look("group"), attributes, use_consolidated)


@spelled_out
def open_like(
    a: Any,
    path: StoreLike,
    mode: Mode = "a",
    *,
    fill_value: Any = DEFAULT,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """The array at a path, made if there is none: with the shape, dtype, chunks and codecs of another array.

    What else a new array may be told stands below. Raises what `open_array` raises.

    >>> lz.open_like(lz.zeros((4, 6), chunks=(2, 3), dtype="i2"), "u.zarr").chunks
    (2, 3)
    """
    source = a if hasattr(a, "shape") and hasattr(a, "dtype") else np.asarray(a)
    words: Any = {"dtype": source.dtype, **kept_words(source), **options}
    own = source.fill_value if isinstance(source, Array) and fill_value is DEFAULT else fill_value
    return open_array(
        path, mode, shape=source.shape, fill_value=own, storage_options=storage_options, **words
    )


def open_consolidated(
    store: StoreLike | None = None,
    mode: Mode = "r+",
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    metadata_key: str = ".zmetadata",
    use_consolidated: Literal[True] = True,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """The group at a path of a store, as its consolidated metadata describes it: members are not looked for.

    `metadata_key` and `use_consolidated` are accepted as zarr-python has them. Raises
    MetadataValidationError where it has none, GroupNotFoundError, NodeTypeValidationError, StoreError.
    """
    if use_consolidated is not True:
        raise BaseZarrError("open_consolidated() believes consolidated metadata; open_group() asks the store")
    if metadata_key != ".zmetadata":
        raise BaseZarrError(
            f"metadata_key={metadata_key!r}: consolidated metadata is looked for in '.zmetadata'"
        )
    place = _place(store, path, mode, storage_options, {"zarr_format": zarr_format}, new=False)
    return _group(place, place.look("group"), None, True)


class _Place(NamedTuple):
    """Where something is to be opened, and what may be done for it."""

    store: Store
    path: str
    zarr_format: ZarrFormat | None
    must_be_there: bool
    makes_anew: bool
    overwrite: bool

    def look(self, kind: str) -> NodeMetadata | None:
        """What is there, or None if it is to be made; raises NodeNotFoundError if it is not to be."""
        if self.makes_anew:
            return None
        found = read_node(self.store, self.path, self.zarr_format)
        if found is None and commit.repair(self.store, self.path):
            found = read_node(self.store, self.path, self.zarr_format)
        if found is None and self.must_be_there:
            raise not_found(self.store, self.path, kind, self.zarr_format)
        return found

    def without_making(self) -> _Place:
        """The same for a call that does not say what could be made; raises BaseZarrError if it has to be."""
        if self.makes_anew:
            mode = "w" if self.overwrite else "w-"
            raise BaseZarrError(
                f'{self.store.url(self.path)}: mode="{mode}" makes a new array, which needs a shape= or '
                'data=; nothing was changed. mode="r+" opens what is there'
            )
        return self._replace(must_be_there=True)


def _place(
    store: StoreLike | None,
    path: str | None,
    mode: Mode | None,
    storage_options: Mapping[str, Any] | None,
    words: Mapping[str, Any],
    new: bool,
    chunk_store: StoreLike | None = None,
) -> _Place:
    """What a call is about; `new`: whether it says what to make where nothing is."""
    if mode not in (None, "r", "r+", "a", "w", "w-"):
        raise BaseZarrError(f'mode={mode!r} is not known; known are "r", "r+", "a", "w" and "w-"')
    if store is None and path is not None:
        store, path = path, None
    read_only = mode == "r" or bool(words.get("read_only"))
    found, at = resolve(
        store, path, read_only=read_only, storage_options=storage_options, chunk_store=chunk_store
    )
    must_be_there = mode in ("r", "r+") or (mode is None and not new)
    return _Place(found, at, words.get("zarr_format"), must_be_there, mode in ("w", "w-"), mode == "w")


def _opened(place: _Place, found: NodeMetadata, words: Mapping[str, Any]) -> Array:
    metadata = expect_array(place.store, place.path, found)
    return Array(place.store, place.path, metadata, array_config(words.get("config")))


def _array(
    place: _Place,
    found: NodeMetadata | None,
    words: dict[str, Any],
    *,
    shape: Any,
    data: Any,
    fill_value: Any,
) -> Array:
    """The array that was found, or a new one."""
    if found is not None:
        return _opened(place, found, words)
    words["overwrite"] = place.overwrite
    try:
        return make_array(
            place.store, place.path, "open_array", words, shape=shape, data=data, fill_value=fill_value
        )
    except ContainsArrayError:  # someone else was faster, or an array is above
        found = place.look("array")
        if found is None:
            raise
        return _opened(place, found, words)


def _group(
    place: _Place,
    found: NodeMetadata | None,
    attributes: Mapping[str, Any] | None,
    use_consolidated: bool | None,
) -> Group:
    """The group that was found, or a new one."""
    make = make_group if place.makes_anew else require_group
    metadata = (
        make(
            place.store,
            place.path,
            attributes=attributes,
            zarr_format=place.zarr_format,
            overwrite=place.overwrite,
        )
        if found is None
        else expect_group(place.store, place.path, found)
    )
    consolidated = _consolidated(place, metadata) if use_consolidated else None
    return Group(place.store, place.path, metadata, consolidated)


def _consolidated(place: _Place, group: GroupMetadata) -> Consolidated:
    found = read_consolidated(group)
    if found is None:
        raise MetadataValidationError(
            f"{place.store.url(place.path)} has no consolidated metadata; open_group opens it without"
        )
    return found
