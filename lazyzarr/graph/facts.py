"""What a lazy array says of itself: shape, data type, sizes and chunks, all of them known before it is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from lazyzarr.graph.attributes import attributes_of
from lazyzarr.graph.node import Chunks, Node

__all__ = ["Described"]


class Described:
    """A lazy array as far as its node tells."""

    __slots__ = ()
    _node: Node

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the values."""
        return self._node.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._node.ndim

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one value."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all values, once computed."""
        return self._node.nbytes

    @property
    def dims(self) -> tuple[str | None, ...]:
        """The name of each axis, None where it has none."""
        return self._node.dims

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The attributes that a new array of the values gets: its sources', as far as they are still true.

        Values that are moved, picked or sorted keep all of them; differences, means and the like what does not say how
        numbers are stored, and units where all operands have the same; anything else keeps none.
        `x.to_zarr(p, attributes={...})` writes others.

        >>> tas = lz.create_array("tas.zarr", shape=(4, 2), dtype="f4", attributes={"units": "K"}).lazy()
        >>> (tas - tas.mean(0)).attrs["units"], dict((tas * tas).attrs)
        ('K', {})
        """
        return MappingProxyType(attributes_of(self._node))

    @property
    def chunks(self) -> Chunks:
        """The chunk sizes along each axis, as dask.array writes them: what `map_blocks` works on."""
        return self._node.chunks

    @property
    def chunksize(self) -> tuple[int, ...]:
        """The largest chunk size along each axis."""
        return tuple(max(sizes, default=0) for sizes in self.chunks)

    @property
    def numblocks(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        return tuple(map(len, self.chunks))

    @property
    def npartitions(self) -> int:
        """The number of chunks."""
        return math.prod(self.numblocks)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]
