"""A store in a folder of this machine's filesystem: a key is a file below it.

1. The root is made absolute when the store is made; nothing is created before the first write.
2. Keys are validated, so none leads above the root; links inside the store are followed when they are read,
   and replaced, never written through or deleted through.
3. Values are written and read as files.py says: a reader sees old or new, only "no such file" is missing.
4. The chunks of one array are reached below one directory handle (chunk_files.py).
5. A whole node is replaced by letting two folders trade names (RENAME_EXCHANGE).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Literal

from ...errors import StoreError
from .. import os_calls
from ..keys import METADATA_KEYS, is_reserved, normalize_path, validate_key
from . import files
from .chunk_files import LocalFiles
from .failures import identity_of, reason, version_of
from .folders import check_missing, exchange, remove_tree, take, walk
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec, buffers_of

__all__ = ["LocalStore"]


class LocalStore(Store):
    """A store in a folder.

    Parameters
    ----------
    root : str or path
        The folder; it need not exist before the first write.
    read_only : bool
        Refuse every write.
    dimension_separator : "." or "/", optional
        What new arrays have in their chunk names, where the call that makes them does not say.

    >>> store = LocalStore("data.zarr")
    >>> store.set("a/b", b"123")
    >>> bytes(store.get("a/b")), store.get("a/c"), store
    (b'123', None, LocalStore('file://data.zarr'))
    """

    reach = "host"

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        read_only: bool = False,
        dimension_separator: Literal[".", "/"] | None = None,
    ) -> None:
        self.read_only = read_only
        self.dimension_separator = dimension_separator
        self._shown = os.fspath(root)
        self.root = os.path.abspath(self._shown)

    def spec(self) -> StoreSpec:
        return _open_local, (self.root, self.read_only)

    def url(self, path: str = "") -> str:
        return f"file://{os.path.join(self._shown, path) if path else self._shown}"

    def place(self, path: str) -> Hashable | None:
        """Which folder it is: device and inode."""
        try:
            return identity_of(os_calls.calls.stat(self._path(path)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("look at", path, error) from error

    def directory(self, path: str) -> str | None:
        return self._path(normalize_path(path))

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        found = self._read(validate_key(key), (byte_range,))
        return None if found is None else found[0]

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._read(validate_key(key), ranges)

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(validate_key(key))
        try:
            files.put(None, self._path(key), buffers_of(value))
        except OSError as error:
            raise self._failed("write", key, error) from error

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(validate_key(key))
        if expected is not None:
            raise NotImplementedError("a file system compares nothing; take the write lock, look, and set")
        try:
            return files.put_new(None, self._path(key), buffers_of(value))
        except OSError as error:
            raise self._failed("write", key, error) from error

    def delete(self, key: str) -> None:
        self.check_writable(validate_key(key))
        try:
            files.remove(None, self._path(key))
            self._prune(key)
        except OSError as error:
            raise self._failed("delete", key, error) from error

    def delete_prefix(self, path: str) -> None:
        path = normalize_path(path)
        self.check_writable(path)
        folder = self._path(path)
        try:
            if path and os.path.islink(folder):  # what it leads to belongs to others
                files.remove(None, folder)
            # metadata first: chunks without it are no array, an array without chunks reads as fill
            for name in METADATA_KEYS:
                with contextlib.suppress(IsADirectoryError):  # a folder of that name goes with the others
                    files.remove(None, os.path.join(folder, name))
            remove_tree(folder)
            self._prune(path)
        except OSError as error:
            raise self._failed("delete", path, error) from error

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        new, target = self._path(normalize_path(new)), self._path(normalize_path(target))
        self.check_writable("")
        try:
            return exchange(new, target) if replace else take(new, target)
        except OSError as error:
            raise StoreError(f"could not move {new} to {target}: {reason(error)}") from error

    def beside(self, path: str) -> tuple[Store, str]:
        if path := normalize_path(path):
            return self, path  # a link is replaced itself: what it leads to belongs to others
        folder = os.path.realpath(self.root)
        return LocalStore(os.path.dirname(folder), read_only=self.read_only), os.path.basename(folder)

    def list(self, path: str = "") -> Iterator[str]:
        path = normalize_path(path)
        try:
            for name in walk(self._path(path)):
                yield f"{path}/{name}" if path else name
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("list", path, error) from error

    def list_dir(self, path: str = "") -> Sequence[str]:
        path = normalize_path(path)
        try:
            names = [entry.name for entry in os_calls.calls.scandir(self._path(path))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("list", path, error) from error
        return sorted(name for name in names if not is_reserved(name))

    def size(self, key: str) -> int | None:
        try:
            info = self._stat(validate_key(key))
        except OSError as error:
            raise self._failed("read", key, error) from error
        return None if info is None else info.st_size

    def generation(self, key: str) -> Generation | None:
        try:
            info = self._stat(validate_key(key))
        except OSError as error:
            raise self._failed("read", key, error) from error
        return None if info is None else Generation(self.place(key.rpartition("/")[0]), version_of(info))

    def chunk_files(self, path: str) -> ChunkFiles:
        return LocalFiles(self, normalize_path(path))

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}" if key else self.root

    def _read(self, key: str, ranges: Sequence[ByteRange | None]) -> Sequence[Buffer] | None:
        try:
            found = files.read_ranges(None, self._path(key), ranges)
            if found is None:
                check_missing(None, self._path(key))
        except OSError as error:
            raise self._failed("read", key, error) from error
        return found

    def _stat(self, key: str) -> os.stat_result | None:
        try:
            info = os_calls.calls.stat(self._path(key))
        except FileNotFoundError:
            check_missing(None, self._path(key))
            return None
        files.check_regular(info)
        return info

    def _prune(self, key: str) -> None:
        """Remove the folders above what was deleted that are empty now; the root stays."""
        while key := key.rpartition("/")[0]:
            try:
                os_calls.calls.rmdir(self._path(key))
            except OSError:  # not empty, or a link: it stays
                return

    def _failed(self, verb: str, key: str, error: OSError) -> StoreError:
        if isinstance(error, StoreError):
            return error
        return StoreError(f"could not {verb} {self.url(key)}: {reason(error)}", key)


def _open_local(root: str, read_only: bool) -> LocalStore:
    return LocalStore(root, read_only=read_only)
