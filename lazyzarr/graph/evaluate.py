"""Evaluation: the loops over the tiles of a block, into results, write units or accumulators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.ahead import BlockAhead
from lazyzarr.graph.below import Path
from lazyzarr.graph.bound import Array, Evaluator, Leaves, Values
from lazyzarr.graph.floating import now
from lazyzarr.graph.leaves import Decoded, Room
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.reductions import Reduce, State, Tile
from lazyzarr.graph.program import Programs
from lazyzarr.graph.region import place
from lazyzarr.graph.stage import Stage
from lazyzarr.graph.write import UnitWriter

__all__ = ["BlockResult", "StageRunner", "Stopped"]

Box = tuple[tuple[int, int], ...]
BlockResult = list[Any]
"""For each root or reduction of a stage, what a block gives: values, a state, or None where they went into place."""


class Stopped(Exception):
    """The run was stopped; nothing more may be written."""


def stage_capacities(stage: Stage) -> dict[Node, int]:
    """How many chunks each leaf of a stage keeps, as its layout needs them."""
    kept: dict[Node, int] = {}
    for access, chunks in zip(stage.accesses, stage.capacities, strict=True):
        kept[access.leaf] = kept.get(access.leaf, 0) + chunks
    return kept


def more_below(stage: Stage) -> dict[Path, Counter[Node]]:
    """How many chunks the leaves below computed ones keep besides those of a box, by the path to them."""
    more: dict[Path, Counter[Node]] = {}
    for below, chunks in zip(stage.below, stage.more, strict=True):
        more.setdefault(below.path, Counter())[below.access.leaf] += chunks
    return more


class StageRunner:
    """What a task needs to run blocks of a stage, one at a time; kept from task to task."""

    def __init__(self, stage: Stage, values: Values, stopped: Callable[[], bool]) -> None:
        self._stage, self._stopped = stage, stopped
        capacities = stage_capacities(stage)
        room = Room()
        self.decoded: Decoded = room.decoded
        """Bytes that it has decoded so far."""
        self._leaves = Leaves(capacities, values, more_below(stage), room)
        self._ahead = BlockAhead(stage, self._leaves, capacities)
        self._evaluator = Evaluator(Programs(stage.roots, stage.inline), self._leaves)
        depths = stage.behind or (0,) * len(stage.sinks)
        self._writers = [
            None if sink is None else UnitWriter(sink, depth)
            for sink, depth in zip(stage.sinks, depths, strict=True)
        ]

    def run(self, index: tuple[int, ...], results: Sequence[Array | None] | None) -> BlockResult:
        """Runs a block. What is not written is put into `results` where they are given, else returned."""
        run = self._reduce if self._stage.kind == "reduce" else self._map
        if not self._stage.ahead and not self._stage.behind:
            return run(index, results)
        self._ahead.begin(index)
        writers = [writer for writer in self._writers if writer is not None]
        try:
            result = run(index, results)
            for writer in writers:
                writer.flush()
            return result
        finally:
            self._ahead.end()
            for writer in writers:
                writer.settle()

    def _map(self, index: tuple[int, ...], results: Sequence[Array | None] | None) -> BlockResult:
        """The roots' values over a block."""
        bounds = self._stage.layout.block(index)
        targets = [self._target(i, bounds, results) for i in range(len(self._stage.roots))]
        program, check, stopped = self._evaluator.at, self._leaves.check, self._stopped
        for start, lengths, tiles in self._stage.layout.walk(index):
            if stopped():
                raise Stopped
            for target in targets:
                target.begin(start, lengths)
            for origin, shape in tiles:
                program(shape, origin).put(origin, [target.part(origin, shape) for target in targets])
            check()
            if stopped():
                raise Stopped
            now.node = None
            for target in targets:
                target.end()
        return [None if results is not None else target.values for target in targets]

    def _target(self, i: int, bounds: Box, results: Sequence[Array | None] | None) -> _Target:
        """Where a block's values of a root go: to a writer, into a part of the result, or into an array."""
        writer = self._writers[i]
        if writer is not None:
            return _Written(writer)
        result = None if results is None else results[i]
        if result is not None:
            values = result[place(slice(*b) for b in bounds)]
        else:
            values = np.empty([high - low for low, high in bounds], self._stage.roots[i].dtype)
        return _Kept(values, tuple(low for low, _ in bounds))

    def _reduce(self, index: tuple[int, ...], results: Sequence[Array | None] | None) -> BlockResult:
        """The reductions of a block: finished where it holds all that is reduced, else their states."""
        stage = self._stage
        bounds = stage.layout.block(index)
        folds = [_Fold(reduce, stage.roots.index(reduce.operand), bounds) for reduce in stage.reduces]
        for _, _, tiles in stage.layout.walk(index):
            if self._stopped():
                raise Stopped
            for origin, shape in tiles:
                values = [Tile(each, origin) for each in self._evaluator.at(shape, origin).values(origin)]
                for fold in folds:
                    fold.take(origin, shape, values[fold.root])
            self._leaves.check()
        finished = []
        for i, fold in enumerate(folds):
            result = None if results is None else results[i]
            finished.append(fold.finish(stage.whole_in_block(fold.reduce), result))
        return finished


