"""Findings: the floating point errors of a run, brought together from its tasks and told of when it is over."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lazyzarr.graph.floating import Found, added, encountered
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.origins import line_of_code
from lazyzarr.graph.spoiled import BECAME
from lazyzarr.graph.stage import Stage
from lazyzarr.graph.telling import tell

__all__ = ["Finding", "Findings", "Told"]

Task = tuple[int, tuple[int | str, ...]]
"""A stage's number, and which of its tasks, where one may be run again and find the same; all of them for ()."""


class Finding(NamedTuple):
    """An error of one operation, as it travels from a worker."""

    position: int
    """Of the node among those of its stage; -1: it is none of them."""
    label: str
    kind: str
    spoiled: int | None
    """How many values it spoiled; None where nobody can say."""
    of: int
    """How many values the stage makes of that node."""


Told = dict[Task, list[Finding]]


class Findings:
    """What the tasks of a run have found; told by several threads."""

    def __init__(self) -> None:
        self._tasks: Told = {}
        self._positions: dict[int, dict[Node, int]] = {}
        self._lock = threading.Lock()

    def add(self, task: Task, stage: Stage, found: Found) -> None:
        """Takes over what a task of a stage has found."""
        positions = self._positions.get(task[0])
        if positions is None:
            positions = self._positions[task[0]] = {node: i for i, node in enumerate(_nodes(stage))}
        self.take({task: [_finding(positions, *key, *counts) for key, counts in found.items()]})

    def take(self, told: Told) -> None:
        """Takes over what tasks have found elsewhere."""
        with self._lock:
            for task, findings in told.items():
                self._tasks[task] = findings if task[1] else _summed([*self._tasks.get(task, ()), *findings])

    def hand_over(self) -> Told:
        """All that was found until now, for whoever tells of it."""
        with self._lock:
            told, self._tasks = self._tasks, {}
        return told

    def tell(self, stages: Sequence[Stage]) -> None:
        """Warns of what was found, once for each operation and line."""
        sums: dict[tuple[str, str, str, int], tuple[int | None, int]] = {}
        for (node, label, kind), (count, of) in _by_node(stages, self.hand_over()).items():
            key = kind, label, *line_of_code(None if node is None else node.origin)
            before, size = sums.get(key, (0, 0))
            sums[key] = (None if before is None or count is None else before + count), of + size
        in_order = sorted(sums.items(), key=lambda item: (*item[0][2:], *item[0][:2]))
        for (kind, label, file, line), (count, of) in in_order:
            text = stem = encountered(kind, label)
            if count:  # some flags are raised where nothing is spoiled
                where = f" ({os.path.basename(file)}:{line})" if file else ""
                text += f": {_amount(count, of)} became {BECAME[kind]}{where}"
            tell(text, RuntimeWarning, file, line, stem)


def _summed(findings: Sequence[Finding]) -> list[Finding]:
    sums: dict[tuple[int, str, str], tuple[int | None, int]] = {}
    for position, label, kind, spoiled, of in findings:
        key = position, label, kind
        sums[key] = added(sums.get(key, (0, 0)), spoiled, of)
    return [Finding(*key, *counts) for key, counts in sums.items()]


def _finding(
    positions: Mapping[Node, int], node: Node | None, kind: str, count: int | None, of: int
) -> Finding:
    if node is None:
        return Finding(-1, "", kind, count, of)
    return Finding(positions.get(node, -1), node.label, kind, count, of)


def _nodes(stage: Stage) -> list[Node]:
    """The nodes that a stage's tasks are at work on, in an order that is the same in each process."""
    return walk([*stage.roots, *stage.reduces])


Operation = tuple[Node | None, str, str]
"""A node, its label, and the kind of error."""


def _by_node(stages: Sequence[Stage], told: Told) -> dict[Operation, tuple[int | None, int]]:
    """What was found of each operation; of several stages that compute it, by the one that makes most of its values."""
    found: dict[Operation, tuple[int | None, int]] = {}
    for number, stage in enumerate(stages):
        findings = _summed([each for task, own in told.items() if task[0] == number for each in own])
        nodes = _nodes(stage) if findings else []
        for position, label, kind, count, of in findings:
            node = nodes[position] if 0 <= position < len(nodes) else None
            key = (node if node is not None and node.label == label else None), label, kind
            known, size = found.get(key, (None, 0))
            found[key] = (count, of) if known is None or (count is not None and of > size) else (known, size)
    return found


def _amount(count: int, of: int) -> str:
    """A number of values and their share of all.

    >>> _amount(5243, 26214400), _amount(7, 7)
    ('5,243 of 26,214,400 values (0.02 %)', '7 of 7 values (100 %)')
    >>> _amount(1, 10**6), _amount(999_999, 10**6)
    ('1 of 1,000,000 values (< 0.01 %)', '999,999 of 1,000,000 values (> 99.99 %)')
    """
    share = f"{100 * count / of:.2f}".rstrip("0").rstrip(".")
    if share == "0":
        share = "< 0.01"
    elif share == "100" and count < of:
        share = "> 99.99"
    return f"{count:,} of {of:,} values ({share} %)"
