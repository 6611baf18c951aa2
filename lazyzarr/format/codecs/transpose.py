"""`transpose`: the axes of a chunk in another order.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/transpose/index.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import MetadataValidationError
from .protocol import ArrayArrayCodec, ChunkSpec, check_configuration

__all__ = ["TransposeCodec"]


@dataclass(frozen=True, kw_only=True)
class TransposeCodec(ArrayArrayCodec):
    """Store the axes in `order`: axis i of the stored chunk is axis `order[i]` of the array.

    >>> TransposeCodec(order=(2, 0, 1)).encode_view(np.zeros((4, 5, 6))).shape
    (6, 4, 5)
    """

    name = "transpose"

    order: tuple[int, ...] | Literal["C", "F"]
    """A permutation of the axes; "C" and "F" of older documents mean none and all reversed."""

    def __init__(self, *, order: Iterable[int] | Literal["C", "F"]) -> None:
        object.__setattr__(self, "order", order if order in ("C", "F") else _permutation(order))

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"order": [...]}`."""
        check_configuration(cls.name, configuration, ["order"], ["order"])
        return cls(order=configuration["order"])

    def configuration(self) -> dict[str, Any]:
        """`{"order": [...]}`."""
        return {"order": list(self.order)}

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec with its order spelled out for the chunk's rank."""
        axes = range(len(chunk.shape))
        if isinstance(self.order, str):
            return type(self)(order=axes if self.order == "C" else reversed(axes))
        if len(self.order) != len(axes):
            raise MetadataValidationError(
                f'codec "transpose": order {self.order} has {len(self.order)} axes, the chunk has {len(axes)}'
            )
        return self

    def encoded(self, chunk: ChunkSpec) -> ChunkSpec:
        """The chunk with its axes reordered."""
        return ChunkSpec(tuple(chunk.shape[i] for i in self._axes()), chunk.dtype, chunk.fill)

    def encode_view(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array with its axes reordered, sharing memory."""
        return array.transpose(self._axes())

    def decode_view(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array with its axes put back, sharing memory."""
        return array.transpose(*map(int, np.argsort(self._axes())))

    def _axes(self) -> tuple[int, ...]:
        assert not isinstance(self.order, str)  # resolve() spells it out
        return self.order


def _permutation(order: Any) -> tuple[int, ...]:
    if isinstance(order, Iterable) and not isinstance(order, str):
        axes = tuple(order)
        if all(type(i) is int for i in axes) and sorted(axes) == [*range(len(axes))]:
            return axes
    raise MetadataValidationError(f'codec "transpose": order {order!r} is no permutation of the axes')
