"""The stores: keys to bytes, in memory or in a folder, and wrappers around them."""

from .local import LocalStore
from .memory import MemoryStore
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec, open_spec
from .wrappers import DROP, FaultStore, ReadOnlyStore, WrapperStore

__all__ = [
    "DROP",
    "Buffer",
    "ByteRange",
    "ChunkFiles",
    "FaultStore",
    "Generation",
    "LocalStore",
    "MemoryStore",
    "ReadOnlyStore",
    "Store",
    "StoreSpec",
    "WrapperStore",
    "open_spec",
]
