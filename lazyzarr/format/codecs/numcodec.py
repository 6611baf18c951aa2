"""One codec of numcodecs, run within bounds: what it decodes to is known before, or checked on the way.

Their sizes follow from their configurations. Of those that compress, zlib, bz2 and lzma are decoded piece by
piece, the others' headers are compared with what the chunk can need before the library believes them.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Self

import numcodecs
import numpy as np
from numcodecs.errors import UnknownCodecError as NumcodecsUnknownCodecError
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError, PickleCodecDisabledError, UnknownCodecError
from .protocol import Buffer, BytesBytesCodec, ChunkSpec, EncodedSize, flat_bytes, inflate, joined

__all__ = ["CHECKSUMS", "Numcodec", "as_buffer"]

LZMA_MEMORY = 128 * 1024 * 1024  # the strongest preset takes 65 MiB; a header can ask for 4 GiB
CHECKSUMS = ("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3")
EXTRAS = {"zfpy": "zfpy", "pcodec": "pcodec", "msgpack2": "msgpack"}
"""The packages that numcodecs needs for some of its codecs."""


class Numcodec(BytesBytesCodec):
    """A codec of numcodecs; as a filter it may be handed elements instead of bytes."""

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        if name == "pickle":
            raise PickleCodecDisabledError(
                "this array is stored with pickle, and unpickling runs whatever code the file holds; "
                'if you trust who wrote it, open the array with config={"allow_pickle": True}'
            )
        self.name = name
        self._members = dict(members)
        self._codec = _made(name, members)
        self._streams = _STREAMS.get(name)
        self._sized = _SIZES.get(name, _compressed)
        self._array: ChunkSpec | None = None
        self._checked = True

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"id": ...}`."""
        members = dict(configuration)
        return cls(members.pop("id"), members)

    def configuration(self) -> dict[str, Any]:
        """`{"id": ...}` and its members."""
        return {"id": self.name, **self._members}

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec for one kind of chunk: some compress elements rather than bytes."""
        resolved = copy(self)
        resolved._array = None if self.name in _OF_BYTES else chunk
        return resolved

    def trusting(self) -> Self:
        """The same codec, that believes what its checksum says otherwise."""
        if self.name not in CHECKSUMS:
            return self
        trusting = copy(self)
        trusting._checked = False
        return trusting

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """As follows from what it does; of compressors not many times more."""
        return EncodedSize(
            None if size.exact is None else self._sized(self._codec, size.exact)[0],
            self._sized(self._codec, size.limit)[1],
        )

    def encode_array(self, array: Any) -> Any:
        """What numcodecs makes of an array or buffer: again one of them."""
        return self._codec.encode(array)

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """One buffer."""
        data: Any = joined(buffers)
        if self._array is not None and len(data) == self._array.nbytes:
            data = np.frombuffer(data, self._array.dtype).reshape(self._array.shape)
        return [as_buffer(self._codec.encode(data))]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes; ChunkDecodeError where they would be more, or other ones, than there can be."""
        stored = self.encoded_size(size)
        if len(buffer) > stored.limit or stored.exact not in (None, len(buffer)):
            raise self._wrong(f"{len(buffer):,} bytes, where at most {stored.limit:,} can be stored")
        if self._streams is not None:
            return inflate(self.name, self._streams(self._codec), buffer, size)
        decoded = self._decoded(buffer, size)
        if len(decoded) > size.limit or size.exact not in (None, len(decoded)):
            raise self._wrong(f"{len(decoded):,} bytes, where at most {size.limit:,} can be")
        return decoded

    def _decoded(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        if not self._checked:
            return self._unchecked(buffer)
        if self.name in _PROMISES:
            promised = _PROMISES[self.name](memoryview(buffer))
            if promised < 0 or promised > size.limit or size.exact not in (None, promised):
                raise self._wrong(f"the header says {promised:,} bytes, where at most {size.limit:,} can be")
        if self.name == "pcodec" and self._array is not None:
            return self._numbers(buffer, size)
        return as_buffer(self._codec.decode(buffer))

    def _unchecked(self, buffer: Buffer) -> Buffer:
        first = getattr(self._codec, "location", "end") == "start"
        return memoryview(buffer)[4:] if first else memoryview(buffer)[:-4]

    def _numbers(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """Numbers that pcodec compressed: as many as there have to be, whatever its header says."""
        from pcodec import standalone

        assert self._array is not None
        nbytes = size.limit if size.exact is None else size.exact
        out = np.empty(nbytes // self._array.dtype.itemsize, self._array.dtype)
        try:
            progress = standalone.simple_decompress_into(bytes(buffer), out)
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # Rust's, which is no Exception
                raise self._wrong(str(error)) from error
            raise
        if not progress.finished or (size.exact is not None and progress.n_processed != out.size):
            raise self._wrong(f"{progress.n_processed:,} numbers and more, the chunk has {out.size:,}")
        return flat_bytes(out[: progress.n_processed]).data

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode and copy."""
        size = EncodedSize(out.nbytes, out.nbytes)
        if self._streams is not None:
            decoded = inflate(self.name, self._streams(self._codec), buffer, size, flat_bytes(out))
        else:
            decoded = self.decode(buffer, size)
        if len(decoded) != out.nbytes:
            raise self._wrong(f"{len(decoded):,} bytes, the chunk has {out.nbytes:,}")
        if self._streams is None:
            flat_bytes(out)[:] = np.frombuffer(decoded, np.uint8)

    def _wrong(self, what: str) -> ChunkDecodeError:
        return ChunkDecodeError(f"{self.name}: {what}", codec=self.name)


def _made(name: str, members: Mapping[str, Any]) -> Any:
    try:
        return numcodecs.get_codec({"id": name, **members})
    except NumcodecsUnknownCodecError as error:
        if name in EXTRAS:
            raise UnknownCodecError(
                f"codec {name!r} needs the package {EXTRAS[name]}: pip install 'lazyzarr[codecs]'"
            ) from error
        raise UnknownCodecError(f"codec {name!r} is not known here, nor to numcodecs") from error
    except Exception as error:
        raise MetadataValidationError(f"codec {name!r} with {dict(members)}: {error}") from error


def as_buffer(encoded: Any) -> Buffer:
    """What a numcodecs codec gave, as bytes or a view of them."""
    if isinstance(encoded, bytes):
        return encoded
    return flat_bytes(np.asarray(encoded, order="C")).data


def _lzma(codec: Any) -> Callable[[], Any]:
    if codec.format == lzma.FORMAT_RAW:
        return lambda: lzma.LZMADecompressor(codec.format, None, codec.filters)
    return lambda: lzma.LZMADecompressor(codec.format, LZMA_MEMORY)


# What may be decompressed bit by bit, so that a stream that goes on and on is noticed.
_STREAMS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "zlib": lambda codec: zlib.decompressobj,
    "bz2": lambda codec: bz2.BZ2Decompressor,
    "lzma": _lzma,
}


def _lz4_promise(stored: memoryview) -> int:
    """The length before the block."""
    return int.from_bytes(stored[:4], "little", signed=True) if len(stored) >= 5 else -1


def _zfp_promise(stored: memoryview) -> int:
    """The size of the array in zfp's full header: a magic word, then the scalar type and up to four axes."""
    if len(stored) < 12 or bytes(stored[:3]) != b"zfp":
        return -1
    field = int.from_bytes(stored[4:12], "little") & (1 << 52) - 1
    itemsize, ndim, axes = (4, 8, 4, 8)[field & 3], (field >> 2 & 3) + 1, field >> 4
    width = 48 // ndim
    return math.prod((axes >> i * width & (1 << width) - 1) + 1 for i in range(ndim)) * itemsize


_PROMISES: dict[str, Callable[[memoryview], int]] = {"lz4": _lz4_promise, "zfpy": _zfp_promise}

# How many bytes become of so many, (exactly, at most).
_Sizes = Callable[[Any, int], tuple[int | None, int]]


def _compressed(codec: Any, nbytes: int) -> tuple[int | None, int]:
    return None, 2 * nbytes + 65536  # of codecs whose worst case is not known


def _deflated(codec: Any, nbytes: int) -> tuple[int | None, int]:
    return EncodedSize(None, nbytes).compressed()


def _same(codec: Any, nbytes: int) -> tuple[int | None, int]:
    return nbytes, nbytes


def _fixed(size: Callable[[int], int]) -> _Sizes:
    return lambda codec, nbytes: (size(nbytes), size(nbytes))


def _cast(source: str, target: str) -> _Sizes:
    def sizes(codec: Any, nbytes: int) -> tuple[int | None, int]:
        before, after = np.dtype(getattr(codec, source)), np.dtype(getattr(codec, target))
        size = nbytes // max(before.itemsize, 1) * after.itemsize
        return size, size

    return sizes


_SIZES: dict[str, _Sizes] = {
    **dict.fromkeys(("zlib", "bz2", "lzma", "lz4"), _deflated),
    **dict.fromkeys(("shuffle", "bitround"), _same),
    **dict.fromkeys(("delta", "fixedscaleoffset", "quantize", "categorize"), _cast("dtype", "astype")),
    **dict.fromkeys(CHECKSUMS, _fixed(lambda nbytes: nbytes + 4)),
    "astype": _cast("decode_dtype", "encode_dtype"),
    "packbits": _fixed(lambda nbytes: 1 + -(-nbytes // 8)),
    "base64": _fixed(lambda nbytes: 4 * -(-nbytes // 3)),
}
_OF_BYTES = frozenset(_SIZES)
