"""The bytes of a zip archive: its members, where their data lies, and the directory at its end.

What is written has no extra fields, dates of 1980 and its members in the order of their names, so that equal
contents make equal archives; Zip64 records stand where sizes ask for them. Members of other writers are read
in any way that the standard library knows, and are kept as they are.

Specification: PKWARE, APPNOTE.TXT 6.3.
"""

from __future__ import annotations

import io
import lzma
import os
import struct
import threading
import weakref
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO, Any, Protocol

from ...errors import StoreError
from .. import os_calls
from .protocol import Buffer

__all__ = ["DiskFile", "Entry", "ObjectFile", "Readable", "directory", "local_header", "read_directory"]

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_U32, _U16 = 0xFFFFFFFF, 0xFFFF  # stand where a Zip64 record says more
_LARGE, _MANY = _U32, _U16  # from which on one does
_NEW_YEAR_1980 = (0, 33)
_UTF8, _ENCRYPTED, _KEPT_FLAGS = 0x800, 0x1, 0x7
_EXTRA = 64  # bytes of extra fields that are read with a member's header, so that one read is enough
_NEEDS, _NEEDS64 = 20, 45


class Readable(Protocol):
    """A file that is read from any place, by any thread."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from a place on, fewer where the file ends."""

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill a view from a place on; how many bytes there were."""

    def size(self) -> int:
        """Bytes in all."""


class DiskFile:
    """A file by its descriptor, which is closed when nobody holds this any more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.close = weakref.finalize(self, os.close, fd)
        self.close.atexit = False

    def read(self, offset: int, size: int) -> bytes:
        parts = []
        while size > 0 and (part := os_calls.calls.pread(self.fd, size, offset)):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, offset: int, view: memoryview) -> int:
        done = 0
        while done < len(view) and (n := os_calls.calls.preadv(self.fd, (view[done:],), offset + done)):
            done += n
        return done

    def size(self) -> int:
        return os_calls.calls.fstat(self.fd).st_size


