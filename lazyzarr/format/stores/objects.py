"""Objects in a bucket, or files of an HTTP server: a store over obstore's clients.

1. A put is atomic, a get sees one object whole. Ranges are read in the order given, the last one when the
   others have been answered: what tells one object from the next, read last, tells it of all.
2. `set_if` is a put with If-None-Match or If-Match. Where the answer to one was lost and the next attempt is
   refused, the object that is stored decides: if it holds my bytes, the put was done. Before the first one a
   scrap object shows whether the server keeps to it at all; one that does not is refused.
3. Requests that fail for a time (5xx, a broken connection) are tried again, at last they raise StoreError.
   Only "no such object" is None.
4. An HTTP server is read only.
5. obstore's threads do not live on in a forked child, so there it is refused; `spawn` starts whole processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from ...errors import InvalidKeyError, LazyzarrError, StoreError
from ...settings import setting
from ..keys import is_reserved, normalize_path, validate_key
from .object_clients import PART, Client, Guarded, gathered, generation_of, join_url
from .object_conditions import Conditions
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Reach, Store, StoreSpec, buffers_of
from .remote import ComparedFiles, first_line

__all__ = ["ObjectStore"]

GAP = 64 * 1024  # bytes between two ranges that are rather read than asked for apart
MANY = 1000  # objects deleted in one request

_Answer = TypeVar("_Answer")
_state = {"used": False, "forked": False}


def _after_fork() -> None:
    _state["forked"] = _state["used"]


os.register_at_fork(after_in_child=_after_fork)


class ObjectStore(Store):
    """A store over a client of obstore.

    Parameters
    ----------
    store : obstore.store.S3Store, GCSStore, AzureStore, HTTPStore, LocalStore or MemoryStore
        The client; its prefix is where the store begins.
    read_only : bool
        Refuse every write. Always so over HTTP.

    `lz.open("s3://bucket/data.zarr", storage_options={...})` makes one.
    """

    def __init__(self, store: Any, *, read_only: bool = False) -> None:
        import obstore

        self._obs: Any = obstore
        self._client = Client(store)
        self._conditions = Conditions(self._client)
        self._kind = self._client.kind
        self.read_only = read_only or self._kind == "HTTPStore"

    renames = False

    # What it is.

    @property
    def reach(self) -> Reach:  # type: ignore[override]
        """Who sees what is written: all who reach the bucket."""
        return _REACH.get(self._kind, "anywhere")

    @property
    def lists(self) -> bool:  # type: ignore[override]
        """Whether it tells which keys there are: HTTP has no word for that."""
        return self._kind != "HTTPStore"

    @property
    def in_flight(self) -> int:  # type: ignore[override]
        """Requests under way at once: the setting `async.concurrency`."""
        return 0 if self._kind in _REACH else int(setting("async.concurrency"))

    @property
    def compares(self) -> bool:  # type: ignore[override]
        """Whether the server stores on condition that nobody else did; found out when it is first needed."""
        return not self._conditions.refused

    @property
    def lost_updates(self) -> str | None:  # type: ignore[override]
        """Why processes could undo each other's changes, where the server has no conditional writes."""
        return self._conditions.refused or None

    def spec(self) -> StoreSpec:
        return _open_objects, (self._client, self.read_only)

    def url(self, path: str = "") -> str:
        return join_url(self._client.url, path)

    def place(self, path: str) -> Hashable | None:
        """The path's URL: an array made in another's stead is told from it by its metadata."""
        return self.url(path)

    def real_folder(self, path: str) -> str | None:
        return os.path.join("/", self._client.prefix, path) if self._kind == "LocalStore" else None

    # Reading.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        validate_key(key)
        if byte_range is not None:
            return self._get_range(key, byte_range)
        found = self._ask("read", key, lambda: self._obs.get(self._client.store, key).bytes())
        return None if found is None else memoryview(found)

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        validate_key(key)

        def read() -> tuple[Any, Generation]:
            answer = self._obs.get(self._client.store, key)
            return answer.bytes(), generation_of(answer.meta)

        found = self._ask("read", key, read)
        return None if found is None else (memoryview(found[0]), found[1])

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        first, last = ranges[:-1], ranges[-1:]
        if len(first) < 2 or any(stop is None or stop <= start for start, stop in first):
            return super().get_ranges(key, ranges)
        starts, ends = [start for start, _ in first], [stop for _, stop in first]
        try:
            found = self._obs.get_ranges(
                self._client.store, validate_key(key), starts=starts, ends=ends, coalesce=GAP
            )
        except Exception:  # a range beyond the end, or a server without ranges: one by one says which
            return super().get_ranges(key, ranges)
        rest = super().get_ranges(key, last)
        return None if rest is None else [*(memoryview(each) for each in found), *rest]

    def _get_range(self, key: str, byte_range: ByteRange) -> Buffer | None:
        """A range, cut at the object's end as slices are; servers refuse what lies beyond it."""
        self._used()
        start, stop = byte_range
        options = {"range": (start, stop) if stop is not None else {"suffix": -start}}
        refusal: Exception | None = None
        try:
            if start != (stop or 0):  # of nothing, servers ask why
                return memoryview(self._obs.get(self._client.store, key, options=options).bytes())
        except FileNotFoundError:
            return None
        except Exception as error:
            refusal = error
        return self._get_cut(key, byte_range, refusal)

    def _get_cut(self, key: str, byte_range: ByteRange, refusal: Exception | None) -> Buffer | None:
        """A range that the server does not give as it was asked for."""
        size = self.size(key)
        if size is None:
            return None
        low, high, _ = slice(*byte_range).indices(size)
        if high <= low:
            return b""
        if byte_range[1] is None and (low, high) != (0, size):  # Azure knows no suffix
            return self._get_range(key, (low, high))
        if refusal is not None and not self._knows_no_ranges(refusal):
            raise self._failed("read", key, refusal) from refusal
        whole = self.get(key)
        return None if whole is None else memoryview(whole)[low:high]

    def _knows_no_ranges(self, error: Exception) -> bool:
        return isinstance(error, self._obs.exceptions.NotSupportedError) or "non-partial" in str(error)

    def size(self, key: str) -> int | None:
        meta = self._head(key)
        return None if meta is None else int(meta["size"])

    def generation(self, key: str) -> Generation | None:
        meta = self._head(key)
        return None if meta is None else generation_of(meta)

    def _head(self, key: str) -> Any:
        validate_key(key)
        return self._ask("look at", key, lambda: self._obs.head(self._client.store, key))

    # Listing.

    def list(self, path: str = "") -> Iterator[str]:
        path = normalize_path(path)
        start = len(path)
        return (key for key in self._all(path) if not any(map(is_reserved, key[start:].split("/"))))

    def _all(self, path: str) -> Iterator[str]:
        self._check_lists(path)
        self._used()
        try:
            for batch in self._obs.list(self._client.store, path or None, chunk_size=MANY):
                yield from (meta["path"] for meta in batch)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._failed("list", path, error) from error

    def list_dir(self, path: str = "") -> Sequence[str]:
        self._check_lists(path := normalize_path(path))
        found = self._ask(
            "list", path, lambda: self._obs.list_with_delimiter(self._client.store, path or None)
        )
        if found is None:
            return []
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        names = {each.rstrip("/")[len(path) :].strip("/") for each in paths}
        return sorted(name for name in names if name and not is_reserved(name))

    def _check_lists(self, path: str) -> None:
        if self._kind == "HTTPStore":
            raise StoreError(
                f"could not list {self.url(path)}: an HTTP server has no listings; name the member, or "
                "open_consolidated, where the hierarchy has consolidated metadata",
                path,
            )

    # Writing.

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(validate_key(key))
        buffers = Guarded(buffers_of(value))
        first = gathered(buffers)

        def put() -> object:
            if len(first) < PART:
                return self._obs.put(self._client.store, key, first, use_multipart=False)
            return self._obs.put(
                self._client.store,
                key,
                chain([first], buffers),
                use_multipart=True,
                chunk_size=PART,
                max_concurrency=4,
            )

        try:
            self._ask("write", key, put, missing_fails=True)
        except StoreError:
            if buffers.error is not None:
                raise buffers.error from None
            raise

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(validate_key(key))
        data = b"".join(buffers_of(value))
        put = self._conditions.put
        if expected is None and not self.compares:
            return bool(self._ask("write", key, lambda: self._conditions.put_new(key, data), True))
        return bool(self._ask("write", key, lambda: put(key, data, expected), True))

    def delete(self, key: str) -> None:
        self.check_writable(validate_key(key))
        self._ask("delete", key, lambda: self._obs.delete(self._client.store, key))

    def delete_prefix(self, path: str) -> None:
        path = normalize_path(path)
        self.check_writable(path)
        keys = list(self._all(path))
        for first in range(0, len(keys), MANY):
            some = keys[first : first + MANY]
            self._ask("delete", path, lambda some=some: self._obs.delete(self._client.store, some))  # type: ignore[misc]

    def copy_key(self, key: str, to: str) -> None:
        self.check_writable(validate_key(to))
        self._ask("copy", key, lambda: self._obs.copy(self._client.store, key, to))

    def chunk_files(self, path: str) -> ChunkFiles:
        return ComparedFiles(self, normalize_path(path))

    # Asking.

    def _used(self) -> None:
        """Raise StoreError where this process may not use obstore: in a forked child."""
        if _state["forked"]:
            raise StoreError(
                f"{self.url()}: this process was forked from one that used obstore, whose threads did not "
                'come along; start processes with multiprocessing.get_context("spawn")'
            )
        _state["used"] = True

    def _ask(
        self, doing: str, key: str, request: Callable[[], _Answer], missing_fails: bool = False
    ) -> _Answer | None:
        """What a request gives, or None where there is no such object. Raises StoreError for all else."""
        self._used()
        try:
            return request()
        except FileNotFoundError as error:
            if missing_fails:
                raise self._failed(doing, key, error) from error
            return None
        except LazyzarrError:
            raise
        except ValueError as error:
            if "parse path" in str(error):
                raise InvalidKeyError(f"{key!r} is no key here: {first_line(error)}") from error
            raise self._failed(doing, key, error) from error
        except Exception as error:
            raise self._failed(doing, key, error) from error

    def _failed(self, doing: str, key: str, error: BaseException) -> StoreError:
        said = first_line(error)
        if _WITHOUT_CREDENTIALS in said:
            said = (
                "no credentials were found, nor a machine of the cloud that gives some; for a public bucket: "
                f'storage_options={{"anon": True}}, else {{"key": ..., "secret": ...}} ({said})'
            )
        return StoreError(f"could not {doing} {self.url(key)}: {said}", key)


_WITHOUT_CREDENTIALS = "169.254.169.254"  # where machines of the clouds ask for theirs
_REACH: dict[str, Reach] = {"MemoryStore": "thread", "LocalStore": "host"}


def _open_objects(client: Client, read_only: bool) -> ObjectStore:
    return ObjectStore(client.store, read_only=read_only)
