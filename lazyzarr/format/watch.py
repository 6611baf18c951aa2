"""Whether the array that is open is still the one at its path: asked before a write, and after a miss.

A reader keeps a folder open, and a replaced array's old folder has no chunks left in it: each of them would
read as fill. So a missing chunk is believed only while the metadata at the path is what it was.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial

from ..errors import ArrayReplacedError
from . import metadata_v2, metadata_v3
from .keys import join_path
from .metadata import ArrayMetadata
from .stores.protocol import ChunkFiles, Generation, Store

__all__ = ["ArrayWatch", "same_chunks"]


class ArrayWatch:
    """What an array's metadata was when it was opened, and a look at what it is now."""

    def __init__(self, store: Store, path: str, metadata: ArrayMetadata, files: ChunkFiles) -> None:
        self._store = store
        self._path = path
        self._metadata = metadata.viewed or metadata
        self._key = "zarr.json" if metadata.zarr_format == 3 else ".zarray"
        self._generation = files.generation
        self._marked = partial(store.mark, join_path(path, self._key))
        self._mark = self._marked()
        # None: not published yet; its writer alone knows of it.
        self._first = files.generation()
        self._seen: Generation | None = None

    def check_opened(self) -> None:
        """Raise ArrayReplacedError if another array's metadata is at the path than the one that is opened.

        A handle opens without looking, perhaps long after it was made, and chunks that are stored are read
        without a check.
        """
        if self._first is not None and self._first != self._seen:
            if self._raw() != self._metadata.document.to_bytes():
                self._compare(lambda old, new: old <= new)
            self._seen = self._first

    def check_reading(self) -> None:
        """Raise ArrayReplacedError if a chunk that is missing could be another array's; it may have grown."""
        if self._generation() is None:
            # Deleted before its first chunk was read: a task opens an array without looking at it.
            raise self._replaced("was deleted")
        self._check(lambda old, new: old <= new)

    def check_meaning(self, look: bool = False) -> None:
        """Raise ArrayReplacedError if what is stored at the path is another array's chunks by now.

        Where keys are all that tells arrays apart, chunks of the new one are found in place of those of the old. Asked
        after each batch, for next to nothing: unless it is to `look`, only where the store says that there is a reason.
        """
        mark = self._marked()
        if look or (mark is not self._mark and mark != self._mark):
            self._check_same_array()
            self._mark = mark

    def check_writing(self) -> None:
        """Raise ArrayReplacedError if the array was replaced, deleted, or resized either way."""
        self._check(lambda old, new: old == new)

    def _check_same_array(self) -> None:
        """Raise ArrayReplacedError where another array is at the path than the one that was opened."""
        now = self._generation()
        if self._first is None:
            return
        if now is None:
            raise self._replaced("was deleted")
        if now.place == self._first.place:
            if self._raw() == self._metadata.document.to_bytes():  # another array was changed
                return
            new = self._stored()
            if new is not None and same_chunks(self._metadata, new):
                return
        raise self._replaced("was replaced")

    def _check(self, fits: Callable[[int, int], bool]) -> None:
        now = self._generation()
        if now is not None and now == self._seen:
            return
        if now is None:
            if self._first is not None:
                raise self._replaced("was deleted")
            return
        if self._first is not None and now.place != self._first.place:
            raise self._replaced("was replaced")
        self._compare(fits)
        self._seen = now

    def _compare(self, fits: Callable[[int, int], bool]) -> None:
        """Compare the metadata that is stored with that which was opened."""
        old, new = self._metadata, self._stored()
        if new is None or not same_chunks(old, new):
            raise self._replaced("was replaced")
        if not all(map(fits, old.shape, new.shape)):
            raise self._replaced(f"was resized from {old.shape} to {new.shape}")

    def _stored(self) -> ArrayMetadata | None:
        parse = metadata_v3.parse_array if self._metadata.zarr_format == 3 else metadata_v2.parse_array
        raw = self._raw()
        return None if raw is None else parse({self._key: raw}, self._store.url(self._path))

    def _raw(self) -> bytes | None:
        stored = self._store.get(join_path(self._path, self._key))
        return None if stored is None else bytes(stored)

    def _replaced(self, what: str) -> ArrayReplacedError:
        return ArrayReplacedError(
            f"{self._store.url(self._path)} {what} since it was opened; open it again and repeat this"
        )


def same_chunks(old: ArrayMetadata, new: ArrayMetadata) -> bool:
    """Whether stored chunks mean the same in both."""
    return (
        len(old.shape) == len(new.shape)
        and _same_edges(old, new)
        and old.data_type == new.data_type
        and old.codecs in (new.codecs, new.trusting_pickle().codecs)
        and old.chunk_key_encoding == new.chunk_key_encoding
        and old.data_type.fill_bits(old.fill[()]) == new.data_type.fill_bits(new.fill[()])
    )


def _same_edges(old: ArrayMetadata, new: ArrayMetadata) -> bool:
    """Whether chunks lie at the same places, as far as both have lengths for them: a growth adds some."""
    if old.edges is None or new.edges is None:
        return old.edges is new.edges and old.chunk_shape == new.chunk_shape
    return all(
        a == b if isinstance(a, int) or isinstance(b, int) else all(map(operator.eq, a, b))
        for a, b in zip(old.edges, new.edges, strict=True)
    )
