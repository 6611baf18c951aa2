"""v2's filters bound to one kind of chunk: numcodecs' codecs one after the other, each within its bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError
from ...settings import setting
from .numcodec import Numcodec, as_buffer
from .protocol import Buffer, BytesBytesCodec, ChunkSpec, Codec, EncodedSize

__all__ = ["FilterSerializer"]


class FilterSerializer:
    """Filters bound to one chunk shape and dtype."""

    memory = None

    def __init__(
        self, codec: Codec, filters: Sequence[BytesBytesCodec], chunk: ChunkSpec, stored: np.dtype[Any]
    ) -> None:
        self.codec = codec
        self._chunk = chunk
        self._stored = stored
        verify = setting("array.verify_checksums")
        resolved = [step.resolve(chunk) for step in filters]
        self._filters = resolved if verify else [step.trusting() for step in resolved]
        self._sizes = list(
            accumulate(
                self._filters,
                lambda size, step: step.encoded_size(size),
                initial=EncodedSize(chunk.nbytes, chunk.nbytes),
            )
        )
        self.size: EncodedSize = self._sizes[-1]

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """One buffer."""
        encoded: Any = np.asarray(array, self._stored, order="C")
        for step in self._filters:
            encoded = _of_elements(step)(encoded)
        return [as_buffer(encoded)]

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Run the filters back."""
        for step, size in zip(self._filters[::-1], self._sizes[-2::-1], strict=True):
            buffer = step.decode(buffer, size)
        if len(buffer) != self._chunk.nbytes:
            raise ChunkDecodeError(
                f"the filters gave {len(buffer):,} bytes, the chunk has {self._chunk.nbytes:,}",
                codec=self._filters[0].name if self._filters else self.codec.name,
            )
        out[...] = np.frombuffer(buffer, self._stored).reshape(self._chunk.shape)


def _of_elements(step: BytesBytesCodec) -> Callable[[Any], Any]:
    """What a filter does with elements, or bytes; ours know bytes only."""
    return (
        step.encode_array if isinstance(step, Numcodec) else lambda given: step.encode([as_buffer(given)])[0]
    )
