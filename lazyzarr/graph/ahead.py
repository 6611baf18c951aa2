"""What a block will ask of its leaves, worked out before: so that slow stores are asked for much of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from lazyzarr.graph.leaves import ChunkedLeaf
from lazyzarr.graph.locate import Locator
from lazyzarr.graph.node import Node
from lazyzarr.graph.program import Program, Programs
from lazyzarr.graph.stage import Stage

__all__ = ["BlockAhead"]

Coords = tuple[int, ...]


class _Leaves(Protocol):
    def __getitem__(self, node: Node) -> object: ...


class BlockAhead:
    """Lets the leaves of one evaluator read ahead, block by block, as deep as the plan allows."""

    def __init__(self, stage: Stage, leaves: _Leaves, capacities: Mapping[Node, int]) -> None:
        self._stage, self._leaves, self._capacities = stage, leaves, capacities
        self._depths = {leaf: depth for leaf, depth in stage.ahead if depth > 1}
        # What the leaf keeps: the same as it keeps itself, as it is asked for the same in the same order.
        self._kept: dict[Node, dict[Coords, None]] = {leaf: {} for leaf in self._depths}
        self._orders: list[Iterator[Coords]] = []
        self._programs = Programs(stage.roots, stage.inline)
        self._locators: dict[tuple[Node, Program], list[Locator]] = {}

    def begin(self, index: Coords) -> None:
        """Let each leaf read ahead for a block."""
        if not self._depths:
            return
        for order in self._orders:  # of the last block; it is kept in step to its end
            for _ in order:
                pass
        self._orders = []
        for node, depth in self._depths.items():
            leaf = self._leaves[node]
            assert isinstance(leaf, ChunkedLeaf)
            order = self._order(node, leaf, index)
            self._orders.append(order)
            leaf.read_ahead(order, depth)

    def end(self) -> None:
        """Ask for nothing ahead any more, where a block did not come to its end."""
        for node in self._depths:
            leaf = self._leaves[node]
            assert isinstance(leaf, ChunkedLeaf)
            leaf.read_ahead((), 0)

    def _order(self, node: Node, leaf: ChunkedLeaf, index: Coords) -> Iterator[Coords]:
        """The chunks that a block makes a leaf fetch, in their order."""
        kept, capacity = self._kept[node], max(self._capacities[node], 1)
        for _, _, tiles in self._stage.layout.walk(index):
            for origin, shape in tiles:
                for locate in self._loads(node, leaf, self._programs.at(shape, origin)):
                    for coords in locate(origin).chunks():
                        if coords in kept:
                            del kept[coords]
                        else:
                            if len(kept) >= capacity:
                                del kept[next(iter(kept))]
                            yield coords
                        kept[coords] = None

    def _loads(self, node: Node, leaf: ChunkedLeaf, program: Program) -> list[Locator]:
        """Where each load of a leaf lies."""
        known = self._locators.get((node, program))
        if known is None:
            tile = program.tile_shape
            domain = self._programs.domain
            known = [
                Locator(load.region, leaf.cuts, tile, domain) for load in program.loads if load.leaf is node
            ]
            self._locators[node, program] = known
        return known
