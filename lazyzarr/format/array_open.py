"""An open array: its config, and what reads, writes and locks its chunks, kept between calls."""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

from numpy.typing import NDArray

from ..errors import ReadOnlyStoreError
from . import commit
from .array_config import ArrayConfig, default_config
from .attributes import Edit
from .cached_chunks import open_reader
from .chunk import ChunkReader, ChunkWriter
from .chunk_parts import in_parts
from .indexing import IndexedArray
from .locks import ArrayLock, array_lock
from .member import LOOK_UP, placed
from .metadata import ArrayMetadata
from .stores.protocol import Store
from .uneven import open_writer

__all__ = ["OpenArray"]


class _Kept:
    """What an array keeps between calls, for one state of its metadata.

    Two threads may make the same thing at once; either one serves. So there is no lock, which a fork could
    leave held for ever.
    """

    __slots__ = ("lock", "metadata", "parts", "reader", "writer")

    def __init__(self, metadata: ArrayMetadata) -> None:
        self.metadata = metadata
        self.reader: ChunkReader | None = None
        self.parts: ChunkReader | None = None
        self.writer: ChunkWriter | None = None
        self.lock: ArrayLock | None = None


class OpenArray(IndexedArray):
    """A stored array as far as its chunks are reached."""

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        config: ArrayConfig | None = None,
        place: Hashable | None = LOOK_UP,
    ) -> None:
        self.config = default_config() if config is None else config
        super().__init__(store, path, self._trusted(metadata), place)
        self._nonce = uuid.uuid4().hex
        self._kept = _Kept(self._metadata)

    # Kept between calls, and what the compute half takes hold of.

    def reader(self) -> ChunkReader:
        """What reads the chunks; kept, and safe to use from any thread."""
        kept = self._kept
        if kept.reader is None:
            missing: Literal["fill", "raise"] = "fill" if self.config.read_missing_chunks else "raise"
            with placed(self._url()):
                kept.reader = open_reader(self._store, self._path, kept.metadata, missing)
        return kept.reader

    def parts_reader(self) -> ChunkReader:
        """What reads the chunks, or parts of them where they are large and these can be read alone; kept."""
        kept = self._kept
        if kept.parts is None:
            kept.parts = in_parts(self.reader())
        return kept.parts

    def writer(self) -> ChunkWriter:
        """What writes the chunks, under the lock; kept, and safe to use from any thread."""
        kept = self._kept
        if kept.writer is None:
            with placed(self._url()):
                kept.writer = open_writer(
                    self._store, self._path, kept.metadata, self.config.write_empty_chunks
                )
        return kept.writer

    def read_ahead(
        self, chunks: Iterable[tuple[int, ...]], depth: int | None = None
    ) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
        """Each of the chunks in turn, as (coordinates, values); the next ones are on their way meanwhile.

        Parameters
        ----------
        chunks
            Coordinates in the grid of chunks (inner ones, where the array is sharded), in the order wanted.
        depth
            How many are asked for ahead; by default what the store is worth: none on this machine, 64 over a
            network (the setting `async.concurrency`), and no more than 128 MiB of encoded bytes.

        Values are clipped at the array's edge. Raises ChunkDecodeError, ChunkNotFoundError, StoreError.

        >>> z = lz.array([1, 2, 3], chunks=(2,))
        >>> for coords, values in z.read_ahead([(1,), (0,)]):
        ...     print(coords, values)
        (1,) [3]
        (0,) [1 2]
        """
        wanted = list(chunks)
        reader = self.reader().reading_ahead(wanted, depth)
        scratch = reader.new_scratch()
        try:
            for coords in wanted:
                chunk = reader.new_chunk(coords)
                reader.read_into(coords, chunk, scratch)
                reader.check(scratch)
                extent = reader.grid.extent(coords)
                yield coords, chunk[tuple(slice(stop - start) for start, stop in extent)]
        finally:
            reader.close()

    def lock(self) -> ArrayLock:
        """The array's write lock."""
        kept = self._kept
        if kept.lock is None:
            kept.lock = array_lock(self._store, self._path)
        return kept.lock

    def close(self) -> None:
        """Finish what is unfinished in the store, give back what is held open; the next use opens it again."""
        self._kept = _Kept(self._metadata)
        super().close()

    def _opened(self) -> commit.Opened:
        return commit.Opened(self._metadata.viewed or self._metadata, self._place)

    def _edit_attributes(self, edit: Edit) -> None:
        known = self._metadata
        super()._edit_attributes(edit)
        if known.viewed is not None:
            stored = self._metadata
            self._metadata = replace(known.with_attributes(stored.attributes), viewed=stored)
        elif self._metadata.shape != known.shape:  # others changed it meanwhile
            self._become(self._metadata)
        else:
            self._metadata = self._trusted(self._metadata)

    def _check_own_shape(self) -> None:
        """Raise if the shape cannot be changed: of what is read-only, and of a view."""
        self._store.check_writable(self._path)
        if self.is_view:
            raise ReadOnlyStoreError(
                f"{self!r} is a view, whose shape is that of another array: change the array itself"
            )

    def _become(self, metadata: ArrayMetadata) -> None:
        """Go on with other metadata of the same array."""
        self._metadata = self._trusted(metadata)
        self._kept = _Kept(self._metadata)

    def _trusted(self, metadata: ArrayMetadata) -> ArrayMetadata:
        return metadata.trusting_pickle() if self.config.allow_pickle else metadata
