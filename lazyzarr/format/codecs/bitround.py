"""`bitround`: numbers rounded to so many bits, so that they compress better.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/bitround
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import MetadataValidationError
from .numbers import Floats, Integers, numbers_of
from .protocol import ChunkSpec, ElementsCodec, check_configuration

__all__ = ["BitRound"]


@dataclass(frozen=True, kw_only=True)
class BitRound(ElementsCodec):
    """Keep so many bits of the mantissa, or of an integer's size from its first bit on; ties go to even.

    >>> BitRound(keepbits=3).to_config()
    {'name': 'bitround', 'configuration': {'keepbits': 3}}
    """

    name = "bitround"
    element_by_element = True

    keepbits: int
    """Bits to keep."""

    def __post_init__(self) -> None:
        if type(self.keepbits) is not int or self.keepbits < 1:
            raise MetadataValidationError(
                f'codec "{self.name}": keepbits is {self.keepbits!r}; it is 1 or more'
            )

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"keepbits": ...}`."""
        check_configuration(cls.name, configuration, ["keepbits"], ["keepbits"])
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """`{"keepbits": ...}`."""
        return {"keepbits": self.keepbits}

    def bind(self, chunk: ChunkSpec) -> RoundStep:
        """The rounding of one data type."""
        numbers = numbers_of(_component(chunk.dtype))
        if numbers is None:
            raise MetadataValidationError(f'codec "{self.name}": elements of {chunk.dtype} cannot be rounded')
        return RoundStep(chunk, self.keepbits, numbers)


def _component(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The data type that is rounded: of complex numbers that of their parts, of times their counts."""
    if dtype.kind in "mM":
        return np.dtype("i8")
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


class RoundStep:
    """The rounding of one kind of chunk."""

    def __init__(self, chunk: ChunkSpec, keepbits: int, numbers: Integers | Floats) -> None:
        self._keepbits = keepbits
        self._numbers = numbers
        self.encoded = ChunkSpec(chunk.shape, chunk.dtype, self.encode(chunk.fill))

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """The rounded numbers."""
        flat = array.reshape(-1).view(self._numbers.dtype)
        rounded = self._floats(flat) if isinstance(self._numbers, Floats) else self._integers(flat)
        shaped: NDArray[Any] = rounded.view(array.dtype).reshape(array.shape)
        return shaped

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """What is rounded stays so."""
        out[...] = array

    def _floats(self, flat: NDArray[Any]) -> NDArray[Any]:
        assert isinstance(self._numbers, Floats)
        bits = self._numbers.bits.type
        lost = self._numbers.mantissa - self._keepbits
        if lost <= 0:
            return flat
        whole = flat.view(bits)
        half = bits((1 << lost - 1) - 1)
        rounded = (whole + half + (whole >> bits(lost) & bits(1))) & ~bits((1 << lost) - 1)
        kept = np.isfinite(flat)  # a NaN's payload must not run over into its exponent
        chosen: NDArray[Any] = np.where(kept, rounded, whole).astype(bits).view(flat.dtype)
        return chosen

    def _integers(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Rounded by their sizes: -11 as -12, as 11 is 12; none leaves the data type."""
        assert isinstance(self._numbers, Integers)
        numbers = self._numbers
        plain = flat.astype(numbers.memory).astype(np.int64 if numbers.signed else np.uint64)
        negative = plain < 0
        size = np.where(negative, ~plain.view(np.uint64) + np.uint64(1), plain.view(np.uint64))
        lost = np.maximum(_bit_lengths(size) - self._keepbits, 0).astype(np.uint64)
        one = np.uint64(1)
        mask = ~((one << lost) - one)
        half = np.where(lost > 0, (one << np.maximum(lost, one) - one) - one + (size >> lost & one), 0)
        most = np.where(negative, np.uint64(-numbers.least), np.uint64(numbers.greatest))
        rounded = (size + half.astype(np.uint64)) & mask
        # Where the next number would be too large, it is the one before.
        rounded = np.where((rounded > most) | (rounded < (size & mask)), size & mask, rounded)
        signed = np.where(negative, ~rounded + one, rounded)
        typed: NDArray[Any] = signed.astype(numbers.memory).astype(numbers.dtype)
        return typed


def _bit_lengths(sizes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The number of bits up to the first that is set."""
    lengths = np.zeros(sizes.shape, np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        high = sizes >> np.uint64(step) > 0
        lengths += np.where(high, step, 0)
        sizes = np.where(high, sizes >> np.uint64(step), sizes)
    return lengths + (sizes > 0)
