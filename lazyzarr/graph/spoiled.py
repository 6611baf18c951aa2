"""Spoiled values: how many of a tile became NaN or infinite where NumPy flagged a floating point error.

Only tiles in which one was flagged are looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.graph.floating import now
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant, Elementwise
from lazyzarr.graph.ops.strips import shorten, slices_of
from lazyzarr.graph.program import Program, Step
from lazyzarr.graph.region import place

__all__ = ["BECAME", "Damage"]

Array = np.ndarray[Any, Any]

BECAME = {"invalid value": "NaN", "divide by zero": "infinite", "overflow": "infinite"}
"""What values become by each kind of error that is counted."""

# The operand that is zero where the result is infinite for that, and not because it is too large.
_POLES: dict[Any, int] = {np.divide: 1, np.floor_divide: 1, np.power: 0, np.float_power: 0, np.reciprocal: 0}
# So many elements are looked at at once.
_STRIP = 1 << 16


class _Reach(NamedTuple):
    """What the tiles of a stage make of one node."""

    values: int
    """How many values they make together."""
    fixed: tuple[int, ...]
    """The axes of the domain along which each tile makes the same ones."""


_NOWHERE = _Reach(0, ())


class _Count(NamedTuple):
    """What one step of a tile makes known."""

    node: Node | None
    kind: str
    spoiled: int | None
    reach: _Reach

    def add(self, origin: tuple[int, ...]) -> None:
        """Tells whoever this thread works for; values that many tiles make count for the first of them."""
        if now.found is not None:
            again = any(origin[axis] for axis in self.reach.fixed)
            now.found.add(
                self.node, self.kind, 0 if again and self.spoiled else self.spoiled, self.reach.values
            )


class Damage:
    """Counts what is spoiled in the tiles of one program; without a domain these overlap, and nothing is counted."""

    def __init__(
        self,
        program: Program,
        steps: Sequence[tuple[Node | None, Callable[[list[Any]], None]]],
        domain: tuple[int, ...] | None,
        origin: int,
    ) -> None:
        self._program, self._steps, self._domain, self._origin = program, steps, domain, origin
        self._noting = False
        self._noted: list[_Count] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Within: what is counted is kept, for other tiles that are of the same values."""
        self._noting = True
        try:
            yield
        finally:
            self._noting = False

    def repeat(self, origin: tuple[int, ...]) -> None:
        """Tells the same again of another tile."""
        for count in self._noted:
            count.add(origin)

    def take(self, registers: list[Any], flags: list[tuple[Node | None, str]]) -> None:
        """Counts what the step that this thread was at has spoiled; of what else was flagged nobody can say."""
        node = now.node
        kinds = dict.fromkeys(kind for other, kind in flags if other is node)
        counts = [_Count(other, kind, None, _NOWHERE) for other, kind in flags if other is not node]
        flags.clear()
        if kinds:
            reach, spoiled = self._spoiled(registers, node, list(kinds))
            counts += [_Count(node, kind, spoiled.get(kind), reach) for kind in kinds]
        for count in counts:
            count.add(registers[self._origin])
        if self._noting:
            self._noted += counts

    def _spoiled(
        self, registers: list[Any], node: Node | None, kinds: Sequence[str]
    ) -> tuple[_Reach, dict[str, int]]:
        """How many values each kind of error has spoiled, if that can be told, and of how many."""
        index = next(i for i, (each, _) in enumerate(self._steps) if each is node)
        step = self._program.steps[index]
        reach = None if self._domain is None else _reach(self._program, step, self._domain)
        if reach is None or not isinstance(node, Elementwise):
            return _NOWHERE, {}
        out, pieces = registers[step.register], [registers[a] for a in step.arguments]
        # What it was made of lay where its values are now: all until then is made again, but for what users make.
        again = any(np.may_share_memory(out, piece) for piece in pieces)
        before = self._steps[: index + 1] if again else []
        if any(each is not None and each.calls_user for each, _ in before):
            return reach, {}
        with np.errstate(all="ignore"):
            for _, make in before[:-1]:
                make(registers)
            spoiled = _Spoiled(node.function, kinds, _operands(node, pieces))
            for _, make in before[-1:]:
                make(registers)
            return reach, spoiled.count(out)


