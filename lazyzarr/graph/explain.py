"""The plan as its reader sees it: text, a table for notebooks, fields, and `run`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from lazyzarr.errors import MemoryBudgetError, PlanError, StoreError
from lazyzarr.graph.check import check
from lazyzarr.graph.cures import Cure
from lazyzarr.graph.display import plan_html
from lazyzarr.graph.drawing import Drawing, draw
from lazyzarr.graph.law import Bound, estimate
from lazyzarr.graph.outline import StageFacts, decoded_once, outline
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.plan_text import plan_text

__all__ = ["Plan"]


class Plan:
    """What a computation will do, known before anything runs; `print` it, or read its fields.

    >>> plan = lz.from_array(np.zeros((4, 4)), chunks=2).sum().explain(memory="1GB")
    >>> plan.fits, len(plan.stages)
    (True, 1)
    """

    def __init__(self, planned: Stages, reach: str, execute: Callable[[], Any], where: str = "") -> None:
        self._planned, self._reach, self._execute, self._where = planned, reach, execute, where

    @functools.cached_property
    def stages(self) -> tuple[StageFacts, ...]:
        """The stages in the order in which they run: name, kind, tasks, decode, write, peak (bytes), place, why."""
        return outline(self._planned)

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

    @functools.cached_property
    def _refusal(self) -> PlanError | StoreError | None:
        """What a run would raise."""
        try:
            check(self._planned, self._reach)
        except (PlanError, StoreError) as error:
            return error
        return None

    @property
    def fits(self) -> bool:
        """Whether the plan breaks no law: memory, one writer a chunk, stores within reach."""
        return self._refusal is None

    @property
    def problem(self) -> str:
        """Why the plan would be refused, with what would work; empty where it would not."""
        return "" if self._refusal is None else str(self._refusal)

    @property
    def advice(self) -> tuple[Cure, ...]:
        """Changes after which a plan fits that does not, each as (text, effect); they were planned, too."""
        cures = self._refusal.cures if isinstance(self._refusal, MemoryBudgetError) else ()
        return tuple(Cure(*cure) for cure in cures)

    @property
    def tasks(self) -> int:
        """The number of blocks of all stages."""
        return sum(stage.tasks for stage in self.stages)

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
        once = sum(decoded_once(self._planned.stages).values())
        return self.bytes_decoded / once if once else 1.0

    @property
    def writers(self) -> int:
        """Chunks or shards that are written, each by one task."""
        return sum(stage.writers for stage in self.stages)

    @functools.cached_property
    def bound(self) -> Bound | None:
        """What bounds the time, and the seconds of each resource at the rates that it names; None for nothing to do.

        A few chunks of local sources are asked for their stored sizes; none is read.
        """
        return estimate(self._planned)

    def run(self) -> Any:
        """Runs the plan: what `compute` or `to_zarr` gives."""
        return self._execute()

    def visualize(self, filename: str | os.PathLike[str] | None = None) -> Drawing:
        """A drawing of the stages, of what they read and write; saved as SVG where a file is named.

        Raises ValueError for files of other formats.
        """
        drawing = draw(self._planned, self.stages)
        if filename is not None:
            drawing.save(filename)
        return drawing

    def __repr__(self) -> str:
        text = plan_text(self._planned, self.stages, self.advice, self.problem, self.bound)
        return f"{self._where}\n{text}" if self._where else text

    def _repr_html_(self) -> str:
        """The same for notebooks: the facts beside the array's picture, and the stages as a table."""
        return self.html(unfolded=True)

    def html(self, unfolded: bool = False) -> str:
        """HTML of the outputs, with the plan folded below."""
        return plan_html(
            self._planned, self.stages, self.problem.splitlines(), self.bound, unfolded, self._where
        )
