"""Programs: a stage's nodes compiled for one tile shape into flat steps on a few registers.

A backward pass finds for each node the hull of what its consumers ask; a forward pass writes one step
for each (node, hull). Only where the tile lies changes from tile to tile: `pull` is never called there.
Where arrays are joined, a program holds for the tiles that the seams cut as they cut the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.elementwise import Elementwise
from lazyzarr.graph.ops.joining import Concatenate
from lazyzarr.graph.ops.views import Broadcast
from lazyzarr.graph.region import Region, merge, offset, whole

__all__ = [
    "Load",
    "Program",
    "Programs",
    "Step",
    "compile_program",
    "hulls_of",
    "joined_within",
    "stage_inputs",
    "view_of",
    "within_stage",
]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """Values that come from a leaf."""

    register: int
    leaf: Node
    region: Region

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is loaded."""
        return tuple(span.count for span in self.region)

    @property
    def nbytes(self) -> int:
        """Bytes of what is loaded."""
        return math.prod(self.shape) * self.leaf.dtype.itemsize


@dataclass(slots=True)
class Step:
    """One value: how it is made from earlier registers, and where it is put."""

    register: int
    node: Node | None  # None: a part of an argument
    arguments: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    part: tuple[slice, ...] | None = None
    slot: int | None = None
    region: Region = ()
    """The values of its node, as they move with the tile."""

    @property
    def is_view(self) -> bool:
        """Whether the value lies in its first argument's memory."""
        return self.node is None or self.node.is_view

    @property
    def nbytes(self) -> int:
        """Bytes of the value."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(slots=True, eq=False)
class Program:
    """What is done for each tile of one shape."""

    tile_shape: tuple[int, ...]
    loads: list[Load]
    steps: list[Step]
    roots: list[int]
    """The registers of the values that leave the program."""
    registers: int
    slots: list[int] = field(default_factory=list)
    """Bytes of each buffer that steps share by liveness."""
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Along axes where tiles differ by what seams cut them: the first and last place of a tile that it holds for."""

    def holds(self, origin: tuple[int, ...]) -> bool:
        """Whether it is the program of a tile at an origin."""
        return all(low <= origin[axis] <= high for axis, (low, high) in self.limits.items())

    @property
    def computes(self) -> bool:
        """Whether anything is computed, rather than handed on."""
        return any(not step.is_view for step in self.steps)


def stage_inputs(inline: frozenset[Node]) -> Callable[[Node], Sequence[Node]]:
    """The inputs to follow within a stage: none of a leaf, unless it is computed within the stage."""
    return lambda node: node.inputs if not node.is_leaf or node in inline else ()


def within_stage(roots: Sequence[Node], kind: type[Node], inline: frozenset[Node] = frozenset()) -> bool:
    """Whether a stage of these roots has, or reads, a node of a kind."""
    return any(isinstance(node, kind) for node in walk(roots, stage_inputs(inline)))


def hulls_of(
    roots: Sequence[Node], tile_shape: tuple[int, ...], inline: frozenset[Node] = frozenset()
) -> dict[Node, list[Region]]:
    """For each node of a stage, the hulls that a tile of this shape needs of it, wherever it lies."""
    return _Backward(roots, tile_shape, inline, None).hulls


# More regions of one array, and more arrays joined at once, take longer to plan for than blocks take to be copied.
MOST_REGIONS = 9
MOST_JOINED = 64


def joined_within(
    roots: Sequence[Node], domain: tuple[int, ...], inline: frozenset[Node] = frozenset()
) -> frozenset[Node]:
    """The joined arrays that programs read by parts; blocks are made of the others."""
    if not within_stage(roots, Concatenate, inline):
        return frozenset()
    return frozenset(_Backward(roots, domain, inline, None, choose=True).joined)


def compile_program(
    roots: Sequence[Node],
    tile_shape: tuple[int, ...],
    inline: frozenset[Node] = frozenset(),
    origin: tuple[int, ...] | None = None,
) -> Program:
    """The program that gives the roots' values for a tile of this shape, at an origin (None: at the first)."""
    found = _Backward(roots, tile_shape, inline, origin or (0,) * len(tile_shape))
    builder = _Builder()
    for node in found.order:
        for region in found.hulls.get(node, ()):
            if node.is_leaf and node not in inline:
                builder.load(node, region)
            else:
                builder.step(node, region, found.pulls[node, region])
    tile = whole(tile_shape)
    results = [builder.find(root, tile) for root in roots]
    program = Program(tile_shape, builder.loads, builder.steps, results, builder.count, limits=found.limits)
    program.slots = _allocate(program)
    return program