class ObjectFile:
    """A file by an object with `read`, `seek` and `tell`, as fsspec and obstore give; one thread at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            parts = []
            while size > 0 and (part := bytes(self._file.read(size))):
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def read_into(self, offset: int, view: memoryview) -> int:
        found = self.read(offset, len(view))
        view[: len(found)] = found
        return len(found)

    def size(self) -> int:
        with self._lock:
            self._file.seek(0, os.SEEK_END)
            return self._file.tell()


class Entry:
    """One member: where its bytes are, and what they have to be. Its bytes never change."""

    __slots__ = (
        "attributes",
        "checked",
        "crc",
        "data",
        "file",
        "flags",
        "header",
        "method",
        "name",
        "plain",
        "size",
        "stored",
        "when",
    )

    def __init__(
        self,
        file: Readable | bytes,
        *,
        size: int,
        crc: int,
        stored: int = -1,
        data: int = 0,
        header: int = -1,
        method: int = zipfile.ZIP_STORED,
        flags: int = 0,
        when: tuple[int, int] = _NEW_YEAR_1980,
        attributes: int = 0o100644 << 16,
        name: str | None = None,
    ) -> None:
        self.file = file  # or the bytes themselves
        self.size = size
        self.stored = size if stored < 0 else stored
        self.crc = crc
        self.data = data  # -1: behind the header, which says how long it is
        self.header = header
        self.method = method
        self.flags = flags
        self.plain = method == zipfile.ZIP_STORED and not flags & _ENCRYPTED
        self.when = when
        self.attributes = attributes
        self.name = name  # in the header, whatever the member was renamed to since
        self.checked = False  # against its checksum

    def moved(self, file: Readable, data: int) -> Entry:
        """The same member in another file."""
        entry = Entry(
            file,
            size=self.size,
            crc=self.crc,
            stored=self.stored,
            data=data,
            method=self.method,
            flags=self.flags,
            when=self.when,
            attributes=self.attributes,
        )
        entry.checked = self.checked
        return entry

    def read(self, name: str) -> Buffer:
        """The member's bytes. Raises StoreError, without a word of the archive, where they are not as said."""
        if isinstance(self.file, bytes) and self.plain:
            return self.file
        return self._whole(name, self._raw(name))

    def read_into(self, name: str, buffer: bytearray) -> Buffer:
        """As `read`, in the buffer if there is room for them."""
        if isinstance(self.file, bytes) or not self.plain:
            return self.read(name)
        view = memoryview(buffer)
        if self.data < 0 and len(view) >= (room := self._room(name)):
            n = self.file.read_into(self.header, view[:room])
            self._place_data(view[:n])
            start = self.data - self.header
            if start + self.size <= n:
                return self._checked(view[start : start + self.size])
        self._find(name)
        if len(view) < self.size:
            return self._checked(self.file.read(self.data, self.size))
        return self._checked(view[: self.file.read_into(self.data, view[: self.size])])

    def read_range(self, name: str, start: int, stop: int) -> Buffer:
        """The bytes from `start` to `stop`, which lie within the member's size."""
        if isinstance(self.file, bytes) or not self.plain:
            return memoryview(self.read(name))[start:stop]
        self._find(name)
        found = self.file.read(self.data + start, stop - start)
        if len(found) != stop - start:
            raise StoreError("the archive ends within it")
        return found

    def raw(self, name: str, start: int, stop: int) -> Buffer:
        """Bytes as they are stored, compressed or not."""
        if isinstance(self.file, bytes):
            return memoryview(self.file)[start:stop]
        self._find(name)
        return self.file.read(self.data + start, stop - start)

    def _raw(self, name: str) -> Buffer:
        if isinstance(self.file, bytes) or self.data >= 0:
            return self.raw(name, 0, self.stored)
        found = self.file.read(self.header, self._room(name))
        self._place_data(found)
        start = self.data - self.header
        if start + self.stored <= len(found):
            return memoryview(found)[start : start + self.stored]
        return self.raw(name, 0, self.stored)

    def _whole(self, name: str, raw: Buffer) -> Buffer:
        if len(raw) != self.stored:
            raise StoreError("the archive ends within it")
        if self.plain:
            return self._checked(raw)
        if self.method == zipfile.ZIP_DEFLATED and not self.flags & _ENCRYPTED:
            inflate = zlib.decompressobj(-15)
            try:
                return self._checked(inflate.decompress(raw, self.size + 1))
            except zlib.error as error:
                raise StoreError(f"its compressed bytes are damaged: {error}") from error
        return self._checked(_unzipped(name, self, raw))

    def _checked(self, found: Buffer) -> Buffer:
        if len(found) != self.size or not (self.checked or zlib.crc32(found) == self.crc):
            raise StoreError(
                f"its {len(found):,} bytes are not the {self.size:,} that the directory of the archive says, or "
                "their checksum differs: the archive is damaged"
            )
        self.checked = True
        return found

    def _room(self, name: str) -> int:
        """Bytes from the header on that hold the member, if its extra fields are of usual length."""
        return _LOCAL.size + len((self.name or name).encode()) + _EXTRA + self.stored

    def _find(self, name: str) -> None:
        if self.data < 0 and not isinstance(self.file, bytes):
            self._place_data(self.file.read(self.header, _LOCAL.size + 4 * len(self.name or name)))

    def _place_data(self, header: Buffer) -> None:
        *_, named, extra = _LOCAL.unpack(header[: _LOCAL.size]) if len(header) >= _LOCAL.size else (0, 0)
        written = bytes(header[_LOCAL.size : _LOCAL.size + named])
        spelled = written.decode("utf-8" if self.flags & _UTF8 else "cp437", "replace")
        if header[:4] != b"PK\x03\x04" or spelled != self.name:
            raise StoreError("it is not where the directory of the archive says: the archive is damaged")
        self.data = self.header + _LOCAL.size + named + extra


_UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OSError,
    lzma.LZMAError,
)


