"""What stores over a network have in common: changes that notice each other, and libraries loaded on first use."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from ...errors import BaseZarrError, StoreError
from ..keys import join_path
from .files import TooLongError
from .protocol import Buffer, ByteRange, Generation, KeyFiles, Store, buffers_of

__all__ = ["CURE", "ComparedFiles", "first_line", "missing_library", "pause"]

CURE = 'pip install "lazyzarr[cloud]"'
_TRIES = 1000  # that many others in a row were faster: then something else is wrong


def missing_library(url: str, library: str, error: ImportError) -> BaseZarrError:
    """The error for a URL whose library is not installed."""
    return BaseZarrError(
        f"{url}: {library} is needed for this and cannot be imported ({error}); it comes with {CURE}"
    )


def pause(attempt: int, most: float = 1.0) -> None:
    """Wait before the next attempt: longer each time, and never as long as another one waits."""
    time.sleep(random.uniform(0.5, 1.0) * min(most, 0.01 * 2 ** min(attempt, 20)))


class _Changed(Exception):
    """What was read is not what is stored any more."""


class ComparedFiles(KeyFiles):
    """The chunks of one array in a store that compares: a change is stored if nobody else's came between.

    Within `changing`, the first read of a chunk notes its generation, and its write is stored only where that
    still is the chunk's; if not, the change is made again of what is stored by then. The notes are a thread's.
    """

    def __init__(self, store: Store, path: str) -> None:
        super().__init__(store, path)
        self.compares = store.compares
        self._noted = threading.local()

    def changing(self, name: str, change: Callable[[], int]) -> int:
        if not self.compares:
            return change()
        for attempt in range(_TRIES):
            self._noted.chunk = {}
            try:
                return change()
            except _Changed:
                pause(attempt)
            finally:
                self._noted.chunk = None
        key = join_path(self._path, name)
        raise StoreError(f"{self._store.url(key)} was changed by others each time it was to be changed", key)

    def _notes(self) -> dict[str, Generation | None] | None:
        return getattr(self._noted, "chunk", None)

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        stored = self._stored(name)
        if stored is None:
            return None
        view = memoryview(stored)
        if self.limit is not None and view.nbytes > self.limit:
            key = join_path(self._path, name)
            cause = TooLongError(0, f"{view.nbytes:,} bytes are stored, more than a chunk can have")
            raise StoreError(f"{self._store.url(key)} is too long", key) from cause
        return view

    def _stored(self, name: str) -> Buffer | None:
        key, notes = join_path(self._path, name), self._notes()
        if notes is None:
            return self._store.get(key)
        found = self._store.get_known(key)
        generation = None if found is None else found[1]
        if notes.setdefault(name, generation) != generation:
            raise _Changed
        return None if found is None else found[0]

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        key, notes = join_path(self._path, name), self._notes()
        if notes is not None and name not in notes:
            notes[name] = self._store.generation(key)
        return self._store.get_ranges(key, ranges)

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        key, notes = join_path(self._path, name), self._notes()
        if notes is None or name not in notes:  # what was not read, nothing of it is kept
            self._store.set(key, buffers)
        elif not self._store.set_if(key, b"".join(buffers_of(buffers)), notes.get(name)):
            raise _Changed

    def delete(self, name: str) -> None:
        # Object stores delete without looking: what a change leaves empty is written, or it was empty before.
        notes = self._notes()
        if notes is None or name not in notes:
            self._store.delete(join_path(self._path, name))


def first_line(error: BaseException) -> str:
    """What a library's error says, without what it says for its developers."""
    text = str(error).strip() or type(error).__name__
    text, _, answer = text.partition("\n\nDebug source")[0].partition("<?xml")
    said = re.search("<Message>(.*?)</Message>", answer)
    return " ".join([text.strip().removesuffix(":"), *([f"({said[1]})"] if said else [])])
