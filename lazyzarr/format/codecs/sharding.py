"""`sharding_indexed`: many inner chunks and an index of where each lies, in one stored object.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
The index holds an (offset, nbytes) for every inner chunk in C order, both 2**64 - 1 where there is none. It
is read before anything else, and believed only if its checksum, its sizes and its places are possible.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .bytes import BytesCodec
from .crc32c import Crc32cCodec
from .fill import FillTest
from .protocol import (
    ArrayBytesCodec,
    Buffer,
    Chain,
    ChainBuilder,
    ChunkSpec,
    Codec,
    Each,
    EncodedSize,
    Spare,
    check_configuration,
)

__all__ = ["Shard", "ShardIndex", "ShardingCodec", "SubchunkWriteOrder"]

ABSENT = 2**64 - 1
SubchunkWriteOrder: TypeAlias = Literal["morton", "unordered", "lexicographic", "colexicographic"]
MEMBERS = ("chunk_shape", "codecs", "index_codecs", "index_location")
INDEX_CODECS = (BytesCodec(), Crc32cCodec())
_MOST_INNER_CHUNKS = 1 << 27  # of one shard: an index of 2 GiB


@dataclass(frozen=True, kw_only=True)
class ShardingCodec(ArrayBytesCodec):
    """Store a chunk as inner chunks that can be read one by one.

    >>> ShardingCodec(chunk_shape=(8, 8)).to_config()["configuration"]["index_location"]
    'end'
    """

    name = "sharding_indexed"

    chunk_shape: tuple[int, ...]
    """Elements along each axis of an inner chunk; they divide the shard's."""
    codecs: tuple[Any, ...] = (BytesCodec(),)
    """The inner chunks' codecs, as objects or as the document holds them."""
    index_codecs: tuple[Any, ...] = INDEX_CODECS
    """The index' codecs; what they give must have one size."""
    index_location: Literal["start", "end"] = "end"
    """Where in the shard the index lies."""
    subchunk_write_order: SubchunkWriteOrder = field(default="lexicographic", compare=False)
    """Taken for zarr-python's sake, and no part of the metadata: inner chunks are always stored in C order."""

    def __post_init__(self) -> None:
        for member in ("chunk_shape", "codecs", "index_codecs"):
            object.__setattr__(self, member, _as_tuple(member, getattr(self, member)))
        if any(
            isinstance(edge, bool) or not isinstance(edge, (int, np.integer)) or edge < 1
            for edge in self.chunk_shape
        ):
            raise MetadataValidationError(
                f'codec "{self.name}": chunk_shape {self.chunk_shape} needs edges of 1 or more'
            )
        object.__setattr__(self, "chunk_shape", tuple(map(int, self.chunk_shape)))
        if self.subchunk_write_order not in get_args(SubchunkWriteOrder):
            raise MetadataValidationError(
                f'codec "{self.name}": subchunk_write_order is {self.subchunk_write_order!r}; it is one of '
                f"{', '.join(get_args(SubchunkWriteOrder))}"
            )
        if self.index_location not in ("start", "end"):
            raise MetadataValidationError(
                f'codec "{self.name}": index_location is {self.index_location!r}; it is "start" or "end"'
            )

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a configuration."""
        check_configuration(cls.name, configuration, MEMBERS, ["chunk_shape", "codecs"])
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """All four members."""
        return {
            "chunk_shape": list(self.chunk_shape),
            "codecs": [_document(codec) for codec in self.codecs],
            "index_codecs": [_document(codec) for codec in self.index_codecs],
            "index_location": self.index_location,
        }

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> Shard:
        """The layout of one kind of shard."""
        counts = self._counts(chunk.shape)
        inner = build(self.codecs, ChunkSpec(self.chunk_shape, chunk.dtype, chunk.fill))
        index = build(self.index_codecs, ChunkSpec((*counts, 2), np.dtype("u8"), np.zeros((), "u8")))
        if index.size.exact is None:
            raise MetadataValidationError(
                f'codec "{self.name}": index_codecs {self.index_codecs} give no fixed size; use bytes, crc32c'
            )
        resolved = replace(self, codecs=inner.codecs, index_codecs=index.codecs)
        return Shard(resolved, chunk, counts, inner, index)

    def _counts(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != len(self.chunk_shape) or any(map(operator.mod, shape, self.chunk_shape)):
            raise MetadataValidationError(
                f'codec "{self.name}": inner chunks {self.chunk_shape} do not divide the shard {shape}'
            )
        counts = tuple(map(operator.floordiv, shape, self.chunk_shape))
        if math.prod(counts) > _MOST_INNER_CHUNKS:
            raise MetadataValidationError(
                f'codec "{self.name}": inner chunks {self.chunk_shape} of a shard {shape} are {math.prod(counts):,}, '
                f"whose index alone takes {16 * math.prod(counts):,} bytes; at most {_MOST_INNER_CHUNKS:,} are read"
            )
        return counts


class ShardIndex:
    """Where the inner chunks of one shard lie."""

    __slots__ = ("_entries",)

    def __init__(self, entries: NDArray[np.uint64]) -> None:
        self._entries = entries

    def span(self, position: int) -> tuple[int, int] | None:
        """(start, stop) of the inner chunk at a position in C order; None where there is none."""
        start = self._entries.item(2 * position)
        return None if start == ABSENT else (start, start + self._entries.item(2 * position + 1))


class Shard:
    """The layout of shards of one shape and dtype: reads an index, decodes and encodes whole shards."""

    memory = None

    def __init__(
        self, codec: ShardingCodec, chunk: ChunkSpec, counts: tuple[int, ...], inner: Chain, index: Chain
    ) -> None:
        assert index.size.exact is not None
        self.codec = codec
        self.counts = counts
        """Inner chunks along each axis."""
        self.inner = inner
        self.index_nbytes = index.size.exact
        self.index_first = codec.index_location == "start"
        self.index_range = (0, self.index_nbytes) if self.index_first else (-self.index_nbytes, None)
        """The index' place in the shard, as stores take byte ranges."""
        self.size = EncodedSize(None, math.prod(counts) * inner.size.limit + self.index_nbytes)
        self._index = index
        self._fill = chunk.fill
        self._is_fill = FillTest(chunk.fill)

    @property
    def encoding_nbytes(self) -> int:
        """Bytes that encoding one inner chunk takes at most: staged, encoded, and its bytes the consumer's own."""
        return self.inner.nbytes + self.inner.encoding_nbytes + self.inner.size.limit

    def read_index(self, stored: Buffer, shard_nbytes: int | None = None) -> ShardIndex:
        """The index of its encoded bytes, checked against the shard's length where that is known."""
        if len(stored) != self.index_nbytes:
            raise ChunkDecodeError(
                f"the shard ends inside its index of {self.index_nbytes:,} bytes", codec=self.codec.name
            )
        entries = np.empty((*self.counts, 2), np.uint64)
        try:
            self._index.decode_into(stored, entries)
        except ChunkDecodeError as error:
            raise ChunkDecodeError(f"the shard's index: {error}", codec=error.codec) from error
        self._check(entries.reshape(-1, 2), shard_nbytes)
        return ShardIndex(entries)

    def _check(self, entries: NDArray[np.uint64], shard_nbytes: int | None) -> None:
        """Refuse an index that no writer makes: every place is looked at before one is used."""
        absent = entries == ABSENT
        if (absent[:, 0] != absent[:, 1]).any():
            raise self._wrong_index("an offset without a length")
        starts, nbytes = entries[~absent[:, 0]].T
        size = self.inner.size
        least = 1 if size.exact is None else size.exact  # no codec makes nothing of a chunk
        if ((nbytes > size.limit) | (nbytes < least)).any() or (size.exact and (nbytes != size.exact).any()):
            raise self._wrong_index("an inner chunk of an impossible length")
        if (starts > 2**62).any() or (self.index_first and (starts < self.index_nbytes).any()):
            raise self._wrong_index("an offset outside of the shard's data")
        order = np.argsort(starts, kind="stable")  # other writers store inner chunks in any order
        starts, stops = starts[order], (starts + nbytes)[order]
        if (stops[:-1] > starts[1:]).any():
            raise self._wrong_index("inner chunks that overlap")
        if shard_nbytes is not None and starts.size:
            room = shard_nbytes - (0 if self.index_first else self.index_nbytes)
            if stops[-1] > room:
                raise self._wrong_index("an inner chunk beyond the shard's data")

    def _wrong_index(self, what: str) -> ChunkDecodeError:
        return ChunkDecodeError(f"the shard's index holds {what}", codec=self.codec.name)

    def regions(self) -> Iterator[tuple[Any, ...]]:
        """Where in the shard each inner chunk lies, in C order."""
        axes = [
            [slice(i * edge, (i + 1) * edge) for i in range(n)]
            for n, edge in zip(self.counts, self.codec.chunk_shape, strict=True)
        ]
        # of an array without axes, array[()] is a number, array[...] the array itself
        return itertools.product(*axes) if axes else iter([(...,)])

    def whole_index(self, buffer: Buffer) -> ShardIndex:
        """The index of a shard that is in memory as a whole."""
        n = self.index_nbytes
        return self.read_index(buffer[:n] if self.index_first else buffer[-n:], len(buffer))

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode all inner chunks into `out`."""
        view = memoryview(buffer)
        index, spare = self.whole_index(view), Spare(self.inner.new_chunk)
        for position, region in enumerate(self.regions()):
            span = index.span(position)
            if span is None:
                out[region] = self._fill
            else:
                self.inner.decode_into(view[span[0] : span[1]], out[region], spare)

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The bytes of a whole shard; an index alone where there is nothing but fill."""
        return list(self.stream(array)) or self._encode_index([])

    def stream(self, array: NDArray[Any], write_empty: bool = False, each: Each = map) -> Iterator[Buffer]:
        """The bytes of a shard, inner chunk by inner chunk; none at all where there is nothing but fill.

        `array` may be clipped where the shard reaches out of the array. `each` is map, or what does a map's work
        in several threads. The buffers are the consumer's.
        """
        shared = Spare(self.inner.new_chunk)

        def encode(part: tuple[int, NDArray[Any]]) -> tuple[int, list[Buffer] | None]:
            spare = shared if each is map else Spare(self.inner.new_chunk)
            return part[0], self.encode_inner(part[1], spare, write_empty)

        parts = ((position, array[region]) for position, region in enumerate(self.regions()))
        # a part without elements lies beyond the array's edge
        encoded = each(encode, (part for part in parts if part[1].size))
        return self.assemble((position, buffers) for position, buffers in encoded if buffers is not None)

    def encode_inner(self, part: NDArray[Any], spare: Spare, write_empty: bool) -> list[Buffer] | None:
        """The bytes of an inner chunk, valid as long as the spare's memory; None for one of fill."""
        staged = self.inner.stage(part, spare)
        if not write_empty and self._is_fill(staged):
            return None
        return self.inner.encode_staged(staged)

    def assemble(self, chunks: Iterable[tuple[int, list[Buffer]]]) -> Iterator[Buffer]:
        """The bytes of a shard of encoded inner chunks, (position, bytes) in stored order; none of none."""
        places: list[tuple[int, int, int]] = []
        body = self._placed(chunks, places)
        if self.index_first:  # every size is needed before the first byte can be written
            stored = list(body)
            body = iter(self._encode_index(places) + stored if stored else [])
        yield from body
        if places and not self.index_first:
            yield from self._encode_index(places)

    def _placed(
        self, chunks: Iterable[tuple[int, list[Buffer]]], places: list[tuple[int, int, int]]
    ) -> Iterator[Buffer]:
        """The chunks' bytes; `places` gets a (position, offset, nbytes) for each."""
        at = self.index_nbytes if self.index_first else 0
        for position, buffers in chunks:
            nbytes = sum(map(len, buffers))
            places.append((position, at, nbytes))
            at += nbytes
            # An uncompressed chunk is encoded as the spare's own memory, which the next one overwrites.
            yield from (piece if type(piece) is bytes else bytes(piece) for piece in buffers)

    def _encode_index(self, places: Iterable[tuple[int, int, int]]) -> list[Buffer]:
        entries = np.full((*self.counts, 2), ABSENT, np.uint64)
        flat = entries.reshape(-1, 2)
        for position, start, nbytes in places:
            flat[position] = start, nbytes
        return self._index.encode_staged(self._index.stage(entries, Spare(self._index.new_chunk)))


def _as_tuple(member: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise MetadataValidationError(
            f'codec "{ShardingCodec.name}": {member} is {value!r}, and has to be a list'
        )
    return tuple(value)


def _document(codec: Any) -> Any:
    return codec.to_config() if isinstance(codec, Codec) else codec