def _unzipped(name: str, entry: Entry, raw: Buffer) -> bytes:
    """A member that is compressed in one of the rarer ways, by the standard library."""
    head = local_header(name, entry)
    tail = directory([(name, 0, entry)], len(head) + len(raw), b"")
    archive = io.BytesIO(b"".join([head, raw, *tail]))
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(opened.infolist()[0]) as member:
            return member.read(entry.size + 1)
    except _UNREADABLE as error:
        raise StoreError(f"it cannot be taken out of the archive: {error}") from error


def read_directory(file: Readable) -> tuple[dict[str, Entry], bytes]:
    """The members of an archive by name, folders left out, and its comment; of two of one name, the last.

    Raises zipfile.BadZipFile.
    """
    with zipfile.ZipFile(io.BufferedReader(_Stream(file))) as archive:
        found = {info.filename: _entry(file, info) for info in archive.infolist() if not info.is_dir()}
        return found, archive.comment


def _entry(file: Readable, info: zipfile.ZipInfo) -> Entry:
    year, month, day, hour, minute, second = info.date_time
    date = max(0, year - 1980) << 9 | month << 5 | day
    return Entry(
        file,
        size=info.file_size,
        stored=info.compress_size,
        crc=info.CRC,
        data=-1,
        header=info.header_offset,
        method=info.compress_type,
        flags=info.flag_bits,
        when=(hour << 11 | minute << 5 | second // 2, date),
        attributes=info.external_attr,
        name=info.filename,
    )


class _Stream(io.RawIOBase):
    """A readable file as the standard library wants it."""

    def __init__(self, file: Readable) -> None:
        self._file, self._size, self._at = file, file.size(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        n = self._file.read_into(self._at, memoryview(buffer)[: max(0, self._size - self._at)])
        self._at += n
        return n


def local_header(name: str, entry: Entry) -> bytes:
    """What stands before a member's bytes."""
    encoded, flags = _spelled(name, entry)
    large = max(entry.size, entry.stored) >= _LARGE
    extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.stored) if large else b""
    sizes = (_U32, _U32) if large else (entry.stored, entry.size)
    needs = _NEEDS64 if large else _NEEDS
    head = _LOCAL.pack(
        b"PK\x03\x04", needs, flags, entry.method, *entry.when, entry.crc, *sizes, len(encoded), len(extra)
    )
    return b"".join([head, encoded, extra])


def directory(members: Sequence[tuple[str, int, Entry]], start: int, comment: bytes) -> list[bytes]:
    """What stands behind the members (name, offset of the header, entry), the last of which ends at `start`."""
    listed = b"".join(_listed(*member) for member in members)
    count, end = len(members), start + len(listed)
    tail = []
    if count >= _MANY or end >= _LARGE:
        wide = (b"PK\x06\x06", _END64.size - 12, _NEEDS64, _NEEDS64, 0, 0, count, count, len(listed), start)
        tail = [_END64.pack(*wide), _LOCATOR.pack(b"PK\x06\x07", 0, end, 1)]
    few, size, at = _U16 if count >= _MANY else count, _clipped(len(listed)), _clipped(start)
    return [listed, *tail, _END.pack(b"PK\x05\x06", 0, 0, few, few, size, at, len(comment)), comment]


def _listed(name: str, offset: int, entry: Entry) -> bytes:
    encoded, flags = _spelled(name, entry)
    numbers = (entry.size, entry.stored, offset)
    wide = [n for n in numbers if n >= _LARGE]
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, stored, at = map(_clipped, numbers)
    needs = _NEEDS64 if wide else _NEEDS
    made_by = 3 << 8 | needs  # Unix: the attributes are permissions
    head = (b"PK\x01\x02", made_by, needs, flags, entry.method, *entry.when, entry.crc, stored, size)
    lengths = (len(encoded), len(extra), 0, 0, 0, entry.attributes, at)
    return b"".join([_CENTRAL.pack(*head, *lengths), encoded, extra])


def _clipped(n: int) -> int:
    return _U32 if n >= _LARGE else n


def _spelled(name: str, entry: Entry) -> tuple[bytes, int]:
    """A name's bytes, and the flags that say how they are written."""
    flags = entry.flags & _KEPT_FLAGS
    return name.encode(), flags if name.isascii() else flags | _UTF8
