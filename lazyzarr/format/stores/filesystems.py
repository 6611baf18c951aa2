"""Files of anything that fsspec reaches: sftp, hdfs, archives, kerchunk references, caches before other stores.

fsspec has no conditional writes, so where several processes could write, changes of a part of a chunk and of
metadata are refused (the lock says why). `set` is as atomic as the file system's own put; where that writes
in place and files can be renamed, they are written aside and renamed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

from ...errors import BaseZarrError, LazyzarrError, StoreError
from ...settings import setting
from ..keys import RESERVED_PREFIX, is_reserved, join_path, normalize_path, validate_key
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Reach, Store, StoreSpec, buffers_of
from .remote import ComparedFiles, first_line, missing_library

__all__ = ["FsspecStore"]

_REACH: dict[str, Reach] = {"memory": "thread", "file": "host", "local": "host"}
_CACHES = {"simplecache", "filecache", "blockcache", "cached"}  # they do not see what others wrote since
_RENAMES = {"file", "local", "sftp", "ssh"}
_FACTS = ("ETag", "etag", "version_id", "mtime", "LastModified", "last_modified", "created", "ino", "size")

_Answer = TypeVar("_Answer")


class FsspecStore(Store):
    """A store over a file system of fsspec.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system, not an asynchronous one.
    read_only : bool
        Refuse every write. Always so through a cache of fsspec's.
    path : str
        Where in it the store begins.

    >>> store = FsspecStore.from_url("memory://data.zarr")
    >>> store.set("a", b"123"); bytes(store.get("a", (1, 3)))
    b'23'
    """

    renames = False

    def __init__(self, fs: Any, *, read_only: bool = False, path: str = "/") -> None:
        if getattr(fs, "asynchronous", False):
            raise BaseZarrError(
                f"{fs!r} is asynchronous; make it with asynchronous=False, or give the URL and storage_options="
            )
        self._root = str(path).rstrip("/")
        if fs.protocol == "dir":  # one folder of another file system, which knows where that is
            self._root = f"{fs.path}/{self._root.lstrip('/')}".rstrip("/")
            fs = fs.fs
        self._fs = fs
        names = fs.protocol if isinstance(fs.protocol, (tuple, list)) else (fs.protocol,)
        self._protocol = str(names[0])
        self.read_only = read_only or self._protocol in _CACHES

    @classmethod
    def from_url(
        cls, url: str, storage_options: Mapping[str, Any] | None = None, read_only: bool = False
    ) -> Self:
        """The store at a URL that fsspec knows, also a chained one ("simplecache::sftp://host/data.zarr").

        Raises BaseZarrError for options that it does not take, or a library that is not installed, StoreError
        where it cannot be opened.
        """
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise missing_library(url, "fsspec", error) from error
        try:
            fs, path = url_to_fs(url, **dict(storage_options or {}))
        except ImportError as error:  # the library that fsspec wants for this
            raise missing_library(url, "a library that fsspec loads", error) from error
        except FileNotFoundError as error:
            raise StoreError(f"{url}: {first_line(error)}", url) from error
        except (ValueError, TypeError) as error:
            raise BaseZarrError(f"{url}: fsspec does not take this: {first_line(error)}") from error
        except Exception as error:
            raise StoreError(f"{url} could not be opened: {first_line(error)}", url) from error
        return cls(fs, read_only=read_only, path=path)

    @classmethod
    def from_mapper(cls, fs_map: Any, read_only: bool = False) -> Self:
        """The store over what `fsspec.get_mapper` gave."""
        return cls(fs_map.fs, read_only=read_only, path=fs_map.root)

    # What it is.

    @property
    def reach(self) -> Reach:  # type: ignore[override]
        """Who sees what is written, by the protocol."""
        return _REACH.get(self._protocol, "anywhere")

    @property
    def in_flight(self) -> int:  # type: ignore[override]
        """Requests under way at once: the setting `async.concurrency`."""
        return 0 if self._protocol in _REACH else int(setting("async.concurrency"))

    @property
    def lost_updates(self) -> str | None:  # type: ignore[override]
        """Why processes could undo each other's changes."""
        return (
            None if self.reach == "thread" else f"{self._protocol} through fsspec has no conditional writes"
        )

    def spec(self) -> StoreSpec:
        return _open_files, (self._fs, self._root, self.read_only)

    def url(self, path: str = "") -> str:
        place = self._path(path)
        return f"{self._protocol}://{place if self._protocol == 'file' else place.lstrip('/')}".rstrip("/")

    def place(self, path: str) -> Hashable | None:
        """The file system and the path: another array there is known by its metadata."""
        return type(self), self._fs, self._path(path)

    def real_folder(self, path: str) -> str | None:
        return self._path(path) if self._protocol in ("file", "local") else None

    # Reading.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        path = self._path(validate_key(key))
        if byte_range is not None:
            return self._get_range(key, path, byte_range)
        found = self._ask("read", key, lambda: self._fs.cat_file(path))
        return None if found is None else memoryview(found)

    def _get_range(self, key: str, path: str, byte_range: ByteRange) -> Buffer | None:
        size = self.size(key)  # file systems differ in what they say to a range beyond the end
        if size is None:
            return None
        low, high, _ = slice(*byte_range).indices(size)
        if high <= low:
            return b""
        found = self._ask("read", key, lambda: self._fs.cat_file(path, start=low, end=high))
        if found is None:
            return None
        if len(found) == size:  # an HTTP server that gives the whole file
            found = found[low:high]
        if len(found) != high - low:
            raise StoreError(f"{self.url(key)}: asked for {high - low:,} bytes, got {len(found):,}", key)
        return memoryview(found)

    def size(self, key: str) -> int | None:
        info = self._info(key)
        return None if info is None else int(info["size"])

    def generation(self, key: str) -> Generation | None:
        info = self._info(key)
        facts = None if info is None else tuple((name, str(info[name])) for name in _FACTS if name in info)
        return None if facts is None else Generation("", facts)

    def _info(self, key: str) -> Any:
        path = self._path(validate_key(key))
        self._fs.invalidate_cache(path.rpartition("/")[0])
        info = self._ask("look at", key, lambda: self._fs.info(path))
        if info is not None and info["type"] == "directory":
            return None
        if info is not None and info.get("size") is None:  # an HTTP server that does not say
            found = self.get(key)
            return None if found is None else {**info, "size": len(found)}
        return info

    # Listing.

    def list(self, path: str = "") -> Iterator[str]:
        path = normalize_path(path)
        start = len(path)
        return (key for key in self._all(path) if not any(map(is_reserved, key[start:].split("/"))))

    def _all(self, path: str) -> Sequence[str]:
        place = self._path(path)
        self._fs.invalidate_cache()
        found = self._ask("list", path, lambda: self._fs.find(place)) or []
        root = self._path("").strip("/")
        keys = [str(each).strip("/")[len(root) :].strip("/") for each in found]
        return [key for key in keys if key.startswith(f"{path}/" if path else "") and key]

    def list_dir(self, path: str = "") -> Sequence[str]:
        place = self._path(path := normalize_path(path))
        self._fs.invalidate_cache()
        try:
            found = self._ask("list", path, lambda: self._fs.ls(place, detail=False)) or []
        except StoreError as error:
            if isinstance(error.__cause__, NotADirectoryError):
                return []
            raise
        names = {
            str(each).rstrip("/").rpartition("/")[2] for each in found if each.strip("/") != place.strip("/")
        }
        return sorted(name for name in names if name and not is_reserved(name))

    # Writing.

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(validate_key(key))
        path, data = self._path(key), b"".join(buffers_of(value))
        self._ask("write", key, lambda: self._put(path, data), missing_fails=True)

    def _put(self, path: str, data: bytes) -> None:
        folder, _, _ = path.rpartition("/")
        if self._protocol not in _RENAMES:
            try:
                self._fs.pipe_file(path, data)
            except FileNotFoundError:
                self._fs.makedirs(folder, exist_ok=True)
                self._fs.pipe_file(path, data)
            return
        aside = f"{folder}/{RESERVED_PREFIX}{uuid.uuid4().hex[:16]}"
        self._fs.makedirs(folder, exist_ok=True)
        try:
            self._fs.pipe_file(aside, data)
            self._fs.mv(aside, path)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(aside)
            raise

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(validate_key(key))
        if expected is not None:
            raise NotImplementedError("fsspec compares nothing")
        if self.exists(key):
            return False
        path, data = self._path(key), b"".join(buffers_of(value))
        if self._protocol in _RENAMES:
            self._ask("write", key, lambda: self._put(path, data), missing_fails=True)
            return True

        def put() -> bool:
            try:
                self._fs.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            except (TypeError, NotImplementedError, FileNotFoundError):  # there may be no such mode
                self._put(path, data)
            return True

        return bool(self._ask("write", key, put, missing_fails=True))

    def delete(self, key: str) -> None:
        self.check_writable(validate_key(key))
        path = self._path(key)
        if self.exists(key):
            self._ask("delete", key, lambda: self._fs.rm_file(path))

    def delete_prefix(self, path: str) -> None:
        path = normalize_path(path)
        self.check_writable(path)
        if path and self._all(path):
            self._ask("delete", path, lambda: self._fs.rm(self._path(path), recursive=True))
        elif not path:
            for key in self._all(path):
                self.delete(key)

    def chunk_files(self, path: str) -> ChunkFiles:
        return ComparedFiles(self, normalize_path(path))

    # Asking.

    def _path(self, path: str) -> str:
        return join_path(self._root, path) if path else self._root

    def _ask(
        self, doing: str, key: str, request: Callable[[], _Answer], missing_fails: bool = False
    ) -> _Answer | None:
        """What a request gives, or None where there is no such file. Raises StoreError for all else."""
        try:
            return request()
        except LazyzarrError:
            raise
        except FileNotFoundError as error:
            if missing_fails:
                raise self._failed(doing, key, error) from error
            return None
        except Exception as error:
            raise self._failed(doing, key, error) from error

    def _failed(self, doing: str, key: str, error: BaseException) -> StoreError:
        return StoreError(f"could not {doing} {self.url(key)}: {first_line(error)}", key)


def _open_files(fs: Any, root: str, read_only: bool) -> FsspecStore:
    return FsspecStore(fs, read_only=read_only, path=root)
