"""`reshape`: the elements of a chunk in the same order, under another shape.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/reshape
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from ...errors import MetadataValidationError
from .protocol import ChunkSpec, ElementsCodec, check_configuration

__all__ = ["Reshape"]


@dataclass(frozen=True, kw_only=True)
class Reshape(ElementsCodec):
    """Store the chunk with axes that are joined, split or added.

    >>> Reshape(shape=[[0, 1], 10, -1]).lengths((4, 5, 20))
    (20, 10, 2)
    """

    name = "reshape"

    shape: tuple[Any, ...]
    """For each axis its length, or the axes of the chunk that it joins; one may be -1, what is left."""

    def __init__(self, *, shape: Iterable[Any]) -> None:
        axes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else None
        if axes is None or not all(_is_length(axis) or _is_axes(axis) for axis in axes):
            raise self._wrong(f"shape is {shape!r}; it is a list of lengths, of lists of axes, and of -1")
        if sum(axis == -1 for axis in axes) > 1:
            raise self._wrong(f"shape {shape!r} leaves out more than one length")
        object.__setattr__(self, "shape", tuple(axis if _is_length(axis) else tuple(axis) for axis in axes))
        joined = [axis for entry in self.shape if not _is_length(entry) for axis in entry]
        if joined != sorted(set(joined)):
            raise self._wrong(f"shape {shape!r} names axes out of order; transpose does that")

    def _wrong(self, what: str) -> MetadataValidationError:
        return MetadataValidationError(f'codec "{self.name}": {what}')

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"shape": [...]}`."""
        check_configuration(cls.name, configuration, ["shape"], ["shape"])
        return cls(shape=configuration["shape"])

    def configuration(self) -> dict[str, Any]:
        """`{"shape": [...]}`."""
        return {"shape": [axis if _is_length(axis) else list(axis) for axis in self.shape]}

    def lengths(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The stored shape of a chunk; MetadataValidationError where the codec does not fit it."""
        given = [axis if _is_length(axis) else self._joined(axis, shape) for axis in self.shape]
        size, known = math.prod(shape), math.prod(n for n in given if n != -1)
        left = size // known if known and size % known == 0 else 0
        lengths = tuple(left if n == -1 else n for n in given)
        if math.prod(lengths) != size:
            raise self._wrong(f"shape {self.configuration()['shape']} does not fit chunks of shape {shape}")
        for i, axes in enumerate(self.shape):
            if not _is_length(axes) and axes:
                before, after = math.prod(shape[: axes[0]]), math.prod(shape[axes[-1] + 1 :])
                if math.prod(lengths[:i]) != before or math.prod(lengths[i + 1 :]) != after:
                    raise self._wrong(f"axes {list(axes)} of chunks {shape} are not axis {i} of {lengths}")
        return lengths

    def _joined(self, axes: tuple[int, ...], shape: tuple[int, ...]) -> int:
        if any(axis >= len(shape) for axis in axes):
            raise self._wrong(f"axes {list(axes)} are more than chunks of shape {shape} have")
        return math.prod(shape[axis] for axis in axes)

    def bind(self, chunk: ChunkSpec) -> ReshapeStep:
        """The shapes of one kind of chunk."""
        return ReshapeStep(ChunkSpec(self.lengths(chunk.shape), chunk.dtype, chunk.fill))


def _is_length(axis: Any) -> bool:
    return type(axis) is int and (axis > 0 or axis == -1)


def _is_axes(axis: Any) -> bool:
    return isinstance(axis, (list, tuple)) and all(type(i) is int and i >= 0 for i in axis)


class ReshapeStep:
    """Two shapes of one kind of chunk."""

    def __init__(self, encoded: ChunkSpec) -> None:
        self.encoded = encoded

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same memory under the stored shape."""
        return array.reshape(self.encoded.shape)

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """The elements in the chunk's shape."""
        out[...] = array.reshape(out.shape)
