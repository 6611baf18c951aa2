"""Wrappers around each call of a store: logged and counted, or tried again where it failed for a while."""

from __future__ import annotations

import errno
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ...errors import ReadOnlyStoreError, StoreError, StoreReachError
from ..keys import join_path
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec, buffers_of
from .wrappers import WrapperStore

__all__ = ["CallStore", "LoggingStore", "RetryStore", "is_transient"]

T = TypeVar("T")


class CallStore(WrapperStore):
    """A store whose calls go through one method, `call`."""

    def call(self, verb: str, key: str, function: Callable[[], T]) -> T:
        """What a call to the store within gives; it may be made several times but for "swap_prefix"."""
        return function()

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self.call("get", key, lambda: self._store.get(key, byte_range))

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        return self.call("get", key, lambda: self._store.get_known(key))

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self.call("get_ranges", key, lambda: self._store.get_ranges(key, ranges))

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        again = _repeatable(value)
        self.call("set", key, lambda: self._store.set(key, again))

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        again = _repeatable(value)
        return self.call("set_if", key, lambda: self._store.set_if(key, again, expected))

    def delete(self, key: str) -> None:
        self.call("delete", key, lambda: self._store.delete(key))

    def delete_prefix(self, path: str) -> None:
        self.call("delete_prefix", path, lambda: self._store.delete_prefix(path))

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        return self.call("swap_prefix", target, lambda: self._store.swap_prefix(new, target, replace))

    def list(self, path: str = "") -> Iterator[str]:
        return iter(self.call("list", path, lambda: [*self._store.list(path)]))

    def list_dir(self, path: str = "") -> Sequence[str]:
        return self.call("list_dir", path, lambda: self._store.list_dir(path))

    def exists(self, key: str) -> bool:
        return self.call("exists", key, lambda: self._store.exists(key))

    def size(self, key: str) -> int | None:
        return self.call("size", key, lambda: self._store.size(key))

    def generation(self, key: str) -> Generation | None:
        return self.call("generation", key, lambda: self._store.generation(key))

    def around(self, files: ChunkFiles, path: str) -> ChunkFiles:
        return _CalledFiles(files, path, self)


class _CalledFiles(ChunkFiles):
    """The chunks of one array, each call through a store's `call`."""

    def __init__(self, files: ChunkFiles, path: str, store: CallStore) -> None:
        self._files = files
        self._path = path
        self._call = store.call
        self.compares = files.compares

    def changing(self, name: str, change: Callable[[], int]) -> int:
        return self._files.changing(name, change)

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        self._files.limit = self.limit
        return self._call("get", join_path(self._path, name), lambda: self._files.read(name, buffer))

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        key = join_path(self._path, name)
        return self._call("get_ranges", key, lambda: self._files.read_ranges(name, ranges))

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        again = buffers_of(_repeatable(buffers))
        self._call("set", join_path(self._path, name), lambda: self._files.write(name, again))

    def delete(self, name: str) -> None:
        self._call("delete", join_path(self._path, name), lambda: self._files.delete(name))

    def generation(self) -> Generation | None:
        return self._call("generation", self._path, self._files.generation)

    def close(self) -> None:
        self._files.close()


def _repeatable(value: Buffer | Iterable[Buffer]) -> Buffer | Sequence[Buffer]:
    """The value in a form that can be stored more than once."""
    if isinstance(value, (bytes, bytearray, memoryview, list, tuple)):
        return value
    return [bytes(part) for part in value]


