"""The whole that the methods of a lazy array are parts of: an array with a node, of which others like it are made."""

from __future__ import annotations

from typing import Self

from lazyzarr.graph.node import Node

__all__ = ["Whole"]


class Whole:
    """What a part of the class asks of the class that it is mixed into, so that its methods give that class."""

    __slots__ = ()

    @property
    def __lazyzarr_node__(self) -> Node:
        """The expression."""
        raise NotImplementedError

    @classmethod
    def _of(cls, node: Node) -> Self:
        """An array of another expression."""
        raise NotImplementedError
