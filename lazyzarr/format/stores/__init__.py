"""The stores: keys to bytes, in memory, in a folder or in an archive, and wrappers around them."""

from .local import LocalStore
from .memory import MemoryStore
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec, open_spec
from .wrappers import DROP, FaultStore, ReadOnlyStore, WrapperStore
from .zip import ZipStore

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
    "ZipStore",
    "open_spec",
]
