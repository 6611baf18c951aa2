"""The stores: keys to bytes, in memory, in a folder or in an archive, and wrappers around them."""

from .cache import CacheStore, ChunkCacheStore
from .calls import LoggingStore, RetryStore, is_transient
from .local import LocalStore
from .mapping import MappingStore
from .memory import MemoryStore
from .prefix import PrefixStore
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec, open_spec
from .wrappers import DROP, FaultStore, ReadOnlyStore, WrapperStore
from .zip import ZipStore

__all__ = [
    "DROP",
    "Buffer",
    "ByteRange",
    "CacheStore",
    "ChunkCacheStore",
    "ChunkFiles",
    "FaultStore",
    "Generation",
    "LocalStore",
    "LoggingStore",
    "MappingStore",
    "MemoryStore",
    "PrefixStore",
    "ReadOnlyStore",
    "RetryStore",
    "Store",
    "StoreSpec",
    "WrapperStore",
    "ZipStore",
    "is_transient",
    "open_spec",
]
