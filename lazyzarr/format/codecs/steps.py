"""A codec that changes elements, and the chain behind it, as one serializer of the chunk before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protocol import Buffer, ChainBuilder, Codec, ElementsCodec, Spare, Step

__all__ = ["StepSerializer", "contiguous_parts"]

BLOCK = 65536  # elements at a time: what a codec computes with stays small, and in the processor's caches


class StepSerializer:
    """An array -> array codec that is followed by a chain, from the array to the stored bytes."""

    memory = None

    def __init__(self, codec: ElementsCodec, step: Step, rest: Sequence[Any], build: ChainBuilder) -> None:
        self._step = step
        self._inner = build(rest, step.encoded)
        self._parts = codec.element_by_element
        self.codec: Codec = codec
        self.codecs = (codec, *self._inner.codecs)
        """This codec, and all that follow."""
        self.size = self._inner.size
        self.working_nbytes = self._inner.nbytes + self._inner.working_nbytes
        """Bytes that decoding takes at most, besides the stored ones and the chunk."""
        # The elements as the codec gives them, and as the chain orders them.
        self.encoding_nbytes = 2 * self._inner.nbytes + self._inner.encoding_nbytes
        """Bytes that encoding takes at most, besides the chunk."""

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode the encoded chunk, and its elements into `out`."""
        decoded = self._inner.decode_spare(buffer, Spare(self._inner.new_chunk))
        encoded = np.asarray(decoded, order="C")
        if not self._parts or out.size <= BLOCK:
            self._step.decode(encoded, out)
            return
        for part in contiguous_parts(out.shape, BLOCK):
            self._step.decode(encoded[part], out[part])

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The stored bytes of the encoded chunk."""
        given = np.asarray(array, order="C")
        if not self._parts or given.size <= BLOCK:
            return self._inner.encode(self._step.encode(given))
        encoded = np.empty(given.shape, self._step.encoded.dtype)
        for part in contiguous_parts(given.shape, BLOCK):
            encoded[part] = self._step.encode(given[part])
        return self._inner.encode(encoded)


def contiguous_parts(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice | int, ...]]:
    """Parts of an array in C order, each contiguous and of so many elements at most.

    >>> list(contiguous_parts((2, 3), 2))
    [(0, slice(0, 2, None)), (0, slice(2, 4, None)), (1, slice(0, 2, None)), (1, slice(2, 4, None))]
    """
    axis = next(axis for axis in range(len(shape)) if math.prod(shape[axis + 1 :]) <= most)
    rows = most // max(math.prod(shape[axis + 1 :]), 1)
    for before in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], rows):
            yield (*before, slice(start, start + rows))
