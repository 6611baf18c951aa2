"""From what a user names (a path, a store, a dict, a node) to a store and a path in it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import BaseZarrError, NodeNotFoundError, StoreError
from . import os_calls
from .keys import join_path, normalize_path
from .stores.local import LocalStore
from .stores.memory import MemoryStore
from .stores.protocol import Store
from .stores.wrappers import ReadOnlyStore

__all__ = ["StoreLike", "StorePath", "resolve"]


@dataclass(frozen=True, slots=True)
class StorePath:
    """A place in a store; `str` of it is its URL.

    >>> StorePath(LocalStore("data.zarr"), "u") / "c"
    StorePath('file://data.zarr/u/c')
    """

    store: Store
    path: str = ""

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(self.store, join_path(self.path, normalize_path(name)))

    def __str__(self) -> str:
        return self.store.url(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


StoreLike: TypeAlias = Store | StorePath | str | os.PathLike[str] | MutableMapping[str, Any]
"""What names a store: one of ours, a place in it, a path of this machine, a dict, an open Group or Array."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def resolve(
    target: StoreLike | None,
    path: str | os.PathLike[str] | None = None,
    *,
    read_only: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[Store, str]:
    """The store that a target names, and the normal path of the node in it; nothing is made or opened.

    A local path climbs as long as the folder above holds a node, so that "data.zarr/u" is the path "u" in
    the store data.zarr. Where nothing exists yet, the last component that ends in ".zarr" is the store. None
    is a new MemoryStore.

    Raises NodeNotFoundError for a file, StoreError for a kind of store that is not known, InvalidKeyError
    for a path that leads out of the store.

    >>> resolve("new.zarr/a/b")
    (LocalStore('file://new.zarr'), 'a/b')
    """
    below = normalize_path(os.fspath(path)) if path is not None else ""
    store, place = _named(target, read_only)
    if storage_options:
        raise BaseZarrError(
            f"storage_options={storage_options!r} are for remote stores, {store.url(place)} is not one: "
            "leave them out"
        )
    return store, join_path(place, below)


def _named(target: Any, read_only: bool) -> tuple[Store, str]:
    if target is None:
        return MemoryStore(read_only=read_only), ""
    if isinstance(target, str | os.PathLike):
        return _local(os.fspath(target), read_only)
    if isinstance(target, Store):
        return _guarded(target, read_only), ""
    if isinstance(target, MutableMapping):
        return MemoryStore(target, read_only=read_only), ""
    if isinstance(getattr(target, "store", None), Store):  # StorePath, Group, Array
        return _guarded(target.store, read_only), target.path
    raise BaseZarrError(
        f"{target!r} names no store; give a path, a store of lazyzarr.storage, a dict, or an open Group"
    )


def _guarded(store: Store, read_only: bool) -> Store:
    """The store, refusing every write if it is to."""
    return ReadOnlyStore(store) if read_only and not store.read_only else store


def _local(location: str, read_only: bool) -> tuple[Store, str]:
    if match := _URL.fullmatch(location):
        scheme, location = match[1].lower(), match[2]
        if scheme != "file":
            raise StoreError(
                f"{scheme}://{location}: {scheme} stores are not supported by this version of lazyzarr; "
                "copy the data to a folder of this machine, or give a store object",
                location,
            )
    if not location:
        raise BaseZarrError("the empty path names no store; give the folder's name, '.' for the current one")
    root, path = _split(os.path.abspath(location))
    root = root if os.path.isabs(location) else os.path.relpath(root)
    return LocalStore(root, read_only=read_only), path


def _split(location: str) -> tuple[str, str]:
    """The root folder of a store and the path in it, for an absolute place in the filesystem."""
    places = [location]
    while (above := os.path.dirname(places[-1])) != places[-1]:
        places.append(above)
    exists = next(i for i, place in enumerate(places) if _is_folder(place))
    base = exists
    if exists and not _holds_node(places[exists]):
        base = next((i for i, place in enumerate(places[: exists + 1]) if place.endswith(".zarr")), 0)
    while exists <= base < len(places) - 1 and _holds_node(places[base + 1]):
        base += 1
    return places[base], "/".join(os.path.basename(place) for place in reversed(places[:base]))


def _is_folder(place: str) -> bool:
    try:
        mode = os_calls.calls.stat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"file://{place} cannot be looked at: {error.strerror}", place) from error
    if not stat.S_ISDIR(mode):
        raise NodeNotFoundError(
            f"no Zarr at file://{place}: it is a file; this version of lazyzarr reads folders, no archives"
        )
    return True


def _holds_node(folder: str) -> bool:
    """Whether a folder holds the metadata of a group or array, readable here and undamaged.

    An array counts too: what is to be made below it has to be refused, not made in a store of its own.
    """
    store = LocalStore(folder)
    try:
        if store.exists(".zgroup") or store.exists(".zarray"):
            return True
        document = store.get("zarr.json")
        return document is not None and json.loads(bytes(document))["node_type"] in ("group", "array")
    except (ValueError, TypeError, KeyError, RecursionError, StoreError):
        return False  # what is wrong with it is said when it is opened itself
