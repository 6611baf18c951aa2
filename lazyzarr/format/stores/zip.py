"""A store in a zip archive: one entry a name, completed when it is closed, old or new after a kill.

What is written is seen by this process at once, and by others when the archive is completed: by `close`, at
the end of a `with`, when the last use of it is let go, or at exit (zip_archive.py). One process writes.
"""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Iterable, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Literal, TypeAlias

from ...errors import BaseZarrError, ContainsNodeError, StoreError, StoreReachError
from ..keys import normalize_path, validate_key
from .failures import reason
from .files import TooLongError
from .keyed import KeyedStore, Places
from .protocol import (
    Buffer,
    ByteRange,
    ChunkFiles,
    Generation,
    KeyFiles,
    Reach,
    StoreSpec,
    buffers_of,
)
from .zip_archive import Archive, find_archive
from .zip_files import is_being_written
from .zip_format import Entry, ObjectFile

__all__ = ["ZipStore"]

ZipMode: TypeAlias = Literal["r", "r+", "a", "w", "x", "w-"]


class ZipStore(KeyedStore):
    """A store in a zip archive.

    Parameters
    ----------
    path : str, path or file object
        The archive; it need not exist before it is written. A file object (`read`, `seek`, `tell`) is read
        only, as is what fsspec opens.
    mode : "r", "a", "w" or "x"
        "r" reads; "a" ("r+") changes; "w" replaces the archive when the new one is completed; "x" ("w-")
        refuses where a file is.
    read_only : bool, optional
        By default whether the mode is "r".
    compression : int
        zipfile.ZIP_STORED, as chunks are compressed already, or zipfile.ZIP_DEFLATED.
    allowZip64 : bool
        Accepted: large archives are Zip64.

    >>> with ZipStore("data.zip", mode="w") as store:
    ...     store.set("a/b", b"123")
    >>> store = ZipStore("data.zip")
    >>> bytes(store.get("a/b")), store.get("a/c"), store
    (b'123', None, ZipStore('zip://data.zip'))
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | IO[bytes],
        *,
        mode: ZipMode = "r",
        read_only: bool | None = None,
        compression: int = zipfile.ZIP_STORED,
        allowZip64: bool = True,
    ) -> None:
        if mode not in ("r", "r+", "a", "w", "x", "w-"):
            raise BaseZarrError(f'ZipStore(mode={mode!r}) is not known; known are "r", "a", "w" and "x"')
        if compression not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BaseZarrError(
                f"ZipStore(compression={compression}): give zipfile.ZIP_STORED or ZIP_DEFLATED"
            )
        self.read_only = mode == "r" if read_only is None else read_only
        self._compression = compression
        if isinstance(path, str | os.PathLike):
            self._shown = os.fspath(path)
            self._archive = find_archive(os.path.realpath(self._shown))
            self._archive.hold(self)
            self._apply(mode)
        else:
            self._shown = repr(path)
            self._archive = Archive(None, ObjectFile(path))
            self.read_only = True

    def _apply(self, mode: str) -> None:
        if mode in ("x", "w-") and os.path.lexists(self._shown):
            raise ContainsNodeError(
                f'{self._shown} is there already; ZipStore(mode="a") changes it, mode="w" replaces it'
            )
        if mode == "w":
            self._archive.clear()

    @property
    def path(self) -> str | None:
        """The archive's place in the filesystem, links followed."""
        return self._archive.path

    @property
    def reach(self) -> Reach:  # type: ignore[override]
        """What is written is not in the archive before it is completed, and one process writes."""
        return "host" if self.read_only and self.path is not None else "thread"

    @property
    def read_reach(self) -> Reach:
        """All processes of the host read what is in the archive, unless something is not in it yet."""
        return "thread" if self.path is None or self._archive.changed else "host"

    def spec(self) -> StoreSpec:
        if self.path is None:
            return _cannot_travel, (self._shown, id(self._archive))
        return _open_zip, (self.path, self.read_only, self._compression)

    def url(self, path: str = "") -> str:
        return f"zip://{self._shown}" + (f"/{path}" if path else "")

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        entry = self._archive.members().get(validate_key(key))
        if entry is None:
            return None
        try:
            return entry.read(key) if byte_range is None else _range(entry, key, byte_range)
        except OSError as error:
            raise self._failed("read", key, error) from error

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._ranges(validate_key(key), ranges)

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(validate_key(key))
        self._put(key, buffers_of(value))

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(validate_key(key))
        entry = self._entry(key, buffers_of(value))
        with self._changing():
            if self.generation(key) != expected:
                return False
            self._table()[key] = entry
        return True

    def size(self, key: str) -> int | None:
        entry = self._table().get(validate_key(key))
        return None if entry is None else entry.size

    def generation(self, key: str) -> Generation | None:
        with self._places.lock:
            entry = self._table().get(validate_key(key))
            if entry is None:
                return None
            return Generation(self.place(key.rpartition("/")[0]), (entry.size, entry.crc))

    def chunk_files(self, path: str) -> ChunkFiles:
        return _ZipFiles(self, normalize_path(path))

    def close(self) -> None:
        """Complete the archive, and give back the open file; the next use opens it again. Raises StoreError."""
        self._archive.complete()
        self._archive.forget()

    @property
    def _places(self) -> Places:
        return self._archive.places

    def _table(self) -> MutableMapping[str, Entry]:
        return self._archive.members()

    def _changing(self) -> AbstractContextManager[object]:
        return self._archive.changing()

    def _put(self, key: str, buffers: Iterable[Buffer]) -> None:
        entry = self._entry(key, buffers)
        with self._archive.changing() as members:
            members[key] = entry

    def _entry(self, key: str, buffers: Iterable[Buffer]) -> Entry:
        try:
            return self._archive.put(key, buffers, self._compression)
        except OSError as error:
            raise self._failed("write", key, error) from error

    def _ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        entry = self._archive.members().get(key)
        if entry is None:
            return None
        try:
            return [_range(entry, key, wanted) for wanted in ranges]
        except OSError as error:
            raise self._failed("read", key, error) from error

    def _failed(self, verb: str, key: str, error: OSError) -> StoreError:
        why = str(error) if isinstance(error, StoreError) else reason(error)
        return StoreError(f"could not {verb} {self.url(key)}: {why}", key)