class LoggingStore(CallStore):
    """A store that logs and counts every call.

    Parameters
    ----------
    store : Store
        The store within.
    log_level : str or int
        At which level; the logger is `lazyzarr.storage`.
    log_handler : logging.Handler, optional
        Added to the logger of this store.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> store = LoggingStore(MemoryStore())
    >>> store.set("a", b"1"); store.get("a")
    b'1'
    >>> dict(store.counter)
    {'set': 1, 'get': 1}
    """

    def __init__(
        self, store: Store, log_level: str | int = "DEBUG", log_handler: logging.Handler | None = None
    ) -> None:
        super().__init__(store)
        self.log_level = log_level
        self.log_handler = log_handler
        self.counter: Counter[str] = Counter()
        """How often each verb was called."""
        name = "lazyzarr.storage" if log_handler is None else f"lazyzarr.storage.{id(log_handler)}"
        self.logger = logging.getLogger(name)
        if log_handler is not None and log_handler not in self.logger.handlers:
            self.logger.addHandler(log_handler)
            self.logger.setLevel(log_level)
        self._level = logging.getLevelNamesMapping()[log_level] if isinstance(log_level, str) else log_level

    def spec(self) -> StoreSpec:
        return type(self), (self._store, self.log_level)

    def wrap(self, store: Store) -> Store:
        wrapped = type(self)(store, self.log_level, self.log_handler)
        wrapped.counter = self.counter
        return wrapped

    def call(self, verb: str, key: str, function: Callable[[], T]) -> T:
        self.counter[verb] += 1
        start = time.perf_counter()
        try:
            found = function()
        except Exception as error:
            self._log("%s %s failed after %.2f ms: %s", verb, key, start, error)
            raise
        self._log("%s %s: %s, %.2f ms", verb, key, start, _said(found))
        return found

    def _log(self, text: str, verb: str, key: str, start: float, result: object) -> None:
        if self.logger.isEnabledFor(self._level):
            taken = 1000 * (time.perf_counter() - start)
            words = (taken, result) if "failed" in text else (result, taken)
            self.logger.log(self._level, text, verb, self._store.url(key), *words)


def _said(found: object) -> str:
    if found is None:
        return "none"
    if isinstance(found, (bytes, bytearray, memoryview)):
        return f"{memoryview(found).nbytes:,} bytes"
    return f"{len(found)} items" if isinstance(found, (list, tuple)) else str(found)


class RetryStore(CallStore):
    """A store whose calls are made again where they failed for reasons that pass, after a while that grows.

    Parameters
    ----------
    store : Store
        The store within.
    attempts : int
        Calls in all before the failure is raised.
    wait, most : float
        Seconds before the second call, and at most between two; each time twice as long, less a random part.
    transient : callable(Exception) -> bool
        Which failures pass; by default connections, timeouts, and a server's 408, 425, 429 and 5xx.

    A swap of two nodes is never repeated: done twice, it would be undone.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> RetryStore(MemoryStore({"a": b"1"}), attempts=3).get("a")
    b'1'
    """

    def __init__(
        self,
        store: Store,
        attempts: int = 6,
        wait: float = 0.1,
        most: float = 10.0,
        transient: Callable[[BaseException], bool] | None = None,
    ) -> None:
        super().__init__(store)
        self.attempts = attempts
        self.wait = wait
        self.most = most
        self.transient = transient or is_transient

    def spec(self) -> StoreSpec:
        return type(self), (self._store, self.attempts, self.wait, self.most, self.transient)

    def wrap(self, store: Store) -> Store:
        return type(self)(store, self.attempts, self.wait, self.most, self.transient)

    def call(self, verb: str, key: str, function: Callable[[], T]) -> T:
        for attempt in range(1, self.attempts):
            try:
                return function()
            except StoreError as error:
                if verb == "swap_prefix" or not self.transient(error):
                    raise
            time.sleep(random.uniform(0.5, 1) * min(self.most, self.wait * 2 ** (attempt - 1)))
        return function()

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        """As the store within; where an answer was lost, what is stored tells whether it was ours."""
        again, calls = b"".join(buffers_of(value)), 0

        def compare_and_set() -> bool:
            nonlocal calls
            calls += 1
            if self._store.set_if(key, again, expected):
                return True
            return calls > 1 and (stored := self._store.get(key)) is not None and bytes(stored) == again

        return self.call("set_if", key, compare_and_set)


_PASSING_ERRORS = {
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED,
    errno.ECONNABORTED, errno.ENETDOWN, errno.ENETRESET, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EPIPE,
}  # fmt: skip
_PASSING_ANSWERS = {408, 425, 429, 500, 502, 503, 504}


def is_transient(error: BaseException) -> bool:
    """Whether a failure, or what caused it, may pass: a connection, a timeout, a server that is busy.

    >>> is_transient(TimeoutError()), is_transient(PermissionError())
    (True, False)
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (ReadOnlyStoreError, StoreReachError)):
            return False
        answers = {getattr(cause, name, None) for name in ("status", "status_code", "code")}
        if isinstance(cause, (ConnectionError, TimeoutError)) or answers & _PASSING_ANSWERS:
            return True
        if isinstance(cause, OSError) and cause.errno in _PASSING_ERRORS:
            return True
        cause = cause.__cause__
    return False
