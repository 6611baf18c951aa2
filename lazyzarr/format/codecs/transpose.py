"""`transpose`: the axes of a chunk in another order.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/transpose/index.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from ...errors import MetadataValidationError
from .protocol import AxesCodec, ChunkSpec, check_configuration

__all__ = ["TransposeCodec"]


@dataclass(frozen=True, kw_only=True)
class TransposeCodec(AxesCodec):
    """Store the axes in `order`: axis i of the stored chunk is axis `order[i]` of the array.

    >>> import numpy as np
    >>> np.zeros((4, 5, 6)).transpose(TransposeCodec(order=(2, 0, 1)).axes(3)).shape
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
        return type(self)(order=self.axes(len(chunk.shape)))

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The order, spelled out for the chunk's rank."""
        if self.order == "C" or self.order == "F":
            return tuple(range(ndim)) if self.order == "C" else tuple(reversed(range(ndim)))
        if len(self.order) != ndim:
            raise MetadataValidationError(
                f'codec "transpose": order {self.order} has {len(self.order)} axes, the chunk has {ndim}'
            )
        return self.order


def _permutation(order: Any) -> tuple[int, ...]:
    if isinstance(order, Iterable) and not isinstance(order, str):
        axes = tuple(order)
        if all(type(i) is int for i in axes) and sorted(axes) == [*range(len(axes))]:
            return axes
    raise MetadataValidationError(f'codec "transpose": order {order!r} is no permutation of the axes')
