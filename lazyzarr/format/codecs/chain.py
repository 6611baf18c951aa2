"""The codecs of one array compiled into a chain: bytes straight into the caller's array, and back.

Specification: Zarr v3 core, "Codecs": array -> array codecs, one array -> bytes codec, bytes -> bytes codecs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, ChunkEncodeError, ChunkMemoryError, MetadataValidationError
from ...settings import setting
from .protocol import (
    ArrayBytesCodec,
    AxesCodec,
    Buffer,
    BytesBytesCodec,
    ChunkSpec,
    Codec,
    ElementsCodec,
    EncodedSize,
    Serializer,
    Spare,
)
from .registry import codec_of
from .sharding import Shard
from .steps import StepSerializer

__all__ = ["CodecChain", "build_chain"]

LARGE = 16 * 1024 * 1024  # bytes of a chunk from which its stored size is asked for before memory is made


def build_chain(codecs: Sequence[Any], shape: Sequence[int], dtype: np.dtype[Any], fill: Any) -> CodecChain:
    """The chain of an array's codecs, for chunks of that shape.

    Raises MetadataValidationError for codecs that do not fit the chunk or each other, UnknownCodecError.

    >>> chain = build_chain(["bytes", "crc32c"], (3,), np.dtype("u1"), 0)
    >>> [bytes(piece) for piece in chain.encode(np.array([1, 2, 3], "u1"))]
    [b'\\x01\\x02\\x03', b'...']
    """
    return _build(codecs, ChunkSpec(tuple(shape), np.dtype(dtype), np.asarray(fill, dtype)))


def _build(codecs: Sequence[Any], chunk: ChunkSpec) -> CodecChain:
    reorders: list[AxesCodec] = []
    serializer: Serializer | None = None
    tail: list[BytesBytesCodec] = []
    stored = chunk
    given = list(map(codec_of, codecs))
    verify = setting("array.verify_checksums")
    for position, codec in enumerate(given):
        match codec.resolve(stored):
            case AxesCodec() as reorder if serializer is None:
                reorders.append(reorder)
                axes = reorder.axes(len(stored.shape))
                stored = replace(stored, shape=tuple(stored.shape[axis] for axis in axes))
            case ElementsCodec() as elements if serializer is None:
                # What follows is a chain of its own, for the chunk that this codec gives.
                serializer = StepSerializer(elements, elements.bind(stored), given[position + 1 :], _build)
                break
            case ArrayBytesCodec() as array_bytes if serializer is None:
                serializer = array_bytes.bind(stored, _build)
            case BytesBytesCodec() as bytes_bytes if serializer is not None:
                tail.append(bytes_bytes if verify else bytes_bytes.trusting())
            case misplaced:
                raise MetadataValidationError(
                    f"codec {misplaced.name!r} cannot stand there in {_names(codecs)}: first come those "
                    "from array to array, then one from array to bytes, then those from bytes to bytes"
                )
    if serializer is None:
        raise MetadataValidationError(f'{_names(codecs)} lack a codec from array to bytes, such as "bytes"')
    return CodecChain(chunk, reorders, serializer, tail)


def _names(codecs: Sequence[Any]) -> list[str]:
    return [codec_of(codec).name for codec in codecs]


def _composed(reorders: Sequence[AxesCodec], ndim: int) -> tuple[int, ...]:
    axes = tuple(range(ndim))
    for reorder in reorders:
        axes = tuple(axes[axis] for axis in reorder.axes(ndim))
    return axes


class CodecChain:
    """Codecs bound to one chunk shape and dtype."""

    def __init__(
        self,
        chunk: ChunkSpec,
        reorders: Sequence[AxesCodec],
        serializer: Serializer,
        tail: Sequence[BytesBytesCodec],
    ) -> None:
        self.shape = chunk.shape
        self.dtype = chunk.dtype
        self.fill = chunk.fill
        self.nbytes = chunk.nbytes
        """Decoded bytes of a chunk."""
        self.reorders = tuple(reorders)
        steps = serializer.codecs if isinstance(serializer, StepSerializer) else (serializer.codec,)
        self.codecs: tuple[Codec, ...] = (*reorders, *steps, *tail)
        """Every codec with what depends on the chunk filled in."""
        self.serializer = serializer
        self.tail = tuple(tail)
        self.axes = _composed(reorders, len(chunk.shape))
        """The array's axis that each stored axis is."""
        self._inverse = tuple(self.axes.index(axis) for axis in range(len(self.axes)))
        self._reordered = self.axes != tuple(range(len(chunk.shape)))
        memory = serializer.memory
        self._plain = memory is not None
        # Records of v2 may have fields of both byte orders, and lie in memory as they are stored.
        self._swapped = None if memory is None or memory == chunk.dtype else memory
        sizes = list(accumulate(tail, lambda size, codec: codec.encoded_size(size), initial=serializer.size))
        self.size: EncodedSize = sizes[-1]
        """The stored bytes of a chunk."""
        # What a chunk's bytes go through on the way back: all but the innermost codec give bytes, that
        # one decodes into the caller's memory.
        self._outer = tuple(zip(tail[:0:-1], sizes[-2:0:-1], strict=True))
        self._innermost = tail[0] if tail else None

    @property
    def swapped(self) -> bool:
        """Whether elements are stored in another byte order than the chunk's."""
        return self._swapped is not None

    @property
    def is_plain(self) -> bool:
        """Whether what is compressed is the chunk as it lies in memory, in C order."""
        return self._plain and not self._reordered and not isinstance(self.serializer, StepSerializer)

    @property
    def working_nbytes(self) -> int:
        """Bytes that decoding takes at most, besides the stored ones and the chunk: none where it is direct."""
        if self.dtype.hasobject:
            # Nothing says how long text is: the limit of its codecs is no measure, this is a guess.
            return 2 * self.nbytes
        between = sum(size.limit for codec, size in self._outer if not codec.cuts)
        serializer, innermost = self.serializer, self._innermost
        if isinstance(serializer, StepSerializer):
            return between + serializer.working_nbytes
        if isinstance(serializer, Shard):
            whole = min(serializer.size.limit, 2 * self.nbytes) if innermost else 0
            return between + whole + serializer.inner.nbytes + serializer.inner.working_nbytes
        if self._plain and (innermost is None or innermost.in_place):
            return between
        return between + 2 * self.nbytes

    @property
    def encoding_nbytes(self) -> int:
        """Bytes that encoding takes at most, besides the staged chunk: the encoded ones are among them."""
        if self.dtype.hasobject:
            return 2 * self.nbytes  # a guess, as above
        most = held = self._serializing_nbytes
        size = self.serializer.size
        for codec in self.tail:
            most = max(most, held + codec.encoding_nbytes(size))
            size = codec.encoded_size(size)
            held = held if codec.cuts else size.limit
        return most

    @property
    def _serializing_nbytes(self) -> int:
        """Bytes that the serializer makes of a staged chunk: none where it is the chunk's own memory."""
        serializer = self.serializer
        if isinstance(serializer, StepSerializer):
            return serializer.encoding_nbytes
        if isinstance(serializer, Shard):
            return serializer.size.limit + serializer.encoding_nbytes
        if not self._plain:
            return 2 * self.nbytes
        return 0 if self._swapped is None else self.nbytes

    @property
    def streaming_nbytes(self) -> int:
        """As `encoding_nbytes`, where the store takes the inner chunks of a shard one after the other."""
        shard = self.serializer
        if not isinstance(shard, Shard) or self.tail or shard.index_first:
            return self.encoding_nbytes
        return shard.encoding_nbytes

    def staging_nbytes(self, whole: bool) -> int:
        """Bytes of the chunk into which values are copied before they are encoded, if any of them have to be.

        `whole`: they are all of a chunk, of its dtype, in C order.
        """
        if isinstance(self.serializer, Shard) and not self.tail:
            return 0  # parts of it are encoded one by one
        return 0 if whole and not self._reordered else self.nbytes

    def inner_chain(self) -> CodecChain | None:
        """The chain of what can be read alone, as the array sees it; None where that is the whole chunk."""
        shard = self.serializer
        if not isinstance(shard, Shard) or self.tail:
            return None
        inner = shard.inner
        assert isinstance(inner, CodecChain)
        shape = tuple(inner.shape[position] for position in self._inverse)
        chunk = ChunkSpec(shape, self.dtype, self.fill)
        return CodecChain(chunk, self.reorders + inner.reorders, inner.serializer, inner.tail)

    def new_chunk(self) -> NDArray[Any]:
        """An array of the chunk's shape that decodes without a copy: its memory has the encoded order.

        Raises ChunkMemoryError where there is not so much memory.
        """
        try:
            return np.empty([self.shape[axis] for axis in self.axes], self.dtype).transpose(self._inverse)
        except (MemoryError, ValueError) as error:  # NumPy's for what fits into no memory at all
            raise self._too_large() from error

    def _too_large(self) -> ChunkMemoryError:
        return ChunkMemoryError(
            f"a chunk of shape {self.shape} and data type {self.dtype} takes {self.nbytes:,} bytes, more "
            "than there is memory for"
        )

    def encode_view(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array as it is serialized, sharing memory."""
        return array.transpose(self.axes) if self._reordered else array

    def decode_view(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array whose serialized form this is, sharing memory."""
        return array.transpose(self._inverse) if self._reordered else array

    def decode_spare(self, buffer: Buffer, spare: Spare) -> NDArray[Any]:
        """The chunk of its stored bytes, in the spare memory; else as `decode_into`.

        Stored bytes that tell of another size than the chunk's are refused before that memory is made.
        """
        late = self.nbytes > LARGE and not spare.made
        self.decode_into(buffer, None if late else spare.chunk, spare)
        return spare.chunk

    def decode_into(self, buffer: Buffer, out: NDArray[Any] | None, spare: Spare | None = None) -> None:
        """Fill `out`, of the chunk's shape and dtype and any strides, from the chunk's stored bytes.

        Where `out` has not the encoded order, the way goes by the spare chunk, or one that is allocated;
        where it is None, the spare chunk is what is filled, and made only for bytes that tell its size.
        Raises ChunkDecodeError, which names the codec, and ChunkMemoryError.
        """
        codec: Codec = self.serializer.codec
        try:
            for codec, size in self._outer:
                buffer = codec.decode(buffer, size)
            if out is None:
                assert spare is not None
                self._check_size(buffer)
                out = spare.chunk
            view = out.transpose(self.axes) if self._reordered else out
            innermost = self._innermost
            if innermost is None:
                self.serializer.decode_into(buffer, view)
                return
            codec = innermost
            if not self._plain:
                buffer = innermost.decode(buffer, self.serializer.size)
                codec = self.serializer.codec
                self.serializer.decode_into(buffer, view)
            elif view.flags.c_contiguous:
                innermost.decode_into(buffer, view)
                if self._swapped is not None:
                    view.byteswap(inplace=True)
            else:
                self._decode_by(self.new_chunk() if spare is None else spare.chunk, buffer, innermost, view)
        except (ChunkDecodeError, ChunkMemoryError):
            raise
        except MemoryError as error:
            raise self._too_large() from error
        except Exception as error:
            raise ChunkDecodeError(f"{codec.name}: {error}", codec=codec.name) from error

    def _check_size(self, buffer: Buffer) -> None:
        """Refuse what the innermost codec is handed, if it tells of another size than the chunk's."""
        innermost, size = self._innermost, self.serializer.size
        told = len(buffer) if innermost is None else innermost.decoded_size(buffer)
        if told is not None and (told > size.limit or size.exact not in (None, told)):
            codec = self.serializer.codec if innermost is None else innermost
            raise ChunkDecodeError(
                f"{codec.name}: {told:,} bytes are stored, a chunk of shape {self.shape} and data type "
                f"{self.dtype} has {self.nbytes:,}",
                codec=codec.name,
            )

    def _decode_by(
        self, chunk: NDArray[Any], buffer: Buffer, innermost: BytesBytesCodec, view: NDArray[Any]
    ) -> None:
        contiguous = self.encode_view(chunk)
        innermost.decode_into(buffer, contiguous)
        view[...] = contiguous if self._swapped is None else contiguous.view(self._swapped)

    def stage(self, part: NDArray[Any], spare: Spare) -> NDArray[Any]:
        """A whole chunk in encoded order: `part` itself if it is one, else copied into the spare chunk.

        `part` may be clipped at the array's edge, and of another dtype; what lies beyond is fill.
        """
        if part.shape == self.shape:
            if part.dtype == self.dtype:
                view = part.transpose(self.axes) if self._reordered else part
                if view.flags.c_contiguous:
                    return view
            chunk = spare.chunk
            chunk[...] = part
        else:
            chunk = spare.chunk
            chunk[...] = self.fill
            chunk[tuple(map(slice, part.shape))] = part
        return self.encode_view(chunk)

    def encode_staged(self, staged: NDArray[Any]) -> list[Buffer]:
        """The stored bytes of a staged chunk, in pieces; they may be the chunk's own memory.

        Raises ChunkEncodeError, which names the codec.
        """
        codec: Codec = self.serializer.codec
        try:
            buffers = self.serializer.encode(staged)
            for codec in self.tail:
                buffers = codec.encode(buffers)
        except (ChunkEncodeError, ChunkMemoryError):
            raise
        except MemoryError as error:
            raise self._too_large() from error
        except Exception as error:
            raise ChunkEncodeError(f"{codec.name}: {error}", codec=codec.name) from error
        return buffers

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The stored bytes of a chunk (any strides), in pieces; they may be the array's own memory."""
        return self.encode_staged(self.stage(array, Spare(self.new_chunk)))
