"""Puts on a condition: that nothing is there, or what was there before."""

from __future__ import annotations

import uuid
from typing import Any

from ...errors import LockUnavailableError
from ..keys import RESERVED_PREFIX
from .object_clients import Client
from .protocol import Generation
from .remote import first_line, pause

__all__ = ["Conditions"]

TRIES = 6  # of a conditional put, which is not safe to repeat blindly
_COMPARING = ("S3Store", "GCSStore", "AzureStore", "MemoryStore")


class Conditions:
    """The conditional puts of one client: see the head of objects.py."""

    def __init__(self, client: Client) -> None:
        import obstore

        self._obs: Any = obstore
        self._client = client
        self._put_once = client.without_retries()
        self.refused = "" if client.kind in _COMPARING else f"a {client.kind} has no conditional writes"
        """Why they are not to be had; nothing if they are, as far as is known."""
        self._probed = client.kind == "MemoryStore"

    def put(self, key: str, data: bytes, expected: Generation | None) -> bool:
        """Put if the key's generation is the expected one (None: there is none); whether it was."""
        self._probe()
        return self._put(key, data, _mode(expected))

    def put_new(self, key: str, data: bytes) -> bool:
        """Put where nothing is, as well as a server without conditions does it."""
        errors = self._obs.exceptions
        try:
            self._obs.put(self._client.store, key, data, mode="create", use_multipart=False)
        except errors.AlreadyExistsError:
            return False
        except (errors.NotSupportedError, NotImplementedError):
            try:
                self._obs.head(self._client.store, key)
            except FileNotFoundError:
                self._obs.put(self._client.store, key, data)
            else:
                return False
        return True

    def _put(self, key: str, data: bytes, mode: Any) -> bool:
        """Put; whether the condition was met. What may have been done is not simply done again."""
        errors = self._obs.exceptions
        doubtful = False
        for attempt in range(TRIES):
            try:
                self._obs.put(self._put_once, key, data, mode=mode, use_multipart=False)
                return True
            except (errors.AlreadyExistsError, errors.PreconditionError, FileNotFoundError) as error:
                if mode == "create" and isinstance(error, FileNotFoundError):  # no such bucket
                    raise
                return doubtful and self._holds(key, data)
            except errors.GenericError:
                if attempt == TRIES - 1:
                    raise
                doubtful = True
                pause(attempt + 3)
        raise AssertionError("the last attempt returns or raises")

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return bytes(self._obs.get(self._client.store, key).bytes()) == data
        except FileNotFoundError:
            return False

    def _probe(self) -> None:
        """Raise LockUnavailableError unless the server keeps to conditions: some do not know them."""
        if self._probed:
            return
        if not self.refused:
            self.refused = self._kept_to()
        if self.refused:
            raise LockUnavailableError(
                f"{self._client.url}: {self.refused}, so a change could undo another process's; write whole "
                "chunks, or use a store with conditional writes"
            )
        self._probed = True

    def _kept_to(self) -> str:
        """Why the server's conditions are not to be relied on; nothing if they are."""
        key, unlike = f"{RESERVED_PREFIX}{uuid.uuid4().hex}", {"e_tag": '"0123456789abcdef0123456789abcdef"'}
        try:
            self._put(key, b"1", "create")
            try:
                if self._put(key, b"2", "create"):
                    return "the server ignores If-None-Match"
                # Google's servers compare a number of theirs, which each answer gives
                if self._client.kind != "GCSStore" and self._put(key, b"2", unlike):
                    return "the server ignores If-Match"
            finally:
                self._obs.delete(self._client.store, key)
        except (self._obs.exceptions.NotSupportedError, NotImplementedError) as error:
            return f"the server has no conditional writes ({first_line(error)})"
        return ""


def _mode(expected: Generation | None) -> Any:
    if expected is None:
        return "create"
    values: Any = expected.version
    return {name: value for name, value in zip(("e_tag", "version"), values, strict=False) if value}