def _reach(program: Program, step: Step, domain: tuple[int, ...]) -> _Reach | None:
    """What a step makes, tile by tile; None where tiles make the same values as others, or parts of joined ones."""
    node = step.node
    counted = isinstance(node, Elementwise) and not node.calls_user and step.dtype.kind in "fc"
    if node is None or not counted or sum(other.node is node for other in program.steps) != 1:
        return None
    values, moved = 1, []
    for span, n in zip(step.region, node.shape, strict=True):
        values *= span.count if span.axis is None else domain[span.axis]
        if span.axis is None:
            continue
        count = program.tile_shape[span.axis]
        if span.axis in moved or not span.rate or span.count != count:
            return None
        firsts = (span.start, span.start + span.rate * (domain[span.axis] - count))
        inside = all(0 <= first < n and 0 <= first + span.step * (count - 1) < n for first in firsts)
        if not inside or (count > 1 and abs(span.rate) != abs(span.step)):
            return None
        moved.append(span.axis)
    return _Reach(values, tuple(axis for axis in range(len(domain)) if axis not in moved))


def _operands(node: Elementwise, pieces: Sequence[Any]) -> list[Array]:
    """A step's operands in the order of the function's, constants too."""
    return [
        np.asarray(operand.value if isinstance(operand, Constant) else pieces[operand])
        for operand in node.operands
    ]


class _Spoiled:
    """Which values of a step were good before, of one kind of error each; then how many of them are no more."""

    def __init__(self, function: Callable[..., Any], kinds: Sequence[str], operands: Sequence[Array]) -> None:
        self._shape = np.broadcast_shapes(*(operand.shape for operand in operands))
        both = {"divide by zero", "overflow"} <= set(kinds)
        pole = _POLES.get(function) if both else None
        self._kinds = [
            kind
            for kind in kinds
            if kind in BECAME and (kind == "invalid value" or not both or pole is not None)
        ]
        spread = [np.broadcast_to(operand, self._shape) for operand in operands]
        zero = None if pole is None else spread[pole]
        numbers = [operand for operand in spread if operand.dtype.kind in "fcmM"]
        # As bits: beside a tile that is next to nothing.
        self._bad = {
            kind: [np.packbits(_bad(kind, numbers, zero, where)) for where in self._strips()]
            for kind in self._kinds
        }

    def _strips(self) -> Iterator[tuple[slice, ...]]:
        lengths = list(self._shape)
        shorten(lengths, range(len(lengths)), _STRIP)
        return itertools.product(*slices_of(self._shape, lengths))

    def count(self, values: Array) -> dict[str, int]:
        """How many values each kind of error spoiled; kinds that cannot be told apart are missing."""
        result = dict.fromkeys(self._kinds, 0)
        for i, where in enumerate(self._strips()):
            strip = values[place(where)]
            for kind in self._kinds:
                spoiled = np.isnan(strip) if kind == "invalid value" else np.isinf(strip)
                bad = np.unpackbits(self._bad[kind][i], count=spoiled.size).view(bool)
                result[kind] += int(np.count_nonzero(spoiled.ravel() > bad))
        return result


def _bad(kind: str, operands: Sequence[Array], zero: Array | None, where: tuple[slice, ...]) -> Array:
    """Where in a strip a kind of error is not what spoils a value."""
    parts = [operand[place(where)] for operand in operands]
    tested = [np.isnan(part) if kind == "invalid value" else ~np.isfinite(part) for part in parts]
    if zero is not None and kind != "invalid value":
        tested.append((zero[place(where)] == 0) == (kind == "overflow"))
    return (
        np.logical_or.reduce(tested) if tested else np.zeros([part.stop - part.start for part in where], bool)
    )
