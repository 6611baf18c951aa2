"""Where arrays can be stored; the names are zarr.storage's, `DirectoryStore` being zarr-python 2's."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .format.resolve import StoreLike, StorePath
from .format.stores.cache import CacheStore, ChunkCacheStore
from .format.stores.calls import LoggingStore, RetryStore
from .format.stores.filesystems import FsspecStore
from .format.stores.local import LocalStore
from .format.stores.mapping import MappingStore
from .format.stores.memory import MemoryStore
from .format.stores.objects import ObjectStore
from .format.stores.older import FSStore, KVStore, LRUStoreCache, NestedDirectoryStore, TempStore
from .format.stores.prefix import PrefixStore
from .format.stores.protocol import Store
from .format.stores.split import SplitStore
from .format.stores.wrappers import ReadOnlyStore, WrapperStore
from .format.stores.zarr_python import ZarrPythonStore
from .format.stores.zip import ZipStore

if TYPE_CHECKING:
    from .format.stores.zarr_face import LazyzarrStore as LazyzarrStore

__all__ = [
    "CacheStore",
    "ChunkCacheStore",
    "DirectoryStore",
    "FSStore",
    "FsspecStore",
    "KVStore",
    "LRUStoreCache",
    "LocalStore",
    "LoggingStore",
    "MappingStore",
    "MemoryStore",
    "NestedDirectoryStore",
    "ObjectStore",
    "PrefixStore",
    "ReadOnlyStore",
    "RetryStore",
    "SplitStore",
    "Store",
    "StoreLike",
    "StorePath",
    "TempStore",
    "WrapperStore",
    "ZarrPythonStore",
    "ZipStore",
]

DirectoryStore = LocalStore


if not TYPE_CHECKING:  # a checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        """`LazyzarrStore`, which needs zarr-python and loads it: a store of ours as a Store object of zarr-python."""
        if name != "LazyzarrStore":
            raise AttributeError(f"module 'lazyzarr.storage' has no attribute {name!r}")
        return import_module(".format.stores.zarr_face", __package__).LazyzarrStore
