"""The public functions that open arrays and groups; nothing is made unless the call asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, Unpack

from ..errors import BaseZarrError, MetadataValidationError
from .array import Array
from .consolidated import Consolidated, read_consolidated
from .group import Group
from .lookup import ZarrFormat, find_array, find_group, find_node, read_node
from .making import array_config, make_array, make_group, require_group
from .metadata import ArrayMetadata, GroupMetadata
from .options import DEFAULT, ArrayOptions, modern, spelled_out
from .resolve import StoreLike, resolve
from .stores.protocol import Store

__all__ = ["Mode", "open", "open_array", "open_consolidated", "open_group"]

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
    place = _place(store, path, mode, storage_options, options)
    new = shape is not None or data is not None
    if place.opens(new):
        found = find_node(place.store, place.path, place.zarr_format)
    else:
        found = None if mode in ("w", "w-") else read_node(place.store, place.path, place.zarr_format)
    if new or isinstance(found, ArrayMetadata):
        return _array(place, options, shape=shape, data=data, fill_value=fill_value)
    return _group(place, options.get("attributes"), use_consolidated)


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
    place = _place(store, path, mode, storage_options, options)
    return _array(place, options, shape=shape, data=data, fill_value=fill_value)


def open_group(
    store: StoreLike | None = None,
    mode: Mode = "a",
    *,
    cache_attrs: bool | None = None,
    synchronizer: Any = None,
    path: str | None = None,
    chunk_store: None = None,
    storage_options: Mapping[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    meta_array: None = None,
    attributes: Mapping[str, Any] | None = None,
    use_consolidated: bool | None = None,
) -> Group:
    """The group at a path of a store, by default made if it is missing; modes as `open` has them.

    `attributes` are those of a group that is made. With `use_consolidated`, what the group's consolidated
    metadata says is believed and the store is not asked; by default it is asked, so that nothing stale is
    seen. `cache_attrs` and `synchronizer` are accepted.

    Raises GroupNotFoundError, which says what there is instead, NodeTypeValidationError for an array,
    ContainsArrayError or ContainsGroupError for "w-", MetadataValidationError, StoreError.

    >>> root = lz.open_group("data.zarr", mode="w")
    >>> lz.open_group("data.zarr", mode="r").read_only
    True
    """
    legacy = {"chunk_store": chunk_store, "meta_array": meta_array, "zarr_format": zarr_format}
    modern(legacy, "open_group")
    return _group(_place(store, path, mode, storage_options, legacy), attributes, use_consolidated)


def open_consolidated(
    store: StoreLike | None = None,
    mode: Mode = "r+",
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """The group at a path of a store, as its consolidated metadata describes it: members are not looked for.

    Raises MetadataValidationError where it has none, GroupNotFoundError, NodeTypeValidationError, StoreError.
    """
    place = _place(store, path, mode, storage_options, {"zarr_format": zarr_format})
    return _group(place, None, True)


class _Place(NamedTuple):
    """What is to be opened, and how."""

    store: Store
    path: str
    mode: Mode | None
    zarr_format: ZarrFormat | None

    def opens(self, new: bool) -> bool:
        """Whether only what is there is opened; `new`: whether the call describes something new."""
        return self.mode in ("r", "r+") or (self.mode is None and not new)


def _place(
    store: StoreLike | None,
    path: str | None,
    mode: Mode | None,
    storage_options: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> _Place:
    if mode not in (None, "r", "r+", "a", "w", "w-"):
        raise BaseZarrError(f'mode={mode!r} is not known; known are "r", "r+", "a", "w" and "w-"')
    if store is None and path is not None:
        store, path = path, None
    read_only = mode == "r" or bool(options.get("read_only"))
    found, at = resolve(store, path, read_only=read_only, storage_options=storage_options)
    return _Place(found, at, mode, options.get("zarr_format"))


def _array(place: _Place, options: Mapping[str, Any], *, shape: Any, data: Any, fill_value: Any) -> Array:
    """The array at a place, made or made anew if the mode says so."""
    new = shape is not None or data is not None
    words = modern(options, "open_array")
    there = None
    if place.mode not in ("w", "w-"):
        there = read_node(place.store, place.path, place.zarr_format)
    if there is not None or place.opens(new) or not new:
        _check_can_open(place, new)
        metadata = find_array(place.store, place.path, place.zarr_format)
        return Array(place.store, place.path, metadata, array_config(words.get("config")))
    words["overwrite"] = place.mode == "w"
    return make_array(
        place.store, place.path, "open_array", words, shape=shape, data=data, fill_value=fill_value
    )


def _check_can_open(place: _Place, new: bool) -> None:
    if place.mode in ("w", "w-") and not new:
        raise BaseZarrError(
            f'{place.store.url(place.path)}: mode="{place.mode}" makes a new array, which needs a shape= or '
            'data=; nothing was changed. To open what is there: mode="r+"'
        )


def _group(place: _Place, attributes: Mapping[str, Any] | None, use_consolidated: bool | None) -> Group:
    """The group at a place, made or made anew if the mode says so."""
    store, path, mode, zarr_format = place
    if mode in ("w", "w-"):
        found = make_group(store, path, attributes=attributes, zarr_format=zarr_format, overwrite=mode == "w")
    elif mode == "a":
        found = require_group(store, path, attributes=attributes, zarr_format=zarr_format)
    else:
        found = find_group(store, path, zarr_format)
    return Group(store, path, found, _consolidated(place, found) if use_consolidated else None)


def _consolidated(place: _Place, group: GroupMetadata) -> Consolidated:
    found = read_consolidated(group)
    if found is None:
        raise MetadataValidationError(
            f"{place.store.url(place.path)} has no consolidated metadata; open_group opens it without"
        )
    return found
