"""Brackets of a lazy array besides its own: `x.blocks[...]`, `x.oindex[...]` and `x.vindex[...]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from lazyzarr.graph.node import Node

__all__ = ["Blocks", "Picker"]


class Lazy(Protocol):
    """What brackets ask of the class whose arrays they pick from."""

    @property
    def __lazyzarr_node__(self) -> Node: ...

    @property
    def numblocks(self) -> tuple[int, ...]: ...

    @property
    def npartitions(self) -> int: ...

    @classmethod
    def _of(cls, node: Node) -> Self: ...


L = TypeVar("L", bound=Lazy)


class Picker(Generic[L]):
    """Brackets of a kind of their own."""

    def __init__(self, array: L, pick: Callable[[Node, Any], Node]) -> None:
        self._array, self._pick = array, pick

    def __getitem__(self, selection: Any) -> L:
        """What these brackets pick. Raises BoundsCheckError, SelectionError."""
        return self._array._of(self._pick(self._array.__lazyzarr_node__, selection))


class Blocks(Picker[L]):
    """Brackets that pick whole chunks."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        return self._array.numblocks

    @property
    def size(self) -> int:
        """The number of chunks."""
        return self._array.npartitions

    def ravel(self) -> list[L]:
        """Each chunk as an array, in C order."""
        return [self[index] for index in np.ndindex(self.shape)]