class _ZipFiles(KeyFiles):
    """The chunks of one array, read into the caller's buffer; keys are not validated again each time."""

    def __init__(self, store: ZipStore, path: str) -> None:
        super().__init__(store, path)
        self._zip = store
        self._archive = store._archive
        self._prefix = f"{path}/" if path else ""

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        key = self._prefix + name
        entry = self._archive.members().get(key)
        if entry is None:
            return None
        try:
            if self.limit is not None and entry.size > max(self.limit, len(buffer)):
                size = f"{entry.size:,} bytes are stored, the chunk can have {self.limit:,} at most"
                raise TooLongError(errno.EFBIG, size)
            return memoryview(entry.read_into(key, buffer))
        except OSError as error:
            raise self._zip._failed("read", key, error) from error

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._zip._ranges(self._prefix + name, ranges)

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        self._zip.check_writable(self._path)
        self._zip._put(self._prefix + name, buffers)


def _range(entry: Entry, key: str, wanted: ByteRange) -> Buffer:
    start, stop, _ = slice(*wanted).indices(entry.size)
    return entry.read_range(key, start, max(start, stop))


def _open_zip(path: str, read_only: bool, compression: int) -> ZipStore:
    """Where it is unpickled; another process's changes are not in the archive yet, and would read as fill."""
    if not find_archive(path).changed and is_being_written(path):
        raise StoreReachError(
            f"zip://{path} is being written by another process, and what it wrote is not in the archive yet; "
            "close it there first, or use the threads scheduler"
        )
    return ZipStore(path, mode="r" if read_only else "a", compression=compression)


def _cannot_travel(shown: str, number: Any) -> ZipStore:
    raise StoreReachError(
        f"the archive in {shown} is read through an object of another process; give its path"
    )
