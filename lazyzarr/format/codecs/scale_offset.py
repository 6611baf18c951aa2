"""`scale_offset`: numbers less an offset, times a factor, in their own arithmetic.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/scale_offset
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, ChunkEncodeError, MetadataValidationError
from ..dtypes import data_type_of
from .numbers import Integers, numbers_of
from .protocol import ChunkSpec, ElementsCodec, check_configuration

__all__ = ["ScaleOffset"]


@dataclass(frozen=True, kw_only=True)
class ScaleOffset(ElementsCodec):
    """Store `(x - offset) * scale`; a number that this leads out of the data type is refused.

    >>> ScaleOffset(offset=5, scale=0.1).to_config()
    {'name': 'scale_offset', 'configuration': {'offset': 5, 'scale': 0.1}}
    """

    name = "scale_offset"
    element_by_element = True

    offset: Any = 0
    """What is subtracted: a number, or a fill value's spelling of one."""
    scale: Any = 1
    """What is multiplied by then."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"offset": ..., "scale": ...}`, both of them optional."""
        check_configuration(cls.name, configuration, ["offset", "scale"])
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """What differs from doing nothing."""
        members = {"offset": (self.offset, 0), "scale": (self.scale, 1)}
        return {
            name: value.item() if isinstance(value, np.generic) else value
            for name, (value, neutral) in members.items()
            if value != neutral
        }

    def bind(self, chunk: ChunkSpec) -> IntegerScale | FloatScale:
        """The arithmetic of one data type."""
        numbers = numbers_of(chunk.dtype)
        if numbers is None:
            raise MetadataValidationError(f'codec "{self.name}": {chunk.dtype} has no real numbers')
        data_type = data_type_of(chunk.dtype)
        configuration = self.configuration()
        offset = data_type.fill_from_json(configuration.get("offset", 0))
        scale = data_type.fill_from_json(configuration.get("scale", 1))
        if not scale or scale != scale:
            raise MetadataValidationError(
                f'codec "{self.name}": scale is {self.scale!r}, by which nothing can be divided'
            )
        kind = IntegerScale if isinstance(numbers, Integers) else FloatScale
        try:
            return kind(chunk, offset, scale)
        except ChunkEncodeError as error:
            raise MetadataValidationError(f"the fill value {chunk.fill} cannot be stored: {error}") from error


def _refused(what: str) -> ChunkEncodeError:
    return ChunkEncodeError(f"{ScaleOffset.name}: {what}", codec=ScaleOffset.name)


def _damaged(what: str) -> ChunkDecodeError:
    return ChunkDecodeError(f"{ScaleOffset.name}: {what}", codec=ScaleOffset.name)


class IntegerScale:
    """Integers: every step has to stay within the data type, and divisions have to come out even."""

    def __init__(self, chunk: ChunkSpec, offset: Any, scale: Any) -> None:
        numbers = numbers_of(chunk.dtype)
        assert isinstance(numbers, Integers)
        self._numbers = numbers
        self._offset, self._scale = int(offset), int(scale)
        self.encoded = ChunkSpec(chunk.shape, chunk.dtype, self.encode(chunk.fill))

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """The stored numbers; the least and the greatest tell whether all of them fit."""
        plain = array.astype(self._numbers.memory)
        if plain.size:
            for end in (int(plain.min()), int(plain.max())):
                for number in (end - self._offset, (end - self._offset) * self._scale):
                    if not self._fits(number):
                        raise _refused(f"{end} becomes {number}, which is no {array.dtype}")
        return self._stored((plain - self._typed(self._offset)) * self._typed(self._scale))

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """The numbers that were stored."""
        plain = array.astype(self._numbers.memory)
        if self._scale == -1:
            quotient = plain if not self._fits(-1) else -plain
            if plain.size and not self._fits(-int(plain.min())):
                raise _damaged(f"{plain.min()} has no negative in {array.dtype}")
        else:
            scale = self._typed(self._scale)
            if (plain % scale).any():
                raise _damaged(f"{plain[plain % scale != 0].flat[0]} is no multiple of {self._scale}")
            quotient = plain // scale
        if quotient.size:
            for end in (int(quotient.min()), int(quotient.max())):
                if not self._fits(end + self._offset):
                    raise _damaged(f"{end + self._offset} is no {array.dtype}")
        out[...] = self._stored(quotient + self._typed(self._offset))

    def _fits(self, number: int) -> bool:
        return self._numbers.least <= number <= self._numbers.greatest

    def _typed(self, number: int) -> Any:
        return self._numbers.memory.type(number)

    def _stored(self, plain: NDArray[Any]) -> NDArray[Any]:
        return plain.astype(self._numbers.dtype, copy=False)


class FloatScale:
    """Floating-point numbers: a finite one has to stay finite."""

    def __init__(self, chunk: ChunkSpec, offset: Any, scale: Any) -> None:
        self._offset, self._scale = offset, scale
        self.encoded = ChunkSpec(chunk.shape, chunk.dtype, np.asarray(self.encode(chunk.fill)))

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """The stored numbers."""
        with np.errstate(all="ignore"):
            stored: NDArray[Any] = (array - self._offset) * self._scale
            if _lost(array, stored):
                raise _refused(f"finite numbers become infinite in {array.dtype}")
        return stored

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """The numbers that were stored, but for rounding."""
        with np.errstate(all="ignore"):
            numbers = array / self._scale + self._offset
            if _lost(array, numbers):
                raise _damaged(f"finite numbers become infinite in {array.dtype}")
        out[...] = numbers


def _lost(before: NDArray[Any], after: NDArray[Any]) -> bool:
    return bool((~np.isfinite(after) & np.isfinite(before)).any())
