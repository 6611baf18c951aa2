"""Progress: a bar in the terminal while a run goes on, a line now and then elsewhere; bytes, rate, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lazyzarr.graph.plan import Stages
from lazyzarr.settings import format_bytes, setting

__all__ = ["progress_bar"]

# How often a log gets a line.
LINE_SECONDS = 10.0


@contextmanager
def progress_bar(planned: Stages, wanted: bool | None) -> Iterator[Callable[[int], None] | None]:
    """What to call with the stage's number after each of its blocks; None where no progress is wanted."""
    if not (setting("progress") if wanted is None else wanted):
        yield None
        return
    weights = [
        max(stage.decode or stage.write, 1) / stage.layout.tasks
        for stage in planned.stages
        if stage.layout.tasks
    ]
    total = sum(max(stage.decode or stage.write, 1) for stage in planned.stages if stage.layout.tasks)
    with (_bar if sys.stderr.isatty() else _lines)(planned, weights, total) as advance:
        yield advance


def title(planned: Stages) -> str:
    """The target's name, or that of the last stage."""
    urls = [output.sink.url for output in planned.outputs if output.sink]
    if urls:
        return urls[0].removeprefix("file://")
    return planned.stages[-1].name if planned.stages else "nothing"


@contextmanager
def _bar(planned: Stages, weights: list[float], total: float) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that rich draws."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    start = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title(planned), total=total)
        yield lambda number: progress.advance(task, weights[number])
    _say(planned, total, start)


@contextmanager
def _lines(planned: Stages, weights: list[float], total: float) -> Iterator[Callable[[int], None]]:
    """One line each ten seconds, for logs and pipes."""
    start = last = time.perf_counter()
    done = 0.0

    def advance(number: int) -> None:
        nonlocal done, last
        done += weights[number]
        now = time.perf_counter()
        if now - last >= LINE_SECONDS:
            last = now
            rate = done / (now - start)
            left = (total - done) / rate
            stages = f" stage {number + 1}/{len(planned.stages)}" if len(planned.stages) > 1 else ""
            print(
                f"{time.strftime('%H:%M:%S')} {title(planned)}{stages} {done / total:.0%} "
                f"{format_bytes(done)} of {format_bytes(total)} {format_bytes(rate)}/s {left:.0f} s left",
                file=sys.stderr,
            )

    yield advance
    _say(planned, total, start)


def _say(planned: Stages, total: float, start: float) -> None:
    """The last line."""
    seconds = time.perf_counter() - start
    print(
        f"{title(planned)}: {format_bytes(total)} in {seconds:.1f} s "
        f"({format_bytes(total / max(seconds, 1e-9))}/s decoded), "
        f"plan's peak {format_bytes(planned.peak_memory)} of {format_bytes(planned.memory)}",
        file=sys.stderr,
    )
