"""Given blocks: which chunks of Dask's arrays a block of a stage needs; Dask computes them beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.layout import Access
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import DaskSource
from lazyzarr.graph.stage import Stage

__all__ = ["Needs", "dask_sources"]

Coords = tuple[int, ...]


def dask_sources(roots: Sequence[Node]) -> list[DaskSource]:
    """The leaves below the roots whose chunks Dask computes."""
    return [node for node in walk(roots) if isinstance(node, DaskSource)]


class Needs:
    """What the blocks of a stage need of Dask's arrays."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._touched = [access for access in stage.accesses if isinstance(access.leaf, DaskSource)]
        others = [
            access.leaf for access in stage.accesses if not isinstance(access.leaf, (DaskSource, Reduce))
        ]
        below = walk(others, lambda node: () if isinstance(node, Reduce) else node.inputs)
        self._whole = [node for node in below if isinstance(node, DaskSource)]

    def __bool__(self) -> bool:
        return bool(self._touched or self._whole)

    def at(self, index: Coords) -> dict[DaskSource, list[Coords]]:
        """The chunks that a block needs of each array, in an order of their own."""
        found: dict[DaskSource, list[Coords]] = {}
        bounds = self._stage.layout.block(index)
        for access in self._touched:
            known = found.setdefault(access.leaf, [])  # type: ignore[arg-type]
            known.extend(c for c in _touched(access, bounds, self._stage.domain) if c not in known)
        for source in self._whole:
            found[source] = list(itertools.product(*(range(len(sizes)) for sizes in source.chunks)))
        return found

    def values(self, index: Coords, given: Sequence[Any]) -> Mapping[Node, dict[Coords, Any]]:
        """The chunks that a block was given, in the order of `at`, by array and place."""
        rest = iter(given)
        return {source: {c: next(rest) for c in coords} for source, coords in self.at(index).items()}


def _touched(access: Access, bounds: Sequence[tuple[int, int]], domain: tuple[int, ...]) -> list[Coords]:
    """The chunks of a leaf that a box of the domain touches."""
    ranges = []
    for own, span in enumerate(access.region):
        low, high = bounds[span.axis] if span.axis is not None else (0, 1)
        first, last = access.touched(own, np.array([low]), np.array([high]), domain)
        ranges.append(range(int(first[0]), int(last[0]) + 1))
    return list(itertools.product(*ranges))
