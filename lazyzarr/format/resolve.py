"""From what a user names (a path, a store, a dict, a node) to a store and a path in it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeGuard
from zipfile import is_zipfile

from ..errors import BaseZarrError, NodeNotFoundError, StoreError
from . import os_calls
from .keys import join_path, normalize_path
from .stores.filesystems import FsspecStore
from .stores.local import LocalStore
from .stores.mapping import MappingStore
from .stores.memory import MemoryStore
from .stores.object_options import open_remote
from .stores.prefix import PrefixStore
from .stores.protocol import Store
from .stores.split import SplitStore
from .stores.wrappers import ReadOnlyStore
from .stores.zarr_python import adapted
from .stores.zip import ZipStore

__all__ = ["StoreLike", "StorePath", "folder_store", "is_remote", "resolve"]


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


class Placed(Protocol):
    """What lies at a path of a store, as an open Group or Array does."""

    @property
    def store(self) -> Store: ...

    @property
    def path(self) -> str: ...


StoreLike: TypeAlias = Store | StorePath | Placed | str | os.PathLike[str] | MutableMapping[str, Any]
"""What names a store: one of ours, a place in it, a path of this machine, a dict, an open Group or Array."""

_ARCHIVES = (".zip", ".ozx")  # the second is OME-Zarr's
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def resolve(
    target: StoreLike | None,
    path: str | os.PathLike[str] | None = None,
    *,
    read_only: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    chunk_store: StoreLike | None = None,
) -> tuple[Store, str]:
    """The store that a target names, and the normal path of the node in it; nothing is made or opened.

    A local path climbs as long as the folder above holds a node, so that "data.zarr/u" is the path "u" in
    the store data.zarr. Where nothing exists yet, the last component that ends in ".zarr" is the store. None
    is a new MemoryStore. With `chunk_store`, all but metadata lies there, by the same keys.

    Raises NodeNotFoundError for a file, StoreError for a kind of store that is not known, InvalidKeyError
    for a path that leads out of the store.

    >>> resolve("new.zarr/a/b")
    (LocalStore('file://new.zarr'), 'a/b')
    """
    if chunk_store is not None:
        store, place = resolve(target, path, read_only=read_only, storage_options=storage_options)
        return _split_off(store, chunk_store, read_only), place
    below = normalize_path(os.fspath(path)) if path is not None else ""
    if is_remote(target):
        store, place = _remote(target, read_only, storage_options)
        return store, join_path(place, below)
    store, place = _named(target, read_only)
    if storage_options:
        raise BaseZarrError(
            f"storage_options= are for the URLs of remote stores, {store.url(place)} is not one: leave them out"
        )
    return store, join_path(place, below)


def folder_store(folder: str) -> Store:
    """The store in a folder, whatever is there or above it; nothing is looked at.

    >>> folder_store("scratch").url("a")
    'file://scratch/a'
    """
    return LocalStore(folder)


def _split_off(store: Store, chunk_store: StoreLike, read_only: bool) -> Store:
    """The store with its chunks in another one, by the same keys."""
    chunks, below = resolve(chunk_store, read_only=read_only)
    return SplitStore(store, PrefixStore(chunks, below) if below else chunks)


def _named(target: Any, read_only: bool) -> tuple[Store, str]:
    if target is None:
        return MemoryStore(read_only=read_only), ""
    if isinstance(target, str | os.PathLike):
        return _local(os.fspath(target), read_only)
    if isinstance(target, Store):
        return _guarded(target, read_only), ""
    if (found := adapted(target)) is not None:
        return _guarded(found[0], read_only), found[1]
    if isinstance(target, MutableMapping):
        return _over_mapping(target, read_only), ""
    if isinstance(getattr(target, "store", None), Store):  # StorePath, Group, Array
        return _guarded(target.store, read_only), target.path
    if hasattr(target, "shape") and hasattr(target, "dtype"):
        raise BaseZarrError(
            f"an array in memory, {type(target).__name__} {target.shape} {target.dtype}, names no store; give a path, "
            "a store of lazyzarr.storage, or an open Array. Into memory goes what is computed: out[...] = x.compute()"
        )
    raise BaseZarrError(
        f"{target!r} names no store; give a path, a store of lazyzarr.storage, a dict, or an open Group"
    )


def _over_mapping(mapping: MutableMapping[str, Any], read_only: bool) -> Store:
    """The store over a mapping; one that fsspec made shows files, which other processes see and change."""
    if type(mapping).__module__ == "fsspec.mapping":
        files = FsspecStore.from_mapper(mapping, read_only)
        folder = files.real_folder("")
        return files if folder is None else LocalStore(folder, read_only=read_only)
    kind = MemoryStore if type(mapping) is dict else MappingStore
    return kind(mapping, read_only=read_only)


def _guarded(store: Store, read_only: bool) -> Store:
    """The store, refusing every write if it is to."""
    return ReadOnlyStore(store) if read_only and not store.read_only else store


def is_remote(location: Any) -> TypeGuard[str]:
    """Whether this is a URL of a store that is not a place in this machine's filesystem."""
    if not isinstance(location, str):
        return False
    match = _URL.fullmatch(location)
    return bool(match and match[1].lower() not in ("file", "zip")) or ("::" in location and "://" in location)


