"""What keeps processes apart where a store has no folder to lock: a lease in the store, or a refusal.

Parts of chunks need neither: a store that compares stores a change only if nobody else's came between. Only who
changes metadata, or several keys at once, takes the lease:

1. It is an object, `__lazyzarr-lock` beside the metadata, made on condition that there is none, and deleted at
   the end. Who finds one waits.
2. Its holder changes it while it goes on. Who sees it unchanged for as long as a lease is, by a clock of their
   own, takes it over on condition that it still is unchanged: the holder was killed.
3. A holder that was stopped for longer than that has lost it without knowing. So whoever changes metadata does so
   on condition that it is as it was read: then one of the two fails, and nothing is lost in silence.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress

from ..errors import LockUnavailableError, StoreError
from ..settings import setting
from .keys import RESERVED_PREFIX, join_path
from .stores.protocol import Generation, Store
from .stores.remote import pause

__all__ = ["SECONDS", "Guard", "guard_of"]

SECONDS = 30.0
"""How long a lease is held without a sign of life."""


class Guard:
    """What has to be asked before a node is changed; nothing, where only this process sees the store."""

    def take(self, whole: bool, alone: bool) -> None:
        """Come in to write whole units, or to be alone, or to change parts of units (neither)."""

    def free(self) -> None:
        """Go out."""


class _Refusal(Guard):
    """For a store in which processes could undo each other's changes."""

    def __init__(self, url: str, reason: str) -> None:
        self._url, self._reason = url, reason

    def take(self, whole: bool, alone: bool) -> None:
        if whole or setting("locking") == "process":
            return
        raise LockUnavailableError(
            f"{self._url}: {self._reason}, so changing metadata or a part of a chunk could undo another process's "
            "change; write whole chunks, or if no other process writes: "
            'lazyzarr.config.set({"locking": "process"})'
        )


class _Lease(Guard):
    """The lease of one node: see the head of this file."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._key = join_path(path, f"{RESERVED_PREFIX}lock")
        self._owner = ""
        self._held = False
        self._alive_at = 0.0
        self._ended = threading.Event()

    def take(self, whole: bool, alone: bool) -> None:
        if not alone:
            return
        self._owner, self._held = uuid.uuid4().hex, False
        seen: Generation | None = None
        since = 0.0
        for attempt in itertools.count():
            self._alive_at = time.monotonic()
            if self._store.set_if(self._key, self._note(self._owner, 0), None):
                break
            found = self._store.get_known(self._key)
            if found is not None and found[1] != seen:
                seen, since = found[1], time.monotonic()
            elif found is not None and time.monotonic() - since > SECONDS:
                self._alive_at = time.monotonic()
                if self._store.set_if(self._key, self._note(self._owner, 0), seen):
                    break
            pause(attempt, 0.3)
        self._held = True
        self._ended = threading.Event()
        threading.Thread(
            target=self._renew, args=(self._owner, self._ended), name="lazyzarr-lease", daemon=True
        ).start()

    def _note(self, owner: str, beat: int) -> bytes:
        whose = {"owner": owner, "host": socket.gethostname(), "process": os.getpid(), "beat": beat}
        return json.dumps(whose).encode()

    def _renew(self, owner: str, ended: threading.Event) -> None:
        for beat in itertools.count(1):
            if ended.wait(SECONDS / 3):
                return
            with suppress(Exception):  # tried again, until it is too late
                now, found = time.monotonic(), self._store.get_known(self._key)
                if found is None or owner.encode() not in bytes(found[0]) or ended.is_set():
                    return
                if self._store.set_if(self._key, self._note(owner, beat), found[1]):
                    self._alive_at = now

    def free(self) -> None:
        if not self._owner:
            return
        self._ended.set()
        owner, self._owner = self._owner, ""
        with suppress(StoreError):  # then it runs out by itself
            if not self._held or time.monotonic() - self._alive_at > SECONDS / 2:
                found = self._store.get(self._key)
                if found is None or owner.encode() not in bytes(found):
                    return
            self._store.delete(self._key)


def guard_of(store: Store, path: str) -> Guard | None:
    """What keeps processes apart that write to a node of a store without folders; None where nothing has to."""
    if store.reach == "thread":
        return None
    if store.lost_updates is not None:
        return _Refusal(store.url(path), store.lost_updates)
    return _Lease(store, path) if store.compares else None
