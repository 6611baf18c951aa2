"""A codec that changes elements, and the chain behind it, as one serializer of the chunk before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protocol import Buffer, ChainBuilder, Codec, Spare, Step

__all__ = ["StepSerializer"]


class StepSerializer:
    """An array -> array codec that is followed by a chain, from the array to the stored bytes."""

    memory = None

    def __init__(self, codec: Codec, step: Step, rest: Sequence[Any], build: ChainBuilder) -> None:
        self._step = step
        self._inner = build(rest, step.encoded)
        self.codec: Codec = codec
        self.codecs = (codec, *self._inner.codecs)
        """This codec, and all that follow."""
        self.size = self._inner.size

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode the encoded chunk, and its elements into `out`."""
        encoded = self._inner.decode_spare(buffer, Spare(self._inner.new_chunk))
        self._step.decode(np.asarray(encoded, order="C"), out)

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The stored bytes of the encoded chunk."""
        return self._inner.encode(self._step.encode(np.asarray(array, order="C")))
