"""A plan's stages as facts: what each reads, does and gives, in the words of the user's program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from lazyzarr.graph.access import leaf_name
from lazyzarr.graph.blame import blame, nearby
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.origins import Place
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.reading import sources
from lazyzarr.graph.stage import Stage
from lazyzarr.settings import format_bytes

__all__ = ["StageFacts", "decoded_once", "expression", "line_of", "outline", "source_name", "target_name"]


@dataclass(frozen=True)
class StageFacts:
    """What is known of a stage before it runs."""

    name: str
    kind: str
    """How it walks: `map` gives values, `reduce` folds them."""
    tasks: int
    decode: int
    """Bytes decoded, at most."""
    amplification: float
    """How often it decodes each chunk that it needs; 1.0 where it decodes none."""
    write: int
    """Bytes written, before they are encoded."""
    writers: int
    """Chunks or shards that are written, each by one task."""
    peak: int
    """Bytes in use at the most while it runs, over what is in use at the start."""
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    place: Place | None
    """The user's line."""
    why: str
    """Why it does not fit; empty where it does."""

    @property
    def what(self) -> str:
        """What it does, in words."""
        return f"{', '.join(self.reads) or 'constants'} -> {', '.join(self.gives)}"


def outline(planned: Stages) -> tuple[StageFacts, ...]:
    """The facts of each stage, in the order in which they run."""
    return tuple(_facts(planned, stage) for stage in planned.stages)


def _facts(planned: Stages, stage: Stage) -> StageFacts:
    decode, least, peak = stage.decode, sum(decoded_once([stage]).values()), planned.peak(stage)
    return StageFacts(
        name=stage.name,
        kind=stage.kind,
        tasks=stage.layout.tasks,
        decode=decode,
        amplification=decode / least if least else 1.0,
        write=stage.write,
        writers=stage.writers,
        peak=peak,
        reads=tuple(dict.fromkeys(_word(leaf) for access in stage.accesses for leaf in _read(access.leaf))),
        gives=_gives(stage),
        place=_maker(stage),
        why=_over(planned, stage, peak),
    )


def _read(leaf: Node) -> list[Node]:
    """What is read for a leaf: sources, or else the earlier results that it is made of."""
    found = sources(leaf)
    if found != [leaf] or not isinstance(leaf, Computed):
        return found
    made = walk([leaf], lambda node: () if isinstance(node, Reduce) else node.inputs)
    return [node for node in made if isinstance(node, Reduce)] or found


def _word(leaf: Node) -> str:
    """What a stage reads: an array by its name, an earlier result by its variable."""
    return given(leaf) if isinstance(leaf, Reduce) else leaf_name(leaf)


def given(node: Node) -> str:
    """A result by the variable that holds it in the user's program, else by what makes it."""
    place = node.place
    return place.name if place is not None and place.name else node.label


def _gives(stage: Stage) -> tuple[str, ...]:
    if stage.kind == "reduce":
        return tuple(f"{given(reduce)} {reduce.shape}" for reduce in stage.reduces)
    return tuple(dict.fromkeys("result" if sink is None else target_name(sink.url) for sink in stage.sinks))


def target_name(url: str) -> str:
    """A URL as a plan prints it."""
    return url.removeprefix("file://")


def source_name(leaf: ZarrSource) -> str:
    """A stored array by its path as its user knows it: from the working folder where it lies below that."""
    url = target_name(leaf.handle.url)
    if "memory://" in url:
        return leaf_name(leaf)
    here = os.path.join(os.getcwd(), "")
    return url if here == os.sep else url.removeprefix(here)


def _maker(stage: Stage) -> Place | None:
    """The user's line that asked for a stage."""
    makers: Sequence[Node] = stage.reduces or stage.roots
    return next((place for node in makers if (place := node.place) is not None), None)


def _over(planned: Stages, stage: Stage, peak: int) -> str:
    if peak <= planned.memory:
        return ""
    return f"OVER by {format_bytes(peak - planned.memory)}: {blame(planned, stage).words}"


def expression(node: Node) -> tuple[str, Place | None]:
    """A node in the user's own words and where they stand; its label where the source is not at hand."""
    place = node.place
    return (place.text if place is not None and place.text else node.label), place


def decoded_once(stages: Sequence[Stage]) -> dict[Node, float]:
    """For each source, the bytes that are decoded where each of its chunks that is needed is decoded once."""
    once: dict[Node, float] = {}
    for stage in stages:
        for reading in stage.readings:
            once[reading.leaf] = max(once.get(reading.leaf, 0), reading.least)
    return once


def line_of(place: Place | None, head: Place | None) -> str:
    """A stage's line, where it is another than the plan's own."""
    same = place is None or (head is not None and (place.file, place.line) == (head.file, head.line))
    return "" if place is None or same else nearby(place, head)
