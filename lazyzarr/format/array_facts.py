"""What a stored array says of itself: shape, data type, chunks, codecs, and a summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .array_codecs import ArrayCodecs, codecs_of
from .info import Info, byte_count
from .member import Member
from .metadata import ArrayMetadata
from .operators import LazyOperators

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
        """Elements along each axis of a chunk: of an inner chunk, where the array is sharded."""
        return self._metadata.read_chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Elements along each axis of a shard; None where the array is not sharded."""
        return self._metadata.shards

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(-(-n // edge) for n, edge in zip(self.shape, self.chunks, strict=True))

    @property
    def nchunks(self) -> int:
        """The number of chunks, stored or not."""
        return math.prod(self.cdata_shape)

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

    def __repr__(self) -> str:
        return f"<Array {self._url()} shape={self.shape} dtype={self.dtype}>"

    def _repr_html_(self) -> str:
        return self.info._repr_html_()


def _shown_fill(value: Any) -> object:
    """The fill value; as a bare count where it is a time without a unit, which NumPy does not print."""
    timeless = isinstance(value, np.datetime64) and np.datetime_data(value.dtype)[0] == "generic"
    return f"{value.view('i8')} (no unit)" if timeless and not np.isnat(value) else value
