"""The plan as its reader sees it: text, a table for notebooks, fields, and `run`."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.errors import PlanError
from lazyzarr.graph.access import decoded_bytes, leaf_name
from lazyzarr.graph.check import check
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.stage import Stage
from lazyzarr.settings import format_bytes

__all__ = ["Plan"]


class Plan:
    """What a computation will do, known before anything runs; `print` it, or read its fields.

    >>> plan = lz.from_array(np.zeros((4, 4)), chunks=2).sum().explain(memory="1GB")
    >>> plan.fits, len(plan.stages)
    (True, 1)
    """

    def __init__(self, planned: Stages, reach: str, execute: Callable[[], Any]) -> None:
        self._planned, self._reach, self._execute = planned, reach, execute

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in the order in which they run, each with its layout, decode, write and memory (bytes)."""
        return self._planned.stages

    @property
    def peak_memory(self) -> int:
        """Bytes in use at the most, over what is in use at the start."""
        return self._planned.peak_memory

    @property
    def memory(self) -> int:
        """Bytes that may be used."""
        return self._planned.memory

    @property
    def workers(self) -> int:
        """Tasks at once."""
        return self._planned.workers

    @property
    def fits(self) -> bool:
        """Whether the plan breaks no law: memory, one writer a chunk, stores within reach."""
        return not self.problem

    @property
    def problem(self) -> str:
        """Why the plan would be refused, with what would work; empty where it would not."""
        try:
            check(self._planned, self._reach)
        except PlanError as error:
            return str(error)
        return ""

    @property
    def tasks(self) -> int:
        """The number of blocks of all stages."""
        return sum(stage.layout.tasks for stage in self.stages)

    @property
    def bytes_decoded(self) -> int:
        """Bytes decoded, at most."""
        return sum(stage.decode for stage in self.stages)

    @property
    def bytes_written(self) -> int:
        """Bytes written, before they are encoded."""
        return sum(stage.write for stage in self.stages)

    @property
    def amplification(self) -> float:
        """How often each chunk is decoded, over all stages."""
        once = sum(_decoded_once(self.stages).values())
        return self.bytes_decoded / once if once else 1.0

    @property
    def writers(self) -> int:
        """Chunks or shards that are written, each by one task."""
        return sum(stage.writers for stage in self.stages)

    def run(self) -> Any:
        """Runs the plan: what `compute` or `to_zarr` gives."""
        return self._execute()

    def __repr__(self) -> str:
        return "\n".join([*self._head(), *_aligned(self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        """The same as a table."""
        rows = self._rows()
        cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows[1:]]
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        lines = "<br>".join(html.escape(line.strip()) for line in [*self._head(), *self._notes()])
        return f"<div>{lines}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"

    def _head(self) -> list[str]:
        lines = []
        for output in self._planned.outputs:
            node = output.node
            target = f"{output.sink.url.removeprefix('file://')} <- " if output.sink else ""
            lines.append(f"{target}{node.label}   {node.shape} {node.dtype}, {format_bytes(node.nbytes)}")
        return lines

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            ("", "stage", "tasks", "decode", "amp", "write", "peak", "what it does")
        ]
        for i, stage in enumerate(self.stages, 1):
            rows.append(
                (
                    str(i),
                    stage.name,
                    f"{stage.layout.tasks:,}",
                    *_sizes(stage),
                    format_bytes(self._planned.peak(stage)),
                    _deed(stage),
                )
            )
        if len(self.stages) > 1:
            written = format_bytes(self.bytes_written) if self.bytes_written else "-"
            rows.append(
                (
                    "",
                    "total",
                    f"{self.tasks:,}",
                    format_bytes(self.bytes_decoded),
                    f"{self.amplification:.2f}",
                    written,
                    format_bytes(self.peak_memory),
                    "",
                )
            )
        return rows

    def _notes(self) -> list[str]:
        workers = f"{self.workers} at once"
        notes = [f"  peak {format_bytes(self.peak_memory)} of {format_bytes(self.memory)}, {workers}"]
        if self._planned.workers_why:
            notes.append(f"  {self._planned.workers_why}")
        if self.writers:
            notes.append(f"  {self.writers:,} chunks or shards written, one writer each")
        notes.extend(f"  {line}" for line in _decoded_again(self.stages))
        problem = self.problem
        return notes + [
            f"  does not fit: {line}" if i == 0 else f"  {line}"
            for i, line in enumerate(problem.splitlines())
        ]


def _sizes(stage: Stage) -> tuple[str, str, str]:
    """Decoded bytes, amplification and written bytes of a stage, as words."""
    least = stage.least_decode
    amplification = f"{stage.decode / least:.2f}" if least else "-"
    return (
        format_bytes(stage.decode) if stage.decode else "-",
        amplification,
        format_bytes(stage.write) if stage.write else "-",
    )


def _deed(stage: Stage) -> str:
    """What a stage does, in words."""
    sources = ", ".join(dict.fromkeys(leaf_name(access.leaf) for access in stage.accesses)) or "constants"
    if stage.kind == "reduce":
        results = ", ".join(f"{reduce.label} {reduce.shape}" for reduce in stage.reduces)
        return f"{sources} -> {results}"
    targets = ", ".join(sink.url.removeprefix("file://") if sink else "result" for sink in stage.sinks)
    return f"{sources} -> {targets}"


def _decoded_once(stages: Sequence[Stage]) -> dict[Any, int]:
    """For each source, the bytes that are decoded where each of its chunks that is needed is decoded once."""
    once: dict[Any, int] = {}
    for stage in stages:
        whole = [np.array([0, n]) for n in stage.domain]
        for access in stage.accesses:
            if access.decodes:
                least = decoded_bytes([access], whole, stage.domain)
                once[access.leaf] = max(once.get(access.leaf, 0), least)
    return once


def _decoded_again(stages: Sequence[Stage]) -> list[str]:
    """A line for each source that more than one stage reads."""
    readers: dict[Any, list[str]] = {}
    for stage in stages:
        for leaf in dict.fromkeys(access.leaf for access in stage.accesses if access.decodes):
            readers.setdefault(leaf, []).append(stage.name)
    return [
        f"{leaf_name(leaf)} is decoded by {len(names)} stages: {', '.join(names)}"
        for leaf, names in readers.items()
        if len(names) > 1
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: numbers to the right, words to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    words = {1, len(widths) - 1}
    return [
        "  "
        + "  ".join(
            cell.ljust(w) if i in words else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
