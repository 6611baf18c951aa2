"""Drawings of plans: a box for each source, stage and target, and arrows for what reads what."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lazyzarr.graph.access import leaf_name
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.sources import Source, ZarrSource
from lazyzarr.graph.outline import StageFacts, target_name
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.stage import Stage
from lazyzarr.graph.svg import FONT, Canvas, Point, text_width
from lazyzarr.settings import format_bytes

__all__ = ["Drawing", "draw"]

# Of more sources of a stage than this, the others are counted in one box.
MOST_SOURCES = 6
_LINE, _PAD, _GAP, _BETWEEN, _LANE = FONT + 4.0, 8.0, 18.0, 34.0, 8.0


class Drawing:
    """An SVG that notebooks show; `save` writes it to a file.

    >>> drawing = (lz.from_array(np.ones(3)) + 1).visualize()
    >>> drawing.svg.startswith("<svg")
    True
    """

    def __init__(self, canvas: Canvas) -> None:
        self.svg = canvas.svg()
        self._alone = canvas.svg("white", "#222")

    def save(self, filename: str | os.PathLike[str]) -> None:
        """Writes the drawing to a file of SVG. Raises ValueError for other formats."""
        path = Path(filename)
        if path.suffix not in ("", ".svg"):
            raise ValueError(
                f"{path}: plans are drawn as SVG, which browsers show and print; name the file "
                f"{path.with_suffix('.svg').name}"
            )
        path.with_suffix(".svg").write_text(self._alone)

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Drawing of a plan, {len(self.svg):,} characters of SVG; .save('plan.svg')>"


@dataclass(eq=False)
class _Box:
    """What is drawn as one box: its lines, the boxes that it reads, and where it lies."""

    lines: list[str]
    opacity: float
    reads: list[_Box] = field(default_factory=list)
    row: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return max(text_width(line) * (1.1 if i == 0 else 1) for i, line in enumerate(self.lines)) + 2 * _PAD

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + _PAD


def draw(planned: Stages, facts: Sequence[StageFacts]) -> Drawing:
    """A plan as a drawing: sources above, stages in the order in which they wait for each other, targets below."""
    boxes = _boxes(planned, facts)
    rows = _place(boxes)
    canvas = Canvas()
    for points in _arrows(boxes, rows):
        canvas.arrow(points)
    for box in boxes:
        canvas.box(box.x, box.y, box.width, box.height, box.opacity)
        for i, line in enumerate(box.lines):
            canvas.text((box.x + box.width / 2, box.y + (i + 1) * _LINE), line, bold=i == 0)
    return Drawing(canvas)


def _boxes(planned: Stages, facts: Sequence[StageFacts]) -> list[_Box]:
    """All boxes, what is read before what reads it."""
    made: dict[Node, _Box] = {}
    sources: dict[Node, _Box] = {}
    stages: list[_Box] = []
    targets: list[_Box] = []
    for stage, fact in zip(planned.stages, facts, strict=True):
        box = _Box(_stage_lines(fact), 0.5)
        below = walk(stage.roots, lambda node: () if node in made else node.inputs)
        box.reads += dict.fromkeys(made[node] for node in below if node in made)
        box.reads += _sources([node for node in below if isinstance(node, Source)], sources)
        made.update((reduce, box) for reduce in stage.reduces)
        made.update((spill.source, box) for spill in planned.spills if spill.node in stage.roots)
        stages.append(box)
        targets += [_Box(lines, 0.2, [box]) for lines in _target_lines(stage, planned)]
    return [*sources.values(), *stages, *targets]


def _stage_lines(fact: StageFacts) -> list[str]:
    sizes = [f"{format_bytes(fact.decode)} decoded" if fact.decode else ""]
    sizes.append(f"{format_bytes(fact.write)} written" if fact.write else "")
    tasks = f"{fact.tasks:,} tasks" if fact.tasks != 1 else "1 task"
    lines = [fact.name, ", ".join(filter(None, [tasks, *sizes]))]
    peak = f"peak {format_bytes(fact.peak)}" + (": does not fit" if fact.why else "")
    return [*lines, f"{peak}, {fact.place}" if fact.place else peak]


def _sources(leaves: Sequence[Source], known: dict[Node, _Box]) -> list[_Box]:
    """The boxes of a stage's sources."""
    found = []
    for leaf in leaves[:MOST_SOURCES]:
        if leaf not in known:
            name = leaf_name(leaf) if isinstance(leaf, ZarrSource) else "array in memory"
            known[leaf] = _Box([name, f"{leaf.shape} {leaf.dtype}, {format_bytes(leaf.nbytes)}"], 0.2)
        found.append(known[leaf])
    others = leaves[MOST_SOURCES:]
    if others:
        nbytes = sum(leaf.nbytes for leaf in others)
        found.append(known.setdefault(others[0], _Box([f"{len(others):,} more", format_bytes(nbytes)], 0.2)))
    return found


def _target_lines(stage: Stage, planned: Stages) -> list[list[str]]:
    """The lines of what a stage gives to the user: nothing, where it is a temporary array."""
    if stage.kind == "spill":
        return []
    if stage.kind == "reduce":
        wanted = {output.node for output in planned.outputs}
        nodes: list[tuple[Node, str]] = [(reduce, "result") for reduce in stage.reduces if reduce in wanted]
    else:
        nodes = [
            (root, target_name(sink.url) if sink else "result")
            for root, sink in zip(stage.roots, stage.sinks, strict=True)
        ]
    return [[name, f"{node.shape} {node.dtype}, {format_bytes(node.nbytes)}"] for node, name in nodes]


def _place(boxes: Sequence[_Box]) -> list[list[_Box]]:
    """The rows: below each other, boxes of a row side by side, each row in the middle."""
    found: dict[int, list[_Box]] = {}
    for box in boxes:
        box.row = max((source.row + 1 for source in box.reads), default=0)
        found.setdefault(box.row, []).append(box)
    rows = [found[number] for number in sorted(found)]
    y = 0.0
    for row in rows:
        row.sort(key=lambda box: sum(source.x for source in box.reads) / max(len(box.reads), 1))
        x = -(sum(box.width for box in row) + _GAP * (len(row) - 1)) / 2
        for box in row:
            box.x, box.y = x, y
            x += box.width + _GAP
        y += max(box.height for box in row) + _BETWEEN
    return rows


def _arrows(boxes: Sequence[_Box], rows: Sequence[Sequence[_Box]]) -> list[list[Point]]:
    """The points of each arrow: side by side at the boxes, and around those of the rows between."""
    readers = {source: [box for box in boxes if source in box.reads] for source in boxes}
    passing = itertools.count(1)
    found = []
    for box in boxes:
        sources = sorted(box.reads, key=lambda source: source.x + source.width / 2)
        for i, source in enumerate(sources):
            out = readers[source]
            start = source.x + source.width * (out.index(box) + 1) / (len(out) + 1)
            points = [(start, source.y + source.height)]
            between = rows[source.row + 1 : box.row]
            if between:
                points += _around(between, start, next(passing))
            points.append((box.x + box.width * (i + 1) / (len(sources) + 1), box.y))
            found.append(points)
    return found


def _around(rows: Sequence[Sequence[_Box]], x: float, number: int) -> list[Point]:
    """Points at the nearer side of rows that an arrow passes; each arrow has a lane of its own."""
    left = min(row[0].x for row in rows) - _LANE * number
    right = max(row[-1].x + row[-1].width for row in rows) + _LANE * number
    side = left if x - left < right - x else right
    return [(side, y) for row in rows for y in (row[0].y, row[0].y + max(box.height for box in row))]
