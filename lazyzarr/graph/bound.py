"""Bound programs: compiled ones with memory to run in, and the leaves that they load from. NumPy on tiles."""

from __future__ import annotations

import functools
import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.access import block_capacities, programs_below
from lazyzarr.graph.below import Path
from lazyzarr.graph.floating import now
from lazyzarr.graph.leaves import ChunkCache, ChunkedLeaf, Leaf, Room, Tile, is_uniform, open_leaf, uniform
from lazyzarr.graph.locate import Locators
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Box, Computed, cuts_of
from lazyzarr.graph.ops.elementwise import Constant, Elementwise
from lazyzarr.graph.ops.joining import Concatenate
from lazyzarr.graph.ops.lending import anything_left, is_left
from lazyzarr.graph.ops.packing import Packed
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.program import MOST_PROGRAMS, Load, Program, Programs, Step, view_of
from lazyzarr.graph.spoiled import Damage

__all__ = ["Arena", "Array", "Bound", "Evaluator", "Leaves", "Values"]

Array = np.ndarray[Any, Any]
Values = Mapping[Node, Array]


class Leaves:
    """The leaves of one evaluator, opened on first use, each keeping as many chunks as it is asked for at once.

    They are not shared between evaluators: what one has borrowed must not be overwritten for another.
    """

    def __init__(
        self,
        capacities: Mapping[Node, int],
        values: Values,
        more: Mapping[Path, Mapping[Node, int]] | None = None,
        room: Room | None = None,
        path: Path = (),
        tiled: bool = True,
    ) -> None:
        self._capacities, self._values, self._room = capacities, values, room or Room()
        self._more, self._path = more or {}, path
        self.tiled = tiled
        """Whether what is evaluated are tiles, of which no two have an element in common."""
        self._open: dict[Node, Leaf] = {}

    def __getitem__(self, node: Node) -> Leaf:
        leaf = self._open.get(node)
        if leaf is None:
            kept = self._capacities[node]
            made = (
                computed_leaf(node, kept, self._values, self._more, self._room, (*self._path, node))
                if isinstance(node, Computed)
                else open_leaf(node, kept, self._values, self._room)
            )
            leaf = self._open[node] = made
        return leaf

    def check(self) -> None:
        """Raises ArrayReplacedError where chunks were missing because the array is another by now."""
        for leaf in self._open.values():
            leaf.check()


def computed_leaf(
    node: Computed,
    kept: int,
    values: Values,
    more: Mapping[Path, Mapping[Node, int]],
    room: Room,
    path: Path,
) -> ChunkedLeaf:
    """A computed node as a leaf: its blocks are made when they are asked for, and kept like decoded chunks.

    At the end of a path below a stage some leaves keep `more` chunks than a box touches.
    """
    cuts = tuple(cuts_of(sizes).tolist() for sizes in node.chunks)
    capacities = Counter(block_capacities(node)) + Counter(more.get(path))
    leaves = Leaves(capacities, values, more, room, path, tiled=False)
    evaluators = [Evaluator(programs_below(source), leaves) for source in node.inputs]
    make = node.session()

    def get(i: int, box: Box) -> Array:
        origin, extent = box
        if 0 in extent:  # of nothing there is no leaf, and no tile
            return np.empty(extent, node.inputs[i].dtype)
        values = evaluators[i].at(extent, origin).values(origin)[0]
        now.node = node
        return values

    def fetch(coords: tuple[int, ...], spare: Array | None) -> Array:
        return make(coords, get)

    return ChunkedLeaf(cuts, ChunkCache(fetch, kept, reuse=False), node.dtype, leaves.check)