# Grids that do not align make tiles of many shapes; a program costs less to compile than to keep for ever.
MOST_PROGRAMS = 4096


class Programs:
    """The programs of some roots, by the shape of the tile and what seams cut it, compiled when first asked for."""

    def __init__(self, roots: Sequence[Node], inline: frozenset[Node]) -> None:
        self._roots, self._inline = roots, inline
        self._known: dict[tuple[int, ...], list[Program]] = {}
        self._limited: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._at: dict[tuple[int, ...], Program] = {}

    @property
    def domain(self) -> tuple[int, ...]:
        """The shape of what tiles are cut of."""
        return self._roots[0].shape

    def at(self, shape: tuple[int, ...], origin: tuple[int, ...]) -> Program:
        """The program of a tile."""
        axes = self._limited.get(shape, ())
        key = (*shape, *[origin[axis] for axis in axes]) if axes else shape
        program = self._at.get(key)
        if program is None:
            program = self._found(shape, origin)
            axes = self._limited[shape]
            self._at[(*shape, *[origin[axis] for axis in axes])] = program
        return program

    def _found(self, shape: tuple[int, ...], origin: tuple[int, ...]) -> Program:
        known = self._known.setdefault(shape, [])
        program = next((each for each in known if each.holds(origin)), None)
        if program is None:
            if sum(map(len, self._known.values())) >= MOST_PROGRAMS:
                self._known, self._limited, self._at = {shape: (known := [])}, {}, {}
            program = compile_program(self._roots, shape, self._inline, origin)
            known.append(program)
            self._limit(shape, program)
        return program

    def _limit(self, shape: tuple[int, ...], program: Program) -> None:
        """Lets the axes along which a program has limits tell tiles of the shape apart."""
        axes = self._limited.get(shape, ())
        wider = tuple(sorted({*axes, *program.limits}))
        if shape in self._limited and wider != axes:
            self._at.clear()
        self._limited[shape] = wider


Pulls = dict[tuple[Node, Region], Sequence[Region | None]]


class _Backward:
    """What a tile needs: nodes in order, the hulls asked of each, and what each hull asks of the inputs.

    With an origin, joined arrays are asked for what this tile needs of each input, and the limits are those of the
    tiles that need the same; without one, for what tiles anywhere need.
    """

    def __init__(
        self,
        roots: Sequence[Node],
        tile_shape: tuple[int, ...],
        inline: frozenset[Node],
        origin: tuple[int, ...] | None,
        choose: bool = False,
    ) -> None:
        self.hulls: dict[Node, list[Region]] = {}
        self.pulls: Pulls = {}
        self.limits: dict[int, tuple[int, int]] = {}
        self.joined: list[Node] = []
        self._origin = origin
        follow = stage_inputs(inline)
        self.order = walk(roots, _through_joints(follow) if choose else follow)
        asked: dict[Node, list[Region]] = {}
        for root in roots:
            asked.setdefault(root, []).append(whole(tile_shape))
        for node in reversed(self.order):
            if node not in asked:
                continue
            hulls = self.hulls[node] = merge(dict.fromkeys(asked.pop(node)))
            if choose and isinstance(node, Concatenate) and _is_joined_within(node, hulls):
                self.joined.append(node)
            elif node.is_leaf and node not in inline:
                continue
            for region in hulls:
                wanted = self.pulls[node, region] = self._pull(node, region)
                for source, part in zip(node.inputs, wanted, strict=True):
                    if part is not None:
                        asked.setdefault(source, []).append(part)

    def _pull(self, node: Node, region: Region) -> Sequence[Region | None]:
        if self._origin is None or not isinstance(node, Concatenate):
            return node.pull(region)
        split = node.split(region, self._origin)
        if split.axis is not None:
            low, high = self.limits.get(split.axis, (split.low, split.high))
            self.limits[split.axis] = max(low, split.low), min(high, split.high)
        return split.parts


def _through_joints(follow: Callable[[Node], Sequence[Node]]) -> Callable[[Node], Sequence[Node]]:
    """The inputs to follow, and those of joined arrays."""
    return lambda node: node.inputs if isinstance(node, Concatenate) else follow(node)


def _is_joined_within(node: Concatenate, hulls: Sequence[Region]) -> bool:
    return len(hulls) <= MOST_REGIONS and len(node.inputs) <= MOST_JOINED


