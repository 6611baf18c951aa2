"""Clients of obstore as stores need them: comparable, picklable, with a URL that tells no secrets."""

from __future__ import annotations

import pickle
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from ...errors import StoreReachError
from .protocol import Buffer, Generation
from .remote import first_line

__all__ = ["PART", "Client", "Guarded", "gathered", "generation_of", "join_url"]

PART = 16 * 1024 * 1024  # bytes that are put in one request; what is longer is put in parts


class Client:
    """One of obstore's clients, equal to another one that reaches the same in the same way; it pickles."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.kind = type(store).__name__
        self.prefix = str(getattr(store, "prefix", None) or "")
        self.url = _url_of(store, self.prefix)
        try:
            self._key: Hashable = type(store).__name__, _canonical(store.__getnewargs_ex__())
        except AttributeError:  # a store in memory
            self._key = id(store)

    def without_retries(self) -> Any:
        """A client that makes each request once."""
        try:
            arguments, words = self.store.__getnewargs_ex__()
            return type(self.store)(*arguments, **{**words, "retry_config": {"max_retries": 0}})
        except (AttributeError, TypeError):  # one that makes none over a network
            return self.store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Client) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[type[Client], tuple[Any]]:
        try:
            pickle.dumps(self.store)
        except Exception as error:
            raise StoreReachError(
                f"{self.url} cannot be sent to another process: {first_line(error)}; use the threads scheduler"
            ) from error
        return Client, (self.store,)


def _canonical(value: Any) -> str:
    """The same text for equal values: obstore gives the members of a mapping in any order."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{key!r}:{_canonical(each)}" for key, each in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return repr(value)


def _url_of(store: Any, prefix: str) -> str:
    """Where a client leads, without what it needs to get there."""
    kind = type(store).__name__
    if kind == "HTTPStore":
        scheme, _, rest = str(store.url).partition("://")
        host, slash, path = rest.partition("?")[0].partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".rstrip("/")
    if kind == "LocalStore":
        return f"file://{prefix}"
    if kind == "MemoryStore":
        return f"memory://{id(store)}"
    scheme, config = _SCHEMES.get(kind, (kind, {})), getattr(store, "config", {})
    bucket = config.get("bucket") or config.get("container_name") or ""
    return join_url(f"{scheme}://{bucket}", prefix.strip("/"))


_SCHEMES: dict[str, Any] = {"S3Store": "s3", "GCSStore": "gs", "AzureStore": "az"}


def join_url(url: str, path: str) -> str:
    """A URL and a path below it."""
    return f"{url.rstrip('/')}/{path}" if path else url


def generation_of(meta: Any) -> Generation:
    # The date too: an array that is deleted and made again may have the same bytes, and so the same ETag.
    return Generation("", (meta["e_tag"], meta["version"], str(meta["last_modified"])))


class Guarded:
    """Buffers of an iterable, and what it raised: obstore would tell of it in its own words."""

    def __init__(self, buffers: Iterable[Buffer]) -> None:
        self._buffers = iter(buffers)
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Buffer]:
        return self

    def __next__(self) -> Buffer:
        try:
            return next(self._buffers)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise


def gathered(buffers: Iterator[Buffer] | Guarded) -> bytes:
    """The first buffers, up to the bytes of one request or a buffer more."""
    parts, nbytes = [], 0
    for buffer in buffers:
        parts.append(bytes(buffer))
        nbytes += len(parts[-1])
        if nbytes >= PART:
            break
    return b"".join(parts)
