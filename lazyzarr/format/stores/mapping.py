"""A store over any mutable mapping of keys to bytes: zict, shelve, a database, zarr-python 2's stores.

What the mapping raises becomes a StoreError that names the key, and only KeyError means "not found". Moving a
node is not one step here: each value is copied before one is removed.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ...errors import StoreError
from ..keys import normalize_path
from .carried import Carried, carry
from .memory import MemoryStore
from .protocol import Buffer, ChunkFiles, KeyFiles, Reach, StoreSpec

__all__ = ["MappingStore"]


class MappingStore(MemoryStore):
    """A store over any mutable mapping.

    Parameters
    ----------
    mapping : mutable mapping of str to bytes
        What holds the bytes; anything with the buffer protocol counts as bytes.
    reach : "thread", "host" or "anywhere"
        Who sees what is written: this process ("thread"), or those that the mapping is pickled to, too.
    read_only : bool
        Refuse every write.

    >>> import collections
    >>> store = MappingStore(collections.OrderedDict({"a/b": b"123"}))
    >>> bytes(store.get("a/b")), store.get("a/c"), list(store.list())
    (b'123', None, ['a/b'])
    """

    def __init__(
        self, mapping: MutableMapping[str, Any], *, reach: Reach = "thread", read_only: bool = False
    ) -> None:
        self.mapping = mapping
        self.reach = reach
        self._carried = carry(mapping)
        checked = self._carried.__dict__.setdefault("checked", Checked(mapping))
        super().__init__(checked, read_only=read_only)

    def spec(self) -> StoreSpec:
        if self.reach == "thread":
            return super().spec()
        return _open_mapping, (self._carried, self.reach, self.read_only)

    def url(self, path: str = "") -> str:
        return f"mapping://{type(self.mapping).__name__}-{self._places.token}" + (f"/{path}" if path else "")

    def _exchange(self, gone: Sequence[str], new: dict[str, Any]) -> None:
        """Each value is stored before one is removed; a failure puts back what was there."""
        table = self._table()
        before = {key: table.get(key) for key in {*gone, *new}}
        try:
            table.update(new)
            for key in before.keys() - new.keys():
                del table[key]
        except BaseException:
            for key, value in before.items():
                with suppress(Exception):  # the first failure is the one to tell
                    if value is None:
                        table.pop(key, None)
                    else:
                        table[key] = value
            raise

    def chunk_files(self, path: str) -> ChunkFiles:
        return KeyFiles(self, normalize_path(path))


class Checked(MutableMapping[str, Buffer]):
    """A mapping whose failures are StoreErrors, whose keys are strings, and whose values are bytes."""

    def __init__(self, mapping: MutableMapping[Any, Any]) -> None:
        self.checked = mapping
        """The mapping itself."""

    def __getitem__(self, key: str) -> Buffer:
        with _told("read", key):
            return _bytes_of(self.checked[key], key)

    def __setitem__(self, key: str, value: Buffer) -> None:
        with _told("write", key):
            self.checked[key] = value

    def __delitem__(self, key: str) -> None:
        with _told("delete", key):
            del self.checked[key]

    def __contains__(self, key: object) -> bool:
        with _told("read", str(key)):
            return key in self.checked

    def __iter__(self) -> Iterator[str]:
        with _told("list", ""):
            # what is deleted meanwhile must not end the loop
            keys = list(self.checked)
        for key in keys:
            if isinstance(key, bytes):  # as dbm's are
                key = key.decode()
            if isinstance(key, str):
                yield key

    def __len__(self) -> int:
        return len(self.checked)


@contextmanager
def _told(verb: str, key: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, StoreError):
        raise
    except Exception as error:
        raise StoreError(f"could not {verb} {key or 'the keys'} of the mapping: {error!r}", key) from error


def _bytes_of(value: Any, key: str) -> Buffer:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value
    if hasattr(value, "to_bytes") and not isinstance(value, int):  # zarr-python's buffers
        return bytes(value.to_bytes())
    try:
        return memoryview(value).cast("B")
    except TypeError:
        raise StoreError(f"{key} holds a {type(value).__name__}, not bytes", key) from None


def _open_mapping(carried: Carried, reach: Reach, read_only: bool) -> MappingStore:
    return MappingStore(carried.value, reach=reach, read_only=read_only)