class _Builder:
    """Loads and steps as they are written, and which register holds what."""

    def __init__(self) -> None:
        self.loads: list[Load] = []
        self.steps: list[Step] = []
        self.held: dict[Node, list[tuple[Region, int]]] = {}
        self.parts: dict[tuple[Node, Region, int], int] = {}
        self.count = 0

    def _register(self, node: Node, region: Region) -> int:
        self.held.setdefault(node, []).append((region, self.count))
        self.count += 1
        return self.count - 1

    def load(self, node: Node, region: Region) -> None:
        self.loads.append(Load(self._register(node, region), node, region))

    def step(self, node: Node, region: Region, pulled: Sequence[Region | None]) -> None:
        arguments = tuple(
            self.find(source, part)
            for source, part in zip(node.inputs, pulled, strict=True)
            if part is not None
        )
        if node.hands_on or (isinstance(node, Concatenate) and len(arguments) == 1):
            self.held.setdefault(node, []).append((region, arguments[0]))
            return
        shape = tuple(span.count for span in region)
        register = self._register(node, region)
        self.steps.append(Step(register, node, arguments, shape, node.dtype, region=region))

    def find(self, node: Node, region: Region) -> int:
        """The register of a region: a node's own, or a part of the one that holds it."""
        for held, register in self.held[node]:
            part = offset(region, held)
            if part is None:
                continue
            if held == region:
                return register
            return self._part(node, region, register, part)
        raise AssertionError(
            f"no hull of {node.label} holds {region}"
        )  # merge() keeps every region it is given

    def _part(self, node: Node, region: Region, register: int, part: tuple[slice, ...]) -> int:
        # By the node, too: of what is handed on one register holds several nodes' values, each by places of its own.
        known = self.parts.get((node, region, register))
        if known is None:
            known = self.parts[node, region, register] = self.count
            self.count += 1
            shape = tuple(span.count for span in region)
            self.steps.append(Step(known, None, (register,), shape, node.dtype, part))
        return known


def _allocate(program: Program) -> list[int]:
    """Gives each computed value a slot; slots are used again once nothing reads them. Their bytes."""
    ending = _last_uses(program)
    values = {step.register: step for step in program.steps}
    slots: list[int] = []
    free: list[int] = []
    for i, step in enumerate(program.steps):
        dying = [values[r] for r in ending.get(i, ()) if r in values and values[r].slot is not None]
        if not step.is_view and not isinstance(step.node, MapBlocks):
            reused = next((value for value in dying if _may_overwrite(step, value)), None)
            if reused is None:
                step.slot = _take(free, slots, step.nbytes)
            else:
                step.slot = reused.slot
                dying.remove(reused)
        free.extend(value.slot for value in dying if value.slot is not None)
    return slots


def _last_uses(program: Program) -> dict[int, list[int]]:
    """For each step, the values that nothing reads after it; a value that a view shows lives as long as the view."""
    owner: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, step in enumerate(program.steps):
        first = step.arguments[0] if step.is_view else step.register
        owner[step.register] = owner.get(first, first)
        for argument in step.arguments:
            last[owner.get(argument, argument)] = i
    for root in program.roots:
        last[owner.get(root, root)] = len(program.steps)
    ending: dict[int, list[int]] = {}
    for register, i in last.items():
        ending.setdefault(i, []).append(register)
    return ending


def _may_overwrite(step: Step, operand: Step) -> bool:
    """Whether a step may put its value where a dying operand lies: each value is read before it is written."""
    alike = (operand.shape, operand.dtype) == (step.shape, step.dtype)
    return operand.register in step.arguments and alike and _in_place(step.node)


def _in_place(node: Node | None) -> bool:
    return isinstance(node, Elementwise) and node.in_place


def _take(free: list[int], slots: list[int], nbytes: int) -> int:
    """A free slot that grows least, or a new one."""
    if not free:
        slots.append(nbytes)
        return len(slots) - 1
    best = min(free, key=lambda slot: (max(nbytes - slots[slot], 0), slots[slot]))
    free.remove(best)
    slots[best] = max(slots[best], nbytes)
    return best


def view_of(step: Step) -> Callable[[Array], Array]:
    """What makes a view step's value from its argument."""
    if step.node is None:
        part = step.part
        return lambda value: value[part]
    if isinstance(step.node, Broadcast):
        shape = step.shape
        return lambda value: np.broadcast_to(value, shape)
    node = step.node
    return lambda value: node.apply((value,), None)
