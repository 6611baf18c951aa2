"""In flight: how many chunks a task asks of slow stores ahead, and writes behind, in memory that a plan leaves over."""

from __future__ import annotations

import dataclasses
import math

from lazyzarr.graph.access import read_bytes_bound
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.stage import Stage

__all__ = ["with_read_ahead"]


def with_read_ahead(stage: Stage, spare: int, at_once: int) -> Stage:
    """The stage with chunks of slow stores asked for ahead and written behind, as `spare` bytes a task allow.

    `at_once` tasks share the requests that a store is worth.
    """
    slow = {
        access.leaf: (read_bytes_bound(access), access.leaf.array.reader().in_flight)
        for access in stage.accesses
        if isinstance(access.leaf, ZarrSource) and access.leaf.array.reader().in_flight > 1
    }
    ahead = tuple(
        (leaf, max(1, min(-(-wanted // at_once), spare // len(slow) // nbytes)))
        for leaf, (nbytes, wanted) in slow.items()
    )
    held = sum(depth * slow[leaf][0] for leaf, depth in ahead if depth > 1)
    behind, written = _behind(stage, spare - held, at_once)
    if not slow and not written:
        return stage
    memory = dataclasses.replace(
        stage.memory, encoded=stage.memory.encoded + held, unit=stage.memory.unit + written
    )
    return dataclasses.replace(stage, ahead=ahead, behind=behind, memory=memory)


def _behind(stage: Stage, spare: int, at_once: int) -> tuple[tuple[int, ...], int]:
    """How many encoded units of each sink may be on their way from a task, and their bytes."""
    depths, held = [], 0
    for sink in stage.sinks:
        wanted = sink.handle.in_flight if sink is not None and sink.staged and sink.edges is None else 0
        depth = 0
        if sink is not None and wanted > 1:
            nbytes = math.prod(sink.unit) * sink.itemsize * 9 // 8 + 65536
            depth = min(-(-wanted // at_once), spare // len(stage.sinks) // nbytes)
            held += depth * nbytes
        depths.append(depth)
    return tuple(depths), held