class Arena:
    """Memory that the programs of an evaluator share: a buffer for each slot, and for each load that needs one."""

    def __init__(self) -> None:
        self._bytes: dict[tuple[str, int], Array] = {}

    def array(self, use: tuple[str, int], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array of a shape and dtype in the buffer of a use, which grows where it must.

        Where a user's function keeps what was there, another buffer takes its place.
        """
        if dtype.hasobject:  # of strings and objects memory holds addresses
            return np.empty(shape, dtype)
        nbytes = max(math.prod(shape) * dtype.itemsize, 1)
        held = self._bytes.get(use)
        if held is None or held.nbytes < nbytes or is_left(held):
            held = self._bytes[use] = np.empty(nbytes, np.uint8)
        return np.ndarray(shape, dtype, buffer=held.data)

    def fits(self, slots: Sequence[int]) -> bool:
        """Whether no slot has to grow."""
        return all(self._bytes.get(("slot", i), _NOTHING).nbytes >= nbytes for i, nbytes in enumerate(slots))


_NOTHING = np.empty(0, np.uint8)


class Bound:
    """A program with memory to run in: registers, slots, and one closure a step."""

    def __init__(
        self, program: Program, arena: Arena, leaves: Leaves, who: object, domain: tuple[int, ...]
    ) -> None:
        self._who, self._arena = who, arena
        sources = [leaves[leaf] for leaf in dict.fromkeys(load.leaf for load in program.loads)]
        self._begins = [leaf.begin for leaf in sources if isinstance(leaf, ChunkedLeaf)]
        self._registers: list[Any] = [None] * program.registers
        locators: Locators = {}
        self._loads = [
            (
                load.register,
                leaves[load.leaf].loader(
                    load.region,
                    _tile_of(program, load, leaves.tiled, domain),
                    functools.partial(arena.array, ("load", i)),
                    locators,
                ),
            )
            for i, load in enumerate(program.loads)
        ]
        self._roots = program.roots
        self._slotted = [(step, step.slot) for step in program.steps if step.slot is not None]
        self._slots: dict[int, Array] = {}
        _take_slots(arena, self._slotted, self._slots, self._registers)
        self._borrowed = [i for i in range(program.registers) if i not in self._slots]
        # The value of a root that is computed is computed where it is wanted, and no user's function keeps it there.
        direct = self._slots.keys() - _lent(program)
        self._direct = [r in direct and program.roots.count(r) == 1 for r in program.roots]
        # A register, for who calls functions: a closure over what holds it would outlive the run.
        self._origin = self._constant(())
        self._steps = [(step.node, self._bind(step)) for step in program.steps]
        self._damage = Damage(program, self._steps, domain if leaves.tiled else None, self._origin)
        self._sparse = _sparse_loads(program, leaves)
        self._constants: list[Array] | None = None

    def release(self) -> None:
        """Lets go of the chunks that the last run borrowed."""
        for register in self._borrowed:
            self._registers[register] = None

    def _constant(self, value: Any) -> int:
        self._registers.append(value)
        return len(self._registers) - 1

    def _bind(self, step: Step) -> Callable[[list[Any]], None]:
        """The closure that makes a step's value."""
        r, node = step.register, step.node
        if step.is_view:
            make, a = view_of(step), step.arguments[0]

            def view(registers: list[Any]) -> None:
                registers[r] = make(registers[a])

            return view
        if isinstance(node, MapBlocks):
            return self._lending(step, self._bind_call(step, node))
        if isinstance(node, Concatenate):
            put, arguments = node.put, step.arguments

            def join(registers: list[Any]) -> None:
                put([registers[a] for a in arguments], registers[r])

            return join
        assert isinstance(node, Elementwise)
        if isinstance(node, Packed):
            return self._bind_packed(step, node)
        if node.in_place and not node.params[2]:
            places = [
                self._constant(o.value) if isinstance(o, Constant) else step.arguments[o]
                for o in node.operands
            ]
            return _bind_ufunc(node.function, places, r)

        def apply(registers: list[Any]) -> None:
            out = registers[r]
            result = node.apply([registers[a] for a in step.arguments], out)
            if result is not out:
                np.copyto(out, result, casting="unsafe")

        return self._lending(step, apply) if node.calls_user else apply

    def _lending(self, step: Step, call: Callable[[list[Any]], None]) -> Callable[[list[Any]], None]:
        """The closure of a user's function, after which nothing is written to what it keeps."""
        later = [pair for pair in self._slotted if pair[0].register > step.register]
        arena, slots = self._arena, self._slots

        def lend(registers: list[Any]) -> None:
            call(registers)
            _renew(arena, later, slots, registers)

        return lend

    def _bind_packed(self, step: Step, node: Packed) -> Callable[[list[Any]], None]:
        """The closure that packs a tile, whose place errors tell."""
        put, a, r, at = node.put, step.arguments[0], step.register, self._origin

        def pack(registers: list[Any]) -> None:
            put(registers[a], registers[r], registers[at])

        return pack

    def _bind_call(self, step: Step, node: MapBlocks) -> Callable[[list[Any]], None]:
        """The closure that calls a user's function with the tile, which is its block."""
        cuts, at = [list(itertools.accumulate(sizes, initial=0)) for sizes in node.chunks], self._origin

        def call(registers: list[Any]) -> None:
            origin = registers[at]
            block_id = tuple(bisect_right(axis, o) - 1 for axis, o in zip(cuts, origin, strict=True))
            pieces = [registers[a] for a in step.arguments]
            registers[step.register] = node.call(pieces, origin, block_id)

        return call

    def values(self, origin: tuple[int, ...]) -> list[Array]:
        """The roots' values for a tile, valid until the next run."""
        registers = self._registers
        registers[self._origin] = origin
        _renew(self._arena, self._slotted, self._slots, registers)
        for begin in self._begins:
            begin(self._who)
        for register, load in self._loads:
            registers[register] = load(origin)
        if self._sparse and self._nothing_stored():
            if self._constants is None:
                with self._damage.noting():
                    self._constants = [uniform(value) for value in self._run(registers)]
            else:
                self._damage.repeat(origin)
            return self._constants
        return self._run(registers)

    def _run(self, registers: list[Any]) -> list[Array]:
        """The roots' values, from what was loaded."""
        flags = now.flags
        for now.node, step in self._steps:
            step(registers)
            if flags:
                self._damage.take(registers, flags)
        return [registers[register] for register in self._roots]

    def _nothing_stored(self) -> bool:
        """Whether nothing that was loaded is stored: then the roots are what they were where that was so before."""
        for register, leaf in self._sparse:
            if not leaf.uniform or not is_uniform(self._registers[register]):
                return False
        return True

    def put(self, origin: tuple[int, ...], targets: Sequence[Array]) -> None:
        """Puts the roots' values for a tile into arrays of its shape."""
        registers = self._registers
        for register, direct, target in zip(self._roots, self._direct, targets, strict=True):
            if direct:
                registers[register] = target
        values = self.values(origin)
        for register, direct, target, value in zip(self._roots, self._direct, targets, values, strict=True):
            if direct:
                registers[register] = self._slots[register]
            if value is not target:
                np.copyto(target, value)


Slotted = Sequence[tuple[Step, int]]
"""Steps that have a slot, and its number."""


def _take_slots(arena: Arena, slotted: Slotted, slots: dict[int, Array], registers: list[Any]) -> None:
    """Gives steps their slots."""
    for step, number in slotted:
        slot = arena.array(("slot", number), step.shape, step.dtype)
        slots[step.register] = registers[step.register] = slot


def _renew(arena: Arena, slotted: Slotted, slots: dict[int, Array], registers: list[Any]) -> None:
    """Gives steps other memory for their slots, if users' functions keep what was there."""
    if anything_left() and any(is_left(slots[step.register]) for step, _ in slotted):
        _take_slots(arena, slotted, slots, registers)


def _lent(program: Program) -> set[int]:
    """The registers that users' functions see, be it through views."""
    lent: set[int] = set()
    for step in reversed(program.steps):
        calls = step.node is not None and step.node.calls_user
        if calls or (step.is_view and step.register in lent):
            lent.update(step.arguments)
    return lent


def _tile_of(program: Program, load: Load, tiled: bool, domain: tuple[int, ...]) -> Tile:
    """A program's tile as a load sees it."""
    once = tiled and sum(other.leaf is load.leaf for other in program.loads) == 1
    moves = {span.axis for span in load.region if span.rate}
    return Tile(program.tile_shape, domain, once and moves.issuperset(range(len(program.tile_shape))))


def _sparse_loads(program: Program, leaves: Leaves) -> list[tuple[int, ChunkedLeaf]]:
    """The loads of stored arrays, where all else is the same for each tile; none where it may not be."""
    for step in program.steps:
        # Users' functions may give what they like, and parts that are joined each their own value.
        if isinstance(step.node, Concatenate) or (step.node is not None and step.node.calls_user):
            return []
    found = []
    for load in program.loads:
        leaf = leaves[load.leaf]
        if isinstance(load.leaf, ZarrSource) and isinstance(leaf, ChunkedLeaf):
            found.append((load.register, leaf))
        elif math.prod(load.shape) != 1 or any(span.axis is not None for span in load.region):
            return []
    return found


def _bind_ufunc(function: Callable[..., Any], places: list[int], r: int) -> Callable[[list[Any]], None]:
    """The closure of a ufunc of one, two or more operands."""
    if len(places) == 1:
        (a,) = places

        def unary(registers: list[Any]) -> None:
            function(registers[a], out=registers[r])

        return unary
    if len(places) == 2:
        a, b = places

        def binary(registers: list[Any]) -> None:
            function(registers[a], registers[b], out=registers[r])

        return binary

    def many(registers: list[Any]) -> None:
        function(*[registers[a] for a in places], out=registers[r])

    return many


class Evaluator:
    """Programs for each shape of tile, and for what seams cut it, in one arena."""

    def __init__(self, programs: Programs, leaves: Leaves) -> None:
        self._programs, self._leaves = programs, leaves
        self._arena = Arena()
        self._bound: dict[Program, Bound] = {}
        self._last: Bound | None = None
        self._who = object()

    def at(self, shape: tuple[int, ...], origin: tuple[int, ...]) -> Bound:
        """The program of a tile; what the last one borrowed is let go, if that was another."""
        program = self._programs.at(shape, origin)
        bound = self._bound.get(program)
        if bound is None or bound is not self._last:
            if self._last is not None:
                self._last.release()
            bound = self._last = bound or self._bind(program)
        return bound

    def _bind(self, program: Program) -> Bound:
        """The program in the arena."""
        if not self._arena.fits(program.slots) or len(self._bound) >= MOST_PROGRAMS:
            self._bound.clear()  # they hold the smaller slots
        bound = self._bound[program] = Bound(
            program, self._arena, self._leaves, self._who, self._programs.domain
        )
        return bound