def _remote(url: str, read_only: bool, options: Mapping[str, Any] | None) -> tuple[Store, str]:
    """The store and the path at a URL: the last component that ends in ".zarr" is the store.

    Where none does, the store begins where the groups above do, which costs a request or two a component.
    """
    scheme, mark, rest = url.rpartition("://")
    parts = [part for part in rest.split("/") if part] if "::" not in url else [rest]
    ends = [n for n, part in enumerate(parts, start=1) if part.endswith(".zarr")]
    count = ends[-1] if ends else len(parts)
    store = open_remote(scheme + mark + "/".join(parts[:count]), options, read_only)
    while not ends and count > 2:
        above = open_remote(scheme + mark + "/".join(parts[: count - 1]), options, read_only)
        if not _is_node(above):
            break
        store, count = above, count - 1
    return store, normalize_path("/".join(parts[count:]))


def _local(location: str, read_only: bool) -> tuple[Store, str]:
    if match := _URL.fullmatch(location):
        location = match[2]
    if not location:
        raise BaseZarrError("the empty path names no store; give the folder's name, '.' for the current one")
    root, path = _split(os.path.abspath(location))
    shown = root if os.path.isabs(location) else os.path.relpath(root)
    if _is_archive(root):
        return _in_archive(ZipStore(shown, mode="r" if read_only else "a"), path)
    return LocalStore(shown, read_only=read_only), path


def _split(location: str) -> tuple[str, str]:
    """The root of a store, a folder or an archive, and the path in it, for an absolute place in the filesystem."""
    places = [location]
    while (above := os.path.dirname(places[-1])) != places[-1]:
        places.append(above)
    exists = next(i for i, place in enumerate(places) if _is_store(place))
    base = exists
    if exists and not _is_archive(places[exists]) and not _holds_node(places[exists]):
        new = range(exists + 1)
        archives = [i for i in new if places[i].endswith(_ARCHIVES)]
        folders = [i for i in new if places[i].endswith(".zarr")]
        base = archives[-1] if archives else folders[0] if folders else 0
    while (
        exists <= base < len(places) - 1 and not _is_archive(places[base]) and _holds_node(places[base + 1])
    ):
        base += 1
    return places[base], "/".join(os.path.basename(place) for place in reversed(places[:base]))


def _is_store(place: str) -> bool:
    """Whether something is at a place; raises NodeNotFoundError for a file that is no archive."""
    try:
        mode = os_calls.calls.stat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"file://{place} cannot be looked at: {error.strerror}", place) from error
    if not stat.S_ISDIR(mode) and not _is_archive(place):
        raise NodeNotFoundError(
            f"no Zarr at file://{place}: it is a file, and neither a folder nor a zip archive"
        )
    return True


def _is_archive(place: str) -> bool:
    """Whether a place holds a zip archive, or is named as one and holds no folder."""
    if os.path.isfile(place):
        return place.endswith(_ARCHIVES) or is_zipfile(place)
    return place.endswith(_ARCHIVES) and not os.path.isdir(place)


def _in_archive(store: ZipStore, path: str) -> tuple[Store, str]:
    """The store and the path in it; a folder that was zipped whole is entered, as its members' names begin so."""
    if os.path.exists(store.path or "") and not _is_node(store):
        try:
            names = store.list_dir()
        except StoreError:  # what is wrong with it is said when it is opened itself
            names = []
        if len(names) == 1 and names[0] != path.partition("/")[0] and _is_node(PrefixStore(store, names[0])):
            path = join_path(names[0], path)
    return store, path


def _holds_node(folder: str) -> bool:
    """Whether a folder holds the metadata of a group or array, readable here and undamaged.

    An array counts too: what is to be made below it has to be refused, not made in a store of its own.
    """
    return _is_node(LocalStore(folder))


def _is_node(store: Store) -> bool:
    try:
        document = store.get("zarr.json")
        if document is not None and json.loads(bytes(document))["node_type"] in ("group", "array"):
            return True
        return store.exists(".zgroup") or store.exists(".zarray")
    except (ValueError, TypeError, KeyError, RecursionError, StoreError):
        return False  # what is wrong with it is said when it is opened itself
