"""The stores of zarr-python 2 by their names and arguments: nested and temporary folders, fsspec, caches.

DirectoryStore is LocalStore itself. `dimension_separator` is what new arrays in the store separate the
coordinates in chunk names by, unless the call that makes them says otherwise.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import MutableMapping
from typing import Any

from .cache import CacheStore
from .filesystems import FsspecStore
from .local import LocalStore
from .mapping import MappingStore
from .memory import MemoryStore
from .protocol import Store, StoreSpec
from .wrappers import WrapperStore

__all__ = ["FSStore", "KVStore", "LRUStoreCache", "NestedDirectoryStore", "TempStore"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")


class NestedDirectoryStore(LocalStore):
    """A folder in which new arrays have a folder for each axis of the chunk grid: chunk names have "/".

    >>> lz.create_array(NestedDirectoryStore("data.zarr"), shape=(4, 4), dtype="i4", zarr_format=2)[:] = 1
    >>> sorted(lz.storage.LocalStore("data.zarr").list())
    ['.zarray', '0/0']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        normalize_keys: bool = False,
        dimension_separator: str | None = "/",
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(path, read_only=read_only)
        self.dimension_separator = dimension_separator or "/"

    def spec(self) -> StoreSpec:
        return _open_nested, (self.root, self.read_only)


def _open_nested(root: str, read_only: bool) -> NestedDirectoryStore:
    return NestedDirectoryStore(root, read_only=read_only)


class TempStore(LocalStore):
    """A new folder for temporary data, removed when the store is let go, and at exit.

    Parameters
    ----------
    suffix, prefix, dir
        Of the folder's name, and where it is made, as tempfile.mkdtemp has them.

    >>> store = TempStore()
    >>> os.path.isdir(store.root)
    True
    """

    def __init__(
        self,
        suffix: str = "",
        prefix: str = "zarr",
        dir: str | None = None,
        normalize_keys: bool = False,
        dimension_separator: str | None = None,
    ) -> None:
        super().__init__(tempfile.mkdtemp(suffix=suffix, prefix=prefix, dir=dir))
        self.dimension_separator = dimension_separator
        self.remove = weakref.finalize(self, _remove_own, self.root, os.getpid())


def _remove_own(folder: str, process: int) -> None:
    if process == os.getpid():  # not in a child that was forked
        shutil.rmtree(folder, ignore_errors=True)


class KVStore(MappingStore):
    """A store over a mapping of keys to bytes.

    >>> mapping = {}
    >>> root = lz.create_group(KVStore(mapping), zarr_format=2)
    >>> sorted(mapping)
    ['.zgroup']
    """

    def __init__(
        self, mutablemapping: MutableMapping[str, Any], dimension_separator: str | None = None
    ) -> None:
        super().__init__(mutablemapping)
        self.dimension_separator = dimension_separator


class LRUStoreCache(CacheStore):
    """A store that keeps the values it read last; see CacheStore.

    Parameters
    ----------
    store : Store or mutable mapping
        The store within.
    max_size : int, optional
        Bytes that are kept at most; None: any number.

    >>> store = LRUStoreCache({"c/0": b"1"}, max_size=2**28)
    >>> bytes(store["c/0"]), bytes(store["c/0"]), store.hits
    (b'1', b'1', 1)
    """

    def __init__(self, store: Store | MutableMapping[str, Any], max_size: float | str | None) -> None:
        if not isinstance(store, Store):
            store = MemoryStore(store) if type(store) is dict else MappingStore(store)
        super().__init__(store, max_size)


class FSStore(WrapperStore):
    """A store over fsspec, or in a folder of this machine.

    Parameters
    ----------
    url : str
        A path, or a URL that fsspec knows.
    mode : str
        "r" refuses every write.
    dimension_separator : str, optional
        What new arrays have in their chunk names, "." or "/".
    fs : fsspec.AbstractFileSystem, optional
        The file system in which `url` is a path.
    storage_options
        For the file system. `normalize_keys`, `key_separator`, `exceptions`, `missing_exceptions`, `check` and
        `create` are accepted: keys are kept as they are, and only what is not there is missing.

    >>> store = FSStore("memory://data.zarr")
    >>> store["a"] = b"1"; bytes(store["a"])
    b'1'
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        normalize_keys: bool = False,
        key_separator: str | None = None,
        mode: str = "w",
        exceptions: Any = None,
        dimension_separator: str | None = None,
        fs: Any = None,
        check: bool = False,
        create: bool = False,
        missing_exceptions: Any = None,
        **storage_options: Any,
    ) -> None:
        read_only, path = mode == "r", os.fspath(url)
        if fs is not None:
            super().__init__(FsspecStore(fs, read_only=read_only, path=path))
        elif _URL.match(path) and not path.startswith("file://"):
            super().__init__(FsspecStore.from_url(path, storage_options, read_only))
        else:
            super().__init__(LocalStore(path.removeprefix("file://"), read_only=read_only))
        self._separator = dimension_separator or key_separator

    @property
    def dimension_separator(self) -> str | None:  # type: ignore[override]
        """What new arrays have between the coordinates in their chunks' names."""
        return self._separator

    def spec(self) -> StoreSpec:
        return self._store.spec()

    def wrap(self, store: Store) -> Store:
        return store
