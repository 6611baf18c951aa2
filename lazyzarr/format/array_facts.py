"""What a stored array says of itself: shape, data type, chunks, codecs, and a summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .array_codecs import ArrayCodecs, codecs_of
from .grid import Grid, RegularGrid
from .info import Info, byte_count
from .member import Member
from .metadata import ArrayMetadata
from .operators import LazyOperators
from .stored import StoredBytes, count_chunks, digest_of, stored_bytes
from .stores.protocol import Store

__all__ = ["DescribedArray"]


class DescribedArray(Member[ArrayMetadata], LazyOperators):
    """A stored array as far as its metadata goes."""

    def _codecs(self) -> ArrayCodecs:
        return codecs_of(self._metadata, self._url())

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return self._metadata.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type of the elements."""
        return self._metadata.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._metadata.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements in memory."""
        return self.size * self.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """Elements along each axis of a chunk: of an inner chunk, where the array is sharded.

        Where chunks differ in length, those of all of them along each axis, as in dask.
        """
        metadata = self._metadata
        uneven = metadata.edges is not None and metadata.shards is None
        return metadata.grid.clipped_chunks() if uneven else metadata.read_chunk_shape  # type: ignore[return-value]

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Elements along each axis of a shard, or of each where they differ; None where the array is not sharded."""
        metadata = self._metadata
        uneven = metadata.edges is not None and metadata.shards is not None
        return metadata.grid.clipped_chunks() if uneven else metadata.shards  # type: ignore[return-value]

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return self._read_grid().grid_shape

    @property
    def nchunks(self) -> int:
        """The number of chunks, stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def read_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """The lengths of the chunks along each axis, as they lie in the array; of inner ones, with shards.

        >>> lz.zeros((10,), chunks=(4,), shards=(8,)).read_chunk_sizes
        ((4, 4, 2),)
        """
        return self._read_grid().clipped_chunks()

    def _read_grid(self) -> Grid:
        """The grid of chunks: of inner ones, with shards."""
        metadata = self._metadata
        if metadata.shards is None:
            return metadata.grid
        return RegularGrid(self.shape, metadata.read_chunk_shape)

    @property
    def write_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """The lengths along each axis of what is stored as one object: shards, where there are such.

        >>> lz.zeros((10,), chunks=(4,), shards=(8,)).write_chunk_sizes
        ((8, 2),)
        """
        return self._metadata.grid.clipped_chunks()

    # What is stored of it now: the store is asked each time.

    @property
    def nchunks_initialized(self) -> int:
        """The number of chunks that are stored; all of a shard count, where it is stored.

        >>> z = lz.zeros((10,), chunks=(2,))
        >>> z[:4] = 1
        >>> z.nchunks_initialized, z.nchunks
        (2, 5)
        """
        return count_chunks(self._store, self._path, self._metadata)

    @property
    def nbytes_stored(self) -> StoredBytes:
        """The bytes that the array takes in its store, metadata included; `z.nbytes_stored()` is the same."""
        return stored_bytes(self._store, self._path)

    def digest(self, hashname: str = "sha1") -> bytes:
        """The hash of the array as it is stored: chunks in C order, then metadata. As in zarr-python 2.

        Any hash that `hashlib` knows. Arrays with the same values differ in it if they are stored in another way.
        """
        return bytes(digest_of(self._store, self._path, self._metadata, hashname).digest())

    def hexdigest(self, hashname: str = "sha1") -> str:
        """The same as `digest`, in hexadecimal.

        >>> a, b = lz.array([1, 2]), lz.array([1, 2])
        >>> a.hexdigest() == b.hexdigest(), len(a.hexdigest("sha256"))
        (True, 64)
        """
        return str(digest_of(self._store, self._path, self._metadata, hashname).hexdigest())

    @property
    def chunk_store(self) -> Store:
        """The store that the chunks lie in."""
        found: Store = getattr(self._store, "chunk_store", self._store)
        return found

    @property
    def is_view(self) -> bool:
        """Whether this shows what is stored for another array, in another way (`view`, `astype`)."""
        return self._metadata.viewed is not None

    @property
    def fill_value(self) -> Any:
        """What is read where nothing was written; None only in v2, for undefined: read as zero."""
        return self._metadata.fill_value

    @property
    def order(self) -> str:
        """The layout of the elements in a stored chunk, "C" or "F"."""
        return self._metadata.order

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """A name or None for each axis; None where the array has none at all."""
        return self._metadata.dimension_names

    @property
    def filters(self) -> tuple[Any, ...]:
        """The codecs from array to array (v3), or numcodecs' filters (v2)."""
        return self._codecs().filters

    @property
    def serializer(self) -> Any:
        """The codec from array to bytes; None in v2."""
        return self._codecs().serializer

    @property
    def compressors(self) -> tuple[Any, ...]:
        """The codecs from bytes to bytes (v3), or numcodecs' compressor (v2)."""
        return self._codecs().compressors

    @property
    def compressor(self) -> Any:
        """The compressor where there is one, as zarr-python 2 had it; else None."""
        return next(iter(self.compressors), None)

    @property
    def info(self) -> Info:
        """A summary that prints as text and shows as a table in notebooks."""
        codecs = self._codecs()
        rows = [
            ("Type", "Array"),
            ("Zarr format", self.zarr_format),
            ("Data type", self.dtype),
            ("Fill value", _shown_fill(self.fill_value)),
            ("Shape", self.shape),
            ("Shard shape", self.shards),
            ("Chunk shape", self.chunks),
            ("Dimension names", self.dimension_names),
            ("Order", self.order),
            ("Read-only", self.read_only),
            ("Store type", type(self._store).__name__),
            ("Filters", codecs.filters),
            ("Serializer", codecs.serializer),
            ("Compressors", codecs.compressors),
            ("No. bytes", byte_count(self.nbytes)),
        ]
        optional = ("Shard shape", "Dimension names", "Serializer")
        return Info(row for row in rows if row[1] is not None or row[0] not in optional)

    def info_complete(self) -> Info:
        """The summary with what is stored: bytes, how they compare to those in memory, chunks."""
        stored = int(self.nbytes_stored)
        ratio = [("Storage ratio", f"{self.nbytes / stored:.1f}")] if stored else []
        count = f"{self.nchunks_initialized}/{self.nchunks}"
        more = [("No. bytes stored", byte_count(stored)), *ratio, ("Chunks Initialized", count)]
        return Info([*self.info.rows, *more])

    def __repr__(self) -> str:
        return f"<Array {self._url()} shape={self.shape} dtype={self.dtype}>"

    def _repr_html_(self) -> str:
        return self.info._repr_html_()


def _shown_fill(value: Any) -> object:
    """The fill value; as a bare count where it is a time without a unit, which NumPy does not print."""
    timeless = isinstance(value, np.datetime64) and np.datetime_data(value.dtype)[0] == "generic"
    return f"{value.view('i8')} (no unit)" if timeless and not np.isnat(value) else value
