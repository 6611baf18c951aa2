"""The rules by which an expression is rewritten before it is planned: a table, node to node, of equal values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.graph.node import Node, make, walk
from lazyzarr.graph.ops.elementwise import Cast, Elementwise, Where
from lazyzarr.graph.ops.group_blocks import group_blocks
from lazyzarr.graph.ops.groups import GroupReduce
from lazyzarr.graph.ops.joined import Extremum, Logical, Product
from lazyzarr.graph.ops.joining import Concatenate, full
from lazyzarr.graph.ops.points import Take, Vindex, take, vindex
from lazyzarr.graph.ops.positions import FirstExtremum
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import MemorySource
from lazyzarr.graph.ops.sums import Mean, Sum
from lazyzarr.graph.ops.variances import Variance
from lazyzarr.graph.ops.views import Broadcast, Index, Rechunk, Transpose, broadcast_to, rechunk, transpose

__all__ = ["RULES", "Facts", "Rule"]

Range = tuple[int, int, int]
"""Start, step and count along an axis."""


class Facts:
    """What a rule may know of the expression around a node, while one pass rewrites it, inputs first."""

    def __init__(self, roots: Sequence[Node]) -> None:
        self.order = walk(roots)
        self._uses = Counter(source for node in self.order for source in node.inputs) + Counter(roots)
        self._now: Counter[Node] = Counter()
        self._asked = _selections(self.order, self._uses)
        self._straight = _straight(self.order, roots, self._uses)

    def rewritten(self, node: Node, found: Node) -> None:
        """Told of each node what stands in its place: it is used by what used the node, too."""
        self._now[found] += self._uses[node]

    def alone(self, node: Node) -> bool:
        """Whether one node uses it, and no answer is made of it: what is read for it is read for nothing else."""
        return self._now[node] == 1

    def straight(self, reduce: Reduce) -> bool:
        """Whether it is the only reduction, and each of its values is used once, where it lies."""
        return reduce in self._straight

    def narrowed(self, reduce: Reduce) -> bool:
        """Whether all reductions that share its pass are asked for the same part, and for no other."""
        asked = self._asked.get(reduce.operand.shape, {None})
        return len(asked) == 1 and None not in asked


def _straight(order: Sequence[Node], roots: Sequence[Node], uses: Counter[Node]) -> set[Node]:
    """The only reduction, if what stands between it and the answer uses each value once."""
    reduces = [node for node in order if isinstance(node, Reduce)]
    if len(reduces) != 1 or len(roots) != 1:
        return set()
    node = roots[0]
    while node is not reduces[0]:
        below = [source for source in node.inputs if not source.is_leaf]
        passes = isinstance(node, (Elementwise, Rechunk)) and len(below) == 1
        if not passes or uses[node] != 1 or below[0].shape != node.shape:
            return set()
        node = below[0]
    return set(reduces) if uses[node] == 1 else set()


Apply = Callable[[Any, Facts], Node | None]


class Rule(NamedTuple):
    """A rule: its name, the kinds of nodes that it looks at, and what it makes of one, None where it does not apply."""

    name: str
    kinds: tuple[type[Node], ...]
    apply: Apply


# --- constants


def _constant(node: Node) -> Any:
    """The one value of an array that is one 0-d array in memory, stretched; None for others."""
    while isinstance(node, (Rechunk, Broadcast)):
        node = node.inputs[0]
    return node.array if isinstance(node, MemorySource) and not node.ndim else None


def _filled(node: Node, value: Any) -> Node | None:
    return _alike(node, full(node.shape, value, node.dtype))


def fold_constants(node: Elementwise, facts: Facts) -> Node | None:
    """A function of constants is one."""
    plain = isinstance(node, (Cast, Where)) or (
        type(node) is Elementwise and isinstance(node.function, np.ufunc)
    )
    values = [_constant(source) for source in node.inputs]
    loses = isinstance(node, Cast) and node.inputs[0].dtype.kind == "c"  # NumPy warns of it, when it runs
    if not plain or loses or any(value is None for value in values):
        return None
    try:
        with np.errstate(all="raise"):
            return _filled(node, np.asarray(node.apply(values, None)))
    except FloatingPointError:
        return None  # said when it runs, as the user's np.errstate wants it


def constant_view(node: Node, facts: Facts) -> Node | None:
    """However a constant is arranged, it is one."""
    value = _constant(node.inputs[0])
    return None if value is None else _filled(node, value)


# --- what comes to nothing, or to one step


def rechunk_once(node: Rechunk, facts: Facts) -> Node | None:
    """The last chunks count."""
    inner = node.inputs[0]
    return rechunk(inner.inputs[0], node.chunks) if isinstance(inner, Rechunk) else None


def transpose_once(node: Transpose, facts: Facts) -> Node | None:
    """Two orders are one."""
    inner = node.inputs[0]
    if not isinstance(inner, Transpose):
        return None
    return transpose(inner.inputs[0], [inner.params[0][axis] for axis in node.params[0]])


def broadcast_once(node: Broadcast, facts: Facts) -> Node | None:
    """The last shape counts."""
    inner = node.inputs[0]
    return _alike(node, broadcast_to(inner.inputs[0], node.shape)) if isinstance(inner, Broadcast) else None


def index_once(node: Index, facts: Facts) -> Node | None:
    """Two selections are one."""
    inner = node.inputs[0]
    if not isinstance(inner, Index):
        return None
    asked = iter(node.ranges)
    fresh = set(inner.params[2])
    kept = iter(inner.kept)
    ranges = list(inner.ranges)
    dropped, new, place = set(inner.params[1]), [], 0
    for axis in range(inner.ndim):
        while place in node.params[2]:
            new.append(place)
            place += 1
        start, step, count = next(asked)
        gone = axis in node.params[1]
        if axis in fresh:
            if count != 1:
                return None
            if not gone:
                new.append(place)
        else:
            own = next(kept)
            first, stride, _ = ranges[own]
            ranges[own] = first + stride * start, stride * step, count
            if gone:
                dropped.add(own)
        place += not gone
    new.extend(axis for axis in node.params[2] if axis >= place)
    return _alike(node, _select(inner.inputs[0], ranges, dropped, new))


def index_of_rechunk(node: Index, facts: Facts) -> Node | None:
    """A selection passes chunks by, where what lies below can make something of it."""
    inner = node.inputs[0]
    if not isinstance(inner, Rechunk) or not isinstance(
        inner.inputs[0], (Index, Concatenate, Take, Vindex, Reduce)
    ):
        return None
    return _alike(node, make(Index, inner.inputs, node.params))


# --- selections of what is put together block by block


def index_of_concatenate(node: Index, facts: Facts) -> Node | None:
    """Of joined arrays those that a selection does not touch are left out."""
    joined = node.inputs[0]
    if not isinstance(joined, Concatenate) or not facts.alone(joined):
        return None
    (axis,) = joined.params
    parts, low = [], 0
    for source in joined.inputs:
        first, own = _within(node.ranges[axis], low, low + source.shape[axis])
        low += source.shape[axis]
        if own[2]:
            parts.append((first, _select(source, _replaced(node.ranges, axis, own))))
    if not parts or len(parts) == len(joined.inputs):
        return None
    pieces = [piece for _, piece in sorted(parts, key=lambda part: part[0])]
    found = pieces[0] if len(pieces) == 1 else make(Concatenate, tuple(pieces), (axis,))
    return _alike(node, _arranged(node, found))


def _within(selected: Range, low: int, high: int) -> tuple[int, Range]:
    """Of a range along an axis: how many elements lie before the part from low to high, and the range in that part.

    >>> _within((1, 2, 4), 2, 6), _within((7, -3, 3), 2, 6)
    ((1, (1, 2, 2)), (1, (2, -3, 1)))
    """
    start, step, count = selected
    if step > 0:
        first, last = -((start - low) // step), -((start - high) // step)
    else:
        first, last = (start - high) // -step + 1, (start - low) // -step + 1
    first, last = min(max(first, 0), count), min(max(last, 0), count)
    return first, (start + step * first - low if last > first else 0, step, max(last - first, 0))


def index_of_take(node: Index, facts: Facts) -> Node | None:
    """Of picked elements only those are picked that are selected."""
    picked = node.inputs[0]
    if not isinstance(picked, Take) or not facts.alone(picked):
        return None
    axis, held, _ = picked.params
    start, step, count = node.ranges[axis]
    if not 0 < count < picked.shape[axis]:
        return None
    found = take(picked.inputs[0], held.value[start + step * np.arange(count)], axis)
    rest = _select(found, _replaced(node.ranges, axis, (0, 1, count)), node.params[1], node.params[2])
    return _alike(node, rest)


def index_of_vindex(node: Index, facts: Facts) -> Node | None:
    """Of picked points only those are picked that are selected."""
    picked = node.inputs[0]
    if not isinstance(picked, Vindex) or not facts.alone(picked):
        return None
    _, held, _ = picked.params
    start, step, count = node.ranges[0]
    if not 0 < count < picked.shape[0]:
        return None
    found = vindex(picked.inputs[0], held.value[:, start + step * np.arange(count)])
    rest = _select(found, _replaced(node.ranges, 0, (0, 1, count)), node.params[1], node.params[2])
    return _alike(node, rest)


def take_of_take(node: Take, facts: Facts) -> Node | None:
    """Positions among positions are positions."""
    inner, (axis, held, _) = node.inputs[0], node.params
    if not isinstance(inner, Take) or inner.params[0] != axis or not facts.alone(inner):
        return None
    return _alike(node, take(inner.inputs[0], inner.params[1].value[held.value], axis))


def take_evenly(node: Take, facts: Facts) -> Node | None:
    """Positions at equal distances are a slice."""
    axis, held, _ = node.params
    positions = held.value
    if not len(positions):
        return None
    step = int(positions[1] - positions[0]) if len(positions) > 1 else 1
    if not step or (np.diff(positions) != step).any():
        return None
    source = node.inputs[0]
    whole = tuple((0, 1, n) for n in source.shape)
    return _alike(node, _select(source, _replaced(whole, axis, (int(positions[0]), step, len(positions)))))


# --- selections of reductions

# Each result of these depends on the elements at its own place along the axes that are kept, and on nothing else.
_PLACEWISE = (Sum, Mean, Product, Variance, Extremum, FirstExtremum, Logical)


def index_of_reduction(node: Index, facts: Facts) -> Node | None:
    """Only what is selected of the results is reduced."""
    reduce = node.inputs[0]
    if not isinstance(reduce, _PLACEWISE) or not facts.alone(reduce) or not facts.narrowed(reduce):
        return None
    asked = _operand_ranges(node, reduce)
    if asked is None:
        return None
    found = make(type(reduce), (_select(reduce.operand, asked),), reduce.params)
    return _alike(node, _arranged(node, found))


def _operand_ranges(node: Index, reduce: Reduce) -> tuple[Range, ...] | None:
    """What of the operand a selection of the results asks for; None where that is all, or nothing."""
    axes, keepdims, _, _ = reduce.params
    asked = iter(node.ranges)
    ranges: list[Range] = []
    for axis, n in enumerate(reduce.operand.shape):
        own = (0, 1, n)
        if axis not in axes:
            own = next(asked)
        elif keepdims and next(asked)[2] != 1:
            return None
        ranges.append(own)
    less = any(count < n for (_, _, count), n in zip(ranges, reduce.operand.shape, strict=True))
    return tuple(ranges) if less and all(count for _, _, count in ranges) else None


def _selections(order: Sequence[Node], uses: Counter[Node]) -> dict[tuple[int, ...], set[Any]]:
    """For each domain that is reduced over, what of it each reduction is asked for; None: all of it."""
    by: dict[Node, Any] = {}
    for node in order:
        if isinstance(node, Index) and isinstance(node.inputs[0], Reduce):
            by[node.inputs[0]] = _operand_ranges(node, node.inputs[0])
    found: dict[tuple[int, ...], set[Any]] = {}
    for node in order:
        if isinstance(node, Reduce):
            asked = by.get(node) if uses[node] == 1 else None
            found.setdefault(node.operand.shape, set()).add(asked)
    return found


def by_group(reduce: GroupReduce, facts: Facts) -> Node | None:
    """What is asked for place by place, once, and shares no pass, is made group by group: its state is small then."""
    if not facts.straight(reduce):
        return None
    found = group_blocks(reduce)
    return None if found is None else _alike(reduce, found)


def narrow(node: Index, facts: Facts) -> Node | None:
    """A selection passes elementwise operations by, so that reductions below them need not give what is not used."""
    top = node.inputs[0]
    if not isinstance(top, Elementwise) or not facts.alone(top):
        return None
    inside = walk(
        [top], lambda each: [s for s in each.inputs if isinstance(s, Elementwise) and facts.alone(s)]
    )
    reduced = [s for each in inside for s in each.inputs if isinstance(s, Reduce) and facts.alone(s)]
    if all(_select(s, _aligned(node.ranges, s.shape)) is s for s in reduced):
        return None
    less: dict[Node, Node] = {}
    for each in inside:
        sources = tuple(less.get(s) or _select(s, _aligned(node.ranges, s.shape)) for s in each.inputs)
        less[each] = make(type(each), sources, each.params)
    return _alike(node, _arranged(node, less[top]))


def _aligned(ranges: Sequence[Range], shape: tuple[int, ...]) -> tuple[Range, ...]:
    """The ranges of an operand that is stretched to the shape which they are selected from."""
    own = ranges[len(ranges) - len(shape) :]
    return tuple((0, 1, 1) if n == 1 else each for each, n in zip(own, shape, strict=True))


# --- making nodes


def _select(node: Node, ranges: Sequence[Range], dropped: Any = (), new: Any = ()) -> Node:
    """The selection of a node; the node itself where that is all of it."""
    whole = all(own == (0, 1, n) for own, n in zip(ranges, node.shape, strict=True))
    if whole and not dropped and not new:
        return node
    return make(Index, (node,), (tuple(ranges), tuple(sorted(dropped)), tuple(new)))


def _arranged(node: Index, found: Node) -> Node:
    """What was selected by ranges, without the dropped axes and with the new ones of a selection."""
    return _select(found, tuple((0, 1, n) for n in found.shape), node.params[1], node.params[2])


def _replaced(ranges: Sequence[Range], axis: int, own: Range) -> tuple[Range, ...]:
    return (*ranges[:axis], own, *ranges[axis + 1 :])


def _alike(node: Node, found: Node) -> Node | None:
    """What was found, in a node's chunks; None where it has not its shape, dtype and names."""
    if (found.shape, found.dtype, found.dims) != (node.shape, node.dtype, node.dims):
        return None
    return rechunk(found, node.chunks)


RULES = (
    Rule("fold constants", (Elementwise,), fold_constants),
    Rule("constant view", (Index, Transpose), constant_view),
    Rule("rechunk once", (Rechunk,), rechunk_once),
    Rule("transpose once", (Transpose,), transpose_once),
    Rule("broadcast once", (Broadcast,), broadcast_once),
    Rule("index once", (Index,), index_once),
    Rule("index of rechunk", (Index,), index_of_rechunk),
    Rule("index of concatenate", (Index,), index_of_concatenate),
    Rule("index of take", (Index,), index_of_take),
    Rule("index of vindex", (Index,), index_of_vindex),
    Rule("take of take", (Take,), take_of_take),
    Rule("take evenly", (Take,), take_evenly),
    Rule("index of reduction", (Index,), index_of_reduction),
    Rule("narrow", (Index,), narrow),
    Rule("by group", (GroupReduce,), by_group),
)
"""In the order in which they are tried."""
