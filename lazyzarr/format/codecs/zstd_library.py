"""Which Zstandard compresses: Python's own where there is one (3.14, or the package backports.zstd), else numcodecs'.

All write frames that state their content's size. Python's is the newer build, and a thread can keep its
compressor: measured with 4 KiB to 128 KiB, it takes a fifth less time. Large chunks go where no copy is made.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any, cast

from numcodecs import zstd

from .protocol import Buffer
from .zstd_encoder import compress_large

__all__ = ["compress"]

Compress = Callable[[Buffer, int, bool], bytes]
LARGE = 256 * 1024  # bytes from which a copy costs more than a compressor that is made anew
KEPT_LEVELS = range(-7, 10)  # compressors of higher levels hold tens of megabytes: these are let go


def _pythons() -> Any:
    """Python's module for Zstandard, or None."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


class _Compressors(threading.local):
    """The compressors of one thread, by level and checksum."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, bool], Any] = {}


def _by_python(library: Any) -> Compress:
    level_of, sum_of = (
        library.CompressionParameter.compression_level,
        library.CompressionParameter.checksum_flag,
    )
    whole_frame = library.ZstdCompressor.FLUSH_FRAME
    compressors = _Compressors()

    def compress(data: Buffer, level: int, checksum: bool) -> bytes:
        # Taken out while it works: one that failed is not used again.
        compressor = compressors.kept.pop((level, checksum), None)
        if compressor is None:
            compressor = library.ZstdCompressor(options={level_of: level, sum_of: int(checksum)})
        frame = compressor.compress(data, whole_frame)
        if level in KEPT_LEVELS:
            compressors.kept[level, checksum] = compressor
        return cast("bytes", frame)

    return compress


_library = _pythons()
_compress: Compress = zstd.compress if _library is None else _by_python(_library)


def compress(data: Buffer, level: int, checksum: bool) -> Buffer:
    """One frame; level 0 is the library's default."""
    if compress_large is not None and memoryview(data).nbytes >= LARGE:
        return compress_large(data, level, checksum)
    return _compress(data, level, checksum)
