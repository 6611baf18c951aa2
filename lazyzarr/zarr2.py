"""Names that zarr-python 2 has at its top level: `lz.Blosc`, `lz.DirectoryStore`, `lz.ThreadSynchronizer`.

They are found as attributes of lazyzarr, for programs that were written for it, and are not listed among its
names. Codecs are those of numcodecs, stores those of `lazyzarr.storage`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numcodecs

from . import storage
from .errors import ContainsNodeError as CopyError
from .errors import MetadataValidationError as MetadataError

if TYPE_CHECKING:
    from numcodecs import BZ2 as BZ2
    from numcodecs import CRC32 as CRC32
    from numcodecs import JSON as JSON
    from numcodecs import LZ4 as LZ4
    from numcodecs import LZMA as LZMA
    from numcodecs import AsType as AsType
    from numcodecs import Blosc as Blosc
    from numcodecs import Categorize as Categorize
    from numcodecs import Delta as Delta
    from numcodecs import FixedScaleOffset as FixedScaleOffset
    from numcodecs import GZip as GZip
    from numcodecs import MsgPack as MsgPack
    from numcodecs import PackBits as PackBits
    from numcodecs import Pickle as Pickle
    from numcodecs import Quantize as Quantize
    from numcodecs import Shuffle as Shuffle
    from numcodecs import VLenArray as VLenArray
    from numcodecs import VLenBytes as VLenBytes
    from numcodecs import VLenUTF8 as VLenUTF8
    from numcodecs import Zlib as Zlib
    from numcodecs import Zstd as Zstd

    from .storage import DirectoryStore as DirectoryStore
    from .storage import FSStore as FSStore
    from .storage import KVStore as KVStore
    from .storage import LRUStoreCache as LRUStoreCache
    from .storage import MemoryStore as MemoryStore
    from .storage import NestedDirectoryStore as NestedDirectoryStore
    from .storage import TempStore as TempStore
    from .storage import ZipStore as ZipStore

__all__ = ["NAMES", "CopyError", "MetadataError", "ProcessSynchronizer", "ThreadSynchronizer"]

_CODECS = (
    "AsType BZ2 Blosc CRC32 Categorize Delta FixedScaleOffset GZip JSON LZ4 LZMA MsgPack PackBits Pickle Quantize "
    "Shuffle VLenArray VLenBytes VLenUTF8 Zlib Zstd"
).split()
_STORES = (
    "DirectoryStore FSStore KVStore LRUStoreCache MemoryStore NestedDirectoryStore TempStore ZipStore".split()
)
NAMES = frozenset([*_CODECS, *_STORES, *__all__[1:]])


class ThreadSynchronizer:
    """Accepted as `synchronizer=`: writes are safe between threads without one."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ProcessSynchronizer:
    """Accepted as `synchronizer=`: writes are safe between processes without one, and nothing lies at the path."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"


def __getattr__(name: str) -> Any:
    home = numcodecs if name in _CODECS else storage if name in _STORES else None
    if home is None or not hasattr(home, name):
        raise AttributeError(f"module 'lazyzarr' has no attribute {name!r}")
    return getattr(home, name)
