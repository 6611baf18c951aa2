"""Where arrays can be stored; the names are zarr.storage's, `DirectoryStore` being zarr-python 2's."""

from __future__ import annotations

from .format.resolve import StoreLike, StorePath
from .format.stores.filesystems import FsspecStore
from .format.stores.local import LocalStore
from .format.stores.memory import MemoryStore
from .format.stores.objects import ObjectStore
from .format.stores.protocol import Store
from .format.stores.wrappers import ReadOnlyStore, WrapperStore

__all__ = [
    "DirectoryStore",
    "FsspecStore",
    "LocalStore",
    "MemoryStore",
    "ObjectStore",
    "ReadOnlyStore",
    "Store",
    "StoreLike",
    "StorePath",
    "WrapperStore",
]

DirectoryStore = LocalStore
