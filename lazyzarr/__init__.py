"""lazyzarr: open any Zarr, write NumPy, get an answer or a new Zarr, within the memory you allow.

The rule: `lz` opens, stores and runs; NumPy's functions compute.

>>> import lazyzarr as lz
>>> z = lz.create_array("data.zarr/u", shape=(4, 6), chunks=(2, 3), dtype="f4")
>>> z[...] = np.arange(24).reshape(4, 6)
>>> z[1, ::-2]
array([11.,  9.,  7.], dtype=float32)
>>> lz.open("data.zarr")["u"]
<Array file://data.zarr/u shape=(4, 6) dtype=float32>

Names are imported when they are first used (PEP 562), so that importing lazyzarr is cheap; EAGER_IMPORT=1
in the environment imports all at once.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .format import slots
from .meant import meant as _meant

if TYPE_CHECKING:
    from . import codecs as codecs
    from . import errors as errors
    from . import numpy as numpy
    from . import storage as storage
    from .format.aio import AsyncArray as AsyncArray
    from .format.aio import AsyncGroup as AsyncGroup
    from .format.array import Array as Array
    from .format.copy_store import copy_store as copy_store
    from .format.copying import copy as copy
    from .format.copying import copy_all as copy_all
    from .format.creation import array as array
    from .format.creation import create as create
    from .format.creation import create_array as create_array
    from .format.creation import create_group as create_group
    from .format.creation import empty as empty
    from .format.creation import empty_like as empty_like
    from .format.creation import full as full
    from .format.creation import full_like as full_like
    from .format.creation import group as group
    from .format.creation import ones as ones
    from .format.creation import ones_like as ones_like
    from .format.creation import zeros as zeros
    from .format.creation import zeros_like as zeros_like
    from .format.debug_info import print_debug_info as print_debug_info
    from .format.debug_info import set_format as set_format
    from .format.debug_info import set_log_level as set_log_level
    from .format.group import Group as Group
    from .format.hierarchy import consolidate_metadata as consolidate_metadata
    from .format.hierarchy import create_hierarchy as create_hierarchy
    from .format.open import open as open
    from .format.open import open_array as open_array
    from .format.open import open_consolidated as open_consolidated
    from .format.open import open_group as open_group
    from .format.open import open_like as open_like
    from .format.saving import load as load
    from .format.saving import save as save
    from .format.saving import save_array as save_array
    from .format.saving import save_group as save_group
    from .format.saving import tree as tree
    from .graph.explain import Plan as Plan
    from .graph.lazy import LazyArray as LazyArray
    from .verbs import apply_gufunc as apply_gufunc
    from .verbs import compute as compute
    from .verbs import elementwise as elementwise
    from .verbs import from_array as from_array
    from .verbs import from_dask_array as from_dask_array
    from .verbs import from_map as from_map
    from .verbs import from_zarr as from_zarr
    from .verbs import reduction as reduction
    from .verbs import store as store
    from .zarr2 import BZ2 as BZ2
    from .zarr2 import CRC32 as CRC32
    from .zarr2 import JSON as JSON
    from .zarr2 import LZ4 as LZ4
    from .zarr2 import LZMA as LZMA
    from .zarr2 import AsType as AsType
    from .zarr2 import Blosc as Blosc
    from .zarr2 import Categorize as Categorize
    from .zarr2 import CopyError as CopyError
    from .zarr2 import Delta as Delta
    from .zarr2 import DirectoryStore as DirectoryStore
    from .zarr2 import FixedScaleOffset as FixedScaleOffset
    from .zarr2 import FSStore as FSStore
    from .zarr2 import GZip as GZip
    from .zarr2 import KVStore as KVStore
    from .zarr2 import LRUStoreCache as LRUStoreCache
    from .zarr2 import MemoryStore as MemoryStore
    from .zarr2 import MetadataError as MetadataError
    from .zarr2 import MsgPack as MsgPack
    from .zarr2 import NestedDirectoryStore as NestedDirectoryStore
    from .zarr2 import PackBits as PackBits
    from .zarr2 import Pickle as Pickle
    from .zarr2 import ProcessSynchronizer as ProcessSynchronizer
    from .zarr2 import Quantize as Quantize
    from .zarr2 import Shuffle as Shuffle
    from .zarr2 import TempStore as TempStore
    from .zarr2 import ThreadSynchronizer as ThreadSynchronizer
    from .zarr2 import VLenArray as VLenArray
    from .zarr2 import VLenBytes as VLenBytes
    from .zarr2 import VLenUTF8 as VLenUTF8
    from .zarr2 import ZipStore as ZipStore
    from .zarr2 import Zlib as Zlib
    from .zarr2 import Zstd as Zstd

    config: Any  # donfig publishes no types

# Where each public name is at home. A name's home is imported when the name is first used.
HOMES = {
    ".format.array": "Array",
    ".format.group": "Group",
    ".format.open": "open open_array open_group open_consolidated open_like",
    ".format.creation": "create create_array create_group group array zeros ones empty full "
    "zeros_like ones_like empty_like full_like",
    ".format.copying": "copy copy_all",
    ".format.copy_store": "copy_store",
    ".format.hierarchy": "consolidate_metadata create_hierarchy",
    ".format.aio": "AsyncArray AsyncGroup",
    ".format.debug_info": "print_debug_info set_format set_log_level",
    ".format.saving": "save save_array save_group load tree",
    ".graph.lazy": "LazyArray",
    ".graph.explain": "Plan",
    ".verbs": "from_zarr from_array from_dask_array from_map compute elementwise apply_gufunc reduction store",
}
# numpy, the module beside these, is not listed: `from lazyzarr import *` is not to take the name from NumPy.
MODULES = ("codecs", "errors", "storage")

# What other libraries have, or the nearest name here would mislead; what lazyzarr.numpy says of its own stands there.
_INSTEAD = {
    "array_api": "import lazyzarr.numpy as lnp has NumPy's names",
    "rewrite": "lz.from_zarr(old).to_zarr(new, chunks=(100, 100)) writes with other chunks, shards or codecs",
}

_HOME = {name: module for module, names in HOMES.items() for name in names.split()}

__version__ = "0.1.0.dev0"
__all__ = [*sorted(_HOME), *MODULES, "config"]


def _found(name: str) -> Any:
    """What a public name stands for."""
    if name in _HOME:
        value = getattr(import_module(_HOME[name], __name__), name)
    elif name in MODULES or name == "numpy":
        return import_module(f".{name}", __name__)
    elif name == "config":
        value = import_module(".settings", __name__).load_config()
    elif name in (zarr2 := import_module(".zarr2", __name__)).NAMES:
        value = getattr(zarr2, name)
    else:
        raise AttributeError(f"module 'lazyzarr' has no attribute {name!r}{_hint(name)}")
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # a checker would take every name for one that is there
    __getattr__ = _found


def _hint(name: str) -> str:
    """Where a name is, or which one was meant."""
    if name.startswith("_"):
        return ""
    if name in import_module(".numpy", __name__).__all__:
        return f"; lazyzarr.numpy has: import lazyzarr.numpy as lnp; lnp.{name}"
    if cure := _INSTEAD.get(name) or import_module(".numpy_names", __name__).CURES.get(name):
        return f"; {cure}"
    close = _meant(name, __all__)
    return f"; did you mean {close}?" if close else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _lazy(array: Any) -> Any:
    return _found("from_zarr")(array)


def _async(node: Any) -> Any:
    return import_module(".format.aio", __name__).async_face(node)


slots.lazy_factory = _lazy
slots.async_factory = _async

if os.environ.get("EAGER_IMPORT"):
    for _name in __all__:
        _found(_name)