class _Kept:
    """An array that takes the values of a block, of which the origin is given."""

    def __init__(self, values: Array, origin: tuple[int, ...]) -> None:
        self.values: Array | None = values
        self._whole, self._origin = values, origin

    def begin(self, start: tuple[int, ...], lengths: tuple[int, ...]) -> None:
        """Nothing is to be done for a unit."""

    def part(self, origin: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        """Where a tile's values go."""
        return _part(self._whole, self._origin, origin, shape)

    def end(self) -> None:
        """The values are where they stay."""


class _Written:
    """A writer that takes the values of a block unit by unit."""

    values: Array | None = None

    def __init__(self, writer: UnitWriter) -> None:
        self._writer = writer

    def begin(self, start: tuple[int, ...], lengths: tuple[int, ...]) -> None:
        """Gets an array for a unit's values."""
        self._start = start
        self._unit = self._writer.buffer(lengths)

    def part(self, origin: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        """Where in the unit a tile's values go."""
        return _part(self._unit, self._start, origin, shape)

    def end(self) -> None:
        """Writes the unit."""
        self._writer.write(self._start, self._unit)


_Target = _Kept | _Written


def _part(values: Array, start: tuple[int, ...], origin: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The part of an array, which begins at `start`, that a tile is."""
    if values.shape == shape:
        return values
    parts = [slice(o - s, o - s + n) for s, o, n in zip(start, origin, shape, strict=True)]
    return values[place(parts)]  # type: ignore[no-any-return]


class _Fold:
    """The accumulators of one reduction over one block."""

    def __init__(self, reduce: Reduce, root: int, bounds: Box) -> None:
        self.reduce, self.root, self._bounds = reduce, root, bounds
        self._kept = [axis not in reduce.axes for axis in range(len(bounds))]
        self._state = reduce.start(
            tuple(
                high - low if self._kept[i] else reduce.kept(i).stop for i, (low, high) in enumerate(bounds)
            )
        )
        self._seen: dict[tuple[int, ...], int] = {}

    def take(self, origin: tuple[int, ...], shape: tuple[int, ...], tile: Tile) -> None:
        """Folds a tile into the part of the state that it belongs to."""
        now.node = self.reduce
        if not any(self._kept):
            before = self._seen.get((), 0)
            self.reduce.fold(self._state, tile, before)
            self._seen[()] = before + tile.values.size
            return
        parts, key = [], []
        for axis, (low, n, (start, _)) in enumerate(zip(origin, shape, self._bounds, strict=True)):
            if self._kept[axis]:
                parts.append(slice(low - start, low - start + n))
                key.append(low)
            else:
                parts.append(self.reduce.kept(axis))
        where = tuple(key)
        before = self._seen.get(where, 0)
        where_to = place(parts)
        self.reduce.fold(tuple([part[where_to] for part in self._state]), tile, before)
        self._seen[where] = before + self.reduce.count(shape)

    def finish(self, whole_axes: bool, result: Array | None) -> Array | State | None:
        """The finished values (in `result`, if given), or the state that is to be joined with others."""
        if not whole_axes:
            return self._state
        now.node = self.reduce
        count = self.reduce.count([high - low for low, high in self._bounds])
        values = self.reduce.finish(self._state, count)
        if result is None:
            return values
        parts = tuple(
            slice(*b) if self._kept[axis] else self.reduce.kept(axis) for axis, b in enumerate(self._bounds)
        )
        result[place(parts)] = values
        return None
